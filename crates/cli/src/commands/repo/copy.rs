//! `holdfast repo copy`.

use serde_json::{Value, json};

use super::faults::OrFailure;
use super::place::Location;
use super::scrub::{found, reply};
use super::watch::Watch;
use crate::failure::Failure;
use crate::output::{Reply, facts};
use crate::text;

/// From where to where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository: a path, file:///PATH, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX
    #[arg(long, value_name = "URL")]
    repo: Location,
    /// The copy: what it has stays, what it lacks is added. A directory is made if it is missing
    #[arg(long, value_name = "URL")]
    to: Location,
}

impl Args {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let from = self.repo.existing_store()?;
        let to = self.to.store()?;
        let watch = Watch::new("copy", watched)?;
        let copied = repo::copy(from.as_ref(), to.as_ref(), &watch).or_failure();
        watch.done();
        let report = copied?;
        let document = json!({
            "vault": report.vault.to_string(),
            "copiedObjects": report.copied_objects,
            "copiedBytes": report.copied_bytes,
            "presentObjects": report.present_objects,
            "damaged": report.damaged.iter().map(found).collect::<Value>(),
        });
        let told = facts(&[
            ("Vault", report.vault.to_string()),
            ("Copied", format!("{}, {}", report.copied_objects, text::bytes(report.copied_bytes))),
            ("There before", report.present_objects.to_string()),
        ]);
        Ok(reply(document, told, &report.damaged))
    }
}
