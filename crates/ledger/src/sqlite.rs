//! The ledger in SQLite: one file, for one process.
//!
//! Why `rusqlite` and not an asynchronous library: the engine is blocking code, and the simulator
//! runs it in one thread, so there is nobody to await; SQLite itself blocks. PostgreSQL will join
//! through the blocking `postgres` crate, behind the same port and the same contract suite. `sqlx`
//! is out besides: it holds an older `libsqlite3-sys`, and two of them cannot be linked into one
//! program.
//!
//! # Invariants
//!
//! - **L1. What was acknowledged survives** `kill -9` and power loss: WAL with `synchronous=FULL`
//!   syncs the log before a commit returns.
//! - **L2. Every call is one transaction.** Writes begin with `BEGIN IMMEDIATE`, so what a write
//!   checks first still holds when it commits, and it cannot fail half-way for want of the lock.
//! - **L3. One vault per virtual machine, one unended backup job per item**, one vault of a name in
//!   a resource group, one host per URI: checked inside the transaction for a good answer, and
//!   unique indexes stand behind the checks.
//! - **L4. A record that cannot be read is `Damaged`**, with its table and key; never a panic,
//!   never a default in its place.
//! - **L5. Lists cost what they answer:** none scans a table of points or jobs, and none sorts.
//!   A page costs what is on it, wherever in the list it is.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use model::alert::{Alert, Notice};
use model::host::Host;
use model::item::{Item, LastBackup};
use model::job::{Job, JobId};
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
use uuid::Uuid;

use crate::port::{ItemQuery, JobQuery, Ledger, LedgerError, NewNotice, PointQuery};

mod alerts;
mod hosts;
mod items;
mod jobs;
mod json;
mod migrate;
mod points;
mod policies;
mod pool;
mod principals;
mod record;
mod retention;
mod roles;
mod settings;
mod space;
mod stores;
mod vaults;
mod verifications;

use pool::Pool;

/// The ledger in SQLite. Share it by reference or in an `Arc`.
pub struct SqliteLedger {
    pool: Pool,
}

impl SqliteLedger {
    /// Opens the ledger in the file `path`, and creates it, readable by its owner only, where there
    /// is none. Brings an older schema up to date.
    ///
    /// # Errors
    ///
    /// `NewerSchema` where a newer program wrote it; `Database` where the file cannot be opened, is
    /// no SQLite database, or is another program's.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { pool: Pool::open(path)? })
    }

    /// A ledger that is gone when it is dropped, for tests and the simulator.
    ///
    /// # Errors
    ///
    /// `Database` where SQLite has no memory.
    pub fn in_memory() -> Result<Self, LedgerError> {
        Ok(Self { pool: Pool::in_memory()? })
    }
}

impl Ledger for SqliteLedger {
    fn tenancy(&self) -> Result<Option<Tenancy>, LedgerError> {
        self.pool.read(principals::tenancy)
    }

    fn set_tenancy(&self, tenancy: Tenancy) -> Result<Tenancy, LedgerError> {
        self.pool.write(|db| principals::set_tenancy(db, tenancy))
    }

    fn put_principal(&self, principal: &Principal) -> Result<(), LedgerError> {
        self.pool.write(|db| principals::put(db, principal))
    }

    fn principal(&self, client_id: Uuid) -> Result<Option<Principal>, LedgerError> {
        self.pool.read(|db| principals::get(db, client_id))
    }

    fn create_principal(&self, principal: &Principal) -> Result<(), LedgerError> {
        self.pool.write(|db| principals::create(db, principal))
    }

    fn principals(&self) -> Result<Vec<Principal>, LedgerError> {
        self.pool.read(principals::list)
    }

    fn delete_principal(&self, client_id: Uuid) -> Result<(), LedgerError> {
        self.pool.write(|db| roles::delete_principal(db, client_id))
    }

    fn access(&self, client_id: Uuid) -> Result<Option<(Principal, Vec<Assignment>)>, LedgerError> {
        self.pool.read(|db| roles::access(db, client_id))
    }

    fn create_assignment(&self, assignment: &Assignment) -> Result<(), LedgerError> {
        self.pool.write(|db| roles::create(db, assignment))
    }

    fn assignments(&self) -> Result<Vec<Assignment>, LedgerError> {
        self.pool.read(roles::list)
    }

    fn assignment(&self, name: Uuid) -> Result<Option<Assignment>, LedgerError> {
        self.pool.read(|db| roles::get(db, name))
    }

    fn delete_assignment(&self, name: Uuid) -> Result<(), LedgerError> {
        self.pool.write(|db| roles::delete(db, name))
    }

    fn put_resource_group(&self, group: &ResourceGroup) -> Result<(), LedgerError> {
        self.pool.write(|db| principals::put_group(db, group))
    }

    fn resource_groups(&self) -> Result<Vec<ResourceGroup>, LedgerError> {
        self.pool.read(principals::groups)
    }

    fn tag_resource_group(&self, name: &str, tags: &Tags) -> Result<(), LedgerError> {
        self.pool.write(|db| principals::tag_group(db, name, tags))
    }

    fn delete_resource_group(&self, name: &str) -> Result<(), LedgerError> {
        self.pool.write(|db| principals::delete_group(db, name))
    }

    fn create_host(&self, host: &Host) -> Result<(), LedgerError> {
        self.pool.write(|db| hosts::create(db, host))
    }

    fn hosts(&self) -> Result<Vec<Host>, LedgerError> {
        self.pool.read(hosts::list)
    }

    fn create_store(&self, store: &Store) -> Result<(), LedgerError> {
        self.pool.write(|db| stores::create(db, store))
    }

    fn delete_store(&self, group: &str, name: &str) -> Result<(), LedgerError> {
        self.pool.write(|db| stores::delete(db, group, name))
    }

    fn stores(&self) -> Result<Vec<Store>, LedgerError> {
        self.pool.read(stores::list)
    }

    fn create_vault(&self, vault: &Vault, policies: &[Policy]) -> Result<(), LedgerError> {
        self.pool.write(|db| {
            vaults::create(db, vault)?;
            policies.iter().try_for_each(|policy| policies::put(db, policy))
        })
    }

    fn update_vault(&self, vault: &Vault, since: Timestamp) -> Result<(), LedgerError> {
        self.pool.write(|db| vaults::update(db, vault, since))
    }

    fn soft_delete_vault(&self, id: Uuid, at: Timestamp) -> Result<(), LedgerError> {
        self.pool.write(|db| vaults::soft_delete(db, id, at))
    }

    fn undelete_vault(&self, id: Uuid, group: &str) -> Result<(), LedgerError> {
        self.pool.write(|db| vaults::undelete(db, id, group))
    }

    fn soft_deleted_vaults(&self) -> Result<Vec<SoftDeletedVault>, LedgerError> {
        self.pool.read(vaults::soft_deleted)
    }

    fn delete_vault(&self, deleted: &DeletedVault) -> Result<(), LedgerError> {
        self.pool.write(|db| vaults::delete(db, deleted))
    }

    fn vault_cleared(&self, id: Uuid, at: Timestamp) -> Result<(), LedgerError> {
        self.pool.write(|db| vaults::cleared(db, id, at))
    }

    fn uncleared_vaults(&self) -> Result<Vec<DeletedVault>, LedgerError> {
        self.pool.read(vaults::uncleared)
    }

    fn deleted_vault(&self, id: Uuid) -> Result<Option<DeletedVault>, LedgerError> {
        self.pool.read(|db| vaults::deleted(db, id))
    }

    fn vaults(&self) -> Result<Vec<Vault>, LedgerError> {
        self.pool.read(vaults::list)
    }

    fn vault(&self, id: Uuid) -> Result<Option<Vault>, LedgerError> {
        self.pool.read(|db| vaults::get(db, id))
    }

    fn vault_named(&self, group: &str, name: &str) -> Result<Option<Vault>, LedgerError> {
        self.pool.read(|db| vaults::named(db, group, name))
    }

    fn put_policy(&self, policy: &Policy) -> Result<(), LedgerError> {
        self.pool.write(|db| policies::put(db, policy))
    }

    fn policies(&self, vault: Uuid) -> Result<Vec<Policy>, LedgerError> {
        self.pool.read(|db| policies::list(db, vault))
    }

    fn policy(&self, vault: Uuid, name: &str) -> Result<Option<Policy>, LedgerError> {
        self.pool.read(|db| policies::get(db, vault, name))
    }

    fn policy_users(&self, vault: Uuid, name: &str) -> Result<usize, LedgerError> {
        self.pool.read(|db| policies::users(db, vault, name))
    }

    fn delete_policy(&self, vault: Uuid, name: &str) -> Result<bool, LedgerError> {
        self.pool.write(|db| policies::delete(db, vault, name))
    }

    fn create_item(&self, item: &Item) -> Result<(), LedgerError> {
        self.pool.write(|db| items::create(db, item))
    }

    fn update_item(&self, item: &Item) -> Result<(), LedgerError> {
        self.pool.write(|db| items::update(db, item))
    }

    fn items(&self, vault: Option<Uuid>) -> Result<Vec<Item>, LedgerError> {
        self.pool.read(|db| items::list(db, vault))
    }

    fn find_items(&self, query: &ItemQuery) -> Result<Vec<Item>, LedgerError> {
        self.pool.read(|db| items::find(db, query))
    }

    fn protected_vms(&self) -> Result<Vec<Uuid>, LedgerError> {
        self.pool.read(items::vms)
    }

    fn item_named(&self, vault: Uuid, group: &str, vm: &str) -> Result<Option<Item>, LedgerError> {
        self.pool.read(|db| items::named(db, vault, group, vm))
    }

    fn item(&self, id: Uuid) -> Result<Option<Item>, LedgerError> {
        self.pool.read(|db| items::get(db, id))
    }

    fn item_of_vm(&self, vm: Uuid) -> Result<Option<Item>, LedgerError> {
        self.pool.read(|db| items::of_vm(db, vm))
    }

    fn change_item(
        &self,
        before: &Item,
        after: &Item,
        job: &Job,
        idle: bool,
    ) -> Result<(), LedgerError> {
        self.pool.write(|db| {
            if items::get(db, before.id)?.as_ref() != Some(before) {
                return Err(LedgerError::ItemChanged);
            }
            if idle && let Some(busy) = jobs::running_backup(db, before.id)? {
                return Err(LedgerError::ItemBusy { job: busy.id });
            }
            if after.deletion.is_none() {
                // What is in a soft-deleted vault comes back with the vault, or not at all.
                vaults::is_in_sight(db, after.vault)?;
            }
            items::update(db, after)?;
            jobs::create(db, job)
        })
    }

    fn remove_item(&self, item: Uuid, job: &Job) -> Result<(), LedgerError> {
        self.pool.write(|db| {
            items::remove(db, item)?;
            jobs::update(db, job)
        })
    }

    fn create_job(&self, job: &Job) -> Result<(), LedgerError> {
        self.pool.write(|db| jobs::create(db, job))
    }

    fn create_run(&self, job: &Job, due: Timestamp) -> Result<(), LedgerError> {
        self.pool.write(|db| {
            jobs::create(db, job)?;
            policies::settle(db, job.item, due)
        })
    }

    fn settle_runs(&self, items: &[Uuid], until: Timestamp) -> Result<(), LedgerError> {
        self.pool.write(|db| items.iter().try_for_each(|item| policies::begin(db, *item, until)))
    }

    fn settled_runs(&self) -> Result<Vec<(Uuid, Timestamp)>, LedgerError> {
        self.pool.read(policies::settled)
    }

    fn runs_count_from(&self) -> Result<Vec<(Uuid, Timestamp)>, LedgerError> {
        self.pool.read(policies::count_from)
    }

    fn update_job(&self, job: &Job) -> Result<(), LedgerError> {
        self.pool.write(|db| jobs::update(db, job))
    }

    fn jobs(&self, query: JobQuery) -> Result<Vec<Job>, LedgerError> {
        self.pool.read(|db| jobs::list(db, query))
    }

    fn job(&self, id: JobId) -> Result<Option<Job>, LedgerError> {
        self.pool.read(|db| jobs::get(db, id))
    }

    fn record_backup(&self, point: &Point, item: &Item, job: &Job) -> Result<(), LedgerError> {
        self.pool.write(|db| {
            points::put(db, point)?;
            items::record_backup(db, item)?;
            jobs::update(db, job)
        })
    }

    fn end_backup(&self, job: &Job, last: &LastBackup) -> Result<(), LedgerError> {
        self.pool.write(|db| {
            jobs::update(db, job)?;
            items::note_backup(db, job.item, last)
        })
    }

    fn prune_jobs(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        self.pool.write(|db| jobs::prune(db, before, limit))
    }

    fn put_point(&self, point: &Point) -> Result<(), LedgerError> {
        self.pool.write(|db| points::put(db, point))
    }

    fn points(&self, query: PointQuery) -> Result<Vec<Point>, LedgerError> {
        self.pool.read(|db| points::list(db, query))
    }

    fn count_points(&self, item: Uuid) -> Result<u64, LedgerError> {
        self.pool.read(|db| points::count(db, item))
    }

    fn newest_points(&self, items: &[Uuid]) -> Result<Vec<Option<Timestamp>>, LedgerError> {
        self.pool.read(|db| points::newest(db, items))
    }

    fn point(&self, id: PointId) -> Result<Option<Point>, LedgerError> {
        self.pool.read(|db| points::get(db, id))
    }

    fn put_space(&self, sample: &SpaceSample, keep_from: Date) -> Result<(), LedgerError> {
        self.pool.write(|db| space::put(db, sample, keep_from))
    }

    fn space(&self, vault: Uuid, from: Date) -> Result<Vec<SpaceSample>, LedgerError> {
        self.pool.read(|db| space::list(db, vault, from))
    }

    fn put_verification(&self, done: &Verification) -> Result<(), LedgerError> {
        self.pool.write(|db| verifications::put(db, done))
    }

    fn verifications(&self) -> Result<Vec<Verification>, LedgerError> {
        self.pool.read(verifications::list)
    }

    fn open_alerts(&self) -> Result<Vec<Alert>, LedgerError> {
        self.pool.read(alerts::open)
    }

    fn change_alerts(
        &self,
        alerts: &[Alert],
        notices: &[NewNotice],
        forget: Timestamp,
    ) -> Result<(), LedgerError> {
        self.pool.write(|db| {
            alerts.iter().try_for_each(|alert| alerts::put(db, alert))?;
            notices.iter().try_for_each(|notice| alerts::add_notice(db, notice))?;
            alerts::forget(db, forget)
        })
    }

    fn notices(&self) -> Result<Vec<Notice>, LedgerError> {
        self.pool.read(alerts::notices)
    }

    fn try_notice_again(&self, number: u64, tries: u32, at: Timestamp) -> Result<(), LedgerError> {
        self.pool.write(|db| alerts::try_again(db, number, tries, at))
    }

    fn drop_notice(&self, number: u64) -> Result<(), LedgerError> {
        self.pool.write(|db| alerts::drop_notice(db, number))
    }

    fn point_times(&self, vault: Uuid, item: Option<Uuid>) -> Result<Vec<PointTimes>, LedgerError> {
        self.pool.read(|db| retention::times(db, vault, item))
    }

    fn forget_points(&self, vault: Uuid, points: &[PointId]) -> Result<u64, LedgerError> {
        self.pool.write(|db| retention::forget(db, vault, points))
    }

    fn promises(&self, vault: Uuid) -> Result<Vec<(PointId, Timestamp)>, LedgerError> {
        self.pool.read(|db| retention::promises(db, vault))
    }

    fn promise(&self, promises: &[(PointId, Timestamp)]) -> Result<(), LedgerError> {
        self.pool.write(|db| retention::promise(db, promises))
    }

    fn put_retention_plan(&self, plan: &Plan) -> Result<(), LedgerError> {
        self.pool.write(|db| retention::put_plan(db, plan))
    }

    fn retention_plans(&self, vault: Uuid) -> Result<Vec<Plan>, LedgerError> {
        self.pool.read(|db| retention::plans(db, vault))
    }

    fn confirm_retention_plan(&self, id: Uuid) -> Result<(), LedgerError> {
        self.pool.write(|db| retention::confirm_plan(db, id))
    }

    fn end_retention_plan(&self, id: Uuid) -> Result<(), LedgerError> {
        self.pool.write(|db| retention::end_plan(db, id))
    }

    fn upkeep(&self, vault: Uuid) -> Result<Upkeep, LedgerError> {
        self.pool.read(|db| retention::upkeep(db, vault))
    }

    fn put_upkeep(&self, vault: Uuid, upkeep: &Upkeep) -> Result<(), LedgerError> {
        self.pool.write(|db| retention::put_upkeep(db, vault, upkeep))
    }

    fn clock_sight(&self) -> Result<ClockSight, LedgerError> {
        self.pool.read(retention::clock_sight)
    }

    fn put_clock_sight(&self, sight: &ClockSight) -> Result<(), LedgerError> {
        self.pool.write(|db| retention::put_clock_sight(db, sight))
    }
}

/// A failure of the database, as the port tells it. A broken reference is a record that is not
/// there; everything else is the database's own.
fn failed(error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error() {
        Some(cause) if cause.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            LedgerError::Missing
        }
        _ => LedgerError::Database(Box::new(error)),
    }
}

#[cfg(test)]
mod tests;
