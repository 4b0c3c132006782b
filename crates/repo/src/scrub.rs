//! Looks for damage without a key: for whoever keeps a copy of a repository, and may not read it.
//!
//! Every object carries a clear header and a clear hash. They show every damage by chance: flipped
//! bits, cut ends, objects under another's name. What they cannot show is what somebody put there
//! on purpose, and two log entries that changed places; that takes the key, and
//! `Repository::verify`.

use std::collections::BTreeMap;

use format::codec::Reader;
use format::header::{self, Header};
use format::{FormatError, Kind, names};
use uuid::Uuid;

use crate::error::RepoError;
use crate::objects::{ObjectInfo, ObjectStore};
use crate::parallel;
use crate::progress::{Flow, Progress, Transfer};

/// An object that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubFinding {
    /// Its name in the store.
    pub name: String,
    /// What was found.
    pub reason: String,
}

/// What a scrub found. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// The vault that most objects belong to; nothing if none could be read.
    pub vault: Option<Uuid>,
    /// Damaged and missing objects, by name.
    pub damaged: Vec<ScrubFinding>,
    /// Objects of the repository that were read.
    pub objects: u64,
    /// Their sizes.
    pub bytes: u64,
    /// Damaged objects that a repair kept aside.
    pub quarantined: u64,
    /// Objects under names that no object of a repository has; they were not read.
    pub foreign: u64,
}

/// Reads every object of the repository in `store`, and checks what can be checked without a key.
///
/// # Errors
///
/// [`RepoError::NotARepository`], an object of an unknown version, [`RepoError::Cancelled`], or the
/// store failed. Damage is an answer, not an error.
pub fn scrub(store: &dyn ObjectStore, progress: &dyn Progress) -> Result<ScrubReport, RepoError> {
    let mut report = ScrubReport::default();
    let mut objects = Vec::new();
    for object in store.list("")? {
        if object.name.starts_with(names::QUARANTINE) {
            report.quarantined += 1;
        } else if is_object(&object.name) {
            objects.push(object);
        } else {
            report.foreign += 1;
        }
    }
    if objects.is_empty() {
        return Err(RepoError::NotARepository);
    }
    missing(&objects, &mut report.damaged);
    let vaults = read_all(store, &objects, &mut report, progress)?;
    let most = vaults.iter().max_by_key(|(_, of_vault)| of_vault.len()).map(|(vault, _)| *vault);
    report.vault = most.map(Uuid::from_bytes);
    for (vault, of_vault) in vaults {
        if Some(vault) != most {
            let reason = "it belongs to another vault than most objects";
            report.damaged.extend(of_vault.into_iter().map(|name| found(name, reason)));
        }
    }
    report.damaged.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(report)
}

fn found(name: impl Into<String>, reason: impl Into<String>) -> ScrubFinding {
    ScrubFinding { name: name.into(), reason: reason.into() }
}

/// What must be there, and is not.
fn missing(objects: &[ObjectInfo], damaged: &mut Vec<ScrubFinding>) {
    let any = |prefix: &str| objects.iter().any(|object| object.name.starts_with(prefix));
    if !any(names::CONFIG) {
        damaged.push(found(names::CONFIG, "it is missing"));
    }
    if !any(names::KEYS) {
        damaged.push(found(names::KEYS, "there is no key slot"));
    }
    let mut next = 1;
    for number in objects.iter().filter_map(|object| names::parse_log_entry(&object.name)) {
        if number > next {
            let gap = match number - next {
                1 => "it is missing".to_owned(),
                count => format!("it is missing, and {} entries after it", count - 1),
            };
            damaged.push(found(names::log_entry(next), gap));
        }
        next = number + 1;
    }
}

/// Reads the objects; names of the sound ones by vault.
fn read_all(
    store: &dyn ObjectStore,
    objects: &[ObjectInfo],
    report: &mut ScrubReport,
    progress: &dyn Progress,
) -> Result<BTreeMap<[u8; 16], Vec<String>>, RepoError> {
    let mut vaults = BTreeMap::<_, Vec<String>>::new();
    let total = objects.iter().map(|object| object.size).sum();
    let mut transfer = Transfer { total, ..Transfer::default() };
    parallel::for_each(
        objects,
        || (),
        |(), object| checked_object(store, &object.name).map(|read| read.map(|(header, _)| header)),
        |object, read| {
            match read? {
                Checked::Sound(header) => {
                    vaults.entry(header.vault).or_default().push(object.name.clone());
                }
                Checked::Damaged(reason) => report.damaged.push(found(&object.name, reason)),
                Checked::Gone => {}
            }
            report.objects += 1;
            report.bytes += object.size;
            transfer.scanned += object.size;
            transfer.read += object.size;
            match progress.report(transfer) {
                Flow::Continue => Ok(()),
                Flow::Cancel => Err(RepoError::Cancelled),
            }
        },
    )?;
    Ok(vaults)
}

/// What an object turned out to be.
pub(crate) enum Checked<T> {
    Sound(T),
    /// Why it is not what it should be.
    Damaged(String),
    /// It was deleted since it was listed.
    Gone,
}

impl<T> Checked<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Checked<U> {
        match self {
            Self::Sound(value) => Checked::Sound(change(value)),
            Self::Damaged(reason) => Checked::Damaged(reason),
            Self::Gone => Checked::Gone,
        }
    }
}

/// Reads an object and checks its clear hash, and its header against its name.
///
/// # Errors
///
/// It is of an unknown version, or the store failed.
pub(crate) fn checked_object(
    store: &dyn ObjectStore,
    name: &str,
) -> Result<Checked<(Header, Vec<u8>)>, RepoError> {
    let Some(expected) = Expected::of(name) else { return Ok(Checked::Gone) };
    let bytes = match store.get(name) {
        Ok(bytes) => bytes,
        Err(crate::objects::StoreError::NotFound { .. }) => return Ok(Checked::Gone),
        Err(error) => match RepoError::unreadable(expected.kinds[0], name, error) {
            RepoError::Damaged { reason, .. } => return Ok(Checked::Damaged(reason)),
            error => return Err(error),
        },
    };
    match expected.check(&bytes) {
        Ok(header) => Ok(Checked::Sound((header, bytes))),
        Err(FormatError::Version { version }) => {
            Err(RepoError::UnsupportedVersion { name: name.to_owned(), version })
        }
        Err(error) => Ok(Checked::Damaged(error.to_string())),
    }
}

/// Whether an object of a repository may have such a name.
pub(crate) fn is_object(name: &str) -> bool {
    Expected::of(name).is_some()
}

/// What the name of an object says of it.
struct Expected {
    kinds: &'static [Kind],
    /// The object id, where names carry it.
    object: Option<[u8; 16]>,
}

impl Expected {
    /// Nothing if no object of a repository has such a name.
    fn of(name: &str) -> Option<Self> {
        let owned = |prefix, kinds| {
            let id = names::parse_owned(prefix, name)?;
            Some(Self { kinds, object: Some(id.0) })
        };
        match name {
            names::CONFIG => Some(Self { kinds: &[Kind::Config], object: Some([0; 16]) }),
            _ if names::parse_log_entry(name).is_some() => {
                Some(Self { kinds: &[Kind::LogEntry], object: None })
            }
            _ if name.starts_with(names::KEYS) => {
                let id = names::parse_key_slot(name)?;
                Some(Self { kinds: &[Kind::KeySlot], object: Some(id) })
            }
            _ => owned(names::PACKS, &[Kind::DataPack, Kind::MapPack][..])
                .or_else(|| owned(names::INDEXES, &[Kind::Index]))
                .or_else(|| owned(names::MANIFESTS, &[Kind::Manifest])),
        }
    }

    fn check(&self, bytes: &[u8]) -> Result<Header, FormatError> {
        let (body, _) = header::checked(bytes)?;
        let decode = |kind: &Kind| Header::decode(&mut Reader::new(body), *kind);
        let found = self.kinds.iter().map(decode).find(Result::is_ok);
        let header = found.unwrap_or_else(|| decode(&self.kinds[0]))?;
        match self.object {
            Some(object) if object != header.object => {
                Err(FormatError::Invalid { what: "name of the object" })
            }
            _ => Ok(header),
        }
    }
}
