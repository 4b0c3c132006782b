//! `holdfast repo stats` and `collect`.

use std::time::Duration;

use repo::{CollectOptions, Repository, SessionId};
use serde_json::json;

use super::faults::OrFailure;
use super::place::Place;
use crate::failure::Failure;
use crate::output::{Reply, facts};
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
    pub fn run(self) -> Result<Reply, Failure> {
        let stats = self.place.open()?.stats().or_failure()?;
        let document = json!({
            "points": stats.points,
            "logicalBytes": stats.logical_bytes,
            "chunks": stats.chunks,
            "uniqueBytes": stats.unique_bytes,
            "packs": stats.packs,
            "storedBytes": stats.stored_bytes,
            "condemnedBytes": stats.condemned_bytes,
            "openSessions": stats.open_sessions,
        });
        let human = facts(&[
            ("Points", stats.points.to_string()),
            ("Their disks", text::bytes(stats.logical_bytes)),
            ("Chunks", stats.chunks.to_string()),
            ("Different data", text::bytes(stats.unique_bytes)),
            ("Packs", stats.packs.to_string()),
            ("Stored", text::bytes(stats.stored_bytes)),
            ("Of it condemned", text::bytes(stats.condemned_bytes)),
            ("Open sessions", stats.open_sessions.to_string()),
        ]);
        Ok(Reply::done(document, human))
    }
}

/// How to collect.
#[derive(Debug, clap::Args)]
pub struct Collect {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// Decide and report, but delete nothing
    #[arg(long)]
    dry_run: bool,
    /// How long what is condemned can still be read; longer than any restore takes
    #[arg(long, value_name = "HOURS", default_value_t = GRACE_HOURS)]
    grace_hours: u64,
    /// This open session's writer is dead: what it left may go. Only if you know that it is
    #[arg(long, value_name = "SESSION")]
    dead_session: Vec<String>,
}

impl Collect {
    /// Carries the command out.
    pub fn run(self) -> Result<Reply, Failure> {
        let repository = self.place.open()?;
        let dead = self.dead_sessions(&repository)?;
        if !self.dry_run {
            dead.into_iter().try_for_each(|session| repository.fence(session)).or_failure()?;
        }
        let grace = Duration::from_secs(self.grace_hours.saturating_mul(3600));
        let options = CollectOptions { grace, dry_run: self.dry_run };
        let report = repository.collect(&options).or_failure()?;
        let sessions: Vec<String> = report.open_sessions.iter().map(SessionId::to_string).collect();
        let document = json!({
            "dryRun": self.dry_run,
            "livePacks": report.live_packs,
            "liveBytes": report.live_bytes,
            "condemnedPacks": report.condemned_packs,
            "condemnedBytes": report.condemned_bytes,
            "waitingPacks": report.waiting_packs,
            "waitingBytes": report.waiting_bytes,
            "deletedPacks": report.deleted_packs,
            "deletedBytes": report.deleted_bytes,
            "deletedObjects": report.deleted_objects,
            "openSessions": sessions,
        });
        let packs = |count: u64, size: u64| format!("{count} packs, {}", text::bytes(size));
        let would = if self.dry_run { "nothing was changed" } else { "" };
        let human = facts(&[
            ("Needed", packs(report.live_packs, report.live_bytes)),
            ("Condemned now", packs(report.condemned_packs, report.condemned_bytes)),
            ("Condemned before", packs(report.waiting_packs, report.waiting_bytes)),
            ("Deleted", packs(report.deleted_packs, report.deleted_bytes)),
            ("Left by writers", report.deleted_objects.to_string()),
            ("Open sessions", sessions.join(", ")),
            ("Dry run", would.to_owned()),
        ]);
        Ok(Reply::done(document, human))
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
