//! Plans: made of verdicts, stored, confirmed where they must be, and carried out.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::point::PointId;
use model::retention::{Plan, PlanState, Step, Upkeep};
use model::vault::Vault;
use repo::{RepoError, Repository};
use rules::retention::guard::{self, ITEM_PERCENT, Tally, VAULT_PERCENT, Waits};

use super::judge::{self, Judged};
use crate::faults::OrFault;
use crate::world::World;

/// So many points are taken out of the ledger in one transaction.
const BATCH: usize = 100;

/// Lets go of what may go of a vault's points: finishes the plan that an earlier turn left, carries
/// out the one that was confirmed, then makes, stores and carries out a new one.
///
/// # Errors
///
/// The store or the ledger failed; the next turn goes on.
pub(super) fn let_go(
    world: &World,
    vault: &Vault,
    now: Timestamp,
    upkeep: &mut Upkeep,
) -> Result<(), Fault> {
    let plans = world.ledger.retention_plans(vault.id).or_fault()?;
    let mut judged = judge::vault(world, vault, now)?;
    judge::promise(world, vault, &judged, now)?;
    let mut waiting = None;
    for plan in plans {
        match plan.state {
            PlanState::Waiting => {
                waiting = Some(plan);
                continue;
            }
            PlanState::Running => settle(world, vault, &plan, upkeep, now)?,
            PlanState::Confirmed => {}
        }
        judged = judge::vault(world, vault, now)?;
        if fits(&plan, &judged) {
            carry_out(world, vault, plan, &judged, upkeep, now)?;
            judged = judge::vault(world, vault, now)?;
        } else {
            tracing::warn!(vault = %vault.name, plan = %plan.id, "facts have changed: made anew");
            world.ledger.end_retention_plan(plan.id).or_fault()?;
        }
    }
    let (go, wait) = steps(vault, &judged);
    keep_waiting(world, vault, waiting, wait, upkeep, now)?;
    if go.is_empty() {
        return Ok(());
    }
    let plan = new_plan(world, vault, go, None, now);
    carry_out(world, vault, plan, &judged, upkeep, now)
}

fn new_plan(
    world: &World,
    vault: &Vault,
    steps: Vec<Step>,
    waits: Option<Fault>,
    now: Timestamp,
) -> Plan {
    let state = if waits.is_some() { PlanState::Waiting } else { PlanState::Running };
    let id = model::seed::new_uuid(world.seed.as_ref());
    Plan { id, vault: vault.id, made_at: now, state, waits, steps }
}

/// What goes now, and what waits for a confirmation.
fn steps(vault: &Vault, judged: &[Judged]) -> (Vec<Step>, Option<(Vec<Step>, Fault)>) {
    let released: Vec<Vec<Step>> = judged.iter().map(steps_of).collect();
    let tally = |(judged, steps): (&Judged, &Vec<Step>)| Tally {
        points: judged.points.len() as u64,
        released: steps.len() as u64,
        a_day: judged.a_day,
    };
    let tallies: Vec<Tally> = judged.iter().zip(&released).map(tally).collect();
    let (waits, why) = match guard::waits(&tallies) {
        Waits::Nothing => return (released.into_iter().flatten().collect(), None),
        Waits::Items(places) => {
            let why = why_items(vault, judged, &tallies, &places);
            (places.into_iter().collect::<HashSet<_>>(), why)
        }
        Waits::Vault { released, points } => {
            let why = format!(
                "{released} of the {points} recovery points of vault '{}' would go at once, more \
                 than {VAULT_PERCENT} %.",
                vault.name
            );
            ((0..judged.len()).collect(), why)
        }
    };
    let (mut go, mut wait) = (Vec::new(), Vec::new());
    for (at, steps) in released.into_iter().enumerate() {
        let side = if waits.contains(&at) { &mut wait } else { &mut go };
        side.extend(steps);
    }
    (go, Some((wait, Fault::new(Code::MassExpiry, why))))
}

fn why_items(vault: &Vault, judged: &[Judged], tallies: &[Tally], places: &[usize]) -> String {
    let first = places.first().map(|at| (&judged[*at], &tallies[*at]));
    let told = first.map_or_else(String::new, |(judged, tally)| {
        format!(
            "{} of the {} recovery points of virtual machine '{}' in vault '{}' would go at once, \
             more than {ITEM_PERCENT} %",
            tally.released, tally.points, judged.item.vm_name, vault.name
        )
    });
    match places.len() {
        0 | 1 => format!("{told}."),
        more => format!("{told}; and so of {} others.", more - 1),
    }
}

fn steps_of(judged: &Judged) -> Vec<Step> {
    let step = |(point, verdict): (&model::retention::PointTimes, &rules::retention::Verdict)| {
        Some(Step {
            point: point.id,
            item: point.item,
            since: verdict.until?,
            rule: verdict.to_string(),
        })
    };
    judged.released().filter_map(step).collect()
}

/// Keeps the plan that waits as it is where it still says the same; else one that does takes its
/// place, with another id, so that nobody confirms what he has not seen.
fn keep_waiting(
    world: &World,
    vault: &Vault,
    waiting: Option<Plan>,
    wanted: Option<(Vec<Step>, Fault)>,
    upkeep: &mut Upkeep,
    now: Timestamp,
) -> Result<(), Fault> {
    upkeep.fault = wanted.as_ref().map(|(_, why)| why.clone());
    match (waiting, wanted) {
        (Some(plan), Some((steps, _))) if plan.steps == steps => Ok(()),
        (_, Some((steps, why))) => {
            tracing::warn!(vault = %vault.name, "{} It waits for a confirmation.", why.message);
            let plan = new_plan(world, vault, steps, Some(why), now);
            world.ledger.put_retention_plan(&plan).or_fault()
        }
        (Some(plan), None) => world.ledger.end_retention_plan(plan.id).or_fault(),
        (None, None) => Ok(()),
    }
}

/// Whether what the plan rests on is still so: each of its points that is still there is released,
/// since the same moment.
fn fits(plan: &Plan, judged: &[Judged]) -> bool {
    let released: HashMap<PointId, Option<Timestamp>> = judged
        .iter()
        .flat_map(Judged::released)
        .map(|(point, verdict)| (point.id, verdict.until))
        .collect();
    let there: HashSet<PointId> =
        judged.iter().flat_map(|judged| &judged.points).map(|point| point.id).collect();
    plan.steps
        .iter()
        .filter(|step| there.contains(&step.point))
        .all(|step| released.get(&step.point) == Some(&Some(step.since)))
}

/// Brings the ledger in line with the log, where a turn was cut off between the two.
fn settle(
    world: &World,
    vault: &Vault,
    plan: &Plan,
    upkeep: &mut Upkeep,
    now: Timestamp,
) -> Result<(), Fault> {
    let repository = world.repositories.of(vault)?;
    let there: HashSet<PointId> =
        repository.points().or_fault()?.into_iter().map(|point| point.id).collect();
    let points = plan.steps.iter().map(|step| step.point);
    let gone: Vec<PointId> = points.filter(|point| !there.contains(point)).collect();
    let taken = world.ledger.forget_points(vault.id, &gone).or_fault()?;
    note(upkeep, gone.len(), taken, now);
    Ok(())
}

/// Stores the plan, lets go of its points, and removes it.
fn carry_out(
    world: &World,
    vault: &Vault,
    plan: Plan,
    judged: &[Judged],
    upkeep: &mut Upkeep,
    now: Timestamp,
) -> Result<(), Fault> {
    let plan = Plan { state: PlanState::Running, ..plan };
    world.ledger.put_retention_plan(&plan).or_fault()?;
    tracing::info!(vault = %vault.name, plan = %plan.id, points = plan.steps.len(), "letting go");
    for judged in judged {
        let steps: Vec<PointId> = plan
            .steps
            .iter()
            .filter(|step| step.item == judged.item.id)
            .map(|step| step.point)
            .collect();
        if steps.is_empty() {
            continue;
        }
        if let Some(points) = still_so(world, vault, judged, &steps)? {
            for batch in points.chunks(BATCH) {
                let taken = forget(world, vault, batch)?;
                note(upkeep, batch.len(), taken, now);
            }
        } else {
            let vm = &judged.item.vm_name;
            tracing::warn!(vault = %vault.name, vm, "changed meanwhile: its points wait");
        }
    }
    world.ledger.end_retention_plan(plan.id).or_fault()
}

/// Of an item's points, those that may go, if the item and its policy are what they were when its
/// points were judged.
fn still_so(
    world: &World,
    vault: &Vault,
    judged: &Judged,
    points: &[PointId],
) -> Result<Option<Vec<PointId>>, Fault> {
    let Some(item) = world.ledger.item(judged.item.id).or_fault()? else {
        return Ok(None);
    };
    let policy = match &item.policy {
        Some(name) => world.ledger.policy(vault.id, name).or_fault()?,
        None => None,
    };
    let same = item.state == judged.item.state
        && item.deletion == judged.item.deletion
        && policy == judged.policy;
    if !same {
        return Ok(None);
    }
    let in_use = judge::in_use(world, vault, std::slice::from_ref(&item))?;
    Ok(Some(points.iter().copied().filter(|point| !in_use.contains(point)).collect()))
}

fn note(upkeep: &mut Upkeep, asked: usize, taken: u64, now: Timestamp) {
    if asked > 0 {
        upkeep.to_collect = true;
        upkeep.forgot_at = Some(now);
        upkeep.forgotten += taken;
    }
}

/// Lets go of points: in the repository's log, then in the ledger. Points that are gone already are
/// no error.
fn forget(world: &World, vault: &Vault, points: &[PointId]) -> Result<u64, Fault> {
    let repository = world.repositories.of(vault)?;
    for point in points {
        forget_in_log(&repository, *point)?;
    }
    world.ledger.forget_points(vault.id, points).or_fault()
}

fn forget_in_log(repository: &Repository, point: PointId) -> Result<(), Fault> {
    match repository.forget(point) {
        Ok(()) | Err(RepoError::PointNotFound { .. }) => Ok(()),
        failed => failed.or_fault(),
    }
}
