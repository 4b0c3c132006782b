//! Writes recovery points.
//!
//! ```text
//!  begin_point ──► write_disk … ──► commit ──► the point exists
//!   open(session)    │                │
//!                    └── error, drop ─┴──────► fence(session): nothing is visible,
//!                                              what was put is collected later
//! ```
//!
//! Write order: data packs → map packs → index → manifest → log entry.

mod buffer;
mod disk;
mod hasher;
mod heal;
mod intake;
mod stow;
mod uploader;
mod window;

use std::sync::Arc;

use format::log::{CommittedPoint, Event};
use format::manifest::{Counts, DISKS_MAX, Disk, Manifest};
use format::map::{DISK_MAX, root_level};
use format::{ManifestId, SessionId, names};
use jiff::Timestamp;
use model::point::PointId;
use model::units::{Extent, total};

use crate::decide::{self, Commit, Reliance, Settled};
use crate::error::RepoError;
use crate::map::{MapBuilder, MapReader};
use crate::points::PointStats;
use crate::progress::Progress;
use crate::repository::{Repository, Shared};
use crate::source::Source;
use crate::state::State;
use disk::{DiskRun, Written};
use stow::Stow;
pub(crate) use stow::{INDEX_SIZE, PACK_SIZE};
use window::Planner;

mod rescue;

/// How often chunks are stored again because packs were condemned or found damaged meanwhile.
const RESCUES: u32 = 3;

/// A point to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPoint {
    /// Its id. Random, and never used before.
    pub id: PointId,
    /// What is backed up. At most 1024 bytes.
    pub item: String,
    /// The moment whose state it holds.
    pub taken_at: Timestamp,
    /// The point that changed extents are given against.
    pub parent: Option<PointId>,
}

/// A disk to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSpec {
    /// Its target in the domain, such as `vda`. At most 1024 bytes.
    pub target: String,
    /// Its serial number; may be empty. At most 1024 bytes.
    pub serial: String,
    /// Its exact size, in bytes.
    pub size: u64,
    /// What may differ from the parent point's disk with the same target; everything, if none.
    pub changed: Option<Vec<Extent>>,
}

/// What it took to write a disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Read from the source.
    pub read_bytes: u64,
    /// Of them, new to the vault.
    pub new_bytes: u64,
    /// The disk's content that is not a hole, in this point.
    pub data_bytes: u64,
}

/// Writes one point. Dropped without [`PointWriter::commit`], it leaves nothing visible.
pub struct PointWriter {
    shared: Arc<Shared>,
    session: SessionId,
    new: NewPoint,
    parent: Option<Manifest>,
    stow: Stow,
    disks: Vec<Disk>,
    /// Condemnations seen when the session opened.
    condemnations: u64,
    /// How often packs had been found damaged, as far as the index that chunks are looked up in.
    suspicions: u64,
    /// Whether `stow.relied` names every pack of the point, so that the parent does not matter.
    stands_alone: bool,
    over: bool,
}

/// What came of a try to commit.
enum Tried {
    Committed,
    /// Packs that the point needs were condemned or found damaged: nothing was written.
    Outdated,
    /// The entry was sent; whether it is in the log, or will be, is not known.
    NoAnswer(RepoError),
}

impl Repository {
    /// Begins a point: opens a session.
    ///
    /// # Errors
    ///
    /// The point exists already, the parent does not or its manifest is damaged, the log is
    /// damaged and a parent is given, or the store failed.
    pub fn begin_point(&self, new: NewPoint) -> Result<PointWriter, RepoError> {
        let shared = &self.shared;
        // In a full store, an entry for every attempt would eat up what collecting needs.
        shared.store.takes_data()?;
        shared.refresh()?;
        let parent = match new.parent {
            Some(parent) => Some(shared.manifest(parent)?.1),
            None => None,
        };
        let session = SessionId(shared.random());
        let suspicions = shared.suspicions();
        let mut condemnations = 0;
        let opened = shared.append(&mut |state: &State| {
            decide::open_point(state, new.id, new.parent)?;
            condemnations = state.condemnations;
            let actor = shared.environment.actor.clone();
            Ok(Event::Open { session, actor })
        });
        if let Err(error) = opened {
            // The entry may be there all the same, and nobody else would end the session.
            let _ = shared.append(&mut |state: &State| decide::fence(state, session));
            return Err(error);
        }
        Ok(PointWriter {
            stow: Stow::new(shared, session),
            shared: Arc::clone(shared),
            session,
            new,
            parent,
            disks: Vec::new(),
            condemnations,
            suspicions,
            stands_alone: false,
            over: false,
        })
    }
}

impl PointWriter {
    /// The session it writes in.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Puts packs from now on without opening, decompressing and comparing them first.
    ///
    /// Saves a fifth of a full backup's processor time (bench/RESULTS.md), and lets a fault of
    /// memory, processor or program between reading and putting pass unseen until somebody verifies
    /// the repository.
    pub fn skip_verification(&mut self) {
        self.stow.verify = false;
    }

    /// Writes one disk.
    ///
    /// After an error the point cannot be committed; drop the writer.
    ///
    /// # Errors
    ///
    /// [`RepoError::Source`] and [`RepoError::Cancelled`]; [`RepoError::NoParentDisk`] and
    /// [`RepoError::ParentDiskDiffers`] if changes are given and the disk is to be read in full;
    /// damage of the parent's map (likewise); or the store failed.
    pub fn write_disk(
        &mut self,
        spec: &DiskSpec,
        source: &mut dyn Source,
        progress: &dyn Progress,
    ) -> Result<DiskStats, RepoError> {
        let written = self.check_disk(spec, source.size()).and_then(|()| match &spec.changed {
            None => self.write_full(spec, source, progress),
            Some(changed) => self.write_changes(spec, changed, source, progress),
        });
        if written.is_err() {
            self.end();
        }
        let disk = written?;
        let stats = DiskStats { read_bytes: disk.read, new_bytes: disk.new, data_bytes: disk.data };
        self.disks.push(disk);
        Ok(stats)
    }

    fn check_disk(&self, spec: &DiskSpec, source_size: u64) -> Result<(), RepoError> {
        let input = |what: String| Err(RepoError::Input { what });
        let DiskSpec { target, size, .. } = spec;
        if self.over {
            return Err(RepoError::SessionOver { session: self.session });
        }
        if source_size != *size {
            return input(format!(
                "disk '{target}' is said to have {size} bytes, but its source has {source_size}"
            ));
        }
        if *size > DISK_MAX {
            return input(format!("disk '{target}' has {size} bytes, more than 64 TiB"));
        }
        if self.disks.len() == DISKS_MAX {
            return input(format!("a point has at most {DISKS_MAX} disks"));
        }
        if self.disks.iter().any(|disk| disk.target == *target) {
            return input(format!("the point has a disk '{target}' already"));
        }
        Ok(())
    }

    fn write_full(
        &mut self,
        spec: &DiskSpec,
        source: &mut dyn Source,
        progress: &dyn Progress,
    ) -> Result<Disk, RepoError> {
        let shared = Arc::clone(&self.shared);
        let key = shared.keys.boundary_key();
        let builder = MapBuilder::new(None, root_level(spec.size));
        let run = DiskRun::new(&mut self.stow, builder, progress, key, &spec.target, spec.size);
        Ok(described(spec, &run.full(source)?, None))
    }

    fn write_changes(
        &mut self,
        spec: &DiskSpec,
        changed: &[Extent],
        source: &mut dyn Source,
        progress: &dyn Progress,
    ) -> Result<Disk, RepoError> {
        let old = self
            .parent
            .as_ref()
            .and_then(|parent| parent.disks.iter().find(|disk| disk.target == spec.target))
            .cloned();
        let target = || spec.target.clone();
        let old = old.ok_or_else(|| RepoError::NoParentDisk { target: target() })?;
        if old.size != spec.size {
            let (size, parent_size) = (spec.size, old.size);
            return Err(RepoError::ParentDiskDiffers { target: target(), size, parent_size });
        }
        let shared = Arc::clone(&self.shared);
        let key = shared.keys.boundary_key();
        let map = MapReader::new(Arc::clone(&shared), old.root, old.size);
        let mut changed = changed.to_vec();
        changed.extend(self.heal(&map, spec.size)?);
        let planner = Planner::new(&changed, &map, spec.size);
        let builder = MapBuilder::new(Some(&map), root_level(spec.size));
        let run = DiskRun::new(&mut self.stow, builder, progress, key, &spec.target, spec.size);
        let written = run.incremental(planner, total(&changed), source)?;
        Ok(described(spec, &written, Some(&old)))
    }

    /// Puts what is not in the store yet of the disks that were written: then a commit puts the
    /// manifest and the log's entry, and nothing else. To be called after the last disk.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn store_rest(&mut self) -> Result<(), RepoError> {
        self.stow.finish()
    }

    /// Makes the point exist. `engine` is kept with it, at most 4 MiB.
    ///
    /// The stored bytes it answers hold everything but the log's entries.
    ///
    /// # Errors
    ///
    /// [`RepoError::SessionOver`] if somebody fenced the session; [`RepoError::PointExists`]; or
    /// the store failed: then the point does not exist, and never will. Only
    /// [`RepoError::Unsettled`] leaves that open.
    pub fn commit(mut self, engine: &[u8]) -> Result<PointStats, RepoError> {
        if self.over {
            return Err(RepoError::SessionOver { session: self.session });
        }
        self.stow.finish()?;
        let (mut point, size) = self.put_manifest(engine)?;
        point.counts.stored += size;
        for _ in 0..RESCUES {
            match self.try_commit(&point) {
                Ok(Tried::Committed) => {
                    self.over = true;
                    return Ok(PointStats::from(point.counts));
                }
                Ok(Tried::Outdated) => {}
                Ok(Tried::NoAnswer(error)) => return self.settle(&point, error),
                Err(error) => return Err(error),
            }
            self.rescue()?;
            self.stow.finish()?;
            point.counts.stored = self.stow.stored() + size;
        }
        Err(RepoError::LogContention { attempts: RESCUES })
    }

    /// Puts the manifest: what the log will say of the point, and the manifest's size in bytes.
    fn put_manifest(&self, engine: &[u8]) -> Result<(CommittedPoint, u64), RepoError> {
        let sum = |of: fn(&Disk) -> u64| self.disks.iter().map(of).sum();
        let counts = Counts {
            logical: sum(|disk| disk.size),
            read: sum(|disk| disk.read),
            new: sum(|disk| disk.new),
            stored: self.stow.stored(),
        };
        let manifest = Manifest {
            point: self.new.id,
            item: self.new.item.clone(),
            parent: self.new.parent,
            taken_at: self.new.taken_at,
            written_at: self.shared.environment.clock.now(),
            counts,
            disks: self.disks.clone(),
            engine: engine.to_vec(),
        };
        let id = ManifestId::new(self.session, self.shared.random());
        let bytes =
            manifest.encode(&self.shared.keys, id).map_err(|error| RepoError::input(&error))?;
        self.shared.store.put(&names::manifest(&id), &bytes)?;
        let point = CommittedPoint {
            id: self.new.id,
            item: manifest.item,
            parent: manifest.parent,
            taken_at: manifest.taken_at,
            counts,
            manifest: id,
            manifest_hash: *bytes.last_chunk().expect("an object ends with its hash"),
        };
        Ok((point, bytes.len() as u64))
    }

    /// Appends the commit entry, if the log's state allows it.
    fn try_commit(&self, point: &CommittedPoint) -> Result<Tried, RepoError> {
        let reliance = Reliance {
            packs: &self.stow.relied,
            parent: self.new.parent,
            condemnations: self.condemnations,
            suspicions: self.suspicions,
            stands_alone: self.stands_alone,
        };
        let (mut outdated, mut sent) = (false, false);
        let appended = self.shared.append(&mut |state: &State| match decide::commit(
            state,
            self.session,
            point.id,
            &reliance,
        )? {
            Commit::Rescue => {
                outdated = true;
                Err(RepoError::Cancelled)
            }
            Commit::Write => {
                sent = true;
                let (session, point) = (self.session, point.clone());
                Ok(Event::Commit { session, point, indexes: self.stow.indexes.clone() })
            }
        });
        match appended {
            _ if outdated => Ok(Tried::Outdated),
            // Whatever failed then, the store may have taken the entry, or take it later.
            Err(error) if sent => Ok(Tried::NoAnswer(error)),
            appended => appended.map(|()| Tried::Committed),
        }
    }

    /// Finds out what became of a commit that got no answer. It lands at the number it was sent to
    /// or nowhere: either the log has it there, or a fence takes that number and keeps it out.
    fn settle(
        &mut self,
        point: &CommittedPoint,
        error: RepoError,
    ) -> Result<PointStats, RepoError> {
        self.over = true;
        self.stow.abandon();
        let session = self.session;
        let mut exists = false;
        let settled = self.shared.append(&mut |state: &State| match decide::settle(
            state,
            session,
            point.id,
            point.manifest,
        ) {
            Settled::Fence => Ok(Event::Fence { session }),
            Settled::Exists => {
                exists = true;
                Err(RepoError::Cancelled)
            }
            Settled::Gone => Err(RepoError::SessionOver { session }),
        });
        match settled {
            _ if exists => Ok(PointStats::from(point.counts)),
            Ok(()) | Err(RepoError::SessionOver { .. }) => Err(error),
            Err(_) => Err(RepoError::Unsettled { point: point.id, session }),
        }
    }

    /// Ends the session without a point. Best effort: if it fails, somebody else must fence it.
    fn end(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        // Puts under way could take the room that a full store keeps for the entry.
        self.stow.abandon();
        let session = self.session;
        let fenced = self.shared.append(&mut |state: &State| decide::fence(state, session));
        if let Err(error) = fenced {
            tracing::debug!(%session, %error, "a session was left open");
        }
    }
}

impl Drop for PointWriter {
    fn drop(&mut self) {
        self.end();
    }
}

/// The disk as the manifest tells it.
fn described(spec: &DiskSpec, written: &Written, old: Option<&Disk>) -> Disk {
    let (old_chunks, old_data) = old.map_or((0, 0), |old| (old.chunks, old.data));
    let (added, removed) = (written.map.added, written.map.removed);
    Disk {
        target: spec.target.clone(),
        serial: spec.serial.clone(),
        size: spec.size,
        root: written.map.root,
        chunks: (old_chunks + added.chunks).saturating_sub(removed.chunks),
        data: (old_data + added.data).saturating_sub(removed.data),
        read: written.read,
        new: written.new,
    }
}
