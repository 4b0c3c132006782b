//! Copies a repository to a second store, byte by byte and without a key: what a repair takes from.
//!
//! The source is listed in the order log, manifests, indexes, packs, key slots and copied the other
//! way round, so that at each moment all that the copy's log names is there. Nothing in the copy is
//! ever replaced or deleted: a copy that lost an object gets it again, one that has a damaged one
//! keeps it until it is repaired.

use format::names;
use uuid::Uuid;

use crate::error::RepoError;
use crate::keys::configuration;
use crate::objects::{ObjectInfo, ObjectStore, StoreError};
use crate::parallel;
use crate::progress::{Flow, Progress, Transfer};
use crate::scrub::{Checked, ScrubFinding, checked_object, is_object};

/// How often the source is listed anew because objects were collected meanwhile.
const ATTEMPTS: u32 = 8;

/// What is listed, in this order, and copied the other way round.
const PREFIXES: [&str; 6] =
    [names::LOG, names::MANIFESTS, names::INDEXES, names::PACKS, names::KEYS, names::CONFIG];

/// What was copied. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// The vault.
    pub vault: Uuid,
    /// Objects copied.
    pub copied_objects: u64,
    /// Their sizes.
    pub copied_bytes: u64,
    /// Objects that the copy had already. Their sizes were compared, not their bytes.
    pub present_objects: u64,
    /// Objects that are damaged in the source and were not copied, or have another size in the
    /// copy.
    pub damaged: Vec<ScrubFinding>,
}

/// Copies every object of the repository `from` that `to` does not have. Every copied object's
/// clear hash and name are checked on the way. Key slots that were removed from the source since an
/// earlier copy stay in the copy.
///
/// # Errors
///
/// [`RepoError::NotARepository`]; damage of the source's configuration; [`RepoError::OtherVault`];
/// [`RepoError::Cancelled`]; or a store failed. It can be done again and goes on where it ended.
pub fn copy(
    from: &dyn ObjectStore,
    to: &dyn ObjectStore,
    progress: &dyn Progress,
) -> Result<CopyReport, RepoError> {
    let vault = configuration(from)?.0.vault;
    match configuration(to) {
        Ok((config, _)) if config.vault != vault => return Err(RepoError::OtherVault),
        Ok(_) | Err(RepoError::NotARepository) => {}
        // It is put again if it is missing, and stays if it is damaged: that is for a repair.
        Err(error) if error.is_damage() => {}
        Err(error) => return Err(error),
    }
    let mut copying = Copying {
        from,
        to,
        vault,
        progress,
        transfer: Transfer::default(),
        report: CopyReport { vault: Uuid::from_bytes(vault), ..CopyReport::default() },
    };
    for _ in 0..ATTEMPTS {
        if copying.pass()? {
            copying.report.damaged.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            return Ok(copying.report);
        }
    }
    Err(RepoError::LogContention { attempts: ATTEMPTS })
}

struct Copying<'a> {
    from: &'a dyn ObjectStore,
    to: &'a dyn ObjectStore,
    vault: [u8; 16],
    progress: &'a dyn Progress,
    transfer: Transfer,
    report: CopyReport,
}

enum Copied {
    Done,
    Damaged(String),
    Gone,
}

impl Copying<'_> {
    /// Copies what is missing; `false` if something went away meanwhile: then the log entries of
    /// this listing may name what the copy did not get, and a new listing is needed.
    fn pass(&mut self) -> Result<bool, RepoError> {
        let mut listed = Vec::new();
        for prefix in PREFIXES {
            listed.push(self.from.list(prefix)?);
        }
        self.report.damaged.clear();
        self.report.present_objects = 0;
        let mut whole = true;
        for (prefix, objects) in PREFIXES.into_iter().zip(listed).rev() {
            if prefix == names::LOG && !whole {
                return Ok(false);
            }
            let wanted = self.missing(prefix, objects)?;
            self.transfer.total += wanted.iter().map(|object| object.size).sum::<u64>();
            if prefix == names::LOG {
                // One after the other: a copy whose log has a gap is a damaged one.
                for object in &wanted {
                    let copied = copy_object(self.from, self.to, self.vault, &object.name)?;
                    whole &= self.count(object, copied)?;
                }
            } else {
                let (from, to, vault) = (self.from, self.to, self.vault);
                parallel::for_each(
                    &wanted,
                    || (),
                    |(), object| copy_object(from, to, vault, &object.name),
                    |object, copied| {
                        whole &= self.count(object, copied?)?;
                        Ok(())
                    },
                )?;
            }
        }
        Ok(whole)
    }

    /// Those of the source's objects that the copy has not.
    fn missing(
        &mut self,
        prefix: &str,
        objects: Vec<ObjectInfo>,
    ) -> Result<Vec<ObjectInfo>, RepoError> {
        let present = self.to.list(prefix)?;
        if prefix == names::LOG {
            self.lost_entries(&objects, &present);
        }
        let mut wanted = Vec::new();
        for object in objects.into_iter().filter(|object| is_object(&object.name)) {
            match present.binary_search_by(|there| there.name.cmp(&object.name)) {
                Err(_) => wanted.push(object),
                Ok(at) => {
                    self.report.present_objects += 1;
                    if present[at].size != object.size {
                        let (there, here) = (present[at].size, object.size);
                        let reason = format!("it has {there} bytes in the copy instead of {here}");
                        self.report.damaged.push(ScrubFinding { name: object.name, reason });
                    }
                }
            }
        }
        Ok(wanted)
    }

    /// Log entries are never deleted: what the copy has and the source has not was lost there.
    fn lost_entries(&mut self, objects: &[ObjectInfo], present: &[ObjectInfo]) {
        for there in present.iter().filter(|there| names::parse_log_entry(&there.name).is_some()) {
            if objects.binary_search_by(|here| here.name.cmp(&there.name)).is_err() {
                let reason = "the copy has it, but it is missing here".to_owned();
                self.report.damaged.push(ScrubFinding { name: there.name.clone(), reason });
            }
        }
    }

    fn count(&mut self, object: &ObjectInfo, copied: Copied) -> Result<bool, RepoError> {
        let mut whole = true;
        match copied {
            Copied::Done => {
                self.report.copied_objects += 1;
                self.report.copied_bytes += object.size;
            }
            Copied::Damaged(reason) => {
                self.report.damaged.push(ScrubFinding { name: object.name.clone(), reason });
            }
            Copied::Gone => whole = false,
        }
        self.transfer.scanned += object.size;
        self.transfer.read += object.size;
        match self.progress.report(self.transfer) {
            Flow::Continue => Ok(whole),
            Flow::Cancel => Err(RepoError::Cancelled),
        }
    }
}

fn copy_object(
    from: &dyn ObjectStore,
    to: &dyn ObjectStore,
    vault: [u8; 16],
    name: &str,
) -> Result<Copied, RepoError> {
    Ok(match checked_object(from, name)? {
        Checked::Sound((header, _)) if header.vault != vault => {
            Copied::Damaged("it belongs to another vault".to_owned())
        }
        Checked::Sound((_, bytes)) => match to.put(name, &bytes) {
            // Two may copy at once: the bytes of a name are the same.
            Ok(()) | Err(StoreError::AlreadyExists { .. }) => Copied::Done,
            Err(error) => return Err(error.into()),
        },
        Checked::Damaged(reason) => Copied::Damaged(reason),
        Checked::Gone => Copied::Gone,
    })
}
