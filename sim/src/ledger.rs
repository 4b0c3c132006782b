//! The ledger, in memory, behind a process that may die and a database that may fail; and what
//! must hold of everything that is written to it.

use std::collections::HashMap;
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
use model::retention::{ClockSight, Plan, PlanState, PointTimes, Step, Upkeep};
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
use crate::watch::Watch;

/// How many runs a policy of the simulation has on a day, at most.
const RUNS_A_DAY_MAX: u64 = 4;

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
        if !self.is(defect) {
            return false;
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls += 1;
        calls.is_multiple_of(times)
    }

    fn is(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
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
        // What had come due before the clock was set back may begin after it.
        if due > self.clock.latest() {
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

    /// A plan that is carried out may let go of its points: unless it waits, or ought to.
    fn plan_put(&self, plan: &Plan) {
        let mut watch = self.watch();
        if plan.state != PlanState::Running {
            watch.waiting.insert(plan.id);
            return;
        }
        watch.planned.extend(plan.steps.iter().map(|step| step.point));
        let is_confirmed = watch.confirmed.contains(&plan.id);
        let waits = watch.waiting.contains(&plan.id) && !is_confirmed;
        let is_doubted = watch.clock_is_doubted;
        drop(watch);
        if waits {
            let what = format!("plan {} is carried out, and nobody confirmed it", plan.id);
            self.process.break_off(what);
        }
        if is_doubted {
            let what = format!("plan {} is carried out while the clock is doubted", plan.id);
            self.process.break_off(what);
        }
        if is_confirmed {
            return;
        }
        for steps in plan.steps.chunk_by(|one, other| one.item == other.item) {
            let is_there = |step: &&Step| self.inner.point(step.point).is_ok_and(|it| it.is_some());
            let go = steps.iter().filter(is_there).count() as u64;
            let points = self.inner.count_points(steps[0].item).unwrap_or_default();
            // A planted phantom counts, too.
            let points = points + u64::from(self.is(Defect::NewestMayGo));
            if go > RUNS_A_DAY_MAX && 2 * go > points {
                let item = steps[0].item;
                let what = format!("{go} of {points} points of {item} go, and nobody was asked");
                self.process.break_off(what);
            }
        }
    }

    /// Points are let go of: never the newest of an item, and none that is promised for longer.
    fn points_go(&self, vault: Uuid, points: &[PointId]) {
        let vault = self.inner.vault(vault).ok().flatten();
        let is_immutable = vault.is_some_and(|vault| vault.settings.immutability.is_on());
        for id in points {
            let Ok(Some(point)) = self.inner.point(*id) else { continue };
            let newest = self.inner.newest_points(&[point.item]).unwrap_or_default();
            if newest.first().copied().flatten() == Some(point.taken_at) {
                let what = format!("point {id}, the newest one of {}, is let go of", point.item);
                self.process.break_off(what);
            }
            let promised = self.watch().promised.get(id).copied();
            if is_immutable && promised.is_some_and(|until| until > self.clock.shows()) {
                let what = format!("point {id} is let go of, but was promised until {promised:?}");
                self.process.break_off(what);
            }
        }
    }

    /// Takes the lease from whoever has it, as no ledger may.
    fn end_other(&self, error: &LedgerError) -> bool {
        let LedgerError::ItemBusy { job } = error else { return false };
        let Ok(Some(job)) = self.inner.job(*job) else { return false };
        let other = Job { status: Status::Failed, ended_at: Some(job.started_at), ..job };
        self.is(Defect::ItemIsNotLeased) && self.inner.update_job(&other).is_ok()
    }

    fn first_version(&self, policy: Policy) -> Policy {
        if !self.is(Defect::PolicyIsStale) {
            return policy;
        }
        let mut first = self.first_policies.lock().unwrap_or_else(PoisonError::into_inner);
        first.entry((policy.vault, policy.name.to_lowercase())).or_insert(policy).clone()
    }
}

/// Behind the points of each item, which come oldest first, one that nobody has taken: so that
/// none that there is passes for the newest. It is on demand, and changes nothing of the others'
/// days.
fn with_phantoms(points: Vec<PointTimes>) -> Vec<PointTimes> {
    let phantom = PointId::new(1).expect("a number");
    let mut told = Vec::new();
    for points in points.chunk_by(|one, other| one.item == other.item) {
        told.extend(points);
        let last = points[points.len() - 1];
        told.push(PointTimes { id: phantom, retain_until: Some(Timestamp::MAX), ..last });
    }
    told
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
        Commits end_retention_plan(id: Uuid) -> ();
        Looks upkeep(vault: Uuid) -> Upkeep;
        Commits put_upkeep(vault: Uuid, upkeep: &Upkeep) -> ();
    }

    fn put_retention_plan(&self, plan: &Plan) -> Result<(), LedgerError> {
        self.call(Call::Commits, "put_retention_plan", || {
            if self.is(Defect::PlanIsNotStored) {
                return Ok(());
            }
            self.inner.put_retention_plan(plan)?;
            self.plan_put(plan);
            Ok(())
        })
    }

    fn retention_plans(&self, vault: Uuid) -> Result<Vec<Plan>, LedgerError> {
        let plans =
            self.call(Call::Looks, "retention_plans", || self.inner.retention_plans(vault))?;
        let told = |plan: Plan| match plan.state {
            PlanState::Waiting if self.is(Defect::PlanNeedsNoConfirmation) => {
                Plan { state: PlanState::Confirmed, ..plan }
            }
            _ => plan,
        };
        Ok(plans.into_iter().map(told).collect())
    }

    fn confirm_retention_plan(&self, id: Uuid) -> Result<(), LedgerError> {
        self.call(Call::Commits, "confirm_retention_plan", || {
            self.inner.confirm_retention_plan(id)?;
            self.watch().confirmed.insert(id);
            Ok(())
        })
    }

    fn point_times(&self, vault: Uuid, item: Option<Uuid>) -> Result<Vec<PointTimes>, LedgerError> {
        let looked =
            self.call(Call::Looks, "point_times", || self.inner.point_times(vault, item))?;
        Ok(if self.is(Defect::NewestMayGo) { with_phantoms(looked) } else { looked })
    }

    fn forget_points(&self, vault: Uuid, points: &[PointId]) -> Result<u64, LedgerError> {
        self.call(Call::Commits, "forget_points", || {
            self.points_go(vault, points);
            self.inner.forget_points(vault, points)
        })
    }

    fn promises(&self, vault: Uuid) -> Result<Vec<(PointId, Timestamp)>, LedgerError> {
        let known = self.call(Call::Looks, "promises", || self.inner.promises(vault))?;
        Ok(if self.is(Defect::PromisesAreForgotten) { Vec::new() } else { known })
    }

    fn promise(&self, promises: &[(PointId, Timestamp)]) -> Result<(), LedgerError> {
        self.call(Call::Commits, "promise", || {
            self.inner.promise(promises)?;
            self.watch().promised_until(promises);
            Ok(())
        })
    }

    fn clock_sight(&self) -> Result<ClockSight, LedgerError> {
        let sight = self.call(Call::Looks, "clock_sight", || self.inner.clock_sight())?;
        Ok(if self.is(Defect::ClockSightIsLost) { ClockSight::default() } else { sight })
    }

    fn put_clock_sight(&self, sight: &ClockSight) -> Result<(), LedgerError> {
        self.call(Call::Commits, "put_clock_sight", || {
            self.inner.put_clock_sight(sight)?;
            let wrong = self.watch().clock_seen(sight, self.clock.shows());
            wrong.into_iter().for_each(|wrong| self.process.break_off(wrong));
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
