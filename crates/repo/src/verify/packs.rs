//! Verifies packs: whether they are there, and if asked, every byte of them.

use std::collections::BTreeMap;

use format::index::IndexedPack;
use format::pack::Opener;
use format::{FormatError, names};

use super::{Findings, VerifyReport, not_got, told};
use crate::error::RepoError;
use crate::index::{KnownPack, Standing};
use crate::parallel;
use crate::progress::{Flow, Progress, Transfer};
use crate::repository::Shared;
use crate::sound;

/// What reading one pack found.
#[derive(Default)]
struct Checked {
    /// Why the object is not what it should be, if so.
    reason: Option<String>,
    /// Whether nothing of it can be used.
    whole: bool,
    segments: Vec<u32>,
}

impl Shared {
    /// Checks that packs are there, and reads `percent` of them.
    pub(super) fn verify_packs(
        &self,
        percent: u8,
        findings: &mut Findings,
        report: &mut VerifyReport,
        progress: &dyn Progress,
    ) -> Result<(), RepoError> {
        let listed = self.store.list(names::PACKS)?;
        let sizes: BTreeMap<_, _> =
            listed.iter().map(|object| (object.name.as_str(), object.size)).collect();
        let known = self.index(|index| index.packs().cloned().collect::<Vec<_>>());
        report.packs_known = known.len() as u64;
        let mut to_read = Vec::new();
        for pack in &known {
            let name = names::pack(&pack.id);
            // A condemned pack may go at any time.
            if pack.standing == Standing::Condemned {
                continue;
            }
            match sizes.get(name.as_str()) {
                None => {
                    findings.add(pack.kind.pack(), &name, "it is missing");
                    findings.packs.insert(pack.id);
                }
                Some(size) if *size != pack.size => {
                    let reason = format!("it has {size} bytes instead of {}", pack.size);
                    findings.add(pack.kind.pack(), &name, &reason);
                    // What is left of it is found out by reading.
                    to_read.push(pack);
                }
                Some(_) if u64::from_le_bytes(self.random()) % 100 < u64::from(percent) => {
                    to_read.push(pack);
                }
                Some(_) => {}
            }
        }
        self.read_packs(&to_read, findings, report, progress)
    }

    fn read_packs(
        &self,
        packs: &[&KnownPack],
        findings: &mut Findings,
        report: &mut VerifyReport,
        progress: &dyn Progress,
    ) -> Result<(), RepoError> {
        let total = packs.iter().map(|pack| pack.size).sum();
        let mut transfer = Transfer { total, ..Transfer::default() };
        parallel::for_each(
            packs,
            Opener::default,
            |opener, pack| self.read_pack(pack, opener),
            |pack, checked| {
                let checked = checked?;
                if let Some(reason) = checked.reason {
                    findings.add(pack.kind.pack(), &names::pack(&pack.id), &reason);
                }
                if checked.whole {
                    findings.packs.insert(pack.id);
                }
                let segments = checked.segments.into_iter();
                findings.segments.extend(segments.map(|segment| (pack.id, segment)));
                report.packs_read += 1;
                report.bytes_read += pack.size;
                transfer.scanned += pack.size;
                transfer.read += pack.size;
                match progress.report(transfer) {
                    Flow::Continue => Ok(()),
                    Flow::Cancel => Err(RepoError::Cancelled),
                }
            },
        )
    }

    fn read_pack(&self, known: &KnownPack, opener: &mut Opener) -> Result<Checked, RepoError> {
        let name = names::pack(&known.id);
        let mut checked = Checked::default();
        let bytes = match self.store.get(&name) {
            Ok(bytes) => bytes,
            Err(error) => {
                checked.reason = Some(not_got(known.kind.pack(), &name, error)?);
                checked.whole = true;
                return Ok(checked);
            }
        };
        let frame = self.check_frame(known, &bytes);
        if let Err(FormatError::Version { version }) = frame {
            return Err(RepoError::UnsupportedVersion { name, version });
        }
        match frame {
            Ok(indexed) => self.check_segments(&indexed, &bytes, opener, &mut checked),
            Err(error) => {
                checked.reason = Some(told(&error));
                self.find_segments(known, &bytes, opener, &mut checked)?;
            }
        }
        Ok(checked)
    }

    /// Which segments are good where the pack does not tell any more where they are, but the index
    /// does.
    fn find_segments(
        &self,
        known: &KnownPack,
        bytes: &[u8],
        opener: &mut Opener,
        checked: &mut Checked,
    ) -> Result<(), RepoError> {
        let segments = match self.segments(known) {
            Err(lost) if lost.is_damage() => {
                checked.whole = true;
                return Ok(());
            }
            segments => segments?,
        };
        let key = self.keys.object(known.kind.pack(), known.id.0, 0);
        for place in segments {
            let range = place.start as usize..place.range().end as usize;
            let opened = bytes.get(range).ok_or(FormatError::Length).and_then(|sealed| {
                opener.open(&key, place.number, place.codec, sealed, place.plain as usize)
            });
            if opened.is_err() {
                checked.segments.push(place.number);
            }
        }
        Ok(())
    }

    /// The clear hash, the header and the table.
    fn check_frame(&self, known: &KnownPack, bytes: &[u8]) -> Result<IndexedPack, FormatError> {
        let frame = sound::frame(&self.keys, known.id, bytes)?;
        if frame.kind == known.kind {
            Ok(frame)
        } else {
            Err(FormatError::Invalid { what: "kind of the pack" })
        }
    }

    /// Opens every segment, once, and computes every chunk id.
    fn check_segments(
        &self,
        pack: &IndexedPack,
        bytes: &[u8],
        opener: &mut Opener,
        checked: &mut Checked,
    ) {
        let key = self.keys.object(pack.kind.pack(), pack.id.0, 0);
        for (number, (place, segment)) in (0..).zip(pack.table.places()) {
            let sealed = &bytes[place.start as usize..place.end as usize];
            let plain = opener.open(&key, number, segment.codec, sealed, segment.plain as usize);
            let reason = match plain {
                Err(error) => Some(told(&error)),
                Ok(plain) if sound::holds(&self.keys, pack.kind, plain, segment) => None,
                Ok(_) => Some("a chunk has another id".to_owned()),
            };
            if let Some(reason) = reason {
                checked.reason.get_or_insert(reason);
                checked.segments.push(number);
            }
        }
    }
}
