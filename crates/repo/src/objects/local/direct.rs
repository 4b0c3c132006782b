//! Writing a large file past the page cache.
//!
//! Packs are written once and hardly ever read. Through the page cache each would cost one more
//! copy, which on a busy machine is a fifth of a backup's processor time, and would drive out what
//! guests and other programs keep there. Where the file system refuses (`O_DIRECT` is a request,
//! not a right), the file is written as any other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Files of at least so many bytes are written past the page cache.
const LEAST: usize = 1024 * 1024;
/// To what addresses, offsets and lengths are aligned, in bytes: the largest sector in use.
const ALIGN: usize = 4096;
/// How many bytes are written at once.
const PIECE: usize = 1024 * 1024;

/// Writes files; keeps aligned buffers, one for each thread that writes at once.
#[derive(Debug, Default)]
pub(super) struct Writer {
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Writer {
    /// Writes `bytes` to a new, empty file. Durable only once the file is synced.
    pub(super) fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() < LEAST || set_direct(file, true).is_err() {
            return file.write_all_at(bytes, 0);
        }
        let mut buffer = self.take();
        let written = direct(file, bytes, &mut buffer);
        self.give(buffer);
        // The end is shorter than a sector; the file systems that refuse only the write itself get
        // all of it this way.
        set_direct(file, false)?;
        let done = match written {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => 0,
            written => written?,
        };
        file.write_all_at(&bytes[done..], done as u64)
    }

    fn take(&self) -> Vec<u8> {
        let kept = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![0; PIECE + ALIGN])
    }

    fn give(&self, buffer: Vec<u8>) {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// Writes the whole sectors of `bytes`; how many bytes they are.
fn direct(file: &File, bytes: &[u8], buffer: &mut [u8]) -> io::Result<usize> {
    let start = buffer.as_ptr().align_offset(ALIGN);
    let buffer = &mut buffer[start..start + PIECE];
    let whole = bytes.len() / ALIGN * ALIGN;
    let mut done = 0;
    for piece in bytes[..whole].chunks(PIECE) {
        let aligned = &mut buffer[..piece.len()];
        aligned.copy_from_slice(piece);
        file.write_all_at(aligned, done as u64)?;
        done += piece.len();
    }
    Ok(done)
}

fn set_direct(file: &File, direct: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, direct);
    Ok(fcntl_setfl(file, flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_was_written_whatever_its_length() {
        let writer = Writer::default();
        let pattern: Vec<u8> = (0..3 * PIECE + 5).map(|at| (at / 3 + at / 4096) as u8).collect();
        for length in [0, 1, LEAST - 1, LEAST, LEAST + 1, 2 * PIECE + ALIGN, pattern.len()] {
            let file = tempfile::tempfile().expect("a file");
            let bytes = &pattern[..length];
            writer.write(&file, bytes).expect("written");
            let mut found = vec![0; length];
            file.read_exact_at(&mut found, 0).expect("as long as it should be");
            assert!(found == bytes, "{length}");
            assert_eq!(file.metadata().expect("told").len(), length as u64);
        }
    }
}
