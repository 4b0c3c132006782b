//! Key slots and key files: how the master key is kept.
//!
//! A slot is the master key, sealed with a key that somebody holds outside the store: so far the
//! key-encrypting key of a key file.

use zeroize::Zeroizing;

use crate::codec::{Reader, Writer};
use crate::error::FormatError;
use crate::header::{self, Header, Kind};
use crate::id::{hex, unhex};
use crate::seal::{MasterKey, ObjectKey, TAG, derive};

/// The key-encrypting key of a key file. Without `Debug`; it wipes itself.
#[derive(Clone)]
pub struct Kek(Zeroizing<[u8; 32]>);

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// A key file.
    KeyFile,
}

const KEY_FILE: u8 = 1;
const KEY_FILE_TAG: &str = "holdfast-key-1";
const PARAMETERS_MAX: usize = 4096;

impl Kek {
    /// The key of these random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// The text of a key file.
    pub fn to_key_file(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(hex(self.0.as_slice()));
        let check = hex(&blake3::hash(self.0.as_slice()).as_bytes()[..4]);
        Zeroizing::new(format!(
            "# Holdfast key file. Who has it and the store can read every backup in the vault;\n\
             # without it nobody can. Keep a copy in another place than the store.\n\
             {KEY_FILE_TAG}:{}:{check}\n",
            key.as_str()
        ))
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    ///
    /// It is not one, or was mistyped.
    pub fn from_key_file(text: &str) -> Result<Self, FormatError> {
        let invalid = FormatError::Invalid { what: "key file" };
        let mut lines = text.lines().map(str::trim);
        let mut lines = lines.by_ref().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(invalid);
        };
        let mut parts = line.split(':');
        let (Some(KEY_FILE_TAG), Some(key), Some(check), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid);
        };
        let key = Zeroizing::new(unhex::<32>(key).ok_or_else(|| invalid.clone())?);
        if hex(&blake3::hash(key.as_slice()).as_bytes()[..4]) != check {
            return Err(FormatError::Invalid { what: "key file: a digit is wrong" });
        }
        Ok(Self(key))
    }

    fn slot_key(&self, header: Header) -> ObjectKey {
        let key = derive("holdfast 1 slot", &[self.0.as_slice(), &header.object]);
        ObjectKey::new(&key, header, 0)
    }
}

/// Encodes the slot `slot` (a random id) of `vault`, which `kek` opens.
pub fn encode(vault: [u8; 16], slot: [u8; 16], kek: &Kek, master: &MasterKey) -> Vec<u8> {
    let header = Header { kind: Kind::KeySlot, epoch: 0, vault, object: slot };
    let mut writer = Writer::new();
    writer.u8(KEY_FILE);
    writer.bytes(&[]);
    let parameters = writer.into_bytes();

    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&parameters);
    kek.slot_key(header).seal(0, &parameters, master.0.as_slice(), &mut bytes);
    header::append_trailer(&mut bytes);
    bytes
}

/// A key slot, not yet opened.
pub struct Slot {
    /// What opens it.
    pub kind: SlotKind,
    header: Header,
    parameters: Vec<u8>,
    sealed: [u8; 32 + TAG],
}

impl Slot {
    /// Reads a slot.
    ///
    /// # Errors
    ///
    /// Damage, another version, or a kind of slot that this version cannot open.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (body, _) = header::checked(bytes)?;
        let mut reader = Reader::new(body);
        let header = Header::decode(&mut reader, Kind::KeySlot)?;
        let start = reader.rest();
        if reader.u8()? != KEY_FILE {
            return Err(FormatError::Invalid { what: "kind of key slot" });
        }
        reader.bytes(PARAMETERS_MAX)?;
        let parameters = start[..start.len() - reader.rest().len()].to_vec();
        let sealed = reader.array()?;
        reader.end()?;
        Ok(Self { kind: SlotKind::KeyFile, header, parameters, sealed })
    }

    /// The vault it belongs to.
    pub const fn vault(&self) -> [u8; 16] {
        self.header.vault
    }

    /// Opens the slot.
    ///
    /// # Errors
    ///
    /// [`FormatError::Seal`]: `kek` does not open it.
    pub fn open(&self, kek: &Kek) -> Result<MasterKey, FormatError> {
        let mut sealed = Zeroizing::new(self.sealed);
        let text = kek.slot_key(self.header).open(0, &self.parameters, sealed.as_mut_slice())?;
        let master = text.try_into().map_err(|_| FormatError::Length)?;
        Ok(MasterKey::new(master))
    }
}
