//! What points there are and what they hold; and letting go of them.

use std::sync::Arc;

use format::log::{CommittedPoint, Event};
use format::manifest::{Counts, Disk, Manifest};
use format::{Kind, SessionId, names};
use jiff::Timestamp;
use model::point::PointId;

use crate::decide;
use crate::error::RepoError;
use crate::repository::{Repository, Shared};
use crate::state::State;

/// What it took to make a point, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PointStats {
    /// Sizes of its disks.
    pub logical_bytes: u64,
    /// Read from the source.
    pub read_bytes: u64,
    /// Of the read ones, those that the vault did not hold yet.
    pub new_bytes: u64,
    /// Added to the store.
    pub stored_bytes: u64,
}

impl From<Counts> for PointStats {
    fn from(counts: Counts) -> Self {
        Self {
            logical_bytes: counts.logical,
            read_bytes: counts.read,
            new_bytes: counts.new,
            stored_bytes: counts.stored,
        }
    }
}

/// A point, as the log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointInfo {
    /// The point.
    pub id: PointId,
    /// What was backed up.
    pub item: String,
    /// The point that its changes were given against, if any. History: it needs no other point.
    pub parent: Option<PointId>,
    /// The moment whose state it holds.
    pub taken_at: Timestamp,
    /// When it came to exist.
    pub committed_at: Timestamp,
    /// What it took to make it.
    pub stats: PointStats,
}

/// A point with everything its manifest tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointManifest {
    /// The point, as the log tells it.
    pub info: PointInfo,
    /// Its disks.
    pub disks: Vec<DiskInfo>,
    /// What the engine kept with it.
    pub engine: Vec<u8>,
}

/// A disk of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskInfo {
    /// Its target in the domain.
    pub target: String,
    /// Its serial number; may be empty.
    pub serial: String,
    /// Its exact size, in bytes.
    pub size: u64,
    /// Its content that is not a hole, in bytes.
    pub data_bytes: u64,
    /// The chunks that its content consists of.
    pub chunks: u64,
    /// Read from the source to make this point, in bytes.
    pub read_bytes: u64,
    /// Of them, those that the vault did not hold yet.
    pub new_bytes: u64,
}

impl DiskInfo {
    fn new(disk: &Disk) -> Self {
        Self {
            target: disk.target.clone(),
            serial: disk.serial.clone(),
            size: disk.size,
            data_bytes: disk.data,
            chunks: disk.chunks,
            read_bytes: disk.read,
            new_bytes: disk.new,
        }
    }
}

impl PointInfo {
    fn new(point: &CommittedPoint, committed_at: Timestamp) -> Self {
        Self {
            id: point.id,
            item: point.item.clone(),
            parent: point.parent,
            taken_at: point.taken_at,
            committed_at,
            stats: point.counts.into(),
        }
    }
}

/// A session that is not over: a writer at work, or one that died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// The session.
    pub id: SessionId,
    /// When it began.
    pub opened_at: Timestamp,
    /// Who began it.
    pub actor: String,
}

/// What would be lost with a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// How many points it has.
    pub points: usize,
    /// Who may commit more.
    pub sessions: Vec<SessionInfo>,
}

impl Repository {
    /// What would be lost with the repository: for somebody who is about to remove it.
    ///
    /// # Errors
    ///
    /// [`RepoError::LogDamaged`] where an entry of the log cannot be read, which may be the commit
    /// of a point; or the store failed.
    pub fn contents(&self) -> Result<Contents, RepoError> {
        self.shared.refresh()?;
        let unreadable = self.shared.state(|state| state.unreadable.first().copied());
        if let Some(number) = unreadable {
            return Err(RepoError::LogDamaged { number, refused: "it must not be removed" });
        }
        let (points, sessions) = (self.points()?.len(), self.sessions()?);
        Ok(Contents { points, sessions })
    }

    /// All points, the oldest state first. From the log alone.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn points(&self) -> Result<Vec<PointInfo>, RepoError> {
        self.shared.refresh()?;
        let mut points: Vec<_> = self.shared.state(|state| {
            state.points.values().map(|(point, at)| PointInfo::new(point, *at)).collect()
        });
        points.sort_by_key(|point| (point.taken_at, point.committed_at, point.id));
        Ok(points)
    }

    /// What a point holds.
    ///
    /// # Errors
    ///
    /// [`RepoError::PointNotFound`], its manifest is damaged, or the store failed.
    pub fn manifest(&self, point: PointId) -> Result<PointManifest, RepoError> {
        self.shared.refresh()?;
        let (info, manifest) = self.shared.manifest(point)?;
        Ok(PointManifest {
            info,
            disks: manifest.disks.iter().map(DiskInfo::new).collect(),
            engine: manifest.engine,
        })
    }

    /// Lets go of a point. Its space comes back through [`Repository::collect`].
    ///
    /// # Errors
    ///
    /// [`RepoError::PointNotFound`], or the store failed.
    pub fn forget(&self, point: PointId) -> Result<(), RepoError> {
        self.shared.append(&mut |state: &State| {
            if state.points.contains_key(&point) {
                Ok(Event::Forget { point })
            } else {
                Err(RepoError::PointNotFound { point })
            }
        })
    }

    /// The sessions that are not over, in the order they began.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn sessions(&self) -> Result<Vec<SessionInfo>, RepoError> {
        self.shared.refresh()?;
        Ok(self.shared.state(|state| {
            let info = |open: &format::log::OpenSession| SessionInfo {
                id: open.id,
                opened_at: open.opened_at,
                actor: open.actor.clone(),
            };
            state.sessions.iter().map(info).collect()
        }))
    }

    /// Declares that the session's writer is dead: it can commit no more, and what it put may be
    /// collected. Whoever calls this decides; that much time has passed is no proof.
    ///
    /// # Errors
    ///
    /// [`RepoError::SessionOver`], or the store failed.
    pub fn fence(&self, session: SessionId) -> Result<(), RepoError> {
        self.shared.append(&mut |state: &State| decide::fence(state, session))
    }
}

impl Shared {
    /// The manifest of a point that exists in the newest known state.
    pub(crate) fn manifest(
        self: &Arc<Self>,
        point: PointId,
    ) -> Result<(PointInfo, Manifest), RepoError> {
        let known = self.state(|state| state.points.get(&point).cloned());
        let (committed, at) = known.ok_or(RepoError::PointNotFound { point })?;
        let manifest = self.fetch_manifest(&committed)?;
        Ok((PointInfo::new(&committed, at), manifest))
    }

    /// Reads the manifest of a committed point.
    pub(crate) fn fetch_manifest(&self, point: &CommittedPoint) -> Result<Manifest, RepoError> {
        self.fetch_manifest_sized(point).map(|(manifest, _)| manifest)
    }

    /// Reads the manifest of a committed point; and its size in the store, in bytes.
    pub(crate) fn fetch_manifest_sized(
        &self,
        point: &CommittedPoint,
    ) -> Result<(Manifest, u64), RepoError> {
        let name = names::manifest(&point.manifest);
        let bytes = self
            .store
            .get(&name)
            .map_err(|error| RepoError::unreadable(Kind::Manifest, &name, error))?;
        let (manifest, hash) = Manifest::decode(&self.keys, point.manifest, point.id, &bytes)
            .map_err(|error| RepoError::damaged(Kind::Manifest, &name, &error))?;
        if hash == point.manifest_hash {
            Ok((manifest, bytes.len() as u64))
        } else {
            let reason = "it is not the one that was committed".to_owned();
            Err(RepoError::Damaged { kind: Kind::Manifest, name, reason })
        }
    }
}
