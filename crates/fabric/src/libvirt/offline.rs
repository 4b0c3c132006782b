//! A powered-off domain's point in time: its images, read by a `qemu-nbd` each.
//!
//! QEMU's lock on the images keeps the domain from starting while they are read, so all disks
//! show one moment; ending the capture lets it start. libvirt makes no checkpoints of a
//! powered-off domain; those that are there stay, and bitmaps that are whole serve an
//! incremental read.

use std::sync::Arc;

use api::helper::{Call, DomainInfo};
use uuid::Uuid;

use super::capture::choose;
use super::{LIMIT, Shared, power};
use crate::error::FabricError;
use crate::host::{
    Capture, CapturePlan, CapturedDisk, DiskReader, Evidence, Finish, Method, Quiesce,
};
use crate::image::{Map, NbdDisk, Server};
use crate::xml::domain;
use model::vm::Disk;

/// Servers of a powered-off domain's images.
pub(super) struct OfflineCapture {
    evidence: Evidence,
    servers: Vec<(Server, Map)>,
}

/// Opens the images.
pub(super) fn begin(
    shared: &Arc<Shared>,
    plan: &CapturePlan,
    info: &DomainInfo,
) -> Result<OfflineCapture, FabricError> {
    let domain = domain::read(&info.xml, power(info.state))?;
    let chosen = choose(plan, &domain)?;
    let domain_xml = shared.text(Call::DefinitionXml { domain: info.uuid.clone() }, LIMIT)?;
    let mut servers = Vec::new();
    let mut disks = Vec::new();
    for (disk, mut captured) in chosen.disks {
        let map = map(shared, plan.domain, &captured)?;
        let server = serve(plan, &disk, &map)?;
        let connected = NbdDisk::connect(&server.socket, "", disk.target.clone(), &map)?;
        captured.size = connected.size();
        // Without a new checkpoint, only an existing one can go on serving.
        captured.tracked = captured.method != Method::Full;
        servers.push((server, map));
        disks.push(captured);
    }
    let (quiesce, skipped) = (Quiesce::PoweredOff, chosen.skipped);
    let evidence = Evidence { quiesce, disks, skipped, domain_xml, checkpoint: None };
    Ok(OfflineCapture { evidence, servers })
}

fn map(shared: &Shared, domain: Uuid, disk: &CapturedDisk) -> Result<Map, FabricError> {
    let Method::Incremental { checkpoint } = &disk.method else {
        return Ok(Map::Allocated);
    };
    let bitmaps = since(&shared.checkpoints(domain)?, checkpoint);
    if bitmaps.is_empty() {
        let message = format!("checkpoint {checkpoint} is not known to libvirt");
        return Err(FabricError::ChainBroken { disk: Some(disk.target.clone()), message });
    }
    Ok(Map::Dirty(bitmaps))
}

/// A checkpoint and those made after it: each bitmap holds only the changes up to the next one.
pub(super) fn since(all: &[(String, Option<String>)], checkpoint: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (name, parent) in all {
        let child = parent.as_ref().is_some_and(|parent| found.contains(parent));
        if name == checkpoint || child {
            found.push(name.clone());
        }
    }
    found
}

fn serve(plan: &CapturePlan, disk: &Disk, map: &Map) -> Result<Server, FabricError> {
    let path = std::path::Path::new(&disk.source);
    let target = disk.target.clone();
    if !path.exists() {
        let message = format!("{} does not exist", disk.source);
        return Err(FabricError::DiskGone { target, message });
    }
    let bitmaps: &[String] = match map {
        Map::Allocated => &[],
        Map::Dirty(bitmaps) => bitmaps,
    };
    Server::start(path, disk.format, bitmaps, &plan.socket_dir).map_err(|error| match error {
        FabricError::Tool { message, .. } if message.contains("itmap") => {
            FabricError::ChainBroken { disk: Some(target), message }
        }
        FabricError::Tool { message, .. } if message.contains("lock") => {
            FabricError::WrongState { message }
        }
        FabricError::Tool { message, .. } => FabricError::DiskGone { target, message },
        other => other,
    })
}

impl Capture for OfflineCapture {
    fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    fn disk(&self, target: &str) -> Result<Box<dyn DiskReader>, FabricError> {
        let at = self.evidence.disks.iter().position(|disk| disk.target == target);
        let Some((server, map)) = at.and_then(|at| self.servers.get(at)) else {
            let message = "it is not part of the capture".to_owned();
            return Err(FabricError::DiskGone { target: target.to_owned(), message });
        };
        Ok(Box::new(NbdDisk::connect(&server.socket, "", target.to_owned(), map)?))
    }

    fn check(&self) -> Result<(), FabricError> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: Finish) -> Result<Vec<String>, FabricError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests;
