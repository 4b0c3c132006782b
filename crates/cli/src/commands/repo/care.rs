//! `holdfast repo stats` and `collect`.

use std::time::Duration;

use model::point::PointId;
use repo::{CollectOptions, CollectReport, PointSpace, Repacking, Repository, SessionId};
use serde_json::{Value, json};

use super::faults::OrFailure;
use super::place::Place;
use super::points::space_of;
use super::watch::Watch;
use crate::failure::Failure;
use crate::output::{Column, Reply, blocks, facts, table};
use crate::text;

/// Hours that condemned packs stay, unless the operator says otherwise: longer than any restore.
const GRACE_HOURS: u64 = 24;

/// Which repository to look at.
#[derive(Debug, clap::Args)]
pub struct Stats {
    /// The repository.
    #[command(flatten)]
    place: Place,
}

impl Stats {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let repository = self.place.open()?;
        let stats = repository.stats().or_failure()?;
        let space = space_of(&repository, watched)?;
        let point = |(id, alone): (&PointId, &PointSpace)| {
            json!({
                "point": id.to_string(),
                "uniqueBytes": alone.unique_bytes,
                "freesBytes": alone.frees_bytes,
            })
        };
        let document = json!({
            "points": stats.points,
            "logicalBytes": space.logical_bytes,
            "chunks": stats.chunks,
            "uniqueBytes": space.unique_bytes,
            "neededBytes": space.needed_bytes,
            "packs": stats.packs,
            "storedBytes": space.stored_bytes,
            "condemnedBytes": stats.condemned_bytes,
            "collectFreesBytes": space.collect_frees_bytes,
            "fullCollectFreesBytes": space.full_frees_bytes,
            "openSessions": stats.open_sessions,
            "quarantinedObjects": stats.quarantined_objects,
            "quarantinedBytes": stats.quarantined_bytes,
            "perPoint": space.points.iter().map(point).collect::<Vec<_>>(),
        });
        let mut human = facts(&[
            ("Points", stats.points.to_string()),
            ("Their disks", text::bytes(space.logical_bytes)),
            ("Different data", text::bytes(space.unique_bytes)),
            ("Sealed, what they need", text::bytes(space.needed_bytes)),
            ("Stored", text::bytes(space.stored_bytes)),
            ("Of it condemned", text::bytes(stats.condemned_bytes)),
            ("collect frees", text::bytes(space.collect_frees_bytes)),
            ("collect --full frees", text::bytes(space.full_frees_bytes)),
            ("Packs", stats.packs.to_string()),
            ("Chunks", stats.chunks.to_string()),
            ("Open sessions", stats.open_sessions.to_string()),
            ("In quarantine", text::bytes(stats.quarantined_bytes)),
        ]);
        if !space.points.is_empty() {
            let columns = [
                Column::Text("Point"),
                Column::Number("Unique data"),
                Column::Number("Deleting it frees"),
            ];
            let row = |(id, alone): (&PointId, &PointSpace)| {
                let sizes = [alone.unique_bytes, alone.frees_bytes].map(text::bytes);
                std::iter::once(id.to_string()).chain(sizes).collect()
            };
            let rows = space.points.iter().map(row).collect();
            human = blocks(&[human, table(&columns, rows, "")]);
        }
        Ok(Reply::done(document, human))
    }
}

/// How to collect.
#[derive(Debug, clap::Args)]
pub struct Collect {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// Decide and report, but change nothing
    #[arg(long)]
    dry_run: bool,
    /// Write every pack anew that holds anything dead, not only those that are half dead; with
    /// `--grace-hours 0`, only what holds something needed is left when it ends
    #[arg(long)]
    full: bool,
    /// How long what is condemned can still be read; longer than any restore takes
    #[arg(long, value_name = "HOURS", default_value_t = GRACE_HOURS)]
    grace_hours: u64,
    /// This open session's writer is dead: what it left may go. Only if you know that it is
    #[arg(long, value_name = "SESSION")]
    dead_session: Vec<String>,
}

impl Collect {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let repository = self.place.open()?;
        let dead = self.dead_sessions(&repository)?;
        if !self.dry_run {
            dead.into_iter().try_for_each(|session| repository.fence(session)).or_failure()?;
        }
        let grace = Duration::from_secs(self.grace_hours.saturating_mul(3600));
        let options = CollectOptions { grace, dry_run: self.dry_run };
        let how = if self.full { Repacking::Full } else { Repacking::Worthwhile };
        let watch = Watch::new("collect", watched)?;
        let report = repository.collect_with(&options, how, &watch);
        watch.done();
        let report = report.or_failure()?;
        Ok(Reply::done(self.document(&report), self.told(&report)))
    }

    fn document(&self, report: &CollectReport) -> Value {
        json!({
            "dryRun": self.dry_run,
            "full": self.full,
            "livePacks": report.live_packs,
            "liveBytes": report.live_bytes,
            "neededBytes": report.needed_bytes,
            "condemnedPacks": report.condemned_packs,
            "condemnedBytes": report.condemned_bytes,
            "repackedPacks": report.repacked_packs,
            "repackedBytes": report.repacked_bytes,
            "rewrittenBytes": report.rewritten_bytes,
            "leftPacks": report.left_packs,
            "noRoom": report.no_room,
            "waitingPacks": report.waiting_packs,
            "waitingBytes": report.waiting_bytes,
            "deletedPacks": report.deleted_packs,
            "deletedBytes": report.deleted_bytes,
            "deletedObjects": report.deleted_objects,
            "freedBytes": report.freed_bytes,
            "laterBytes": report.later_bytes,
            "openSessions": sessions(report),
        })
    }

    fn told(&self, report: &CollectReport) -> String {
        let packs = |count: u64, size: u64| format!("{count} packs, {}", text::bytes(size));
        let only_if = |told: bool, text: &str| if told { text.to_owned() } else { String::new() };
        let repacked = packs(report.repacked_packs, report.repacked_bytes);
        let rewritten = text::bytes(report.rewritten_bytes);
        facts(&[
            ("Needed", text::bytes(report.needed_bytes)),
            ("In packs", packs(report.live_packs, report.live_bytes)),
            ("Freed now", text::bytes(report.freed_bytes)),
            ("When graces are over", text::bytes(report.later_bytes)),
            ("Condemned now", packs(report.condemned_packs, report.condemned_bytes)),
            ("Written anew", format!("{repacked}, as {rewritten}")),
            ("Condemned before", packs(report.waiting_packs, report.waiting_bytes)),
            ("Deleted", packs(report.deleted_packs, report.deleted_bytes)),
            ("Left by writers", report.deleted_objects.to_string()),
            ("Do not open, left alone", report.left_packs.join(", ")),
            ("Not written anew", only_if(report.no_room, "the store is full; collect again")),
            ("Open sessions", sessions(report).join(", ")),
            ("Dry run", only_if(self.dry_run, "nothing was changed")),
        ])
    }

    /// The open sessions that the operator calls dead.
    fn dead_sessions(&self, repository: &Repository) -> Result<Vec<SessionId>, Failure> {
        if self.dead_session.is_empty() {
            return Ok(Vec::new());
        }
        let open = repository.sessions().or_failure()?;
        let find = |name: &String| {
            let session = open.iter().find(|session| session.id.to_string() == *name);
            let missing = || Failure::not_found(format!("There is no open session '{name}'."));
            session.map(|session| session.id).ok_or_else(missing)
        };
        self.dead_session.iter().map(find).collect()
    }
}

fn sessions(report: &CollectReport) -> Vec<String> {
    report.open_sessions.iter().map(SessionId::to_string).collect()
}
