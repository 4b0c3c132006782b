//! Key slots: how the master key is kept.
//!
//! A slot is the master key, sealed with a key that somebody holds outside the store ([`Key`]): in
//! a key file, in the head, or on paper.

use zeroize::Zeroizing;

use self::stretch::STRETCH;
use crate::codec::{Reader, Writer};
use crate::error::FormatError;
use crate::header::{self, Header, Kind};
use crate::seal::{MasterKey, ObjectKey, TAG, derive};

mod stretch;
mod text;

pub use stretch::Stretch;

/// The key-encrypting key of a slot. Without `Debug`; it wipes itself.
#[derive(Clone)]
pub struct Kek(Zeroizing<[u8; 32]>);

/// A passphrase. It wipes itself.
pub type Secret = Zeroizing<String>;

/// What somebody holds that opens a slot. Without `Debug`; it wipes itself.
#[derive(Clone)]
pub enum Key {
    /// The key in a key file.
    File(Kek),
    /// A passphrase.
    Passphrase(Secret),
    /// A recovery key, as it was printed once.
    Recovery(Kek),
}

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// A key file.
    KeyFile,
    /// A passphrase.
    Passphrase,
    /// A recovery key.
    RecoveryKey,
    /// Something that a newer Holdfast knows, by its byte.
    Other(u8),
}

/// The most slots of a repository that a reader tries.
pub const SLOTS_MAX: usize = 64;
const PARAMETERS_MAX: usize = 4096;

impl SlotKind {
    /// The byte that stands for the kind.
    pub const fn code(self) -> u8 {
        match self {
            Self::KeyFile => 1,
            Self::Passphrase => 2,
            Self::RecoveryKey => 3,
            Self::Other(code) => code,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::KeyFile,
            2 => Self::Passphrase,
            3 => Self::RecoveryKey,
            code => Self::Other(code),
        }
    }
}

impl std::fmt::Display for SlotKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::KeyFile => f.write_str("key file"),
            Self::Passphrase => f.write_str("passphrase"),
            Self::RecoveryKey => f.write_str("recovery key"),
            Self::Other(code) => write!(f, "kind {code}"),
        }
    }
}

impl Kek {
    /// The key of these random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    fn slot_key(&self, header: Header) -> ObjectKey {
        let key = derive("holdfast 1 slot", &[self.0.as_slice(), &header.object]);
        ObjectKey::new(&key, header, 0)
    }
}

impl Key {
    /// The kind of slot that it opens.
    pub const fn kind(&self) -> SlotKind {
        match self {
            Self::File(_) => SlotKind::KeyFile,
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Recovery(_) => SlotKind::RecoveryKey,
        }
    }
}

/// Encodes the slot `slot` (a random id) of `vault`, which the key file's `kek` opens.
pub fn encode(vault: [u8; 16], slot: [u8; 16], kek: &Kek, master: &MasterKey) -> Vec<u8> {
    sealed(vault, slot, SlotKind::KeyFile, &[], kek, master)
}

/// Encodes the slot `slot` (a random id) of `vault`, which `key` opens. `stretch` counts for a
/// passphrase only.
///
/// # Errors
///
/// `stretch` is beyond what a reader accepts.
pub fn encode_for(
    vault: [u8; 16],
    slot: [u8; 16],
    key: &Key,
    stretch: &Stretch,
    master: &MasterKey,
) -> Result<Vec<u8>, FormatError> {
    let (parameters, kek) = match key {
        Key::File(kek) | Key::Recovery(kek) => (Vec::new(), kek.clone()),
        Key::Passphrase(passphrase) => (stretch.encode(), stretch.apply(passphrase)?),
    };
    Ok(sealed(vault, slot, key.kind(), &parameters, &kek, master))
}

fn sealed(
    vault: [u8; 16],
    slot: [u8; 16],
    kind: SlotKind,
    parameters: &[u8],
    kek: &Kek,
    master: &MasterKey,
) -> Vec<u8> {
    let header = Header { kind: Kind::KeySlot, epoch: 0, vault, object: slot };
    let mut writer = Writer::new();
    writer.u8(kind.code());
    writer.bytes(parameters);
    let fields = writer.into_bytes();

    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&fields);
    kek.slot_key(header).seal(0, &fields, master.0.as_slice(), &mut bytes);
    header::append_trailer(&mut bytes);
    bytes
}

/// A key slot, not yet opened.
pub struct Slot {
    /// What opens it.
    pub kind: SlotKind,
    header: Header,
    /// For a passphrase.
    stretch: Option<Stretch>,
    /// Kind and parameters, as they stand in the object.
    fields: Vec<u8>,
    sealed: [u8; 32 + TAG],
}

impl Slot {
    /// Reads a slot.
    ///
    /// # Errors
    ///
    /// Damage, another version, or parameters that no writer writes. A kind that this version does
    /// not know is no error: see [`SlotKind::Other`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (body, _) = header::checked(bytes)?;
        let mut reader = Reader::new(body);
        let header = Header::decode(&mut reader, Kind::KeySlot)?;
        if header.epoch != 0 {
            return Err(FormatError::Invalid { what: "header" });
        }
        let start = reader.rest();
        let kind = SlotKind::from_code(reader.u8()?);
        let parameters = reader.bytes(PARAMETERS_MAX)?;
        let stretch = match kind {
            SlotKind::Passphrase => Some(Stretch::decode(parameters)?),
            SlotKind::KeyFile | SlotKind::RecoveryKey if !parameters.is_empty() => {
                return Err(FormatError::Invalid { what: "parameters of a key slot" });
            }
            _ => None,
        };
        let fields = start[..start.len() - reader.rest().len()].to_vec();
        let sealed = reader.array()?;
        reader.end()?;
        Ok(Self { kind, header, stretch, fields, sealed })
    }

    /// The vault it belongs to.
    pub const fn vault(&self) -> [u8; 16] {
        self.header.vault
    }

    /// Its id.
    pub const fn id(&self) -> [u8; 16] {
        self.header.object
    }

    /// How the passphrase of such a slot is stretched.
    pub const fn stretch(&self) -> Option<&Stretch> {
        self.stretch.as_ref()
    }

    /// Opens the slot with a key-encrypting key.
    ///
    /// # Errors
    ///
    /// [`FormatError::Seal`]: `kek` does not open it.
    pub fn open(&self, kek: &Kek) -> Result<MasterKey, FormatError> {
        let mut sealed = Zeroizing::new(self.sealed);
        let text = kek.slot_key(self.header).open(0, &self.fields, sealed.as_mut_slice())?;
        let master = text.try_into().map_err(|_| FormatError::Length)?;
        Ok(MasterKey::new(master))
    }

    /// Opens the slot with what somebody holds. A passphrase takes time and memory; what is of
    /// another kind than the slot takes none.
    ///
    /// # Errors
    ///
    /// [`FormatError::Seal`]: `key` does not open it.
    pub fn open_with(&self, key: &Key) -> Result<MasterKey, FormatError> {
        if key.kind() != self.kind {
            return Err(FormatError::Seal);
        }
        match (key, &self.stretch) {
            (Key::Passphrase(passphrase), Some(stretch)) => self.open(&stretch.apply(passphrase)?),
            (Key::Passphrase(_), None) => Err(FormatError::Seal),
            (Key::File(kek) | Key::Recovery(kek), _) => self.open(kek),
        }
    }
}

/// How new passphrase slots are stretched, with this random salt.
pub const fn stretch(salt: [u8; 16]) -> Stretch {
    Stretch { salt, ..STRETCH }
}
