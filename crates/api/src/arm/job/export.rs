//! Exports of jobs: the table, and where it is.

use jiff::Timestamp;
use model::item::Item;
use model::job::Job as ModelJob;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arm::time;

/// The result of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportResult {
    /// Where the table is.
    pub operation: ExportInfo,
    /// 200, as Azure tells it.
    pub status_code: String,
}

/// Where the table is. There is no key to it: it is a file on the service's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportInfo {
    /// `ExportJobsOperationResultInfo`.
    pub object_type: String,
    /// Its URL: `file://` and the path.
    pub blob_url: String,
    /// Azure's key to the file; empty.
    pub blob_sas_key: String,
}

/// Renders the result of an export into the file at this URL.
pub fn render(blob_url: String) -> ExportResult {
    ExportResult {
        operation: ExportInfo {
            object_type: "ExportJobsOperationResultInfo".to_owned(),
            blob_url,
            blob_sas_key: String::new(),
        },
        status_code: "OK".to_owned(),
    }
}

/// The table's first line.
pub const HEADER: &str = "JobId,VirtualMachine,Operation,Status,StartTime,EndTime,DurationSeconds,\
                          RecoveryPoint,ErrorCode,ErrorMessage,Warnings";

/// A job's line.
pub fn line(job: &ModelJob, item: Option<&Item>, now: Timestamp) -> String {
    let seconds = job.ended_at.unwrap_or(now).duration_since(job.started_at).as_secs().max(0);
    let error = job.error.as_ref();
    let warnings: Vec<&str> = job.warnings.iter().map(|fault| fault.code.name()).collect();
    let fields = [
        job.id.to_string(),
        item.map(|item| item.vm_name.clone()).unwrap_or_default(),
        job.operation.azure_name().to_owned(),
        job.status.azure_name().to_owned(),
        time::moment(job.started_at),
        job.ended_at.map(time::moment).unwrap_or_default(),
        seconds.to_string(),
        job.point.map(|point| point.to_string()).unwrap_or_default(),
        error.map_or("", |fault| fault.code.name()).to_owned(),
        error.map(|fault| fault.message.clone()).unwrap_or_default(),
        warnings.join(" "),
    ];
    fields.map(|text| field(&text)).join(",")
}

/// A field. Messages hold words from guests, and spreadsheets run what begins like a formula: such
/// text gets an apostrophe before it, which they do not show.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = format!("{}{text}", if formula { "'" } else { "" });
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stays_one_field_and_runs_nothing() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=cmd()", "'=cmd()"),
            ("-1,2", "\"'-1,2\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(field(text), expected);
        }
    }
}
