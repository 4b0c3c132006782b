//! The ledger, in memory, behind a process that may die and a database that may fail; and what
//! must hold of everything that is written to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use ledger::port::{ItemQuery, JobQuery, Ledger, LedgerError, NewNotice, PointQuery};
use model::alert::{Alert, Notice};
use model::fault::Code;
use model::host::Host;
use model::item::{Item, LastBackup};
use model::job::{Job, JobId, Operation, Status};
use model::point::{Point, PointId};
use model::policy::Policy;
use model::principal::{Principal, ResourceGroup, Tenancy};
use model::retention::{ClockSight, Plan, PointTimes, Upkeep};
use model::role::Assignment;
use model::space::SpaceSample;
use model::store::Store;
use model::tags::Tags;
use model::vault::{DeletedVault, SoftDeletedVault, Vault};
use model::verification::Verification;
use rules::schedule::Calendar;
use uuid::Uuid;

use crate::clock::SimClock;
use crate::defect::Defect;
use crate::guests::{Guest, Guests};
use crate::process::{Call, Process};

/// What was written to the ledger, as somebody saw it who does not trust it. It outlives the
/// process.
#[derive(Default)]
pub struct Watch {
    /// How many mishaps there had been when a job began.
    begun: HashMap<JobId, u64>,
    /// The backup of each item that has not ended.
    running: HashMap<Uuid, JobId>,
    /// The runs of each item that became a job.
    runs: BTreeMap<Uuid, BTreeSet<Timestamp>>,
    /// The last of them, or up to when nothing had to be run.
    last: HashMap<Uuid, Timestamp>,
    changes: Changes,
    /// Points that a stored plan lets go of.
    pub planned: BTreeSet<PointId>,
    /// Until when items can be brought back that were deleted.
    deleted: HashMap<Uuid, Timestamp>,
    /// Backups that ended well since they were last taken.
    pub completed: Vec<(Uuid, PointId)>,
    /// How many backups ended well, and how many did not.
    pub good: u64,
    /// See `good`; by their codes.
    pub bad: BTreeMap<&'static str, u64>,
}

/// What has changed, so that runs may be others than they were.
#[derive(Debug, Default)]
pub struct Changes {
    items: BTreeSet<Uuid>,
    policies: bool,
    set_back: bool,
}

impl Changes {
    /// Whether an item's runs may be others than they were.
    pub fn concern(&self, item: Uuid) -> bool {
        self.policies || self.set_back || self.items.contains(&item)
    }
}

impl Watch {
    /// The last run of an item that became a job.
    pub fn last_run(&self, item: Uuid) -> Option<Timestamp> {
        self.last.get(&item).copied()
    }

    /// The clock was set back, and shows the same moments again.
    pub fn clock_was_set_back(&mut self) {
        self.runs.clear();
        self.changes.set_back = true;
    }

    /// Whether an item's runs may be others than they were at the last look.
    pub fn concern(&self, item: Uuid) -> bool {
        self.changes.concern(item)
    }

    /// Whether an item was deleted, and could not be brought back any more at this moment.
    pub fn may_be_gone(&self, item: Uuid, at: Timestamp) -> bool {
        self.deleted.get(&item).is_some_and(|until| *until <= at)
    }

    /// What has changed since the last look.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    fn runs_until(&mut self, item: Uuid, until: Timestamp) {
        let last = self.last.entry(item).or_insert(until);
        *last = until.max(*last);
    }

    fn settled(&mut self, items: &[Uuid], until: Timestamp) {
        for item in items {
            // Whoever settles runs although nothing has changed loses them.
            if self.changes.concern(*item) {
                self.runs_until(*item, until);
            }
        }
    }
}

/// The ledger as the engine gets it.
pub struct SimLedger {
    inner: Arc<dyn Ledger>,
    process: Arc<Process>,
    watch: Arc<Mutex<Watch>>,
    clock: Arc<SimClock>,
    guests: Arc<Mutex<Guests>>,
    defect: Option<Defect>,
    calls: Mutex<u64>,
    first_policies: Mutex<HashMap<(Uuid, String), Policy>>,
}

impl SimLedger {
    /// Stands before this ledger.
    pub fn new(
        inner: Arc<dyn Ledger>,
        process: Arc<Process>,
        watch: Arc<Mutex<Watch>>,
        clock: Arc<SimClock>,
        guests: Arc<Mutex<Guests>>,
        defect: Option<Defect>,
    ) -> Self {
        let (calls, first_policies) = (Mutex::default(), Mutex::default());
        Self { inner, process, watch, clock, guests, defect, calls, first_policies }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the defect shows this time: once in `times`.
    fn shows(&self, defect: Defect, times: u64) -> bool {
        if self.defect != Some(defect) {
            return false;
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls += 1;
        calls.is_multiple_of(times)
    }

    fn call<T>(
        &self,
        call: Call,
        name: &str,
        act: impl FnOnce() -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let failed = || LedgerError::Database(Box::new(io::Error::other("the disk failed")));
        self.process.call(call, format_args!("ledger: {name}"), None, act, failed)
    }

    fn begun(&self, job: &Job, due: Option<Timestamp>) {
        let mishaps = self.process.mishaps();
        let mut watch = self.watch();
        watch.begun.insert(job.id, mishaps);
        if job.operation == Operation::Backup && !job.status.has_ended() {
            if let Some(other) = watch.running.insert(job.item, job.id) {
                let what = format!("backups {other} and {} of one item at once", job.id);
                self.process.break_off(what);
            }
            if let Some(due) = due {
                self.run_begun(&mut watch, job, due);
            }
        }
        drop(watch);
        self.process.note(|| format!("job {} of {} begins, {due:?}", job.id, job.item));
        self.ended(job);
    }

    /// A run is the last one that is due, and was none before.
    fn run_begun(&self, watch: &mut Watch, job: &Job, due: Timestamp) {
        let item = job.item;
        watch.runs_until(item, due);
        if !watch.runs.entry(item).or_default().insert(due) {
            self.process.break_off(format!("the run of {due} of item {item} was repeated"));
        }
        if watch.concern(item) {
            return;
        }
        let now = self.clock.shows();
        if due > now {
            self.process.break_off(format!("the run of {due} of item {item} begins at {now}"));
        }
        let Ok(Some(item)) = self.inner.item(item) else { return };
        let policy = item.policy.and_then(|name| self.inner.policy(item.vault, &name).ok()?);
        let last = policy.and_then(|policy| Calendar::of(&policy).last_until(now));
        if last.is_some_and(|last| last > due) {
            let what = format!("the run of {due} of {} begins at {now}, too late", item.vm_name);
            self.process.break_off(what);
        }
    }

    fn ended(&self, job: &Job) {
        if !job.status.has_ended() {
            return;
        }
        let mishaps = self.process.mishaps();
        let mut watch = self.watch();
        if watch.running.get(&job.item) == Some(&job.id) {
            watch.running.remove(&job.item);
        }
        let quiet = watch.begun.remove(&job.id) == Some(mishaps);
        let is_good = matches!(job.status, Status::Completed | Status::CompletedWithWarnings);
        if job.operation == Operation::Backup {
            if is_good {
                watch.good += 1;
                watch.completed.extend(job.point.map(|point| (job.item, point)));
            } else {
                let code = job.error.as_ref().map_or("none", |fault| fault.code.name());
                *watch.bad.entry(code).or_default() += 1;
            }
        }
        drop(watch);
        let error = job.error.as_ref();
        let told = error.map(|fault| format!("{}: {}", fault.code.name(), fault.message));
        self.process.note(|| format!("job {} ends {:?} {told:?}", job.id, job.status));
        let is_plain = match error.map(|fault| fault.code) {
            Some(Code::BackupInProgress) => true,
            Some(Code::VmNotFound) => !self.has_guest(job.item),
            _ => false,
        };
        if job.status == Status::Failed && quiet && !is_plain {
            let what = format!("job {} failed though nothing went wrong: {told:?}", job.id);
            self.process.break_off(what);
        }
    }

    /// Whether the machine of an item is on its host.
    fn has_guest(&self, item: Uuid) -> bool {
        let item = self.inner.item(item).ok().flatten();
        let guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |guest: &Guest| item.as_ref().is_some_and(|item| item.vm == guest.uuid);
        guests.all.iter().any(|guest| is_it(guest) && guest.is_there)
    }

    /// Takes the lease from whoever has it, as no ledger may.
    fn end_other(&self, error: &LedgerError) -> bool {
        let LedgerError::ItemBusy { job } = error else { return false };
        let Ok(Some(job)) = self.inner.job(*job) else { return false };
        let other = Job { status: Status::Failed, ended_at: Some(job.started_at), ..job };
        self.defect == Some(Defect::ItemIsNotLeased) && self.inner.update_job(&other).is_ok()
    }

    fn first_version(&self, policy: Policy) -> Policy {
        if self.defect != Some(Defect::PolicyIsStale) {
            return policy;
        }
        let mut first = self.first_policies.lock().unwrap_or_else(PoisonError::into_inner);
        first.entry((policy.vault, policy.name.to_lowercase())).or_insert(policy).clone()
    }
}

/// Methods that are carried out as they are, each a line: whether it changes something, and what
/// the port says of it.
macro_rules! through {
    ($($call:ident $name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {$(
        fn $name(&self, $($arg: $type),*) -> Result<$answer, LedgerError> {
            self.call(Call::$call, stringify!($name), || self.inner.$name($($arg),*))
        }
    )*};
}

impl Ledger for SimLedger {
    through! {
        Looks tenancy() -> Option<Tenancy>;
        Commits set_tenancy(tenancy: Tenancy) -> Tenancy;
        Commits put_principal(principal: &Principal) -> ();
        Looks principal(client_id: Uuid) -> Option<Principal>;
        Commits create_principal(principal: &Principal) -> ();
        Looks principals() -> Vec<Principal>;
        Commits delete_principal(client_id: Uuid) -> ();
        Looks access(client_id: Uuid) -> Option<(Principal, Vec<Assignment>)>;
        Commits create_assignment(assignment: &Assignment) -> ();
        Looks assignments() -> Vec<Assignment>;
        Looks assignment(name: Uuid) -> Option<Assignment>;
        Commits delete_assignment(name: Uuid) -> ();
        Commits put_resource_group(group: &ResourceGroup) -> ();
        Looks resource_groups() -> Vec<ResourceGroup>;
        Commits tag_resource_group(name: &str, tags: &Tags) -> ();
        Commits delete_resource_group(name: &str) -> ();
        Commits create_host(host: &Host) -> ();
        Looks hosts() -> Vec<Host>;
        Commits create_store(store: &Store) -> ();
        Commits delete_store(group: &str, name: &str) -> ();
        Looks stores() -> Vec<Store>;
        Commits create_vault(vault: &Vault, policies: &[Policy]) -> ();
        Commits update_vault(vault: &Vault, since: Timestamp) -> ();
        Commits soft_delete_vault(id: Uuid, at: Timestamp) -> ();
        Commits undelete_vault(id: Uuid, group: &str) -> ();
        Looks soft_deleted_vaults() -> Vec<SoftDeletedVault>;
        Commits delete_vault(deleted: &DeletedVault) -> ();
        Commits vault_cleared(id: Uuid, at: Timestamp) -> ();
        Looks uncleared_vaults() -> Vec<DeletedVault>;
        Looks deleted_vault(id: Uuid) -> Option<DeletedVault>;
        Looks vaults() -> Vec<Vault>;
        Looks vault(id: Uuid) -> Option<Vault>;
        Looks vault_named(group: &str, name: &str) -> Option<Vault>;
        Looks policy_users(vault: Uuid, name: &str) -> usize;
        Commits delete_policy(vault: Uuid, name: &str) -> bool;
        Commits update_item(item: &Item) -> ();
        Looks items(vault: Option<Uuid>) -> Vec<Item>;
        Looks find_items(query: &ItemQuery) -> Vec<Item>;
        Looks protected_vms() -> Vec<Uuid>;
        Looks item_named(vault: Uuid, group: &str, vm: &str) -> Option<Item>;
        Looks item(id: Uuid) -> Option<Item>;
        Looks item_of_vm(vm: Uuid) -> Option<Item>;
        Looks settled_runs() -> Vec<(Uuid, Timestamp)>;
        Looks runs_count_from() -> Vec<(Uuid, Timestamp)>;
        Looks jobs(query: JobQuery) -> Vec<Job>;
        Looks job(id: JobId) -> Option<Job>;
        Commits prune_jobs(before: Timestamp, limit: usize) -> usize;
        Commits put_point(point: &Point) -> ();
        Looks points(query: PointQuery) -> Vec<Point>;
        Looks count_points(item: Uuid) -> u64;
        Looks newest_points(items: &[Uuid]) -> Vec<Option<Timestamp>>;
        Looks point(id: PointId) -> Option<Point>;
        Commits put_space(sample: &SpaceSample, keep_from: Date) -> ();
        Looks space(vault: Uuid, from: Date) -> Vec<SpaceSample>;
        Commits put_verification(done: &Verification) -> ();
        Looks verifications() -> Vec<Verification>;
        Looks open_alerts() -> Vec<Alert>;
        Commits change_alerts(
            alerts: &[Alert],
            notices: &[NewNotice],
            forget: Timestamp
        ) -> ();
        Looks notices() -> Vec<Notice>;
        Commits try_notice_again(number: u64, tries: u32, at: Timestamp) -> ();
        Commits drop_notice(number: u64) -> ();
        Looks point_times(vault: Uuid, item: Option<Uuid>) -> Vec<PointTimes>;
        Commits forget_points(vault: Uuid, points: &[PointId]) -> u64;
        Looks promises(vault: Uuid) -> Vec<(PointId, Timestamp)>;
        Commits promise(promises: &[(PointId, Timestamp)]) -> ();
        Looks retention_plans(vault: Uuid) -> Vec<Plan>;
        Commits confirm_retention_plan(id: Uuid) -> ();
        Commits end_retention_plan(id: Uuid) -> ();
        Looks upkeep(vault: Uuid) -> Upkeep;
        Commits put_upkeep(vault: Uuid, upkeep: &Upkeep) -> ();
        Looks clock_sight() -> ClockSight;
        Commits put_clock_sight(sight: &ClockSight) -> ();
    }

    fn put_retention_plan(&self, plan: &Plan) -> Result<(), LedgerError> {
        self.call(Call::Commits, "put_retention_plan", || {
            if self.defect == Some(Defect::PlanIsNotStored) {
                return Ok(());
            }
            self.inner.put_retention_plan(plan)?;
            self.watch().planned.extend(plan.steps.iter().map(|step| step.point));
            Ok(())
        })
    }

    fn policies(&self, vault: Uuid) -> Result<Vec<Policy>, LedgerError> {
        let policies = self.call(Call::Looks, "policies", || self.inner.policies(vault))?;
        Ok(policies.into_iter().map(|policy| self.first_version(policy)).collect())
    }

    fn policy(&self, vault: Uuid, name: &str) -> Result<Option<Policy>, LedgerError> {
        let policy = self.call(Call::Looks, "policy", || self.inner.policy(vault, name))?;
        Ok(policy.map(|policy| self.first_version(policy)))
    }

    fn put_policy(&self, policy: &Policy) -> Result<(), LedgerError> {
        self.call(Call::Commits, "put_policy", || {
            self.watch().changes.policies = true;
            self.inner.put_policy(policy)
        })
    }

    fn create_item(&self, item: &Item) -> Result<(), LedgerError> {
        self.call(Call::Commits, "create_item", || {
            self.watch().changes.items.insert(item.id);
            self.inner.create_item(item)
        })
    }

    fn settle_runs(&self, items: &[Uuid], until: Timestamp) -> Result<(), LedgerError> {
        self.call(Call::Commits, "settle_runs", || {
            self.watch().settled(items, until);
            self.inner.settle_runs(items, until)
        })
    }

    fn change_item(
        &self,
        before: &Item,
        after: &Item,
        job: &Job,
        idle: bool,
    ) -> Result<(), LedgerError> {
        self.call(Call::Commits, "change_item", || {
            let mut watch = self.watch();
            watch.changes.items.insert(before.id);
            if let Some(deletion) = after.deletion {
                watch.deleted.insert(before.id, deletion.until);
            }
            drop(watch);
            self.inner.change_item(before, after, job, idle).inspect(|()| self.begun(job, None))
        })
    }

    fn create_job(&self, job: &Job) -> Result<(), LedgerError> {
        self.call(Call::Commits, "create_job", || {
            let created = match self.inner.create_job(job) {
                Err(error) if self.end_other(&error) => self.inner.create_job(job),
                answer => answer,
            };
            created.inspect(|()| self.begun(job, None))
        })
    }

    fn create_run(&self, job: &Job, due: Timestamp) -> Result<(), LedgerError> {
        let create = || match self.defect {
            Some(Defect::RunIsNotSettled) => self.inner.create_job(job),
            _ => self.inner.create_run(job, due),
        };
        self.call(Call::Commits, "create_run", || {
            let created = match create() {
                Err(error) if self.end_other(&error) => create(),
                answer => answer,
            };
            created.inspect(|()| self.begun(job, Some(due)))
        })
    }

    fn update_job(&self, job: &Job) -> Result<(), LedgerError> {
        self.call(Call::Commits, "update_job", || {
            let is_lost = job.status.has_ended() && self.shows(Defect::EndIsNotRecorded, 2);
            if !is_lost {
                self.inner.update_job(job)?;
            }
            self.ended(job);
            Ok(())
        })
    }

    fn remove_item(&self, item: Uuid, job: &Job) -> Result<(), LedgerError> {
        self.call(Call::Commits, "remove_item", || {
            self.watch().changes.items.insert(item);
            self.inner.remove_item(item, job)?;
            self.ended(job);
            Ok(())
        })
    }

    fn end_backup(&self, job: &Job, last: &LastBackup) -> Result<(), LedgerError> {
        self.call(Call::Commits, "end_backup", || {
            if !self.shows(Defect::EndIsNotRecorded, 2) {
                self.inner.end_backup(job, last)?;
            }
            self.ended(job);
            Ok(())
        })
    }

    fn record_backup(&self, point: &Point, item: &Item, job: &Job) -> Result<(), LedgerError> {
        self.call(Call::Commits, "record_backup", || {
            if self.shows(Defect::PointIsNotRecorded, 10) {
                self.inner.update_item(item)?;
                self.inner.update_job(job)?;
            } else {
                self.inner.record_backup(point, item, job)?;
            }
            self.ended(job);
            Ok(())
        })
    }
}
