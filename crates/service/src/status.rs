//! The one table from fault codes to HTTP statuses.

use axum::http::StatusCode;
use model::fault::Code;

/// The HTTP status that a code means. Codes that only jobs end with are here too, because the
/// engine may find the same out before it starts a job.
pub(crate) const fn of(code: Code) -> StatusCode {
    match code {
        Code::BadRequest
        | Code::MissingApiVersion
        | Code::InvalidApiVersion
        | Code::InvalidResourceName
        | Code::VaultCannotChange
        | Code::VaultSettingNotSupported
        | Code::SoftDeleteAlwaysOn
        | Code::VaultNotEmpty
        | Code::VaultHoldsData
        | Code::InvalidTags
        | Code::InvalidConfigureProtection
        | Code::InvalidPolicyInput
        | Code::InstantExceedsVaulted
        | Code::PolicyInUse
        | Code::DiskNotSupported
        | Code::PrincipalNotFound
        | Code::RestoreTargetInvalid
        | Code::RestoreTypeNotSupported
        | Code::StoreInvalid
        | Code::LocationNotAvailable => StatusCode::BAD_REQUEST,
        Code::AuthenticationFailed => StatusCode::UNAUTHORIZED,
        Code::AuthorizationFailed | Code::QuotaExceeded => StatusCode::FORBIDDEN,
        Code::ResourceNotFound
        | Code::ResourceGroupNotFound
        | Code::SubscriptionNotFound
        | Code::RouteNotFound
        | Code::NamespaceNotFound
        | Code::RoleAssignmentNotFound
        | Code::RoleNotFound
        | Code::ItemNotFound
        | Code::VmNotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RequestTimedOut => StatusCode::REQUEST_TIMEOUT,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::GroupNotEmpty
        | Code::GroupLocationFixed
        | Code::ProtectedInAnotherVault
        | Code::VaultNameTaken
        | Code::BackupInProgress
        | Code::RoleAssignmentExists
        | Code::RoleAssignmentCannotChange
        | Code::PrincipalNameTaken
        | Code::LastOwner
        | Code::ConflictingOperation
        | Code::ItemClosed
        | Code::ItemSoftDeleted
        | Code::DeniedOnImmutableItem
        | Code::VmNotInDesirableState
        | Code::JobNotCancelable
        | Code::StoreTaken
        | Code::StoreInUse
        | Code::ClockSuspect
        | Code::MassExpiry => StatusCode::CONFLICT,
        Code::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::StoreFull | Code::ScratchFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::StoreUnavailable | Code::HypervisorUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::AgentUnavailable
        | Code::FreezeFailed
        | Code::ChangeTrackingReset
        | Code::DiskNotFound
        | Code::StoreDamaged
        | Code::WrongKey
        | Code::RestoredVmNotStarted
        | Code::JobCancelled
        | Code::Interrupted
        | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
