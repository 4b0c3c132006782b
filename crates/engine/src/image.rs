//! Disk images as sources of a backup without any hypervisor: for `holdfast repo backup`.

use std::ops::ControlFlow;
use std::path::Path;

use fabric::DiskReader;
use fabric::image::{self, ImageReader};
use model::fault::{Code, Fault};
use model::units::Extent;
use model::vm::DiskFormat;
use repo::{FileSource, Sink, SinkStopped, Source, SourceError};

use crate::faults::OrFault;

/// Opens a disk image: raw ones directly, others through `qemu-nbd`.
///
/// # Errors
///
/// The image is missing, of an unknown format, or cannot be read.
pub fn open_image(path: &Path, socket_dir: &Path) -> Result<Box<dyn Source>, Fault> {
    let format = image::probe(path).or_fault()?;
    if format == DiskFormat::Raw {
        let source = FileSource::open(path).map_err(|error| {
            let message = format!("The image {} cannot be read: {error}.", path.display());
            Fault::new(Code::DiskNotFound, message)
        })?;
        return Ok(Box::new(source));
    }
    let mut reader = image::open(path, format, socket_dir).or_fault()?;
    let allocated = reader.extents().or_fault()?;
    Ok(Box::new(ServedImage { reader, allocated }))
}

/// Converts a raw image to qcow2; what is empty takes no space.
///
/// # Errors
///
/// `qemu-img` is missing or failed; the message has its words.
pub fn convert_to_qcow2(raw: &Path, qcow2: &Path) -> Result<(), Fault> {
    image::convert_raw_to_qcow2(raw, qcow2).or_fault()
}

/// An image that `qemu-nbd` serves for as long as this lives.
struct ServedImage {
    reader: ImageReader,
    allocated: Vec<Extent>,
}

impl Source for ServedImage {
    fn size(&self) -> u64 {
        self.reader.size()
    }

    fn read(&mut self, ranges: &[Extent], sink: &mut dyn Sink) -> Result<(), SourceError> {
        let ranges = within(ranges, &self.allocated);
        read_into(&mut self.reader, &ranges, sink)
    }
}

/// Reads `ranges` of a hypervisor's or an image's disk into the repository's sink.
pub(crate) fn read_into(
    reader: &mut dyn DiskReader,
    ranges: &[Extent],
    sink: &mut dyn Sink,
) -> Result<(), SourceError> {
    let mut take = |offset: u64, bytes: &[u8]| match sink.take(offset, bytes) {
        Ok(()) => ControlFlow::Continue(()),
        Err(SinkStopped) => ControlFlow::Break(()),
    };
    match reader.read(ranges, &mut take) {
        Ok(ControlFlow::Continue(())) => Ok(()),
        Ok(ControlFlow::Break(())) => Err(SourceError::Stopped),
        Err(error) => Err(SourceError::Failed { source: Box::new(error) }),
    }
}

/// The parts of `ranges` that lie in `extents`; both sorted and apart from each other.
pub(crate) fn within(ranges: &[Extent], extents: &[Extent]) -> Vec<Extent> {
    let mut parts = Vec::new();
    let mut from = 0;
    for range in ranges {
        while extents.get(from).is_some_and(|extent| extent.end() <= range.start) {
            from += 1;
        }
        let touching = extents[from..].iter().take_while(|extent| extent.start < range.end());
        parts.extend(touching.filter_map(|extent| extent.intersection(range)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_both_is_read() {
        let extents = [Extent::new(0, 10), Extent::new(20, 10), Extent::new(40, 10)];
        let ranges = [Extent::new(5, 20), Extent::new(28, 14)];
        let expected =
            [Extent::new(5, 5), Extent::new(20, 5), Extent::new(28, 2), Extent::new(40, 2)];
        assert_eq!(within(&ranges, &extents), expected);
        assert_eq!(within(&[Extent::new(10, 10)], &extents), []);
    }
}
