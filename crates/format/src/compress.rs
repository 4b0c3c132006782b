//! Compression: zstd at level 1, or nothing where that does not shrink.

use std::cell::RefCell;
use std::io::Cursor;

use zstd::zstd_safe::CParameter;

use crate::error::FormatError;

/// The level of compression. Level 3 costs half as much CPU again for one to four percent.
const LEVEL: i32 = 1;

/// Twice the places of level 1's own table, as a power of two: 0.4 % less to store, just as fast.
const HASH_LOG: u32 = 15;

/// The shortest match that is looked for, in bytes: 5 % less CPU than level 1's own 6, for 0.9 %.
const LEAST_MATCH: u32 = 7;

/// How a text is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    Plain,
    /// One zstd frame.
    Zstd,
}

impl Codec {
    /// The byte that stands for the codec.
    pub const fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Zstd => 1,
        }
    }

    /// The codec with this byte.
    ///
    /// # Errors
    ///
    /// There is none.
    pub const fn from_code(code: u8) -> Result<Self, FormatError> {
        match code {
            0 => Ok(Self::Plain),
            1 => Ok(Self::Zstd),
            _ => Err(FormatError::Invalid { what: "codec" }),
        }
    }
}

/// Compresses texts, one after another.
pub struct Compressor {
    context: zstd::bulk::Compressor<'static>,
}

impl Compressor {
    /// A compressor; it keeps its working memory.
    pub fn new() -> Self {
        let mut context = zstd::bulk::Compressor::new(LEVEL).expect("level 1 exists");
        let table = CParameter::HashLog(HASH_LOG);
        context.set_parameter(table).expect("a table of 128 KiB is in zstd's range");
        let least = CParameter::MinMatch(LEAST_MATCH);
        context.set_parameter(least).expect("matches of 7 bytes are in zstd's range");
        Self { context }
    }

    /// Compresses `plain` onto the end of `out`: straight to where it is sealed, because a pack is
    /// large and every copy of it shows.
    pub fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Codec {
        let start = out.len();
        out.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        let mut end = Cursor::new(std::mem::take(out));
        end.set_position(start as u64);
        let compressed = self.context.compress_to_buffer(plain, &mut end);
        *out = end.into_inner();
        match compressed {
            Ok(size) if size < plain.len() => Codec::Zstd,
            // A failure would have to be one of memory; the text as it is serves as well.
            Ok(_) | Err(_) => {
                out.truncate(start);
                out.extend_from_slice(plain);
                Codec::Plain
            }
        }
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

type Context = zstd::bulk::Decompressor<'static>;

/// How many contexts a thread keeps for its next decompressors, at 160 KiB each.
const IDLE_MAX: usize = 2;

thread_local! {
    /// Objects and map pages are many and small, and to make a context takes longer than to
    /// decompress most of them.
    static IDLE: RefCell<Vec<Context>> = const { RefCell::new(Vec::new()) };
}

/// Decompresses texts, one after another.
pub struct Decompressor {
    /// There until it is dropped.
    context: Option<Context>,
}

impl Decompressor {
    /// A decompressor; it keeps its working memory, and leaves it to the thread's next one.
    pub fn new() -> Self {
        let idle = IDLE.try_with(|idle| idle.borrow_mut().pop()).ok().flatten();
        let new = || Context::new().expect("there is memory for a context");
        Self { context: Some(idle.unwrap_or_else(new)) }
    }

    /// Replaces `out` by the `size` bytes that `text` compresses.
    ///
    /// # Errors
    ///
    /// The text is broken, or does not hold exactly `size` bytes. Never more are written.
    pub fn decompress(
        &mut self,
        codec: Codec,
        text: &[u8],
        size: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        match codec {
            Codec::Plain => {
                out.clear();
                out.extend_from_slice(text);
            }
            Codec::Zstd => {
                // What an earlier text left is overwritten: only growth costs zeros.
                out.resize(size, 0);
                let context = self.context.as_mut().expect("it is there until it is dropped");
                let written = context.decompress_to_buffer(text, out.as_mut_slice());
                out.truncate(written.map_err(|_| FormatError::Compression)?);
            }
        }
        if out.len() == size { Ok(()) } else { Err(FormatError::Compression) }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        let context = self.context.take();
        // A thread that ends keeps none.
        let _ = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < IDLE_MAX {
                idle.extend(context);
            }
        });
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_and_only_at_its_own_size() {
        let repetitive = b"holdfast ".repeat(1000);
        let mut text = b"before".to_vec();
        let codec = Compressor::new().compress(&repetitive, &mut text);
        assert_eq!(codec, Codec::Zstd);
        let text = text.strip_prefix(b"before").expect("what was there stays");
        assert!(text.len() < 200);
        let mut decompressor = Decompressor::new();
        let mut out = Vec::new();
        for size in [repetitive.len() - 1, repetitive.len() + 1, 0] {
            let answer = decompressor.decompress(codec, text, size, &mut out);
            assert_eq!(answer, Err(FormatError::Compression), "{size}");
        }
        assert_eq!(decompressor.decompress(codec, text, repetitive.len(), &mut out), Ok(()));
        assert_eq!(out, repetitive);
    }

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        let mut noise = [0; 4096];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let mut text = b"before".to_vec();
        assert_eq!(Compressor::new().compress(&noise, &mut text), Codec::Plain);
        assert_eq!(text.strip_prefix(b"before"), Some(noise.as_slice()));
    }
}
