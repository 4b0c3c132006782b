//! The status of a long-running operation, which clients poll.

use jiff::Timestamp;
use model::fault::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::time;

/// Where a long-running operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// The operation's id.
    pub id: String,
    /// The same.
    pub name: String,
    /// `InProgress`, `Succeeded`, `Failed` or `Canceled`.
    pub status: String,
    /// When it began.
    pub start_time: String,
    /// When it ended.
    pub end_time: String,
    /// The job it started, once it has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<JobInfo>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// The job that an operation started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobInfo {
    /// `OperationStatusJobExtendedInfo`.
    pub object_type: String,
    /// The job's id.
    pub job_id: String,
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage<'a> {
    /// It goes on.
    InProgress,
    /// It is done; the job may still run.
    Succeeded {
        /// When.
        at: Timestamp,
    },
    /// It failed.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        fault: &'a Fault,
    },
}

/// Renders the status of an operation that starts no job.
pub fn render_without_job(id: &str, started_at: Timestamp, stage: Stage<'_>) -> OperationStatus {
    OperationStatus { properties: None, ..render(id, id, started_at, stage) }
}

/// Renders the status of the operation that started `job`, or whose job that is.
pub fn render(id: &str, job: &str, started_at: Timestamp, stage: Stage<'_>) -> OperationStatus {
    let (status, end_time) = match stage {
        Stage::InProgress => ("InProgress", time::NOT_YET.to_owned()),
        Stage::Succeeded { at } => ("Succeeded", time::moment(at)),
        Stage::Failed { at, .. } => ("Failed", time::moment(at)),
    };
    let job_info = || JobInfo {
        object_type: "OperationStatusJobExtendedInfo".to_owned(),
        job_id: job.to_owned(),
    };
    OperationStatus {
        id: id.to_owned(),
        name: id.to_owned(),
        status: status.to_owned(),
        start_time: time::moment(started_at),
        end_time,
        properties: (stage != Stage::InProgress).then(job_info),
        error: match stage {
            Stage::Failed { fault, .. } => Some(Error::of(fault)),
            _ => None,
        },
    }
}
