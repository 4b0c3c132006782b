//! The scheduler: starts the backups that policies ask for, at their time.
//!
//! ```text
//!  items, policies ──► planned ──due──► waiting ──turn──► a backup job
//!       ▲ read anew      soonest    at its place in        as many at once as a host and a store
//!       └ at changes     first      the window              may have, one per item
//!                                      ▲                          │ failed, and may pass
//!                                      └──── after a pause ◄──────┘
//! ```
//!
//! One loop owns the plan. It looks at the soonest run every second, so that a clock that was set
//! is noticed, and reads items and policies anew only when somebody changed them; others reach it
//! through [`Scheduler`]. What is durable is in the ledger: up to when the runs of each item have
//! been dealt with, written in one transaction with the job, and in a failed job when it is tried
//! again. So a restart repeats no run, and what was due meanwhile is caught up once. Where a clock
//! ran ahead and was set back, runs that it had passed come again at their times.
//!
//! Many items may be due at the same moment: each starts at its own place in a window, and those
//! that were missed in a longer one (`rules::spread`). A run that finds its item busy with a backup
//! is recorded as a failed job, and caught up once the other one has ended. An item that has just
//! come under a policy is backed up at its next run.
//!
//! One `Mutex` guards the counts of running backups, one the jobs that are to be tried again;
//! nothing is called while they are held. The third one keeps turns apart.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::{SignedDuration, Timestamp};
use ledger::LedgerError;
use ledger::port::JobQuery;
use model::fault::{Code, Fault};
use model::item::{Item, LastBackup};
use model::job::{Job, Operation, Status};
use model::policy::Policy;
use rules::schedule::{self, Calendar, Due};
use rules::spread;
use uuid::Uuid;

use crate::backup::{self, Trigger};
use crate::faults::OrFault;
use crate::jobs::{self, Pruned};
use crate::retries::{self, Retry};
use crate::tasks;
use crate::world::World;

/// How often the soonest run is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often items and policies are read although nobody said that they changed.
const READ_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// A run that is noticed later than this after its time was missed.
const MISSED_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// A clock that goes back by less repeats no run: it may be corrected a little at any time.
const SET_BACK: SignedDuration = SignedDuration::from_mins(10);

/// Among how many of an item's newest jobs an announced attempt is looked for.
const JOBS_SINCE_MAX: usize = 16;

/// How often old jobs are looked for.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How others reach the scheduler.
pub(crate) struct Scheduler {
    bell: Sender<()>,
    rings: Receiver<()>,
    changed: AtomicBool,
    running: Mutex<Running>,
    /// Attempts that are to be made, and the plan does not know yet.
    retries: Mutex<Vec<Retry>>,
    plan: Mutex<Plan>,
}

/// Running backups, by host and by store.
#[derive(Default)]
struct Running {
    by_host: HashMap<Option<Uuid>, usize>,
    by_store: HashMap<String, usize>,
}

/// The places that a running backup takes: its host, and the region whose store it writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    host: Option<Uuid>,
    store: String,
}

impl Places {
    pub(crate) fn new(host: Option<Uuid>, region: &str) -> Self {
        Self { host, store: region.to_lowercase() }
    }
}

/// The places of a running backup; free again when it is dropped.
pub(crate) struct Slot {
    scheduler: Arc<Scheduler>,
    places: Places,
}

impl Scheduler {
    pub(crate) fn new() -> Arc<Self> {
        let (bell, rings) = bounded(1);
        let changed = AtomicBool::new(false);
        let (running, retries, plan) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { bell, rings, changed, running, retries, plan })
    }

    /// Says that items or policies have changed.
    pub(crate) fn changed(&self) {
        self.changed.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Says that a job has ended: it may want another attempt.
    pub(crate) fn ended(&self, job: &Job) {
        if let Some(retry) = retries::announced(job) {
            self.with_retries(|retries| retries.push(retry));
            self.ring();
        }
    }

    /// Takes a place on a host and at a store, whether or not one is left.
    pub(crate) fn occupy(self: &Arc<Self>, places: Places) -> Slot {
        self.with_running(|running| {
            *running.by_host.entry(places.host).or_default() += 1;
            *running.by_store.entry(places.store.clone()).or_default() += 1;
        });
        Slot { scheduler: Arc::clone(self), places }
    }

    /// Whether another backup may run there.
    fn has_room(&self, world: &World, places: &Places) -> bool {
        let (on_host, at_store) = self.with_running(|running| {
            let on_host = running.by_host.get(&places.host).copied();
            let at_store = running.by_store.get(&places.store).copied();
            (on_host.unwrap_or_default(), at_store.unwrap_or_default())
        });
        let config = &world.config;
        on_host < config.backups_per_host.max(1) && at_store < config.backups_per_store.max(1)
    }

    fn with_running<T>(&self, act: impl FnOnce(&mut Running) -> T) -> T {
        act(&mut self.running.lock().expect("nothing panics while it holds the counts"))
    }

    fn with_retries<T>(&self, act: impl FnOnce(&mut Vec<Retry>) -> T) -> T {
        act(&mut self.retries.lock().expect("nothing panics while it holds the list"))
    }

    fn ring(&self) {
        // Where one ring is waiting to be heard, a second one says nothing more.
        let _ = self.bell.try_send(());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Places { host, store } = &self.places;
        self.scheduler.with_running(|running| {
            if let Some(count) = running.by_host.get_mut(host) {
                *count = count.saturating_sub(1);
            }
            if let Some(count) = running.by_store.get_mut(store) {
                *count = count.saturating_sub(1);
            }
        });
        self.scheduler.ring();
    }
}

/// Starts the scheduler's loop. It ends with the engine.
pub(crate) fn start(world: &Arc<World>) {
    let rings = world.scheduler.rings.clone();
    tasks::every_and_at(world, "scheduler", rings, LOOK_EVERY, turn);
}

/// Starts what is due, as the loop does again and again.
pub(crate) fn turn(world: &Arc<World>) {
    world.scheduler.plan.lock().unwrap_or_else(PoisonError::into_inner).turn(world);
}

/// The runs whose turn has come and that have not been started, and when the turn of the longest
/// came.
pub(crate) fn behind(world: &World, now: Timestamp) -> (usize, Option<Timestamp>) {
    let plan = world.scheduler.plan.lock().unwrap_or_else(PoisonError::into_inner);
    let mut due = plan.waiting.range(..=(now, Uuid::max())).map(|(from, _)| *from);
    let longest = due.next();
    (due.count() + usize::from(longest.is_some()), longest)
}

/// What is to be started when.
#[derive(Default)]
struct Plan {
    items: HashMap<Uuid, Planned>,
    /// The next run of each item, soonest first.
    next: BTreeSet<(Timestamp, Uuid)>,
    /// The items with a run that waits, by the moment from which it may start.
    waiting: BTreeSet<(Timestamp, Uuid)>,
    /// When items and policies were read.
    read_at: Option<Timestamp>,
    /// When the last old job was deleted.
    pruned_at: Option<Timestamp>,
}

/// An item that is backed up by its policy.
struct Planned {
    /// Its virtual machine.
    vm: Uuid,
    /// The region of its vault.
    region: String,
    policy: Policy,
    calendar: Calendar,
    /// Its runs up to then wait or have been dealt with.
    settled: Timestamp,
    /// Its run that waits, if one does.
    waiting: Option<Waiting>,
}

impl Planned {
    /// Whether another reading means the same runs.
    fn follows(&self, policy: &Policy) -> bool {
        self.policy.vault == policy.vault
            && self.policy.name == policy.name
            && self.calendar == Calendar::of(policy)
    }

    fn next(&self) -> Option<Timestamp> {
        self.calendar.next_after(self.settled)
    }
}

/// A run that is due.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    due: Timestamp,
    /// Not to be started before.
    from: Timestamp,
    /// It found its item busy, and that is recorded.
    recorded: bool,
    /// It is tried again.
    retry: Option<Retry>,
}

/// What came of a try to start a run.
enum Tried {
    /// It runs, or there is nothing to run any more.
    Over,
    /// It waits on.
    Later,
}

impl Plan {
    fn turn(&mut self, world: &Arc<World>) {
        let now = world.clock.now();
        let changed = world.scheduler.changed.swap(false, Ordering::SeqCst);
        let stale =
            self.read_at.is_none_or(|read_at| now.duration_since(read_at).abs() >= READ_EVERY);
        if changed || stale {
            if let Err(error) = self.read(world, now) {
                // What was read before still holds, for all that is known.
                tracing::error!(%error, "the schedules could not be read");
                world.scheduler.changed.store(changed, Ordering::SeqCst);
            }
            self.read_at = self.read_at.map(|_| now);
        }
        for retry in world.scheduler.with_retries(std::mem::take) {
            self.try_again(retry);
        }
        self.collect(world, now);
        self.start(world, now);
        self.prune(world, now);
    }

    /// Reads items and policies. An item whose runs are new to us begins now; at the start of the
    /// service it goes on where the ledger says that it was.
    fn read(&mut self, world: &World, now: Timestamp) -> Result<(), LedgerError> {
        let ledger = world.ledger.as_ref();
        let at_start = self.read_at.is_none();
        let settled: HashMap<Uuid, Timestamp> =
            if at_start { ledger.settled_runs()?.into_iter().collect() } else { HashMap::new() };
        let items = ledger.items(None)?;
        let policies = policies_of(world, &items)?;
        let regions: HashMap<Uuid, String> =
            ledger.vaults()?.into_iter().map(|vault| (vault.id, vault.region)).collect();
        let policy_of = |item: &Item| {
            let name = schedule::policy_of(item).ok()?;
            policies.get(&(item.vault, name.to_lowercase()))
        };
        let planned: Vec<(&Item, &Policy)> =
            items.iter().filter_map(|item| Some((item, policy_of(item)?))).collect();
        let is_known = |item: &Item, policy: &Policy| {
            let before = self.items.get(&item.id).filter(|before| before.follows(policy));
            let until = settled.get(&item.id).copied().or(before.map(|before| before.settled));
            until.is_some_and(|until| !ran_ahead(until, now))
        };
        let begin: HashSet<Uuid> = planned
            .iter()
            .filter(|(item, policy)| !is_known(item, policy))
            .map(|(item, _)| item.id)
            .collect();
        let retries = if at_start { announced_by(world, &planned)? } else { Vec::new() };
        if !begin.is_empty() {
            ledger.settle_runs(&begin.iter().copied().collect::<Vec<_>>(), now)?;
        }
        let mut before = std::mem::take(&mut self.items);
        for (item, policy) in planned {
            let known = before.remove(&item.id).filter(|_| !begin.contains(&item.id));
            let entry = known.unwrap_or_else(|| Planned {
                vm: item.vm,
                region: regions.get(&item.vault).cloned().unwrap_or_default(),
                policy: policy.clone(),
                calendar: Calendar::of(policy),
                settled: *settled
                    .get(&item.id)
                    .filter(|_| !begin.contains(&item.id))
                    .unwrap_or(&now),
                waiting: None,
            });
            self.items.insert(item.id, entry);
        }
        let items = &self.items;
        self.next = items.iter().filter_map(|(id, item)| Some((item.next()?, *id))).collect();
        self.waiting = items.iter().filter_map(|(id, it)| Some((it.waiting?.from, *id))).collect();
        for retry in retries {
            self.try_again(retry);
        }
        self.read_at = Some(now);
        Ok(())
    }

    /// Lets an item's run wait, in the place of one that waits already.
    fn wait(&mut self, item: Uuid, run: Option<Waiting>) {
        let Some(planned) = self.items.get_mut(&item) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut planned.waiting, run) {
            self.waiting.remove(&(before.from, item));
        }
        self.waiting.extend(run.map(|run| (run.from, item)));
    }

    /// Lets a run that failed wait for its next attempt, unless the item has a later one.
    fn try_again(&mut self, retry: Retry) {
        let Retry { item, due, at: from, .. } = retry;
        let is_free = |planned: &Planned| planned.waiting.is_none() && planned.settled <= due;
        if self.items.get(&item).is_some_and(is_free) {
            self.wait(item, Some(Waiting { due, from, recorded: false, retry: Some(retry) }));
        }
    }

    /// Lets the runs that are due wait for their turn.
    fn collect(&mut self, world: &World, now: Timestamp) {
        while let Some(&(at, item)) = self.next.first() {
            if at > now {
                break;
            }
            self.next.pop_first();
            let Some(planned) = self.items.get_mut(&item) else {
                continue;
            };
            if let Due::Run { at: due, since } = planned.calendar.due(planned.settled, now) {
                if since < due {
                    tracing::info!(%item, %since, %due, "missed runs are caught up by one");
                }
                planned.settled = due;
                // One that has waited keeps its turn; an attempt that failed is made up for.
                let turn = planned.waiting.filter(|run| run.retry.is_none()).map(|run| run.from);
                let from = turn.unwrap_or_else(|| start_of(world, item, due, now));
                self.wait(item, Some(Waiting { due, from, recorded: false, retry: None }));
            }
            let next = self.items.get(&item).and_then(Planned::next);
            self.next.extend(next.map(|at| (at, item)));
        }
    }

    /// Starts what may start. Where the ledger fails, the rest is left to the next turn.
    fn start(&mut self, world: &Arc<World>, now: Timestamp) {
        let ready: Vec<Uuid> =
            self.waiting.range(..=(now, Uuid::max())).map(|(_, item)| *item).collect();
        if ready.is_empty() {
            return;
        }
        let homes = world.hosts.homes();
        for item in ready {
            let Some(planned) = self.items.get(&item) else { continue };
            let Some(mut run) = planned.waiting else { continue };
            let places = Places::new(homes.get(&planned.vm).copied(), &planned.region);
            match try_to_start(world, places, item, &mut run) {
                Ok(Tried::Over) => self.wait(item, None),
                Ok(Tried::Later) => self.wait(item, Some(run)),
                Err(fault) => {
                    tracing::error!(%item, %fault, "a run could not be started");
                    break;
                }
            }
        }
    }
}

impl Plan {
    /// Deletes old jobs from time to time, a batch in each turn: nobody waits for all of them.
    fn prune(&mut self, world: &World, now: Timestamp) {
        if self.pruned_at.is_some_and(|at| now.duration_since(at).abs() < PRUNE_EVERY) {
            return;
        }
        match jobs::prune(world, now) {
            Ok(Pruned::More) => world.scheduler.ring(),
            Ok(Pruned::All) => self.pruned_at = Some(now),
            Err(fault) => {
                tracing::warn!(%fault, "old jobs could not be deleted");
                self.pruned_at = Some(now);
            }
        }
    }
}

/// Whether runs count as dealt with up to `until` only because a clock ran ahead. Then they begin
/// anew: else there would be no backup before the clock is there again.
fn ran_ahead(until: Timestamp, now: Timestamp) -> bool {
    until.duration_since(now) > SET_BACK
}

/// From when on a run may start that is noticed now.
fn start_of(world: &World, item: Uuid, due: Timestamp, now: Timestamp) -> Timestamp {
    let (begin, window) = if now.duration_since(due) > MISSED_AFTER {
        (now, world.config.catch_up_window)
    } else {
        (due, world.config.start_window)
    };
    let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::ZERO);
    begin.checked_add(spread::place(item, window)).unwrap_or(begin)
}

/// The policies of the items' vaults, by vault and name in small letters.
fn policies_of(
    world: &World,
    items: &[Item],
) -> Result<HashMap<(Uuid, String), Policy>, LedgerError> {
    let vaults: BTreeSet<Uuid> = items.iter().map(|item| item.vault).collect();
    let mut policies = HashMap::new();
    for vault in vaults {
        for policy in world.ledger.policies(vault)? {
            policies.insert((vault, policy.name.to_lowercase()), policy);
        }
    }
    Ok(policies)
}

/// The attempts that jobs of these items have announced, before this process began.
fn announced_by(world: &World, planned: &[(&Item, &Policy)]) -> Result<Vec<Retry>, LedgerError> {
    let mut retries = Vec::new();
    for (item, _) in planned.iter().filter(|(item, _)| !has_got_through(item)) {
        let query = JobQuery {
            item: Some(item.id),
            operation: Some(Operation::Backup),
            limit: Some(JOBS_SINCE_MAX),
            ..JobQuery::default()
        };
        retries.extend(retries::left(&world.ledger.jobs(query)?));
    }
    Ok(retries)
}

/// Whether the item's last backup made a point.
fn has_got_through(item: &Item) -> bool {
    let through = |last: &LastBackup| last.status != Status::Failed;
    item.last_backup.as_ref().is_none_or(through)
}

fn try_to_start(
    world: &Arc<World>,
    places: Places,
    item: Uuid,
    run: &mut Waiting,
) -> Result<Tried, Fault> {
    let busy = world.board.has_backup_of(item);
    let waits_on = run.recorded || run.retry.is_some();
    if (busy && waits_on) || (!busy && !world.scheduler.has_room(world, &places)) {
        return Ok(Tried::Later);
    }
    let Some(item) = world.ledger.item(item).or_fault()? else {
        return Ok(Tried::Over);
    };
    let Ok(policy) = schedule::policy_of(&item) else {
        return Ok(Tried::Over);
    };
    if busy {
        return record_busy(world, &item, policy, run);
    }
    if run.retry.is_some_and(|retry| is_made_up_for(&item, &retry)) {
        return Ok(Tried::Over);
    }
    let trigger = Trigger::Scheduled { policy, due: run.due, retry: run.retry };
    match backup::begin(world, &item, trigger) {
        Ok(job) => {
            tracing::info!(%job, vm = item.vm_name, due = %run.due, "scheduled backup started");
            Ok(Tried::Over)
        }
        Err(fault) if fault.code == Code::BackupInProgress && run.retry.is_some() => {
            Ok(Tried::Later)
        }
        Err(fault) if fault.code == Code::BackupInProgress => {
            record_busy(world, &item, policy, run)
        }
        Err(fault) => Err(fault),
    }
}

/// Whether another backup of the item has got through since the attempt that failed.
fn is_made_up_for(item: &Item, retry: &Retry) -> bool {
    let since = item.last_backup.as_ref().is_some_and(|last| last.at > retry.of_began);
    since && has_got_through(item)
}

/// Records that a run found its item busy, once; it is caught up later.
fn record_busy(
    world: &World,
    item: &Item,
    policy: &str,
    run: &mut Waiting,
) -> Result<Tried, Fault> {
    if !run.recorded {
        backup::record_overlap(world, item, policy, run.due)?;
        run.recorded = true;
    }
    Ok(Tried::Later)
}
