//! Jobs of a vault, and operations under every URL that clients poll them at.

use super::{Route, get, post};
use crate::arm::{jobs, operations};

pub(super) const ROUTES: &[Route] = &[
    post(
        vault!("/backupFabrics/Azure/refreshContainers"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/refreshContainers/action",
        operations::refresh,
    ),
    get(
        vault!("/backupFabrics/Azure/operationResults/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupFabrics/operationResults/read",
        operations::refreshed,
    ),
    get(vault!("/backupJobs"), JOB_READ, jobs::list_all),
    post(
        vault!("/backupJobsExport"),
        "Microsoft.RecoveryServices/Vaults/backupJobsExport/action",
        jobs::export,
    ),
    get(
        vault!("/backupJobs/operationResults/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupJobs/operationResults/read",
        jobs::exported,
    ),
    get(vault!("/backupJobs/{job}"), JOB_READ, jobs::get),
    post(
        vault!("/backupJobs/{job}/cancel"),
        "Microsoft.RecoveryServices/Vaults/backupJobs/cancel/action",
        jobs::cancel,
    ),
    get(
        vault!("/backupJobs/{job}/operationResults/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupJobs/operationResults/read",
        jobs::cancelled,
    ),
    get(
        vault!("/backupOperations/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupOperations/read",
        operations::status,
    ),
    get(
        vault!("/backupOperationResults/{operation}"),
        "Microsoft.RecoveryServices/Vaults/backupOperationResults/read",
        operations::result,
    ),
    get(item!("/operationsStatus/{operation}"), OPERATION_READ, operations::item_status),
    get(item!("/operationResults/{operation}"), OPERATION_READ, operations::item_result),
];

const JOB_READ: &str = "Microsoft.RecoveryServices/Vaults/backupJobs/read";
const OPERATION_READ: &str = "Microsoft.RecoveryServices/Vaults/backupFabrics/\
                              protectionContainers/protectedItems/operationResults/read";
