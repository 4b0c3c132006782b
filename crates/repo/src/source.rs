//! Where a disk's content comes from: the source port, and a raw image file as a source.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use model::units::{Extent, KIB};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// The most bytes read from a file at once: few enough to be in a cache when they are looked at.
const READ: u64 = 256 * KIB;

/// The repository wants no more data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkStopped;

/// Why a source did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The sink wanted no more. The repository knows why.
    #[error("reading was stopped")]
    Stopped,
    /// The source failed.
    #[error("reading failed")]
    Failed {
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The source delivered data where it had delivered before, or that nobody asked for.
    #[error("data at {offset} came out of order")]
    OutOfOrder {
        /// Where the data lies on the disk, in bytes.
        offset: u64,
    },
}

impl From<SinkStopped> for SourceError {
    fn from(SinkStopped: SinkStopped) -> Self {
        Self::Stopped
    }
}

impl SourceError {
    /// The source failed with `error`.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { source: error.into() }
    }
}

/// What takes the data of a source. Offsets are those on the disk, in bytes.
pub trait Sink {
    /// Takes data.
    ///
    /// # Errors
    ///
    /// [`SinkStopped`]: it wants no more.
    fn take(&mut self, offset: u64, data: &[u8]) -> Result<(), SinkStopped>;

    /// Memory to read up to `size` bytes at `offset` into, where that spares a copy; whoever filled
    /// all of it calls [`Self::filled`] next.
    ///
    /// # Errors
    ///
    /// [`SinkStopped`]: it wants no more.
    fn room(&mut self, offset: u64, size: usize) -> Result<Option<&mut [u8]>, SinkStopped>;

    /// Takes what was read into the room that was given last.
    ///
    /// # Errors
    ///
    /// [`SinkStopped`]: it wants no more.
    fn filled(&mut self) -> Result<(), SinkStopped>;
}

/// Gives a disk's content. May be asked several times, for ranges that were never asked before.
pub trait Source {
    /// The disk's exact size, in bytes.
    fn size(&self) -> u64;

    /// Reads `ranges`, which ascend and do not overlap, and hands the data to `sink` in ascending
    /// order, in pieces of any size. What the source knows to be zero may be left out.
    ///
    /// # Errors
    ///
    /// The source failed, or the sink stopped ([`SourceError::Stopped`], at once).
    fn read(&mut self, ranges: &[Extent], sink: &mut dyn Sink) -> Result<(), SourceError>;
}

/// A raw image file or a block device. Its holes are not read.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size: u64,
    buffer: Vec<u8>,
}

impl FileSource {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or has no size.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?)
    }

    /// Reads from an open file.
    ///
    /// # Errors
    ///
    /// It has no size.
    pub fn new(file: File) -> io::Result<Self> {
        // Not the metadata's size: that is zero for a block device.
        let size = rustix::fs::seek(&file, SeekFrom::End(0))?;
        Ok(Self { file, size, buffer: vec![0; READ as usize] })
    }

    /// The next range of data in `range`, as the file system tells it. Where it does not tell,
    /// everything is data.
    fn next_data(&self, range: Extent) -> io::Result<Option<Extent>> {
        let start = match rustix::fs::seek(&self.file, SeekFrom::Data(range.start)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(range)),
            Err(error) => return Err(error.into()),
        };
        if start >= range.end() {
            return Ok(None);
        }
        let end = rustix::fs::seek(&self.file, SeekFrom::Hole(start))?;
        let data = Extent::new(start, end.saturating_sub(start));
        Ok(data.intersection(&range))
    }

    fn read_range(&mut self, range: Extent, sink: &mut dyn Sink) -> Result<(), SourceError> {
        let mut at = range.start;
        while at < range.end() {
            let rest = Extent::new(at, range.end() - at);
            let Some(data) = self.next_data(rest).map_err(SourceError::failed)? else {
                return Ok(());
            };
            at = data.start;
            while at < data.end() {
                let length = (data.end() - at).min(READ) as usize;
                if let Some(room) = sink.room(at, length)? {
                    self.file.read_exact_at(room, at).map_err(SourceError::failed)?;
                    at += room.len() as u64;
                    sink.filled()?;
                } else {
                    let piece = &mut self.buffer[..length];
                    self.file.read_exact_at(piece, at).map_err(SourceError::failed)?;
                    sink.take(at, piece)?;
                    at += length as u64;
                }
            }
        }
        Ok(())
    }
}

impl Source for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&mut self, ranges: &[Extent], sink: &mut dyn Sink) -> Result<(), SourceError> {
        ranges.iter().try_for_each(|range| {
            let end = range.end().min(self.size);
            let length = end.saturating_sub(range.start);
            self.read_range(Extent::new(range.start, length), sink)
        })
    }
}
