//! What can go wrong, why, and what to do about it: the one table of error codes.
//!
//! Every failure that an operator or an API client sees is a [`Fault`]: a [`Code`] from the table
//! below, and a message with the facts of this case. Codes that Azure has are Azure's; the others
//! follow its spelling. Which HTTP status a code means is the service's business.
//!
//! A row is not complete without what the code stands for (its doc comment), cause and action: the
//! macro takes no other. `docs/troubleshooting.md` is made of the rows.

use std::fmt;

/// One failure, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code.
    pub code: Code,
    /// What happened in this case: one or two sentences with names and numbers.
    pub message: String,
}

impl Fault {
    /// A fault with this code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Fault {}

/// One row of the table: what a code means.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The code, as in error bodies and jobs.
    pub name: &'static str,
    /// What it stands for.
    pub meaning: &'static str,
    /// What it usually comes from.
    pub cause: &'static str,
    /// What the operator should do.
    pub action: &'static str,
}

macro_rules! codes {
    ($(
        $(#[doc = $meaning:literal])+
        $variant:ident = $name:literal, $cause:literal, $action:literal;
    )+) => {
        /// Names one kind of failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $meaning])+ $variant,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code's row of the table.
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$variant => Entry {
                        name: $name,
                        meaning: concat!($($meaning),+).trim_ascii_start(),
                        cause: $cause,
                        action: $action,
                    },)+
                }
            }
        }
    };
}

codes! {
    /// A vault, VM, item, job, point or policy that is not there.
    ResourceNotFound = "ResourceNotFound",
        "Nothing of this name exists here.",
        "Check the name, its vault and its resource group; list what exists and try again.";
    /// A resource group that is not there.
    ResourceGroupNotFound = "ResourceGroupNotFound",
        "The resource group does not exist.",
        "Create it, or register a host in it, and try again.";
    /// A subscription that is not this installation's.
    SubscriptionNotFound = "SubscriptionNotFound",
        "The subscription is not this installation's.",
        "Use the subscription id in credentials.json.";
    /// No token, or one that is not valid.
    AuthenticationFailed = "AuthenticationFailed",
        "The request carried no valid access token.",
        "Get a token from the token endpoint with the credentials in credentials.json.";
    /// A valid token whose holder may not do this.
    AuthorizationFailed = "AuthorizationFailed",
        "The principal holds no role that allows this action here.",
        "Ask an Owner for a role, or use a principal that has one, such as credentials.json names.";
    /// An assignment that says what another says already.
    RoleAssignmentExists = "RoleAssignmentExists",
        "The principal holds this role on this scope already.",
        "Nothing: the principal has the role.";
    /// An assignment that would have to become another.
    RoleAssignmentCannotChange = "RoleAssignmentUpdateNotPermitted",
        "A role assignment's principal, role and scope are fixed when it is made.",
        "Delete the assignment and make another, under a new name.";
    /// A role assignment that is not there.
    RoleAssignmentNotFound = "RoleAssignmentNotFound",
        "No role assignment has this name on this scope.",
        "List the role assignments of the scope and try again.";
    /// A role that is not there.
    RoleNotFound = "RoleDefinitionDoesNotExist",
        "Only the built-in roles Owner, Contributor, Reader and the three for backup exist here.",
        "List the role definitions and choose one of them.";
    /// A principal that is not there.
    PrincipalNotFound = "PrincipalNotFound",
        "No principal has this object id, client id or name.",
        "List the principals with `holdfast principal list`; assign roles by object id.";
    /// A principal's name that another has.
    PrincipalNameTaken = "PrincipalNameNotAvailable",
        "Each principal has a name of its own.",
        "Choose another name, or use the principal that has it.";
    /// A change that would leave nobody who may give access.
    LastOwner = "CannotDeleteLastOwner",
        "Without an Owner on the subscription nobody could give access any more.",
        "Make another principal Owner of the subscription first.";
    /// A request without an api-version.
    MissingApiVersion = "MissingApiVersionParameter",
        "Azure's API wants to know by which of its versions a request is meant.",
        "Add the query parameter api-version with a date, such as api-version=2026-08-01.";
    /// A request with an api-version that is none.
    InvalidApiVersion = "InvalidApiVersionParameter",
        "The api-version is not a date.",
        "Give a date such as 2026-08-01, with or without -preview behind it.";
    /// A path that nothing answers to.
    RouteNotFound = "InvalidResourceType",
        "No resource of this kind exists here.",
        "Check the path of the request against the documentation of the API.";
    /// A path that answers, but not to this method.
    MethodNotAllowed = "MethodNotAllowed",
        "The resource does not support this HTTP method.",
        "Use one of the methods in the Allow header of the answer.";
    /// A request beyond the limits.
    RequestTooLarge = "RequestEntityTooLarge",
        "The request is larger than any real one.",
        "Send at most 1 MiB of body, 8 KiB of URL and 64 KiB of headers.";
    /// A request that took too long.
    RequestTimedOut = "RequestTimeout",
        "The request took longer than 60 seconds to arrive or to be answered.",
        "Try again; if it stays, look at the load of the service's machine.";
    /// A request that cannot be understood.
    BadRequest = "BadRequest",
        "The request's body or query is not in the proper format.",
        "Correct the request; the message names what is wrong with it.";
    /// A name that breaks Azure's rule for it.
    InvalidResourceName = "InvalidResourceName",
        "The name breaks the rule for names of this kind.",
        "Choose a name that follows the rule in the message.";
    /// A change to a vault that may not be made.
    VaultCannotChange = "UserErrorVaultPropertyCannotChange",
        "The region is fixed, some settings go one way only, redundancy while nothing is protected.",
        "Keep the setting as it is, or create another vault with the one you want.";
    /// A setting of a vault that Azure knows and Holdfast has nothing behind.
    VaultSettingNotSupported = "UserErrorVaultSettingNotSupported",
        "Holdfast cannot do what this setting promises, so it does not take it.",
        "Leave the setting out or switch it off; the message names it.";
    /// Soft delete of a vault that nobody may switch off.
    SoftDeleteAlwaysOn = "BMSUserErrorDisablingSoftDeleteStateNotAllowed",
        "The vault's soft delete is always on.",
        "Keep it, or create another vault with soft delete that can be switched off.";
    /// Something that changed since the client read it.
    PreconditionFailed = "PreconditionFailed",
        "The resource is not in the version that the request's If-Match or If-None-Match names.",
        "Read it again, and send the request with the etag that it has now.";
    /// A vault with something in it that must be deleted first.
    VaultNotEmpty = "ServiceResourceNotEmptyWithContainerDetails",
        "The vault still protects virtual machines, or its jobs have not ended.",
        "Follow `holdfast vault delete --plan`: it names each, and the command that removes it.";
    /// A vault with data that cannot be deleted yet.
    VaultHoldsData = "ServiceResourceNotEmptyWithBackendMessage",
        "The vault holds soft-deleted items, or recovery points that no item accounts for.",
        "Wait until the data is gone for good, or follow `holdfast vault delete --plan`.";
    /// A vault that is to come back where another one has its name by now.
    VaultNameTaken = "VaultNameNotAvailable",
        "A resource group has one vault of a name; another one has taken it meanwhile.",
        "Bring the vault back into another resource group, with --into.";
    /// A resource group with something in it that does not go with it.
    GroupNotEmpty = "ResourceGroupDeletionBlocked",
        "The resource group holds hosts, virtual machines, or what is protected of them.",
        "Delete or move what the message names; empty vaults go with the group.";
    /// A resource group that is to be in another region than it is.
    GroupLocationFixed = "InvalidResourceGroupLocation",
        "A resource group's region is fixed when it is created, and says nothing of what it holds.",
        "Leave it where it is, or create another resource group.";
    /// Tags that break Azure's rule for them.
    InvalidTags = "InvalidTags",
        "The tags break the rule for tags.",
        "Use at most 50 tags with names of up to 512 characters and values of up to 256.";
    /// A resource provider that does not exist here.
    NamespaceNotFound = "InvalidResourceNamespace",
        "There is no resource provider of this name here.",
        "List the resource providers and use one of them.";
    /// A VM that cannot be protected as asked.
    InvalidConfigureProtection = "BMSUserErrorInvalidConfigureProtectionRequest",
        "The virtual machine and the vault do not fit together, or the request is incomplete.",
        "Choose a vault in the virtual machine's own region, and a policy of that vault.";
    /// A policy that is none.
    InvalidPolicyInput = "BMSUserErrorInvalidPolicyInput",
        "A part of the policy is missing, or says what it cannot say.",
        "Correct the policy; the end of the message names what is wrong with it.";
    /// A policy that would keep snapshots as long as the vault keeps points.
    InstantExceedsVaulted = "BMSUserErrorInstantRPRetentionExceedsVaultedRetention",
        "instantRpRetentionRangeInDays is not shorter than the policy's daily or weekly retention.",
        "Lower instantRpRetentionRangeInDays, or raise the retention.";
    /// More of something than there may be.
    QuotaExceeded = "QuotaExceeded",
        "There are as many of these as there may be.",
        "Delete those that nobody needs; the message says how many there may be.";
    /// A policy that items follow.
    PolicyInUse = "BMSUserErrorPolicyObjectInUse",
        "Protected virtual machines follow the policy.",
        "Give its items another policy, or stop their protection, and try again.";
    /// A VM that another vault protects.
    ProtectedInAnotherVault = "BMSUserErrorContainerIsAlreadyRegisteredWithAnotherVault",
        "A virtual machine can be protected by one vault at a time.",
        "Delete its backup data in the other vault, and wait until it is gone for good there.";
    /// An item that is not there.
    ItemNotFound = "BMSUserErrorContainerObjectNotFound",
        "The virtual machine is not protected in this vault.",
        "List the vault's items; enable backup for the virtual machine if it is not among them.";
    /// A protected VM that its host no longer has.
    VmNotFound = "UserErrorVmNotFoundV2",
        "The virtual machine no longer exists on its host, or its host is not reachable.",
        "If it was deleted, restore it from a recovery point; if its host is down, bring it back.";
    /// A second job of the same kind for one item.
    BackupInProgress = "UserErrorBackupOperationInProgress",
        "Another backup job is running for this virtual machine.",
        "Wait until it has ended, or cancel it, and try again.";
    /// A second change of one item at the same moment.
    ConflictingOperation = "BMSUserErrorConflictingProtectionOperation",
        "Another operation changes this item's protection at the same moment.",
        "Wait until it has ended, look at the item, and try again.";
    /// An item that is not backed up any more, or that is not in the state asked for.
    ItemClosed = "UserErrorProtectionStateNotAllowed",
        "The item's protection is in a state that does not allow the operation.",
        "Look at the item's protectionState; resume its protection if it is stopped.";
    /// An item that is deleted, but not gone.
    ItemSoftDeleted = "UserErrorItemInSoftDeletedState",
        "The item was deleted; its data is kept until its deferred deletion.",
        "Undelete the item first, then restore or resume its protection.";
    /// A change that needs an immutable vault, or that one forbids.
    DeniedOnImmutableItem = "UserErrorOperationDeniedOnImmutableItem",
        "Immutability decides whether backups may be suspended, their data deleted, or kept less long.",
        "Stop with the data kept, keep it as long, or change the vault's immutability if that is \
         allowed.";
    /// A VM in a state that allows no backup.
    VmNotInDesirableState = "UserErrorVmNotInDesirableState",
        "The virtual machine is not in a state that allows backups.",
        "Bring it into a running or powered-off state and try again.";
    /// The guest agent did not answer.
    AgentUnavailable = "UserErrorGuestAgentStatusUnavailable",
        "The guest agent is not installed, not running, or does not answer.",
        "Install or restart qemu-guest-agent in the virtual machine and check its channel.";
    /// The guest's file systems could not be frozen.
    FreezeFailed = "UserErrorFsFreezeFailed",
        "One or more mount points of the virtual machine could not be frozen in time.",
        "Look at the agent's log and its freeze hooks in the guest; check its file systems.";
    /// An incremental that could not be read; a full read took its place.
    ChangeTrackingReset = "UserErrorChangeTrackingReset",
        "The record of changed blocks was missing or broken, so the disk was read in full.",
        "Nothing to do: only changed blocks were stored, and tracking has begun anew.";
    /// A disk that is not there any more.
    DiskNotFound = "UserErrorDiskNotFound",
        "A disk of the virtual machine is missing on its host or cannot be opened.",
        "Bring the disk's file back or detach the disk from the virtual machine.";
    /// A disk that cannot be backed up.
    DiskNotSupported = "UserErrorUnsupportedDisk",
        "The disk is of a kind that cannot be backed up (network, pass-through, no source).",
        "Nothing, if it holds nothing of value; else move it to a file or block device.";
    /// No room for the blocks that a running guest overwrites during its backup.
    ScratchFull = "UserErrorScratchSpaceFull",
        "The scratch directory ran out of space while the virtual machine was being backed up.",
        "Free space there or name another directory with --scratch; the guest was kept running.";
    /// No room in the store.
    StoreFull = "UserErrorRepositoryFull",
        "The store of the vault's region has no space left.",
        "Free space in the store; listing, restoring and deleting points still work.";
    /// The store failed otherwise.
    StoreUnavailable = "UserErrorRepositoryUnavailable",
        "The store of the vault's region could not be read or written.",
        "Check the store's directory or service, its permissions and its disk.";
    /// Damaged data in the store.
    StoreDamaged = "UserErrorRepositoryDamaged",
        "An object in the store is damaged or missing.",
        "Run `holdfast repo verify --read-data` to see which points need it; restore another one.";
    /// A key that does not open the vault.
    WrongKey = "UserErrorVaultKeyInvalid",
        "The key file is missing, damaged, or belongs to another vault.",
        "Put the vault's own key file back from your copy; without it the data stays sealed.";
    /// libvirt or its helper is not there.
    HypervisorUnavailable = "UserErrorHypervisorUnavailable",
        "libvirt is not installed, not running, or refuses the connection.",
        "Start libvirtd on the host and check that its socket is there and may be used.";
    /// A restore target that cannot be used.
    RestoreTargetInvalid = "UserErrorRestoreTargetInvalid",
        "The place, the name, the network or the disks that the restore names cannot be used.",
        "Correct what the message names: `holdfast store list` and `network list` show what there is.";
    /// A way to restore that there is not.
    RestoreTypeNotSupported = "UserErrorRestoreTypeNotSupported",
        "Holdfast cannot restore in this way.",
        "Restore the disks, or create a new virtual machine from the recovery point.";
    /// A staging store that cannot be made as asked.
    StoreInvalid = "UserErrorStagingStoreInvalid",
        "The directory cannot be a staging store.",
        "Name an absolute path outside of the data directory that the service can write to.";
    /// A staging store whose name or directory another one has.
    StoreTaken = "StorageAccountAlreadyTaken",
        "The resource group has a storage account of this name, or another one has the directory.",
        "Choose another name and another directory, or remove the other storage account first.";
    /// A staging store that is needed.
    StoreInUse = "UserErrorStagingStoreInUse",
        "The storage account is its region's own, or a restore job writes into it.",
        "Wait until the job has ended; a region's own storage account cannot be removed.";
    /// A region that no host is in.
    LocationNotAvailable = "LocationNotAvailableForResourceType",
        "There is no host in this region.",
        "Name the region of a registered host.";
    /// A restored VM that did not come up.
    RestoredVmNotStarted = "UserErrorRestoredVmNotStarted",
        "The restored virtual machine was defined but could not be started.",
        "Look at the message and at the domain's log; its disks have been restored.";
    /// A job that cannot be cancelled.
    JobNotCancelable = "UserErrorJobNotCancelable",
        "The job is not in a cancelable state.",
        "Nothing: it has ended, or its recovery point is already committed.";
    /// A job that was cancelled.
    JobCancelled = "UserErrorJobSuccessfullyCancelled",
        "The job was cancelled.",
        "Nothing to do.";
    /// A job that the service did not live to end.
    Interrupted = "UserErrorServiceInterrupted",
        "The Holdfast service was stopped while the job was running.",
        "Start the operation again; earlier recovery points are not affected.";
    /// A clock that deletions cannot be trusted to.
    ClockSuspect = "UserErrorClockSuspect",
        "The clock went back, ran ahead, or is not the store's; points would go at the wrong time.",
        "Set the clock right. If it is right as it is, run `holdfast retention confirm --clock`.";
    /// Letting go of many points at once.
    MassExpiry = "UserErrorRetentionConfirmationRequired",
        "Many recovery points would go at once: a policy was changed, or the service was off.",
        "Look at `holdfast retention plan`; confirm with `holdfast retention confirm`.";
    /// Anything that should not happen.
    Internal = "BackUpOperationFailed",
        "Holdfast met an error that it has no name for.",
        "Try again; if it stays, look at the service's log and report the message.";
}

impl Code {
    /// The code, as in error bodies and jobs.
    pub const fn name(self) -> &'static str {
        self.entry().name
    }

    /// What it stands for.
    pub const fn meaning(self) -> &'static str {
        self.entry().meaning
    }

    /// What it usually comes from.
    pub const fn cause(self) -> &'static str {
        self.entry().cause
    }

    /// What the operator should do.
    pub const fn action(self) -> &'static str {
        self.entry().action
    }

    /// The code with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_a_meaning_a_cause_and_an_action() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert_eq!(Code::from_name(code.name()), Some(*code));
            assert!(Code::ALL[..at].iter().all(|earlier| earlier.name() != code.name()));
            for text in [code.meaning(), code.cause(), code.action()] {
                let sentence = text.len() > 10 && text.ends_with('.') && text.trim() == text;
                assert!(sentence, "{code:?}: {text:?} is no sentence");
            }
            assert_ne!(code.cause(), code.action(), "{code:?}");
        }
    }
}
