//! The transfer: every disk of a snapshot into the repository, and the proof that it can be read.

use std::sync::Mutex;

use api::record::PointRecord;
use fabric::{CapturedDisk, DiskReader, Method};
use model::fault::{Code, Fault};
use model::job::DiskProgress;
use model::point::PointId;
use model::units::{self, Extent, MIB};
use repo::{
    DiskSpec, Flow, NewPoint, PointStats, PointWriter, Progress, RepoError, Repository, Sink,
    Source, SourceError, Transfer,
};

use super::snapshot::Snapshot;
use super::{Backup, settle};
use crate::faults::{self, OrFault};
use crate::image;
use crate::job_run::{JobRun, Stop};

/// How much of each disk is read back to validate a point, in bytes.
const SAMPLE_BYTES: u64 = MIB;

/// Writes every disk of the snapshot and commits the point.
pub(crate) fn to_vault(
    backup: &Backup,
    run: &mut JobRun,
    repository: &Repository,
    snapshot: &Snapshot,
    record: &PointRecord,
) -> Result<PointStats, Stop> {
    let incremental = |disk: &CapturedDisk| matches!(disk.method, Method::Incremental { .. });
    let evidence = snapshot.capture.evidence();
    let builds_upon = backup.item.chain.as_ref().map(|chain| chain.point);
    let parent = builds_upon.filter(|_| evidence.disks.iter().any(incremental));
    let mut writer = repository
        .begin_point(NewPoint {
            id: backup.point,
            item: backup.item.vm_name.clone(),
            taken_at: snapshot.taken_at,
            parent,
        })
        .or_fault()?;
    // All disks are announced before the first one is read, so that the percentage never falls.
    let mut opened = Vec::new();
    for disk in &evidence.disks {
        if let Some(warning) = snapshot.reset_warning(&disk.target) {
            run.warn(warning);
        }
        let mut reader = snapshot.capture.disk(&disk.target).or_fault()?;
        let extents = reader.extents().or_fault()?;
        let changed = units::total(&extents);
        run.add_disk(DiskProgress {
            target: disk.target.clone(),
            method: snapshot.method(&disk.target),
            total_bytes: changed,
            changed_bytes: changed,
            ..DiskProgress::default()
        });
        opened.push((disk, reader, extents));
    }
    for (disk, reader, extents) in opened {
        write_disk(run, &mut writer, disk, reader, extents)?;
    }
    let engine_bytes = record.encode().map_err(|error| {
        let text = faults::chain_text(&error);
        Fault::new(Code::Internal, format!("The point's record cannot be written: {text}."))
    })?;
    // What takes time comes before the last moment: a job can be stopped until its manifest is put.
    writer.store_rest().or_fault()?;
    run.pass_the_last_moment()?;
    match writer.commit(&engine_bytes) {
        Err(RepoError::Unsettled { session, .. }) => {
            Ok(settle::settle(backup, repository, session)?)
        }
        committed => Ok(committed.or_fault()?),
    }
}

fn write_disk(
    run: &mut JobRun,
    writer: &mut PointWriter,
    disk: &CapturedDisk,
    mut reader: Box<dyn DiskReader>,
    extents: Vec<Extent>,
) -> Result<(), Stop> {
    let incremental = matches!(disk.method, Method::Incremental { .. });
    let spec = DiskSpec {
        target: disk.target.clone(),
        serial: disk.serial.clone().unwrap_or_default(),
        size: disk.size,
        changed: incremental.then(|| extents.clone()),
    };
    let allocated = (!incremental).then_some(extents.as_slice());
    let mut source = CapturedSource { reader: reader.as_mut(), allocated };
    let reporter = Reporter { target: &disk.target, run: Mutex::new(run) };
    let written = writer.write_disk(&spec, &mut source, &reporter);
    match written {
        Ok(_) => {
            run.all_done(&disk.target);
            Ok(())
        }
        Err(RepoError::Cancelled) => Err(Stop::Cancelled),
        Err(error) => Err(faults::of_repository(&error).into()),
    }
}

/// A captured disk as the repository reads it.
struct CapturedSource<'a> {
    reader: &'a mut dyn DiskReader,
    /// For a full read: the allocated ranges, outside of which there is nothing to read.
    allocated: Option<&'a [Extent]>,
}

impl Source for CapturedSource<'_> {
    fn size(&self) -> u64 {
        self.reader.size()
    }

    fn read(&mut self, ranges: &[Extent], sink: &mut dyn Sink) -> Result<(), SourceError> {
        match self.allocated {
            Some(allocated) => {
                image::read_into(self.reader, &image::within(ranges, allocated), sink)
            }
            None => image::read_into(self.reader, ranges, sink),
        }
    }
}

/// Carries a transfer's figures into its job. The `Mutex` is there because the repository may
/// report from any of its threads.
struct Reporter<'a> {
    target: &'a str,
    run: Mutex<&'a mut JobRun>,
}

impl Progress for Reporter<'_> {
    fn report(&self, transfer: Transfer) -> Flow {
        let mut run = self.run.lock().expect("reporting does not panic");
        run.progress(&DiskProgress {
            target: self.target.to_owned(),
            done_bytes: transfer.read,
            scanned_bytes: transfer.scanned,
            new_bytes: transfer.new,
            stored_bytes: transfer.stored,
            ..DiskProgress::default()
        });
        if run.is_to_stop() { Flow::Cancel } else { Flow::Continue }
    }
}

/// Reads back the manifest of a committed point and a sample of each of its disks: the beginning,
/// where partition tables and boot code are, and a stretch further on.
pub(crate) fn validate(repository: &Repository, point: PointId) -> Result<(), Fault> {
    let manifest = repository.manifest(point).or_fault()?;
    let mut buffer = vec![0; 64 * units::KIB as usize];
    for disk in &manifest.disks {
        let image = repository.open_disk(point, &disk.target).or_fault()?;
        for start in [0, disk.size / 2] {
            let end = (start + SAMPLE_BYTES / 2).min(disk.size);
            let mut at = start;
            while at < end {
                let length = (end - at).min(buffer.len() as u64) as usize;
                image.read_at(at, &mut buffer[..length]).or_fault()?;
                at += length as u64;
            }
        }
    }
    Ok(())
}
