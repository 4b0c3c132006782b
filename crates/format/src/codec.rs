//! Bounded writing and reading of little-endian fields.
//!
//! A [`Reader`] never allocates more than the bytes it still has could describe.

use jiff::Timestamp;

use crate::error::FormatError;

/// The longest text, in bytes of UTF-8.
pub const TEXT_MAX: usize = 1024;

/// Appends fields to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends a `u16`.
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a `u32`.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a `u64`.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends the count of a list.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("lists are far shorter than 4 Gi elements"));
    }

    /// Appends a text.
    ///
    /// # Errors
    ///
    /// The text is longer than [`TEXT_MAX`].
    pub fn text(&mut self, text: &str) -> Result<(), FormatError> {
        let length = u16::try_from(text.len()).ok().filter(|_| text.len() <= TEXT_MAX);
        self.u16(length.ok_or(FormatError::Invalid { what: "text: longer than 1024 bytes" })?);
        self.raw(text.as_bytes());
        Ok(())
    }

    /// Appends bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// Appends a time.
    pub fn time(&mut self, time: Timestamp) {
        self.raw(&time.as_second().to_le_bytes());
        self.raw(&time.subsec_nanosecond().to_le_bytes());
    }

    /// Appends an optional number.
    pub fn option_u64(&mut self, value: Option<u64>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.u64(value);
        }
    }
}

/// Takes fields from the front of a byte slice.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes `count` bytes.
    ///
    /// # Errors
    ///
    /// Fewer are left. The same holds for every other method here.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(FormatError::Length)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(FormatError::Length)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.array::<1>()?[0])
    }

    /// Takes a `u16`.
    pub fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Takes a `u32`.
    pub fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Takes a `u64`.
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Takes the count of a list whose elements have at least `element` bytes each.
    ///
    /// # Errors
    ///
    /// The bytes left cannot hold so many elements.
    pub fn count(&mut self, element: usize) -> Result<usize, FormatError> {
        let count = self.u32()? as usize;
        if count > self.rest.len() / element.max(1) {
            return Err(FormatError::Length);
        }
        Ok(count)
    }

    /// Takes a list whose elements have at least `element` bytes each.
    ///
    /// # Errors
    ///
    /// As [`Self::count`], and whatever `take` reports.
    pub fn list<T>(
        &mut self,
        element: usize,
        mut take: impl FnMut(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let count = self.count(element)?;
        (0..count).map(|_| take(self)).collect()
    }

    /// Takes a text.
    ///
    /// # Errors
    ///
    /// Too long, or not UTF-8.
    pub fn text(&mut self) -> Result<String, FormatError> {
        let length = usize::from(self.u16()?);
        if length > TEXT_MAX {
            return Err(FormatError::Invalid { what: "text: longer than 1024 bytes" });
        }
        let text = std::str::from_utf8(self.raw(length)?);
        Ok(text.map_err(|_| FormatError::Invalid { what: "text: not UTF-8" })?.to_owned())
    }

    /// Takes bytes with their length, at most `max`.
    ///
    /// # Errors
    ///
    /// More than `max`.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], FormatError> {
        let length = self.u32()? as usize;
        if length > max {
            return Err(FormatError::Length);
        }
        self.raw(length)
    }

    /// Takes a time.
    ///
    /// # Errors
    ///
    /// A time outside the years -9999 to 9999, or not written as [`Writer::time`] writes it.
    pub fn time(&mut self) -> Result<Timestamp, FormatError> {
        let seconds = i64::from_le_bytes(self.array()?);
        let nanoseconds = i32::from_le_bytes(self.array()?);
        // One moment is written in one way, so that two texts never mean the same.
        Timestamp::new(seconds, nanoseconds)
            .ok()
            .filter(|time| time.as_second() == seconds && time.subsec_nanosecond() == nanoseconds)
            .ok_or(FormatError::Invalid { what: "time" })
    }

    /// Takes an optional number.
    ///
    /// # Errors
    ///
    /// The flag is neither 0 nor 1.
    pub fn option_u64(&mut self) -> Result<Option<u64>, FormatError> {
        Ok(if self.flag()? { Some(self.u64()?) } else { None })
    }

    /// Takes a byte that is 0 or 1.
    ///
    /// # Errors
    ///
    /// It is neither.
    pub fn flag(&mut self) -> Result<bool, FormatError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(FormatError::Invalid { what: "flag" }),
        }
    }

    /// The bytes not yet taken.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// Bytes are left over.
    pub fn end(self) -> Result<(), FormatError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FormatError::Length) }
    }
}
