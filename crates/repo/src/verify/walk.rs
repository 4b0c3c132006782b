//! Walks every point's map, and finds which damaged objects it runs into.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use format::log::CommittedPoint;
use format::map::Page;
use format::seal::ChunkKind;
use format::{ChunkId, Kind, names};

use super::{Findings, VerifyReport};
use crate::error::RepoError;
use crate::index::LocatedSegment;
use crate::map::MapReader;
use crate::read::lost;
use crate::repository::Shared;

/// Names of damaged objects.
type Names = Arc<BTreeSet<String>>;

struct Walk<'a> {
    shared: &'a Arc<Shared>,
    findings: &'a mut Findings,
    /// What lies under pages that were walked: nearly always nothing.
    pages: HashMap<ChunkId, Names>,
    nothing: Names,
}

impl Shared {
    /// Walks all points.
    pub(super) fn verify_points(
        self: &Arc<Self>,
        findings: &mut Findings,
        report: &mut VerifyReport,
    ) -> Result<(), RepoError> {
        // Reading packs may have taken hours.
        self.refresh()?;
        let points: Vec<CommittedPoint> =
            self.state(|state| state.points.values().map(|(point, _)| point.clone()).collect());
        let all_hit = findings.objects.values().any(|finding| !finding.points.is_empty());
        let mut walk =
            Walk { shared: self, findings, pages: HashMap::new(), nothing: Names::default() };
        for point in &points {
            let hit = walk.point(point)?;
            report.points_checked += 1;
            if all_hit || !hit.is_empty() {
                report.points_hit.push(point.id);
            }
            for name in &*hit {
                if let Some(finding) = walk.findings.objects.get_mut(name) {
                    finding.points.insert(point.id);
                }
            }
        }
        Ok(())
    }
}

impl Walk<'_> {
    fn point(&mut self, point: &CommittedPoint) -> Result<Names, RepoError> {
        let manifest = match self.shared.fetch_manifest(point) {
            Ok(manifest) => manifest,
            Err(error) => {
                // Forgotten and collected meanwhile is no damage.
                self.shared.refresh()?;
                if !self.shared.state(|state| state.points.contains_key(&point.id)) {
                    return Ok(Names::default());
                }
                self.findings.take(error)?;
                return Ok(Arc::new(BTreeSet::from([names::manifest(&point.manifest)])));
            }
        };
        let mut hit = BTreeSet::new();
        for disk in &manifest.disks {
            let map = MapReader::new(Arc::clone(self.shared), disk.root, disk.size);
            if let (Some(root), level) = map.root() {
                hit.extend(self.page(&map, &root, level)?.iter().cloned());
            }
        }
        Ok(Arc::new(hit))
    }

    fn page(&mut self, map: &MapReader, id: &ChunkId, level: u8) -> Result<Names, RepoError> {
        if let Some(known) = self.pages.get(id) {
            return Ok(Arc::clone(known));
        }
        let mut hit = BTreeSet::new();
        match map.page(id, level) {
            Ok(page) => match &*page {
                Page::Leaf(entries) => {
                    for entry in entries {
                        self.chunk(ChunkKind::Data, &entry.id, &mut hit)?;
                    }
                }
                Page::Inner { children, .. } => {
                    for child in children {
                        hit.extend(self.page(map, &child.id, level - 1)?.iter().cloned());
                    }
                }
            },
            Err(error) => self.unreadable_page(id, error, &mut hit)?,
        }
        let hit = if hit.is_empty() { Arc::clone(&self.nothing) } else { Arc::new(hit) };
        self.pages.insert(*id, Arc::clone(&hit));
        Ok(hit)
    }

    fn unreadable_page(
        &mut self,
        id: &ChunkId,
        error: RepoError,
        hit: &mut BTreeSet<String>,
    ) -> Result<(), RepoError> {
        let places = self.shared.lookup(|index| index.locate(ChunkKind::Map, id))?;
        for place in &places {
            self.findings.segments.insert((place.segment.pack, place.segment.number));
            hit.insert(names::pack(&place.segment.pack));
        }
        match error {
            RepoError::Lost { .. } => self.chunk(ChunkKind::Map, id, hit),
            error => self.findings.take(error),
        }
    }

    /// Adds what keeps the chunk from being read, if anything does.
    fn chunk(
        &mut self,
        kind: ChunkKind,
        id: &ChunkId,
        hit: &mut BTreeSet<String>,
    ) -> Result<(), RepoError> {
        let places = self.shared.lookup(|index| index.locate(kind, id))?;
        let findings = &mut *self.findings;
        let bad = |place: &LocatedSegment| {
            findings.packs.contains(&place.pack)
                || findings.segments.contains(&(place.pack, place.number))
        };
        if places.is_empty() {
            let name = lost(kind, id).to_string();
            let kind = if kind == ChunkKind::Map { Kind::MapPack } else { Kind::DataPack };
            findings.add(kind, &name, "the pack that held it is not known");
            hit.insert(name);
        } else if places.iter().all(|place| bad(&place.segment)) {
            hit.extend(places.iter().map(|place| names::pack(&place.segment.pack)));
        }
        Ok(())
    }
}
