//! The ledger port: what the engine asks of a database.
//!
//! Every call is one transaction: it happened completely, durably, or not at all, also when the
//! process or the machine dies in the middle.

use jiff::Timestamp;
use jiff::civil::Date;
use model::alert::{Alert, Event, Notice};
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
use uuid::Uuid;

/// Why the ledger could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A vault of that name is already in the resource group.
    #[error("a vault of this name is already in the resource group")]
    VaultNameTaken,
    /// The virtual machine already has a protected item.
    #[error("the virtual machine is already protected by vault {vault}")]
    VmTaken {
        /// The vault that protects it.
        vault: Uuid,
    },
    /// The item already has a backup job that has not ended.
    #[error("backup job {job} has not ended yet")]
    ItemBusy {
        /// The job that has not ended.
        job: JobId,
    },
    /// The item is not what the change started from: somebody else changed it.
    #[error("the item was changed by somebody else at the same moment")]
    ItemChanged,
    /// The item's protection is stopped, or it is deleted.
    #[error("the item is not backed up any more")]
    ItemClosed,
    /// A host with this URI is already registered.
    #[error("a host with this URI is already registered")]
    HostTaken,
    /// The record is another one by now than the caller knows.
    #[error("the record has been changed meanwhile")]
    Changed,
    /// Other records still need the one to be deleted.
    #[error("other records still need this one")]
    InUse,
    /// A principal of that name is already there.
    #[error("a principal of this name is already there")]
    PrincipalNameTaken,
    /// The principal holds this role on this scope already.
    #[error("the principal holds this role on this scope already, by assignment {name}")]
    AssignmentExists {
        /// The assignment that says so.
        name: Uuid,
    },
    /// Another assignment has this name.
    #[error("another role assignment has this name")]
    AssignmentNameTaken,
    /// Without it nobody would be Owner of the subscription.
    #[error("it is the last Owner of the subscription")]
    LastOwner,
    /// Protected items follow the policy.
    #[error("{items} protected items follow the policy")]
    PolicyInUse {
        /// How many.
        items: usize,
    },
    /// A staging store of that name is already in the resource group, or one has that directory.
    #[error("a staging store of this name is already in the group, or one has this directory")]
    StoreTaken,
    /// The record to update or delete is not there, or one that the new record refers to.
    #[error("the record is not in the ledger")]
    Missing,
    /// The ledger was written by a newer version of Holdfast.
    #[error("the ledger's schema is version {found}, newer than this program's {known}")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// A record in the ledger cannot be read back.
    #[error("the {table} record {key} cannot be read: {what}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The record's key.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// The database failed.
    #[error("the ledger's database failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Which jobs to list. `Default` lists all.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobQuery {
    /// Only those of this vault.
    pub vault: Option<Uuid>,
    /// Only those of this item.
    pub item: Option<Uuid>,
    /// Only those that have not ended.
    pub unfinished: bool,
    /// Only those in this status.
    pub status: Option<Status>,
    /// Only those that do this.
    pub operation: Option<Operation>,
    /// Only those that began then or later.
    pub from: Option<Timestamp>,
    /// Only those that began then or earlier.
    pub to: Option<Timestamp>,
    /// Only those that come after this one in the list; none, where it is not in the ledger.
    pub after: Option<JobId>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Which items of a vault to list.
#[derive(Debug, Clone, Default)]
pub struct ItemQuery {
    /// The vault.
    pub vault: Uuid,
    /// Only those whose VM has this name, in any case of letters.
    pub vm_name: Option<String>,
    /// Only those under this policy, by its name in any case of letters.
    pub policy: Option<String>,
    /// Only those that come after this VM's name and this item's id in the list.
    pub after: Option<(String, Uuid)>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Which points of an item to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct PointQuery {
    /// The item.
    pub item: Uuid,
    /// Only those taken then or later.
    pub from: Option<Timestamp>,
    /// Only those taken then or earlier.
    pub to: Option<Timestamp>,
    /// Only those that come after a point of this moment and id in the list.
    pub after: Option<(Timestamp, PointId)>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl PointQuery {
    /// All of an item's points.
    pub fn of(item: Uuid) -> Self {
        Self { item, ..Self::default() }
    }
}

/// A message about an alert that is to reach a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// The alert.
    pub alert: Uuid,
    /// What it tells.
    pub event: Event,
    /// The name of the target.
    pub target: String,
    /// When it may be sent.
    pub at: Timestamp,
}

/// Durable records.
pub trait Ledger: Send + Sync {
    /// The tenancy, or `None` before it was first set.
    fn tenancy(&self) -> Result<Option<Tenancy>, LedgerError>;
    /// Sets the tenancy of a new ledger. Changes nothing where there is one; returns what holds.
    fn set_tenancy(&self, tenancy: Tenancy) -> Result<Tenancy, LedgerError>;

    /// Adds or replaces a principal, by client id.
    fn put_principal(&self, principal: &Principal) -> Result<(), LedgerError>;
    /// The principal with this client id.
    fn principal(&self, client_id: Uuid) -> Result<Option<Principal>, LedgerError>;

    /// Adds a principal. Fails with `PrincipalNameTaken` where one has its name (in any case of
    /// letters).
    fn create_principal(&self, principal: &Principal) -> Result<(), LedgerError>;
    /// All principals, by name.
    fn principals(&self) -> Result<Vec<Principal>, LedgerError>;
    /// Deletes the principal with this client id, and its assignments. Fails with `LastOwner` where
    /// the subscription would have no Owner then.
    fn delete_principal(&self, client_id: Uuid) -> Result<(), LedgerError>;
    /// The principal with this client id, and all assignments that it holds: what every request
    /// asks.
    fn access(&self, client_id: Uuid) -> Result<Option<(Principal, Vec<Assignment>)>, LedgerError>;

    /// Adds a role assignment. Fails with `AssignmentExists` where the principal holds the role on
    /// the scope already, with `AssignmentNameTaken` where another has its name, with `Missing`
    /// where there is no such principal.
    fn create_assignment(&self, assignment: &Assignment) -> Result<(), LedgerError>;
    /// All role assignments, oldest first.
    fn assignments(&self) -> Result<Vec<Assignment>, LedgerError>;
    /// The role assignment with this name.
    fn assignment(&self, name: Uuid) -> Result<Option<Assignment>, LedgerError>;
    /// Deletes a role assignment. Fails with `LastOwner` where the subscription would have no Owner
    /// then.
    fn delete_assignment(&self, name: Uuid) -> Result<(), LedgerError>;

    /// Adds a resource group; one of that name (in any case of letters) stays as it is.
    fn put_resource_group(&self, group: &ResourceGroup) -> Result<(), LedgerError>;
    /// All resource groups, by name.
    fn resource_groups(&self) -> Result<Vec<ResourceGroup>, LedgerError>;
    /// Replaces the tags of the resource group of this name (in any case of letters).
    fn tag_resource_group(&self, name: &str, tags: &Tags) -> Result<(), LedgerError>;
    /// Takes out the resource group of this name (in any case of letters). Fails with `InUse` where
    /// a vault or a host is in it.
    fn delete_resource_group(&self, name: &str) -> Result<(), LedgerError>;

    /// Adds a host. Fails with `HostTaken` where its URI is registered.
    fn create_host(&self, host: &Host) -> Result<(), LedgerError>;
    /// All hosts, in the order of their adding.
    fn hosts(&self) -> Result<Vec<Host>, LedgerError>;

    /// Adds a staging store. Fails with `StoreTaken` where its group has one of this name, or one
    /// has its directory.
    fn create_store(&self, store: &Store) -> Result<(), LedgerError>;
    /// Removes the staging store of this name in this group, both in any case of letters.
    fn delete_store(&self, group: &str, name: &str) -> Result<(), LedgerError>;
    /// All staging stores, by group and name.
    fn stores(&self) -> Result<Vec<Store>, LedgerError>;

    /// Adds a vault together with its first policies. Fails with `VaultNameTaken` where one of that
    /// name (in any case of letters) is in the resource group, and not soft-deleted.
    fn create_vault(&self, vault: &Vault, policies: &[Policy]) -> Result<(), LedgerError>;
    /// Replaces a vault's record, if it was last changed at `since`; else fails with `Changed`.
    fn update_vault(&self, vault: &Vault, since: Timestamp) -> Result<(), LedgerError>;
    /// Puts a vault out of sight. Fails with `InUse` where it has an item that is not deleted, no
    /// item at all, or a job that has not ended; with `Missing` where there is none in sight.
    fn soft_delete_vault(&self, id: Uuid, at: Timestamp) -> Result<(), LedgerError>;
    /// Brings a soft-deleted vault back, into this resource group. Fails with `VaultNameTaken`
    /// where a vault of its name is there, with `Missing` where no such vault is soft-deleted.
    fn undelete_vault(&self, id: Uuid, group: &str) -> Result<(), LedgerError>;
    /// The soft-deleted vaults, by name and the moment of their deletion.
    fn soft_deleted_vaults(&self) -> Result<Vec<SoftDeletedVault>, LedgerError>;
    /// Takes a vault out, in sight or not, with its policies and its ended jobs, and keeps this
    /// record of it. Fails with `InUse` where it has an item, a point, or a job that has not ended.
    fn delete_vault(&self, deleted: &DeletedVault) -> Result<(), LedgerError>;
    /// Notes that nothing is left of a deleted vault.
    fn vault_cleared(&self, id: Uuid, at: Timestamp) -> Result<(), LedgerError>;
    /// The deleted vaults of which something may be left, in the order of their deletion.
    fn uncleared_vaults(&self) -> Result<Vec<DeletedVault>, LedgerError>;
    /// The deleted vault with this id.
    fn deleted_vault(&self, id: Uuid) -> Result<Option<DeletedVault>, LedgerError>;
    /// All vaults but the soft-deleted ones, by name.
    fn vaults(&self) -> Result<Vec<Vault>, LedgerError>;
    /// The vault with this id, also where it is soft-deleted.
    fn vault(&self, id: Uuid) -> Result<Option<Vault>, LedgerError>;
    /// The vault of this name in this resource group, both in any case of letters; none that is
    /// soft-deleted.
    fn vault_named(&self, group: &str, name: &str) -> Result<Option<Vault>, LedgerError>;

    /// Adds or replaces a policy, by vault and name (in any case of letters).
    fn put_policy(&self, policy: &Policy) -> Result<(), LedgerError>;
    /// A vault's policies, by name.
    fn policies(&self, vault: Uuid) -> Result<Vec<Policy>, LedgerError>;
    /// A vault's policy of this name, in any case of letters.
    fn policy(&self, vault: Uuid, name: &str) -> Result<Option<Policy>, LedgerError>;
    /// How many items follow the vault's policy of this name.
    fn policy_users(&self, vault: Uuid, name: &str) -> Result<usize, LedgerError>;
    /// Deletes a vault's policy; whether it was there. Fails with `PolicyInUse` where items follow
    /// it.
    fn delete_policy(&self, vault: Uuid, name: &str) -> Result<bool, LedgerError>;

    /// Adds an item. Fails with `VmTaken` where its virtual machine has one in any vault, with
    /// `Missing` where its vault is not there or soft-deleted.
    fn create_item(&self, item: &Item) -> Result<(), LedgerError>;
    /// Replaces an item's record.
    fn update_item(&self, item: &Item) -> Result<(), LedgerError>;
    /// All items, or those of one vault, by the VM's name.
    fn items(&self, vault: Option<Uuid>) -> Result<Vec<Item>, LedgerError>;
    /// A vault's items that match, by the VM's name and the item's id.
    fn find_items(&self, query: &ItemQuery) -> Result<Vec<Item>, LedgerError>;
    /// The virtual machines that have an item in any vault.
    fn protected_vms(&self) -> Result<Vec<Uuid>, LedgerError>;
    /// A vault's item for the VM of this group and name, both in any case of letters.
    fn item_named(&self, vault: Uuid, group: &str, vm: &str) -> Result<Option<Item>, LedgerError>;
    /// The item with this id.
    fn item(&self, id: Uuid) -> Result<Option<Item>, LedgerError>;
    /// The item that protects this virtual machine, in whatever vault.
    fn item_of_vm(&self, vm: Uuid) -> Result<Option<Item>, LedgerError>;

    /// Changes an item's protection and records the job that did. Fails with `ItemChanged` where
    /// the item is no longer `before`; with `ItemBusy` where it must be `idle` and has a backup job
    /// that has not ended; with `Missing` where it is not to be deleted, but its vault is.
    fn change_item(
        &self,
        before: &Item,
        after: &Item,
        job: &Job,
        idle: bool,
    ) -> Result<(), LedgerError>;

    /// Takes out an item that is being purged, with its points, and records the end of the job
    /// that did it. An item that is not there any more is as it should be. Fails with
    /// `ItemChanged` where the item is not being purged.
    fn remove_item(&self, item: Uuid, job: &Job) -> Result<(), LedgerError>;

    /// Adds a job of an item that is there. For an unended backup job: fails with `ItemBusy` where
    /// the item has another one, and with `ItemClosed` where its protection is stopped or it is
    /// deleted.
    fn create_job(&self, job: &Job) -> Result<(), LedgerError>;
    /// Adds the job of a run of its item's policy, with which the item's runs are settled up to
    /// when this one was due. Fails as `create_job` does, and then settles nothing.
    fn create_run(&self, job: &Job, due: Timestamp) -> Result<(), LedgerError>;
    /// Remembers that the runs of these items' policies have been dealt with up to then. Items that
    /// are not there are left out.
    fn settle_runs(&self, items: &[Uuid], until: Timestamp) -> Result<(), LedgerError>;
    /// Up to when items' runs have been dealt with; nothing of items of which nothing is known.
    fn settled_runs(&self) -> Result<Vec<(Uuid, Timestamp)>, LedgerError>;
    /// Since when items' runs count: when `settle_runs` was last told of them. Starting a run does
    /// not change it.
    fn runs_count_from(&self) -> Result<Vec<(Uuid, Timestamp)>, LedgerError>;
    /// Replaces a job's record.
    fn update_job(&self, job: &Job) -> Result<(), LedgerError>;
    /// The jobs that match, newest first.
    fn jobs(&self, query: JobQuery) -> Result<Vec<Job>, LedgerError>;
    /// The job with this id.
    fn job(&self, id: JobId) -> Result<Option<Job>, LedgerError>;

    /// Records a finished backup in one transaction: the point and the job as they are given, and
    /// of the item its last backup, its chain, and that it is protected where it waited for its
    /// first point. The rest of the item stays as it is: somebody may have changed it meanwhile.
    /// Doing it twice with the same point is harmless.
    fn record_backup(&self, point: &Point, item: &Item, job: &Job) -> Result<(), LedgerError>;
    /// Records in one transaction the end of a backup that made no point, and that this was its
    /// item's last one.
    fn end_backup(&self, job: &Job, last: &LastBackup) -> Result<(), LedgerError>;
    /// Deletes the records of jobs that ended before then, oldest first, at most so many; how many
    /// there were. The newest job of each item stays.
    fn prune_jobs(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;
    /// Adds a point that no job recorded, or replaces it where the item has it already.
    fn put_point(&self, point: &Point) -> Result<(), LedgerError>;
    /// An item's points that match, newest first.
    fn points(&self, query: PointQuery) -> Result<Vec<Point>, LedgerError>;
    /// How many points an item has.
    fn count_points(&self, item: Uuid) -> Result<u64, LedgerError>;
    /// When the newest point of each of these items was taken, in their order.
    fn newest_points(&self, items: &[Uuid]) -> Result<Vec<Option<Timestamp>>, LedgerError>;
    /// The point with this id.
    fn point(&self, id: PointId) -> Result<Option<Point>, LedgerError>;

    /// Adds or replaces a vault's sample of its day, and forgets those of days before `keep_from`.
    /// Does nothing where there is no such vault.
    fn put_space(&self, sample: &SpaceSample, keep_from: Date) -> Result<(), LedgerError>;
    /// A vault's samples of this day and later ones, oldest first.
    fn space(&self, vault: Uuid, from: Date) -> Result<Vec<SpaceSample>, LedgerError>;

    /// Records a vault's verification in place of the one before. Does nothing where there is no
    /// such vault.
    fn put_verification(&self, done: &Verification) -> Result<(), LedgerError>;
    /// The last verifications of vaults, one each; none of vaults that never were verified.
    fn verifications(&self) -> Result<Vec<Verification>, LedgerError>;

    /// The alerts that stand, or of whose end somebody is still to be told; oldest first.
    fn open_alerts(&self) -> Result<Vec<Alert>, LedgerError>;
    /// Adds or replaces these alerts, adds these notices, and forgets the alerts that were over
    /// before `forget` and have nothing left to tell. Fails where two alerts of one key stand.
    fn change_alerts(
        &self,
        alerts: &[Alert],
        notices: &[NewNotice],
        forget: Timestamp,
    ) -> Result<(), LedgerError>;
    /// The notices that no target has taken yet, in the order of their adding.
    fn notices(&self) -> Result<Vec<Notice>, LedgerError>;
    /// Notes that a notice was tried so often, and when it is tried again.
    fn try_notice_again(&self, number: u64, tries: u32, at: Timestamp) -> Result<(), LedgerError>;
    /// Takes a notice out, if it is there.
    fn drop_notice(&self, number: u64) -> Result<(), LedgerError>;

    /// The times of all points of a vault, or of one item in it, by item, each item's oldest first.
    fn point_times(&self, vault: Uuid, item: Option<Uuid>) -> Result<Vec<PointTimes>, LedgerError>;
    /// Takes points of the vault out; how many were there.
    fn forget_points(&self, vault: Uuid, points: &[PointId]) -> Result<u64, LedgerError>;
    /// Until when points of the vault were promised to be kept.
    fn promises(&self, vault: Uuid) -> Result<Vec<(PointId, Timestamp)>, LedgerError>;
    /// Promises to keep points until then. A later date that was promised before stays.
    fn promise(&self, promises: &[(PointId, Timestamp)]) -> Result<(), LedgerError>;
    /// Adds or replaces a plan. A vault has at most one that runs, and one that waits or was
    /// confirmed: the new one takes the place of the one of its kind.
    fn put_retention_plan(&self, plan: &Plan) -> Result<(), LedgerError>;
    /// The vault's plans, oldest first.
    fn retention_plans(&self, vault: Uuid) -> Result<Vec<Plan>, LedgerError>;
    /// Confirms a plan that waits; one that was confirmed stays so. `Missing` where it is not there
    /// any more, or runs.
    fn confirm_retention_plan(&self, id: Uuid) -> Result<(), LedgerError>;
    /// Removes a plan, if it is there.
    fn end_retention_plan(&self, id: Uuid) -> Result<(), LedgerError>;
    /// What was last done for a vault; nothing, where that is not known.
    fn upkeep(&self, vault: Uuid) -> Result<Upkeep, LedgerError>;
    /// Replaces what was last done for a vault.
    fn put_upkeep(&self, vault: Uuid, upkeep: &Upkeep) -> Result<(), LedgerError>;
    /// What was seen of the clock; nothing at first.
    fn clock_sight(&self) -> Result<ClockSight, LedgerError>;
    /// Replaces what was seen of the clock.
    fn put_clock_sight(&self, sight: &ClockSight) -> Result<(), LedgerError>;
}
