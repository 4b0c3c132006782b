//! From the repository's errors to what the operator sees. The engine has such a table for jobs of
//! the service; here there is no vault, no job and no job's log to point to.

use model::fault::{Code, Fault};
use repo::RepoError;
use repo::keys::SlotKind;
use repo::objects::StoreError;

use crate::failure::{Failure, sentence};

/// Turns a repository's result into a command's.
pub trait OrFailure<T> {
    /// The value, or the failure for the error.
    fn or_failure(self) -> Result<T, Failure>;
}

impl<T> OrFailure<T> for Result<T, RepoError> {
    fn or_failure(self) -> Result<T, Failure> {
        self.map_err(|error| of_repository(&error))
    }
}

impl<T> OrFailure<T> for Result<T, StoreError> {
    fn or_failure(self) -> Result<T, Failure> {
        self.map_err(|error| of_repository(&error.into()))
    }
}

/// The failure for an error, where it is known what was to open the repository. The engine's texts
/// are about key files alone.
pub fn of_opening(error: &RepoError, kind: SlotKind) -> Failure {
    let message = sentence(error);
    match (error, kind) {
        (RepoError::WrongKey, SlotKind::Passphrase) => wrong_passphrase(message),
        (RepoError::WrongKey, SlotKind::RecoveryKey) => wrong_recovery_key(message),
        _ => of_repository(error),
    }
}

fn wrong_passphrase(message: String) -> Failure {
    Failure::new(
        Code::WrongKey.name(),
        message,
        "The passphrase is mistyped, its slot was removed, or it belongs to another repository.",
        "Try it again, mind capitals and spaces; or open the repository with another of its keys.",
    )
}

/// The failure for a recovery key that is none or opens nothing.
pub fn wrong_recovery_key(message: String) -> Failure {
    Failure::new(
        Code::WrongKey.name(),
        message,
        "The recovery key is mistyped, its slot was removed, or it belongs to another repository.",
        "Compare it with the paper sign by sign; or open the repository with another of its keys.",
    )
}

/// The failure for an error.
pub fn of_repository(error: &RepoError) -> Failure {
    let message = sentence(error);
    let code = match error {
        RepoError::NotARepository
        | RepoError::PointNotFound { .. }
        | RepoError::KeySlotNotFound { .. }
        | RepoError::DiskNotFound { .. } => Code::ResourceNotFound,
        RepoError::AlreadyARepository => {
            return Failure::new(
                "RepositoryExists",
                message,
                "A repository is made once.",
                "Use it as it is, or name another place with --repo.",
            );
        }
        RepoError::OtherVault => {
            return Failure::new(
                "OtherVault",
                message,
                "Only a verbatim copy of a repository can mend it or be brought up to date.",
                "Name the store that `holdfast repo copy` filled from this repository.",
            );
        }
        RepoError::KeySlotInUse { .. } => {
            return Failure::new(
                "KeySlotInUse",
                message,
                "A slot is removed with the key of another one, so that one that opens is left.",
                "Open the repository with another key, or add one first.",
            );
        }
        RepoError::UnsupportedVersion { .. } | RepoError::UnknownKeySlot { .. } => {
            return Failure::new(
                "UnsupportedVersion",
                message,
                "A newer Holdfast has written to this repository.",
                "Use that version or a newer one.",
            );
        }
        RepoError::Unsettled { .. } => {
            return Failure::new(
                "CommitUnsettled",
                message,
                "The store failed while the recovery point was being committed.",
                "When the store answers again, look for the point with `repo list`. If it is not \
                 there, `repo collect --dead-session` with this session makes sure that it stays so.",
            );
        }
        RepoError::WrongKey => Code::WrongKey,
        RepoError::NoParentDisk { .. }
        | RepoError::ParentDiskDiffers { .. }
        | RepoError::Input { .. } => Code::BadRequest,
        RepoError::Damaged { .. } | RepoError::Lost { .. } | RepoError::LogDamaged { .. } => {
            Code::StoreDamaged
        }
        RepoError::StoreFull { .. } => Code::StoreFull,
        RepoError::Store { .. }
        | RepoError::LogContention { .. }
        | RepoError::IndexCache { .. } => Code::StoreUnavailable,
        RepoError::Cancelled => Code::JobCancelled,
        RepoError::Source { .. } => Code::DiskNotFound,
        RepoError::Target { .. } => Code::RestoreTargetInvalid,
        _ => Code::Internal,
    };
    Fault::new(code, message).into()
}
