//! Keys as text: key files, and recovery keys for paper.

use zeroize::Zeroizing;

use super::Kek;
use crate::error::FormatError;
use crate::id::{hex, unhex};

const KEY_FILE_TAG: &str = "holdfast-key-1";
const RECOVERY_TAG: &str = "HFR1";
/// Crockford's base 32.
const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// A key and three bytes against typing errors.
const RECOVERY_BYTES: usize = 35;
const RECOVERY_SIGNS: usize = RECOVERY_BYTES * 8 / 5;
const GROUP: usize = 7;

impl Kek {
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

    /// The text of a recovery key.
    pub fn to_recovery_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0_u8; RECOVERY_BYTES]);
        bytes[..32].copy_from_slice(self.0.as_slice());
        bytes[32..].copy_from_slice(&blake3::hash(self.0.as_slice()).as_bytes()[..3]);
        let mut text = Zeroizing::new(String::with_capacity(80));
        text.push_str(RECOVERY_TAG);
        for sign in 0..RECOVERY_SIGNS {
            if sign % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(SIGNS[usize::from(five_bits(bytes.as_slice(), sign))]));
        }
        text
    }

    /// Reads the text of a recovery key, as somebody typed it from paper.
    ///
    /// # Errors
    ///
    /// It is not one, or was mistyped.
    pub fn from_recovery_text(text: &str) -> Result<Self, FormatError> {
        let invalid = FormatError::Invalid { what: "recovery key" };
        let mut tag = RECOVERY_TAG.bytes();
        let mut bytes = Zeroizing::new([0_u8; RECOVERY_BYTES]);
        let mut sign = 0;
        for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-') {
            let byte = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                byte => byte,
            };
            if let Some(expected) = tag.next() {
                if byte != expected {
                    return Err(invalid);
                }
                continue;
            }
            let value = SIGNS.iter().position(|known| *known == byte);
            let value = value.filter(|_| sign < RECOVERY_SIGNS).ok_or_else(|| invalid.clone())?;
            for bit in (0..5).filter(|bit| value & (16 >> bit) != 0) {
                let at = sign * 5 + bit;
                bytes[at / 8] |= 128 >> (at % 8);
            }
            sign += 1;
        }
        if sign != RECOVERY_SIGNS {
            return Err(invalid);
        }
        let (key, check) = bytes.split_at(32);
        if blake3::hash(key).as_bytes()[..3] != *check {
            return Err(FormatError::Invalid { what: "recovery key: a sign is wrong" });
        }
        let mut kek = Self(Zeroizing::new([0; 32]));
        kek.0.copy_from_slice(key);
        Ok(kek)
    }
}

/// The five bits that sign number `sign` stands for.
fn five_bits(bytes: &[u8], sign: usize) -> u8 {
    (0..5).fold(0, |value, bit| {
        let at = sign * 5 + bit;
        value << 1 | (bytes[at / 8] >> (7 - at % 8) & 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_key_survives_paper() {
        let kek = Kek::new(*blake3::hash(b"paper").as_bytes());
        let text = kek.to_recovery_text();
        assert_eq!(text.len(), 4 + 8 * 8, "{}", text.as_str());
        let typed = [
            text.to_string(),
            text.to_lowercase(),
            text.replace('-', " "),
            text.replace('-', ""),
            format!("  {}\n", text.as_str()),
            text.replace('0', "o").replace('1', "l"),
        ];
        for typed in typed {
            let read = Kek::from_recovery_text(&typed);
            assert!(read.is_ok_and(|read| read.0 == kek.0), "{typed}");
        }
    }

    #[test]
    fn every_single_typing_error_is_told() {
        let kek = Kek::new(*blake3::hash(b"paper").as_bytes());
        let text = kek.to_recovery_text();
        for at in (5..text.len()).filter(|at| text.as_bytes()[*at] != b'-') {
            let mut wrong = text.to_string();
            let other = if &wrong[at..=at] == "7" { "8" } else { "7" };
            wrong.replace_range(at..=at, other);
            assert!(Kek::from_recovery_text(&wrong).is_err(), "{wrong}");
        }
        let longer = format!("{}0", text.as_str());
        let short = &text[..text.len() - 1];
        for bad in ["", "HFR1", "HFR2-", short, &longer, &text[1..], &text.replace('-', "_")] {
            assert!(Kek::from_recovery_text(bad).is_err(), "{bad}");
        }
    }
}
