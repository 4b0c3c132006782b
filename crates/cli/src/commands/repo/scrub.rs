//! `holdfast repo scrub`.

use repo::ScrubFinding;
use serde_json::{Value, json};

use super::faults::OrFailure;
use super::place::Location;
use super::watch::Watch;
use crate::failure::{Exit, Failure};
use crate::output::{Reply, blocks, facts};
use crate::text::{self, printable};

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository or a copy of it: a path, file:///PATH, s3://BUCKET/PREFIX or
    /// az://CONTAINER/PREFIX
    #[arg(long, value_name = "URL")]
    repo: Location,
}

impl Args {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let store = self.repo.existing_store()?;
        let watch = Watch::new("scrub", watched)?;
        let scrubbed = repo::scrub(store.as_ref(), &watch).or_failure();
        watch.done();
        let report = scrubbed?;
        let document = json!({
            "vault": report.vault.map(|vault| vault.to_string()),
            "damaged": report.damaged.iter().map(found).collect::<Value>(),
            "objects": report.objects,
            "bytesRead": report.bytes,
            "quarantined": report.quarantined,
            "foreign": report.foreign,
        });
        let told = facts(&[
            ("Vault", report.vault.map(|vault| vault.to_string()).unwrap_or_default()),
            ("Objects read", report.objects.to_string()),
            ("Bytes read", text::bytes(report.bytes)),
            ("In quarantine", report.quarantined.to_string()),
            ("Not the repository's", report.foreign.to_string()),
        ]);
        Ok(reply(document, told, &report.damaged))
    }
}

/// The reply for what was found, with its exit code.
pub(super) fn reply(document: Value, told: String, damaged: &[ScrubFinding]) -> Reply {
    let line =
        |found: &ScrubFinding| format!("{}: {}", printable(&found.name), printable(&found.reason));
    let lines: Vec<String> = damaged.iter().map(line).collect();
    let (verdict, exit) = match lines.len() {
        0 => ("No damage was found.".to_owned(), Exit::Done),
        count => (format!("DAMAGED: {count} objects."), Exit::Damaged),
    };
    Reply { exit, ..Reply::done(document, blocks(&[told, lines.join("\n"), verdict])) }
}

pub(super) fn found(found: &ScrubFinding) -> Value {
    json!({"name": found.name, "reason": found.reason})
}
