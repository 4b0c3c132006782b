//! A look at everything from outside, while nothing is under way.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use engine::{JobQuery, PointQuery};
use jiff::{SignedDuration, Timestamp};
use model::clock::Clock;
use model::item::Item;
use model::point::{Point, PointId};
use model::seed::Seed;
use model::vault::Vault;
use repo::objects::ObjectStore;
use repo::{Environment, Repository};
use rules::schedule::{self, Calendar};
use uuid::Uuid;

use crate::chance::{Chance, ChanceSeed};
use crate::guests::{CELL, is_content};
use crate::town::{Town, lock};

/// Whoever looks, and what was there the last time.
#[derive(Default)]
pub struct Audit {
    repositories: HashMap<Uuid, Repository>,
    /// The items there were, with their points.
    known: BTreeMap<Uuid, Known>,
    /// From when on the runs of an item's policy must have become jobs.
    since: HashMap<Uuid, Timestamp>,
    /// How many points were compared.
    pub compared: usize,
}

/// An item as it was at the last look.
struct Known {
    item: Item,
    points: BTreeSet<PointId>,
    newest: Option<Timestamp>,
}

/// How long it takes at most until a run has begun that is due or was missed.
const STARTS_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What is wrong.
type Wrong = String;

impl Audit {
    /// How many points there were the last time.
    pub fn points(&self) -> usize {
        self.known.values().map(|known| known.points.len()).sum()
    }

    /// Looks for the first time.
    pub fn begin(&mut self, town: &Town) {
        self.expect_runs(town, &items(town));
    }

    /// Looks at everything, and says what is wrong. At the end, at all points.
    pub fn look(&mut self, town: &Town, is_end: bool) {
        if let Err(wrong) = self.try_to_look(town, is_end) {
            town.process.break_off(wrong);
        }
    }

    fn try_to_look(&mut self, town: &Town, is_end: bool) -> Result<(), Wrong> {
        jobs_have_ended(town)?;
        completed_have_points(town)?;
        let items = items(town);
        runs_became_jobs(town, &items, &self.since)?;
        self.expect_runs(town, &items);
        for vault in vaults(town) {
            self.look_at_vault(town, &vault, &items, is_end)?;
        }
        self.nothing_is_gone(town, &items)
    }

    /// From now on the runs of these items must become jobs; of those whose policy has changed,
    /// from now on only.
    fn expect_runs(&mut self, town: &Town, items: &[Item]) {
        let now = town.clock.shows();
        let mut watch = lock(&town.watch);
        let changes = watch.take_changes();
        self.since.retain(|item, _| !changes.concern(*item));
        for item in items {
            if schedule::policy_of(item).is_ok() {
                self.since.entry(item.id).or_insert(now);
            } else {
                self.since.remove(&item.id);
            }
        }
    }

    fn repository(&mut self, town: &Town, vault: &Vault) -> Result<Repository, Wrong> {
        if let Some(repository) = self.repositories.get(&vault.id) {
            return Ok(repository.clone());
        }
        let kek = repo::keys::read_key_file(&town.key_file(vault.id))
            .map_err(|error| format!("no key of {}: {error}", vault.name))?;
        let store = town.stores.plain(&town.repository_dir(&vault.region, vault.id));
        let seed = ChanceSeed::new(Chance::new(town.scenario.seed, "audit"));
        let environment = Environment {
            seed: Arc::new(seed) as Arc<dyn Seed>,
            clock: Arc::clone(&town.clock) as Arc<dyn Clock>,
            actor: "audit".to_owned(),
            caches: None,
        };
        let repository = Repository::open(store as Arc<dyn ObjectStore>, &kek, environment)
            .map_err(|error| format!("the repository of {} does not open: {error}", vault.name))?;
        self.repositories.insert(vault.id, repository.clone());
        Ok(repository)
    }

    fn look_at_vault(
        &mut self,
        town: &Town,
        vault: &Vault,
        items: &[Item],
        is_end: bool,
    ) -> Result<(), Wrong> {
        let repository = self.repository(town, vault)?;
        let in_log = repository.points().map_err(|error| format!("the log: {error}"))?;
        let in_log: BTreeSet<PointId> = in_log.iter().map(|info| info.id).collect();
        let mut listed = BTreeSet::new();
        let planned = lock(&town.watch).planned.clone();
        for item in items.iter().filter(|item| item.vault == vault.id) {
            let mut points = points(town, item);
            if item.deletion.is_some_and(|deletion| deletion.purging) {
                // Its points go, one after the other, and it goes with the last of them.
                listed.extend(points.iter().map(|point| point.id).filter(|id| in_log.contains(id)));
                continue;
            }
            // The log lets go of a point before the ledger does.
            points.retain(|point| in_log.contains(&point.id) || !planned.contains(&point.id));
            self.compare_some(town, &repository, item, &points, is_end)?;
            listed.extend(points.iter().map(|point| point.id));
            self.points_stay(item, points, &planned)?;
        }
        if let Some(point) = listed.difference(&in_log).next() {
            return Err(format!("point {point} is listed, but not in the repository"));
        }
        if let Some(point) = in_log.difference(&listed).next() {
            return Err(format!("point {point} is in the repository, but not listed"));
        }
        Ok(())
    }

    /// What was there is there still, but for what a stored plan lets go of; and never the newest.
    fn points_stay(
        &mut self,
        item: &Item,
        points: Vec<Point>,
        planned: &BTreeSet<PointId>,
    ) -> Result<(), Wrong> {
        let newest = points.iter().map(|point| point.taken_at).max();
        let points: BTreeSet<PointId> = points.iter().map(|point| point.id).collect();
        let known = Known { item: item.clone(), points, newest };
        let Some(before) = self.known.get(&item.id) else {
            self.known.insert(item.id, known);
            return Ok(());
        };
        let mut gone = before.points.difference(&known.points);
        if let Some(gone) = gone.find(|point| !planned.contains(point)) {
            return Err(format!("point {gone} of {} is gone, and no plan says so", item.vm_name));
        }
        if known.newest < before.newest {
            return Err(format!("the newest point of {} is gone", item.vm_name));
        }
        self.known.insert(item.id, known);
        Ok(())
    }

    fn nothing_is_gone(&mut self, town: &Town, items: &[Item]) -> Result<(), Wrong> {
        let is_there = |id: &Uuid| items.iter().any(|item| item.id == *id);
        // The clock may have been set back since.
        let latest = town.clock.latest();
        for (id, Known { item, .. }) in &self.known {
            if !is_there(id) && !lock(&town.watch).may_be_gone(*id, latest) {
                return Err(format!("the item of {} is gone", item.vm_name));
            }
        }
        self.known.retain(|id, _| is_there(id));
        Ok(())
    }

    /// Compares points with what was on the disks: the newest and some other one; at the end, all.
    fn compare_some(
        &mut self,
        town: &Town,
        repository: &Repository,
        item: &Item,
        points: &[Point],
        is_end: bool,
    ) -> Result<(), Wrong> {
        let most = if is_end { town.scenario.compared_at_end } else { usize::MAX };
        let every = match is_end {
            true => (points.len() * town.scenario.vms).div_ceil(most).max(1),
            false => points.len().max(2) - 1,
        };
        for point in points.iter().step_by(every) {
            compare(town, repository, item, point)?;
            self.compared += 1;
        }
        Ok(())
    }
}

/// All vaults, also those that are out of sight.
fn vaults(town: &Town) -> Vec<Vault> {
    let hidden = town.ledger.soft_deleted_vaults().expect("the ledger itself is well");
    let mut vaults = town.ledger.vaults().expect("the ledger itself is well");
    vaults.extend(hidden.into_iter().map(|hidden| hidden.vault));
    vaults
}

fn items(town: &Town) -> Vec<Item> {
    town.ledger.items(None).expect("the ledger itself is well")
}

/// The item's points, newest first.
fn points(town: &Town, item: &Item) -> Vec<Point> {
    town.ledger.points(PointQuery::of(item.id)).expect("the ledger itself is well")
}

fn jobs_have_ended(town: &Town) -> Result<(), Wrong> {
    let query = JobQuery { unfinished: true, ..JobQuery::default() };
    let jobs = town.ledger.jobs(query).expect("the ledger itself is well");
    match jobs.first() {
        Some(job) => Err(format!("job {} of {} does not end", job.id, job.item)),
        None => Ok(()),
    }
}

fn completed_have_points(town: &Town) -> Result<(), Wrong> {
    let (completed, planned) = {
        let mut watch = lock(&town.watch);
        (std::mem::take(&mut watch.completed), watch.planned.clone())
    };
    for (item, point) in completed {
        let item = town.ledger.item(item).expect("the ledger itself is well");
        let listed = town.ledger.point(point).expect("the ledger itself is well");
        if item.is_some() && listed.is_none() && !planned.contains(&point) {
            return Err(format!("a backup is completed, but its point {point} is not listed"));
        }
    }
    Ok(())
}

/// Whether the last run of each item became a job.
fn runs_became_jobs(
    town: &Town,
    items: &[Item],
    since: &HashMap<Uuid, Timestamp>,
) -> Result<(), Wrong> {
    // One that is due just now may not have begun yet.
    let now = town.clock.shows() - STARTS_WITHIN;
    let watch = lock(&town.watch);
    for item in items {
        let (Ok(name), Some(since)) = (schedule::policy_of(item), since.get(&item.id)) else {
            continue;
        };
        if watch.concern(item.id) {
            continue;
        }
        let policy = town.ledger.policy(item.vault, name).expect("the ledger itself is well");
        let Some(last) = policy.and_then(|policy| Calendar::of(&policy).last_until(now)) else {
            continue;
        };
        if last > *since && watch.last_run(item.id).is_none_or(|run| run < last) {
            return Err(format!("the run of {last} of {} became no job", item.vm_name));
        }
    }
    Ok(())
}

fn compare(town: &Town, repository: &Repository, item: &Item, point: &Point) -> Result<(), Wrong> {
    let wrong = |what: String| format!("point {} of {}: {what}", point.id, item.vm_name);
    let taken = lock(&town.guests).taken.get(&point.id).cloned();
    let taken = taken.ok_or_else(|| wrong("nobody took it".to_owned()))?;
    if taken.vm != item.vm {
        return Err(wrong("it is of another machine".to_owned()));
    }
    if point.disks.len() != taken.disks.len() {
        return Err(wrong("a disk is missing".to_owned()));
    }
    for (target, cells) in &taken.disks {
        let image = repository.open_disk(point.id, target);
        let image = image.map_err(|error| wrong(format!("{target}: {error}")))?;
        if image.size() != cells.len() as u64 * CELL {
            return Err(wrong(format!("{target} has another size")));
        }
        let mut bytes = vec![0; cells.len() * usize::try_from(CELL).expect("small")];
        image.read_at(0, &mut bytes).map_err(|error| wrong(format!("{target}: {error}")))?;
        if !is_content(cells, 0, &bytes) {
            return Err(wrong(format!("{target} is not what was on the disk")));
        }
    }
    Ok(())
}
