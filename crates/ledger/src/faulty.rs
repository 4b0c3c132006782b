//! Makes a ledger fail as a script says: for tests of everything that can go wrong.

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

/// A ledger each of whose calls asks a script first, which is told the call's name: where it says
/// an error, nothing is done and that is the answer.
pub struct Faulty<L, F> {
    inner: L,
    script: F,
}

impl<L: Ledger, F: Fn(&'static str) -> Result<(), LedgerError> + Send + Sync> Faulty<L, F> {
    /// Lets `script` decide the fate of every call of `inner`.
    pub const fn new(inner: L, script: F) -> Self {
        Self { inner, script }
    }
}

/// Every call of the port, with the type that it answers with.
macro_rules! ask_first {
    ($(fn $call:ident(&self $(, $name:ident: $kind:ty)*) -> $answer:ty;)+) => {
        $(fn $call(&self $(, $name: $kind)*) -> Result<$answer, LedgerError> {
            (self.script)(stringify!($call))?;
            self.inner.$call($($name),*)
        })+
    };
}

impl<L, F> Ledger for Faulty<L, F>
where
    L: Ledger,
    F: Fn(&'static str) -> Result<(), LedgerError> + Send + Sync,
{
    ask_first! {
        fn tenancy(&self) -> Option<Tenancy>;
        fn set_tenancy(&self, tenancy: Tenancy) -> Tenancy;
        fn put_principal(&self, principal: &Principal) -> ();
        fn principal(&self, client_id: Uuid) -> Option<Principal>;
        fn create_principal(&self, principal: &Principal) -> ();
        fn principals(&self) -> Vec<Principal>;
        fn delete_principal(&self, client_id: Uuid) -> ();
        fn access(&self, client_id: Uuid) -> Option<(Principal, Vec<Assignment>)>;
        fn create_assignment(&self, assignment: &Assignment) -> ();
        fn assignments(&self) -> Vec<Assignment>;
        fn assignment(&self, name: Uuid) -> Option<Assignment>;
        fn delete_assignment(&self, name: Uuid) -> ();
        fn put_resource_group(&self, group: &ResourceGroup) -> ();
        fn resource_groups(&self) -> Vec<ResourceGroup>;
        fn tag_resource_group(&self, name: &str, tags: &Tags) -> ();
        fn delete_resource_group(&self, name: &str) -> ();
        fn create_host(&self, host: &Host) -> ();
        fn hosts(&self) -> Vec<Host>;
        fn create_store(&self, store: &Store) -> ();
        fn delete_store(&self, group: &str, name: &str) -> ();
        fn stores(&self) -> Vec<Store>;
        fn create_vault(&self, vault: &Vault, policies: &[Policy]) -> ();
        fn update_vault(&self, vault: &Vault, since: Timestamp) -> ();
        fn soft_delete_vault(&self, id: Uuid, at: Timestamp) -> ();
        fn undelete_vault(&self, id: Uuid, group: &str) -> ();
        fn soft_deleted_vaults(&self) -> Vec<SoftDeletedVault>;
        fn delete_vault(&self, deleted: &DeletedVault) -> ();
        fn vault_cleared(&self, id: Uuid, at: Timestamp) -> ();
        fn uncleared_vaults(&self) -> Vec<DeletedVault>;
        fn deleted_vault(&self, id: Uuid) -> Option<DeletedVault>;
        fn vaults(&self) -> Vec<Vault>;
        fn vault(&self, id: Uuid) -> Option<Vault>;
        fn vault_named(&self, group: &str, name: &str) -> Option<Vault>;
        fn put_policy(&self, policy: &Policy) -> ();
        fn policies(&self, vault: Uuid) -> Vec<Policy>;
        fn policy(&self, vault: Uuid, name: &str) -> Option<Policy>;
        fn policy_users(&self, vault: Uuid, name: &str) -> usize;
        fn delete_policy(&self, vault: Uuid, name: &str) -> bool;
        fn create_item(&self, item: &Item) -> ();
        fn update_item(&self, item: &Item) -> ();
        fn items(&self, vault: Option<Uuid>) -> Vec<Item>;
        fn find_items(&self, query: &ItemQuery) -> Vec<Item>;
        fn protected_vms(&self) -> Vec<Uuid>;
        fn item_named(&self, vault: Uuid, group: &str, vm: &str) -> Option<Item>;
        fn item(&self, id: Uuid) -> Option<Item>;
        fn item_of_vm(&self, vm: Uuid) -> Option<Item>;
        fn change_item(&self, before: &Item, after: &Item, job: &Job, idle: bool) -> ();
        fn remove_item(&self, item: Uuid, job: &Job) -> ();
        fn create_job(&self, job: &Job) -> ();
        fn create_run(&self, job: &Job, due: Timestamp) -> ();
        fn settle_runs(&self, items: &[Uuid], until: Timestamp) -> ();
        fn settled_runs(&self) -> Vec<(Uuid, Timestamp)>;
        fn runs_count_from(&self) -> Vec<(Uuid, Timestamp)>;
        fn update_job(&self, job: &Job) -> ();
        fn jobs(&self, query: JobQuery) -> Vec<Job>;
        fn job(&self, id: JobId) -> Option<Job>;
        fn record_backup(&self, point: &Point, item: &Item, job: &Job) -> ();
        fn end_backup(&self, job: &Job, last: &LastBackup) -> ();
        fn prune_jobs(&self, before: Timestamp, limit: usize) -> usize;
        fn put_point(&self, point: &Point) -> ();
        fn points(&self, query: PointQuery) -> Vec<Point>;
        fn count_points(&self, item: Uuid) -> u64;
        fn newest_points(&self, items: &[Uuid]) -> Vec<Option<Timestamp>>;
        fn point(&self, id: PointId) -> Option<Point>;
        fn put_space(&self, sample: &SpaceSample, keep_from: Date) -> ();
        fn space(&self, vault: Uuid, from: Date) -> Vec<SpaceSample>;
        fn put_verification(&self, done: &Verification) -> ();
        fn verifications(&self) -> Vec<Verification>;
        fn open_alerts(&self) -> Vec<Alert>;
        fn change_alerts(
            &self, alerts: &[Alert], notices: &[NewNotice], forget: Timestamp
        ) -> ();
        fn notices(&self) -> Vec<Notice>;
        fn try_notice_again(&self, number: u64, tries: u32, at: Timestamp) -> ();
        fn drop_notice(&self, number: u64) -> ();
        fn point_times(&self, vault: Uuid, item: Option<Uuid>) -> Vec<PointTimes>;
        fn forget_points(&self, vault: Uuid, points: &[PointId]) -> u64;
        fn promises(&self, vault: Uuid) -> Vec<(PointId, Timestamp)>;
        fn promise(&self, promises: &[(PointId, Timestamp)]) -> ();
        fn put_retention_plan(&self, plan: &Plan) -> ();
        fn retention_plans(&self, vault: Uuid) -> Vec<Plan>;
        fn confirm_retention_plan(&self, id: Uuid) -> ();
        fn end_retention_plan(&self, id: Uuid) -> ();
        fn upkeep(&self, vault: Uuid) -> Upkeep;
        fn put_upkeep(&self, vault: Uuid, upkeep: &Upkeep) -> ();
        fn clock_sight(&self) -> ClockSight;
        fn put_clock_sight(&self, sight: &ClockSight) -> ();
    }
}
