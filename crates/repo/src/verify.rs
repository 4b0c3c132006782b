//! Finds damage, and says which points it hits.
//!
//! Structure is always checked: configuration, key slots, log, indexes, manifests, every map page,
//! that every pack a point needs is there and whole in size, and that the log knows every session
//! that left objects: one that it does not know shows that its newest entries were removed. With
//! `read_data`, packs are read too: their clear hash, their table, every segment and every chunk
//! id.
//!
//! A damaged pack hits a point only if the point needs one of the damaged segments, and no other
//! pack holds the same chunks.

mod frame;
mod packs;
mod walk;

pub use self::frame::{LogHead, NotALogHead};
pub(crate) use self::frame::{check_slot, check_slot_name};

use std::collections::{BTreeMap, BTreeSet};

use format::log::Event;
use format::{FormatError, Kind, PackId};
use model::point::PointId;

use crate::decide;
use crate::error::RepoError;
use crate::objects::StoreError;
use crate::progress::Progress;
use crate::repository::{Repository, Shared};
use crate::state::State;

/// How to verify.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// How many percent of the packs to read, chosen at random. None: structure only.
    pub read_data: Option<u8>,
    /// Whether to write damaged packs into the log, so that no new point relies on them.
    pub record: bool,
}

/// A damaged or missing object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedObject {
    /// What it is.
    pub kind: Kind,
    /// Its name in the store.
    pub name: String,
    /// What was found.
    pub reason: String,
    /// The points that cannot be restored in full because of it.
    pub points: Vec<PointId>,
}

/// What verification found. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Damaged objects, by name.
    pub damaged: Vec<DamagedObject>,
    /// The points that cannot be restored in full.
    pub points_hit: Vec<PointId>,
    /// Points whose maps were walked.
    pub points_checked: u64,
    /// Log entries read.
    pub log_entries: u64,
    /// Packs that the indexes know.
    pub packs_known: u64,
    /// Packs read in full.
    pub packs_read: u64,
    /// Sizes of the packs read.
    pub bytes_read: u64,
    /// Where the log ended, for a witness outside the store.
    pub log_head: Option<LogHead>,
}

/// What was found so far.
#[derive(Default)]
pub(crate) struct Findings {
    objects: BTreeMap<String, Finding>,
    /// Packs of which nothing can be read.
    packs: BTreeSet<PackId>,
    /// Segments that do not open, or hold other chunks than they should.
    segments: BTreeSet<(PackId, u32)>,
}

struct Finding {
    kind: Kind,
    reason: String,
    points: BTreeSet<PointId>,
}

impl Findings {
    fn add(&mut self, kind: Kind, name: &str, reason: &str) {
        let finding = || Finding { kind, reason: reason.to_owned(), points: BTreeSet::new() };
        self.objects.entry(name.to_owned()).or_insert_with(finding);
    }

    /// Says that these points cannot be restored because of the object.
    fn hit(&mut self, name: &str, points: &[PointId]) {
        if let Some(finding) = self.objects.get_mut(name) {
            finding.points.extend(points);
        }
    }

    /// Takes damage in; passes every other error on.
    fn take(&mut self, error: RepoError) -> Result<(), RepoError> {
        match error {
            RepoError::Damaged { kind, name, reason } => {
                self.add(kind, &name, &reason);
                Ok(())
            }
            RepoError::UnsupportedVersion { .. } => Err(error),
            error => Err(error),
        }
    }
}

impl Repository {
    /// Verifies the repository. Damage is an answer, not an error.
    ///
    /// # Errors
    ///
    /// The store failed, an object is of an unknown version, or [`RepoError::Cancelled`].
    pub fn verify(
        &self,
        options: &VerifyOptions,
        progress: &dyn Progress,
    ) -> Result<VerifyReport, RepoError> {
        let shared = &self.shared;
        // Before the log is read: a session is in the log before its first object is in the store.
        let written = shared.written()?;
        shared.refresh()?;
        let mut findings = Findings::default();
        let mut report = VerifyReport::default();
        shared.verify_clear(&mut findings)?;
        let log = shared.verify_log(&mut findings)?;
        (report.log_entries, report.log_head) = (log.entries, log.head);
        log.find_strangers(&written, &mut findings);
        for index in shared.state(|state| state.indexes.clone()) {
            if let Err(error) = shared.fetch_index(index) {
                // A collector may have replaced it meanwhile.
                shared.refresh()?;
                if shared.state(|state| state.indexes.contains(&index)) {
                    findings.take(error)?;
                }
            }
        }
        shared.verify_packs(
            options.read_data.unwrap_or(0),
            &mut findings,
            &mut report,
            progress,
        )?;
        shared.verify_points(&mut findings, &mut report)?;
        if options.record {
            shared.record(&findings)?;
        }
        let object = |(name, finding): (String, Finding)| DamagedObject {
            kind: finding.kind,
            name,
            reason: finding.reason,
            points: finding.points.into_iter().collect(),
        };
        report.damaged = findings.objects.into_iter().map(object).collect();
        Ok(report)
    }
}

impl Shared {
    /// Says in the log which packs are damaged.
    fn record(&self, findings: &Findings) -> Result<(), RepoError> {
        let segments = findings.segments.iter().map(|(pack, _)| *pack);
        let damaged: BTreeSet<_> = findings.packs.iter().copied().chain(segments).collect();
        let mut known = false;
        let appended = self.append(&mut |state: &State| {
            let packs = decide::suspect(state, &damaged);
            known = packs.is_empty();
            if known { Err(RepoError::Cancelled) } else { Ok(Event::Suspect { packs }) }
        });
        if known { Ok(()) } else { appended }
    }
}

/// Why an object's bytes are not what they should be, in words.
fn told(error: &FormatError) -> String {
    error.to_string()
}

/// Why an object cannot be got, if the object is to blame.
fn not_got(kind: Kind, name: &str, error: StoreError) -> Result<String, RepoError> {
    match RepoError::unreadable(kind, name, error) {
        RepoError::Damaged { reason, .. } => Ok(reason),
        error => Err(error),
    }
}
