//! Gathers what the rules of retention go by, and asks them.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use ledger::port::JobQuery;
use model::fault::Fault;
use model::item::Item;
use model::job::Operation;
use model::point::PointId;
use model::policy::Policy;
use model::retention::PointTimes;
use model::vault::Vault;
use rules::retention::{self, Case, Rulebook, Verdict};
use uuid::Uuid;

use super::{ItemVerdicts, PointVerdict};
use crate::faults::OrFault;
use crate::world::World;

/// How old a point is before an immutable vault promises to keep it: by then its day is over, so
/// that it is settled which point of the day is the last.
const PROMISED_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// An item, what it was judged by, and the verdicts on its points.
pub(super) struct Judged {
    pub(super) item: Item,
    pub(super) policy: Option<Policy>,
    /// How many points its schedule makes on one day.
    pub(super) a_day: u64,
    pub(super) points: Vec<PointTimes>,
    pub(super) verdicts: Vec<Verdict>,
}

impl Judged {
    /// The points that may go, with the verdicts that say so.
    pub(super) fn released(&self) -> impl Iterator<Item = (&PointTimes, &Verdict)> {
        self.points.iter().zip(&self.verdicts).filter(|(_, verdict)| verdict.released)
    }

    pub(super) fn into_verdicts(self) -> ItemVerdicts {
        let verdict = |(point, verdict): (PointTimes, Verdict)| PointVerdict {
            point: point.id,
            taken_at: point.taken_at,
            verdict,
        };
        let points = self.points.into_iter().zip(self.verdicts).map(verdict).collect();
        ItemVerdicts { item: self.item, points }
    }
}

/// Judges all points of a vault, by item.
///
/// # Errors
///
/// The ledger failed.
pub(super) fn vault(world: &World, vault: &Vault, now: Timestamp) -> Result<Vec<Judged>, Fault> {
    // The points first: one that is taken meanwhile is newer than all of them and is not judged,
    // so none of these passes for the newest wrongly, and one more is kept at most.
    let times = world.ledger.point_times(vault.id, None).or_fault()?;
    let items = world.ledger.items(Some(vault.id)).or_fault()?;
    judge(world, vault, items, times, now)
}

/// Judges all points of an item.
///
/// # Errors
///
/// The ledger failed.
pub(super) fn item(
    world: &World,
    vault: &Vault,
    item: Item,
    now: Timestamp,
) -> Result<Judged, Fault> {
    let times = world.ledger.point_times(vault.id, Some(item.id)).or_fault()?;
    let judged = judge(world, vault, vec![item], times, now)?.pop();
    Ok(judged.expect("one item has one judgement"))
}

fn judge(
    world: &World,
    vault: &Vault,
    items: Vec<Item>,
    times: Vec<PointTimes>,
    now: Timestamp,
) -> Result<Vec<Judged>, Fault> {
    let mut policies: HashMap<String, (Policy, Option<Rulebook>)> = HashMap::new();
    for policy in world.ledger.policies(vault.id).or_fault()? {
        let rules = Rulebook::of(&policy);
        policies.insert(policy.name.to_lowercase(), (policy, rules));
    }
    let promises: HashMap<PointId, Timestamp> =
        if vault.settings.immutability.is_on() { promises(world, vault)? } else { HashMap::new() };
    let in_use = in_use(world, vault, &items)?;
    let mut points: HashMap<Uuid, Vec<PointTimes>> = HashMap::new();
    for point in times {
        points.entry(point.item).or_default().push(point);
    }
    Ok(items
        .into_iter()
        .map(|item| {
            let named = item.policy.as_ref().and_then(|name| policies.get(&name.to_lowercase()));
            let rules = named.and_then(|(_, rules)| rules.as_ref());
            let points = points.remove(&item.id).unwrap_or_default();
            let case = Case { item: &item, rules, in_use: &in_use, now };
            let mut verdicts = retention::judge(case, &points);
            for (point, verdict) in points.iter().zip(&mut verdicts) {
                *verdict = verdict.with_promise(promises.get(&point.id).copied(), now);
            }
            let a_day = rules.map_or(1, Rulebook::runs_a_day);
            let policy = named.map(|(policy, _)| policy.clone());
            Judged { item, policy, a_day, points, verdicts }
        })
        .collect())
}

fn promises(world: &World, vault: &Vault) -> Result<HashMap<PointId, Timestamp>, Fault> {
    Ok(world.ledger.promises(vault.id).or_fault()?.into_iter().collect())
}

/// Points that somebody reads: running restores, and running backups that build upon them.
pub(super) fn in_use(world: &World, vault: &Vault, items: &[Item]) -> Result<Vec<PointId>, Fault> {
    let query = JobQuery { vault: Some(vault.id), unfinished: true, ..JobQuery::default() };
    let jobs = world.ledger.jobs(query).or_fault()?;
    let restores = jobs.iter().filter(|job| job.operation == Operation::Restore);
    let restored = restores.filter_map(|job| job.point);
    let busy = items.iter().filter(|item| world.board.has_backup_of(item.id));
    let built_upon = busy.filter_map(|item| item.chain.as_ref()).map(|chain| chain.point);
    Ok(restored.chain(built_upon).collect())
}

/// Writes down until when the points of an immutable vault are kept as things are: from then on
/// they are kept at least so long.
///
/// # Errors
///
/// The ledger failed.
pub(super) fn promise(
    world: &World,
    vault: &Vault,
    judged: &[Judged],
    now: Timestamp,
) -> Result<(), Fault> {
    if !vault.settings.immutability.is_on() {
        return Ok(());
    }
    let known = promises(world, vault)?;
    let settled = now.saturating_sub(PROMISED_AFTER).unwrap_or(now);
    let news: Vec<(PointId, Timestamp)> = judged
        .iter()
        .flat_map(|judged| judged.points.iter().zip(&judged.verdicts))
        .filter(|(point, _)| point.taken_at <= settled)
        .filter_map(|(point, verdict)| Some((point.id, verdict.until?)))
        .filter(|(point, until)| known.get(point).is_none_or(|known| known < until))
        .collect();
    if news.is_empty() { Ok(()) } else { world.ledger.promise(&news).or_fault() }
}
