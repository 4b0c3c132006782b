//! The scheduler: starts the backups that policies ask for, at their time.
//!
//! ```text
//!  items, policies ──► planned ──due──► waiting ──turn──► a backup job
//!       ▲ read anew      soonest          in the order     as many at once as a host
//!       └ at changes     first            of their due     may have, one per item
//! ```
//!
//! One loop owns the plan. It looks at the soonest run every second, so that a clock that was set
//! is noticed, and reads items and policies anew only when somebody changed them; others reach it
//! through [`Scheduler`]. What is durable is in the ledger: up to when the runs of each item have
//! been dealt with, written in one transaction with the job. So a restart repeats no run, and what
//! was due meanwhile is caught up once.
//!
//! A run that finds its item busy with a backup is recorded as a failed job, and caught up once the
//! other one has ended. An item that has just come under a policy is backed up at its next run.
//!
//! One `Mutex` guards the count of running backups; nothing is called while it is held. The other
//! one keeps turns apart.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use jiff::{SignedDuration, Timestamp};
use ledger::LedgerError;
use model::fault::{Code, Fault};
use model::item::Item;
use model::policy::Policy;
use rules::schedule::{self, Calendar, Due};
use uuid::Uuid;

use crate::backup::{self, Trigger};
use crate::faults::OrFault;
use crate::world::World;

/// How often the soonest run is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often items and policies are read although nobody said that they changed.
const READ_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// How others reach the scheduler.
pub(crate) struct Scheduler {
    bell: Sender<()>,
    rings: Receiver<()>,
    changed: AtomicBool,
    /// Running backups, by host.
    running: Mutex<HashMap<Option<Uuid>, usize>>,
    plan: Mutex<Plan>,
}

/// The place of a running backup on its host; free again when it is dropped.
pub(crate) struct Slot {
    scheduler: Arc<Scheduler>,
    host: Option<Uuid>,
}

impl Scheduler {
    pub(crate) fn new() -> Arc<Self> {
        let (bell, rings) = bounded(1);
        let (changed, running) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { bell, rings, changed, running, plan: Mutex::default() })
    }

    /// Says that items or policies have changed.
    pub(crate) fn changed(&self) {
        self.changed.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Takes a place on a host, whether or not one is left.
    pub(crate) fn occupy(self: &Arc<Self>, host: Option<Uuid>) -> Slot {
        self.with_running(|running| *running.entry(host).or_default() += 1);
        Slot { scheduler: Arc::clone(self), host }
    }

    fn running_on(&self, host: Option<Uuid>) -> usize {
        self.with_running(|running| running.get(&host).copied().unwrap_or_default())
    }

    fn with_running<T>(&self, act: impl FnOnce(&mut HashMap<Option<Uuid>, usize>) -> T) -> T {
        act(&mut self.running.lock().expect("nothing panics while it holds the count"))
    }

    fn ring(&self) {
        // Where one ring is waiting to be heard, a second one says nothing more.
        let _ = self.bell.try_send(());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let host = self.host;
        self.scheduler.with_running(|running| {
            if let Some(count) = running.get_mut(&host) {
                *count = count.saturating_sub(1);
            }
        });
        self.scheduler.ring();
    }
}

/// Starts the scheduler's loop. It ends with the engine.
pub(crate) fn start(world: &Arc<World>) {
    let rings = world.scheduler.rings.clone();
    let weak = Arc::downgrade(world);
    let run = move || run(&weak, &rings);
    if let Err(error) = world.tasks.start_loop("scheduler", Box::new(run)) {
        tracing::error!(%error, "no thread for the scheduler: policies start no backups");
    }
}

fn run(world: &Weak<World>, rings: &Receiver<()>) {
    loop {
        {
            let Some(world) = world.upgrade() else {
                return;
            };
            if world.board.is_stopping() {
                return;
            }
            turn(&world);
        }
        if rings.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Starts what is due, as the loop does again and again.
pub(crate) fn turn(world: &Arc<World>) {
    world.scheduler.plan.lock().unwrap_or_else(PoisonError::into_inner).turn(world);
}

/// What is to be started when.
#[derive(Default)]
struct Plan {
    items: HashMap<Uuid, Planned>,
    /// The next run of each item, soonest first.
    next: BTreeSet<(Timestamp, Uuid)>,
    /// Runs that are due and wait for their turn, longest first; one per item.
    waiting: VecDeque<Waiting>,
    /// When items and policies were read.
    read_at: Option<Timestamp>,
}

/// An item that is backed up by its policy.
struct Planned {
    /// Its virtual machine.
    vm: Uuid,
    policy: Policy,
    calendar: Calendar,
    /// Its runs up to then wait or have been dealt with.
    settled: Timestamp,
}

impl Planned {
    /// Whether another reading means the same runs.
    fn follows(&self, policy: &Policy) -> bool {
        self.policy.vault == policy.vault
            && self.policy.name == policy.name
            && self.policy.schedule == policy.schedule
            && self.policy.time_zone == policy.time_zone
    }
}

/// A run that is due.
struct Waiting {
    item: Uuid,
    vm: Uuid,
    due: Timestamp,
    /// It found its item busy, and that is recorded.
    recorded: bool,
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
        self.collect(now);
        if !self.waiting.is_empty() {
            self.start(world);
        }
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
        let policy_of = |item: &Item| {
            let name = schedule::policy_of(item).ok()?;
            policies.get(&(item.vault, name.to_lowercase()))
        };
        let planned: Vec<(&Item, &Policy)> =
            items.iter().filter_map(|item| Some((item, policy_of(item)?))).collect();
        let is_known = |item: &Item, policy: &Policy| {
            settled.contains_key(&item.id)
                || self.items.get(&item.id).is_some_and(|before| before.follows(policy))
        };
        let begin: HashSet<Uuid> = planned
            .iter()
            .filter(|(item, policy)| !is_known(item, policy))
            .map(|(item, _)| item.id)
            .collect();
        if !begin.is_empty() {
            ledger.settle_runs(&begin.iter().copied().collect::<Vec<_>>(), now)?;
        }
        let mut before = std::mem::take(&mut self.items);
        for (item, policy) in planned {
            let known = before.remove(&item.id).filter(|_| !begin.contains(&item.id));
            let entry = known.unwrap_or_else(|| Planned {
                vm: item.vm,
                policy: policy.clone(),
                calendar: Calendar::of(policy),
                settled: settled.get(&item.id).copied().unwrap_or(now),
            });
            self.items.insert(item.id, entry);
        }
        let items = &self.items;
        self.waiting.retain(|run| items.contains_key(&run.item) && !begin.contains(&run.item));
        self.next = items.iter().filter_map(|(id, item)| Some((item.next()?, *id))).collect();
        self.read_at = Some(now);
        Ok(())
    }

    /// Lets the runs that are due wait for their turn.
    fn collect(&mut self, now: Timestamp) {
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
                match self.waiting.iter_mut().find(|waiting| waiting.item == item) {
                    Some(waiting) => (waiting.due, waiting.recorded) = (due, false),
                    None => {
                        let vm = planned.vm;
                        self.waiting.push_back(Waiting { item, vm, due, recorded: false });
                    }
                }
            }
            self.next.extend(planned.next().map(|at| (at, item)));
        }
    }

    /// Starts what may start. Where the ledger fails, the rest is left to the next turn.
    fn start(&mut self, world: &Arc<World>) {
        let homes = world.hosts.homes();
        let mut later = VecDeque::new();
        while let Some(mut run) = self.waiting.pop_front() {
            match try_to_start(world, homes.get(&run.vm).copied(), &mut run) {
                Ok(Tried::Over) => {}
                Ok(Tried::Later) => later.push_back(run),
                Err(fault) => {
                    tracing::error!(item = %run.item, %fault, "a run could not be started");
                    later.push_back(run);
                    break;
                }
            }
        }
        later.append(&mut self.waiting);
        self.waiting = later;
    }
}

impl Planned {
    fn next(&self) -> Option<Timestamp> {
        self.calendar.next_after(self.settled)
    }
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

fn try_to_start(world: &Arc<World>, host: Option<Uuid>, run: &mut Waiting) -> Result<Tried, Fault> {
    let busy = world.board.has_backup_of(run.item);
    let full = world.scheduler.running_on(host) >= world.config.backups_per_host.max(1);
    if (busy && run.recorded) || (!busy && full) {
        return Ok(Tried::Later);
    }
    let Some(item) = world.ledger.item(run.item).or_fault()? else {
        return Ok(Tried::Over);
    };
    let Ok(policy) = schedule::policy_of(&item) else {
        return Ok(Tried::Over);
    };
    if busy {
        return record_busy(world, &item, policy, run);
    }
    let trigger = Trigger::Scheduled { policy, due: run.due };
    match backup::begin(world, &item, trigger) {
        Ok(job) => {
            tracing::info!(%job, vm = item.vm_name, due = %run.due, "scheduled backup started");
            Ok(Tried::Over)
        }
        Err(fault) if fault.code == Code::BackupInProgress => {
            record_busy(world, &item, policy, run)
        }
        Err(fault) => Err(fault),
    }
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
