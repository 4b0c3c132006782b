//! From the errors of the floors below to the faults that operators see: one mapping for all.

use std::error::Error;

use fabric::FabricError;
use ledger::LedgerError;
use model::fault::{Code, Fault};
use repo::RepoError;
use repo::objects::StoreError;

/// An error and its sources as one line, each part told once.
pub(crate) fn chain_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = cause.source();
    }
    text
}

/// The fault for an error of a vault's store.
pub(crate) fn of_store(error: &StoreError) -> Fault {
    let code = match error {
        StoreError::Full { .. } => Code::StoreFull,
        _ => Code::StoreUnavailable,
    };
    Fault::new(code, format!("The vault's store failed: {}.", chain_text(error)))
}

/// The fault for an error of a vault's repository.
pub(crate) fn of_repository(error: &RepoError) -> Fault {
    let code = match error {
        RepoError::WrongKey => Code::WrongKey,
        RepoError::PointNotFound { .. } | RepoError::DiskNotFound { .. } => Code::ResourceNotFound,
        RepoError::Damaged { .. } | RepoError::Lost { .. } | RepoError::LogDamaged { .. } => {
            Code::StoreDamaged
        }
        RepoError::StoreFull { .. } => Code::StoreFull,
        RepoError::Store { .. }
        | RepoError::Unsettled { .. }
        | RepoError::NotARepository
        | RepoError::IndexCache { .. } => Code::StoreUnavailable,
        RepoError::Cancelled => Code::JobCancelled,
        RepoError::Source { .. } => Code::DiskNotFound,
        RepoError::Target { .. } => Code::RestoreTargetInvalid,
        _ => Code::Internal,
    };
    Fault::new(code, format!("{}.", capitalised(&chain_text(error))))
}

/// Whether an error may go away once the repository is opened anew.
pub(crate) fn opens_anew(code: Code) -> bool {
    matches!(code, Code::StoreUnavailable | Code::StoreDamaged | Code::WrongKey)
}

/// `text` with its first letter in upper case: error texts begin small, sentences do not.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The fault for an error of the ledger.
pub(crate) fn of_ledger(error: &LedgerError) -> Fault {
    let code = match error {
        LedgerError::ItemBusy { .. } => Code::BackupInProgress,
        LedgerError::ItemChanged => Code::ConflictingOperation,
        LedgerError::ItemClosed => Code::ItemClosed,
        LedgerError::VaultNameTaken => Code::VaultNameTaken,
        LedgerError::VmTaken { .. } => Code::ProtectedInAnotherVault,
        LedgerError::PolicyInUse { .. } => Code::PolicyInUse,
        LedgerError::Missing => Code::ResourceNotFound,
        LedgerError::Changed => Code::PreconditionFailed,
        LedgerError::PrincipalNameTaken => Code::PrincipalNameTaken,
        LedgerError::AssignmentExists { .. } => Code::RoleAssignmentExists,
        LedgerError::AssignmentNameTaken => Code::RoleAssignmentCannotChange,
        LedgerError::LastOwner => Code::LastOwner,
        _ => Code::Internal,
    };
    Fault::new(code, format!("{}.", capitalised(&chain_text(error))))
}

/// Turns a result of a floor below into one with a fault.
pub(crate) trait OrFault<T> {
    /// The value, or the fault for the error.
    fn or_fault(self) -> Result<T, Fault>;
}

impl<T> OrFault<T> for Result<T, LedgerError> {
    fn or_fault(self) -> Result<T, Fault> {
        self.map_err(|error| of_ledger(&error))
    }
}

impl<T> OrFault<T> for Result<T, RepoError> {
    fn or_fault(self) -> Result<T, Fault> {
        self.map_err(|error| of_repository(&error))
    }
}

/// The fault for an error of a hypervisor or a guest.
pub(crate) fn of_fabric(error: &FabricError) -> Fault {
    let code = match error {
        FabricError::ChainBroken { .. } => Code::ChangeTrackingReset,
        FabricError::JobRunning { .. } => Code::BackupInProgress,
        FabricError::DomainGone { .. } => Code::VmNotFound,
        FabricError::WrongState { .. } => Code::VmNotInDesirableState,
        FabricError::DiskGone { .. } | FabricError::Read { .. } => Code::DiskNotFound,
        FabricError::DiskUnsupported { .. } => Code::DiskNotSupported,
        FabricError::AgentUnavailable { .. } => Code::AgentUnavailable,
        FabricError::ScratchFull { .. } => Code::ScratchFull,
        FabricError::HypervisorDown { .. } | FabricError::Timeout { .. } => {
            Code::HypervisorUnavailable
        }
        FabricError::Exists { .. } => Code::RestoreTargetInvalid,
        FabricError::Xml { .. }
        | FabricError::File { .. }
        | FabricError::Tool { .. }
        | FabricError::Other { .. } => Code::Internal,
    };
    Fault::new(code, format!("{}.", capitalised(&chain_text(error))))
}

impl<T> OrFault<T> for Result<T, FabricError> {
    fn or_fault(self) -> Result<T, Fault> {
        self.map_err(|error| of_fabric(&error))
    }
}
