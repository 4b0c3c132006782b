//! `holdfast repo repair`.

use model::point::PointId;
use repo::{Repair, Repaired};
use serde_json::{Value, json};

use super::faults::OrFailure;
use super::place::{Location, Place, environment};
use super::verify::{damaged, line};
use super::watch::Watch;
use crate::failure::{Exit, Failure};
use crate::output::{Reply, blocks, facts};
use crate::text::printable;

/// How to repair.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// A copy of the repository, or of parts of it, that damaged objects are taken from. Without
    /// one, damaged indexes are made anew from packs
    #[arg(long, value_name = "URL")]
    from: Option<Location>,
    /// Decide and report, but change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let how = Repair {
            store: self.place.repo.existing_store()?,
            from: self.from.as_ref().map(Location::existing_store).transpose()?,
            dry_run: self.dry_run,
        };
        let key = self.place.key()?;
        let watch = Watch::new("repair", watched)?;
        let repaired = repo::repair(&how, &key, environment(), &watch).or_failure();
        watch.done();
        let report = repaired?;
        let points: Vec<String> = report.points_hit.iter().map(PointId::to_string).collect();
        let document = json!({
            "dryRun": self.dry_run,
            "repaired": report.repaired.iter().map(brought).collect::<Value>(),
            "rebuiltIndexes": report.rebuilt_indexes,
            "clearedPacks": report.cleared_packs,
            "damaged": report.damaged.iter().map(damaged).collect::<Value>(),
            "pointsHit": points,
        });
        let would = if self.dry_run { "nothing was changed" } else { "" };
        let told = facts(&[
            ("Brought back", report.repaired.len().to_string()),
            ("Indexes made anew", report.rebuilt_indexes.len().to_string()),
            ("Packs whole again", report.cleared_packs.len().to_string()),
            ("Points hit", points.join(", ")),
            ("Dry run", would.to_owned()),
        ]);
        let mended: Vec<String> = report.repaired.iter().map(mended).collect();
        let left: Vec<String> = report.damaged.iter().map(line).collect();
        let (verdict, exit) = match left.len() {
            0 => ("No damage is left.".to_owned(), Exit::Done),
            count => (format!("DAMAGED: {count} objects."), Exit::Damaged),
        };
        let human = blocks(&[told, mended.join("\n"), left.join("\n"), verdict]);
        Ok(Reply { exit, ..Reply::done(document, human) })
    }
}

fn brought(object: &Repaired) -> Value {
    json!({
        "kind": object.kind.to_string(),
        "name": object.name,
        "quarantined": object.quarantined,
    })
}

fn mended(object: &Repaired) -> String {
    let kept = object.quarantined.as_ref().map(|aside| format!(" (damaged one: {aside})"));
    let name = printable(&object.name);
    format!("{} {name} is brought back{}", object.kind, kept.unwrap_or_default())
}
