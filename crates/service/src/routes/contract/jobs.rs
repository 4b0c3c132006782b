//! Jobs of a vault, and operations under every URL that clients poll them at.

use api::arm::item::Item;
use api::arm::job::Job;
use api::arm::job::export::ExportResult;
use api::arm::operation::OperationStatus;
use api::openapi::Operation;

use super::{get, post};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        post(
            "ProtectionContainers_Refresh",
            vault!("/backupFabrics/Azure/refreshContainers"),
            "Looks for virtual machines.",
        )
        .accepts(),
        get(
            "ProtectionContainerRefreshOperationResults_Get",
            vault!("/backupFabrics/Azure/operationResults/{operation}"),
            "Whether the search is over.",
        )
        .accepts()
        .empty(204),
        get("BackupJobs_List", vault!("/backupJobs"), "The vault's jobs.")
            .filtered()
            .lists::<Job>(),
        post("Jobs_Export", vault!("/backupJobsExport"), "Writes jobs into a file.")
            .filtered()
            .accepts(),
        get(
            "ExportJobsOperationResults_Get",
            vault!("/backupJobs/operationResults/{operation}"),
            "Where the exported jobs are.",
        )
        .gives::<ExportResult>(200),
        get("JobDetails_Get", vault!("/backupJobs/{job}"), "A job, with all that is known of it.")
            .gives::<Job>(200),
        post("JobCancellations_Trigger", vault!("/backupJobs/{job}/cancel"), "Cancels a job.")
            .accepts()
            .refuses(&[409]),
        get(
            "JobOperationResults_Get",
            vault!("/backupJobs/{job}/operationResults/{operation}"),
            "Whether the cancellation is over.",
        )
        .accepts()
        .empty(204),
        get(
            "BackupOperationStatuses_Get",
            vault!("/backupOperations/{operation}"),
            "Where an operation stands.",
        )
        .gives::<OperationStatus>(200),
        get(
            "BackupOperationResults_Get",
            vault!("/backupOperationResults/{operation}"),
            "Whether an operation is over.",
        )
        .accepts()
        .empty(204),
        get(
            "ProtectedItemOperationStatuses_Get",
            item!("/operationsStatus/{operation}"),
            "Where an operation on an item stands.",
        )
        .gives::<OperationStatus>(200),
        get(
            "ProtectedItemOperationResults_Get",
            item!("/operationResults/{operation}"),
            "What came of an operation on an item.",
        )
        .gives::<Item>(200)
        .accepts()
        .empty(204),
    ]
}
