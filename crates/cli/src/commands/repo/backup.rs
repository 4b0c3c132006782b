//! `holdfast repo backup`: a disk image becomes a recovery point.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use engine::clock::SystemClock;
use engine::seed::SystemSeed;
use model::clock::Clock;
use model::point::PointId;
use model::seed::new_point_id;
use model::units::{Extent, normalised};
use repo::{DiskSpec, NewPoint, PointStats, Repository};
use serde::Deserialize;
use serde_json::json;

use super::faults::OrFailure;
use super::place::Place;
use super::watch::Watch;
use crate::failure::Failure;
use crate::output::{Reply, facts};
use crate::text;

/// The longest list of changed extents that is read, in bytes of JSON: more than a million extents.
const EXTENTS_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Which image, under which name.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// What the point is a point of: points of one item follow each other
    #[arg(long, value_name = "NAME")]
    item: String,
    /// The disk's name in the point
    #[arg(long, value_name = "TARGET", default_value = "vda")]
    disk: String,
    /// Read only these extents, the rest is as in the parent: a JSON list of {"start", "length"} in
    /// bytes
    #[arg(long, value_name = "EXTENTS.json", requires = "parent")]
    changed: Option<PathBuf>,
    /// The recovery point that the image has changed since
    #[arg(long, value_name = "POINT")]
    parent: Option<PointId>,
    /// Do not open and compare what was sealed before it is stored: a fifth less processor time,
    /// and a fault of this machine may go unseen until `repo verify --read-data`
    #[arg(long)]
    no_verify: bool,
    /// The image: raw, or qcow2 (read with qemu-nbd). Nothing may write to it meanwhile
    image: PathBuf,
}

/// One entry of EXTENTS.json. Other fields, as `qemu-img map` writes them, are ignored.
#[derive(Debug, Deserialize)]
struct Range {
    start: u64,
    length: u64,
}

impl Args {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let changed = self.changed.as_deref().map(read_extents).transpose()?;
        let repository = self.place.open()?;
        let id = new_point_id(&SystemSeed);
        let stats = self.store(&repository, id, changed, watched)?;
        let document = json!({
            "point": id.to_string(),
            "item": self.item,
            "logicalBytes": stats.logical_bytes,
            "readBytes": stats.read_bytes,
            "newBytes": stats.new_bytes,
            "storedBytes": stats.stored_bytes,
        });
        let human = facts(&[
            ("Point", id.to_string()),
            ("Item", self.item),
            ("Size", text::bytes(stats.logical_bytes)),
            ("Read", text::bytes(stats.read_bytes)),
            ("New", text::bytes(stats.new_bytes)),
            ("Stored", text::bytes(stats.stored_bytes)),
        ]);
        Ok(Reply::done(document, human))
    }

    fn store(
        &self,
        repository: &Repository,
        id: PointId,
        changed: Option<Vec<Extent>>,
        watched: bool,
    ) -> Result<PointStats, Failure> {
        // The sockets of qemu-nbd; gone with the directory.
        let sockets = tempfile::Builder::new()
            .prefix("holdfast-")
            .tempdir()
            .map_err(|error| Failure::file("Cannot use", &std::env::temp_dir(), &error))?;
        let taken_at = SystemClock.now();
        let mut source = engine::image::open_image(&self.image, sockets.path())?;
        let new = NewPoint { id, item: self.item.clone(), taken_at, parent: self.parent };
        let mut writer = repository.begin_point(new).or_failure()?;
        if self.no_verify {
            writer.skip_verification();
        }
        let disk = DiskSpec {
            target: self.disk.clone(),
            serial: String::new(),
            size: source.size(),
            changed,
        };
        let watch = Watch::new(&self.disk, watched)?;
        let written = writer.write_disk(&disk, source.as_mut(), &watch).or_failure();
        watch.done();
        written?;
        writer.commit(&[]).or_failure()
    }
}

/// Reads a list of changed extents, in any order.
fn read_extents(path: &Path) -> Result<Vec<Extent>, Failure> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(EXTENTS_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| Failure::file("Cannot read the extents", path, &error))?;
    let wrong = |what: &dyn std::fmt::Display| {
        Failure::new(
            "ExtentsInvalid",
            format!("The extents in {} cannot be used: {what}.", path.display()),
            "The file is no JSON list of objects with a start and a length in bytes.",
            "Write the list as `qemu-img map --output=json` does.",
        )
    };
    if text.len() as u64 > EXTENTS_BYTES_MAX {
        return Err(wrong(&"the file is too long"));
    }
    let ranges: Vec<Range> = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    if ranges.iter().any(|range| range.start.checked_add(range.length).is_none()) {
        return Err(wrong(&"an extent ends behind every disk"));
    }
    let extent = |range: &Range| Extent::new(range.start, range.length);
    Ok(normalised(ranges.iter().map(extent).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Extent>, Failure> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), text).expect("writes");
        read_extents(file.path())
    }

    #[test]
    fn extents_are_read_as_qemu_img_writes_them() {
        let text = r#"[{"start": 8192, "length": 4096, "depth": 0, "data": true},
                       {"start": 0, "length": 4096}, {"start": 4096, "length": 0}]"#;
        let expected = vec![Extent::new(0, 4096), Extent::new(8192, 4096)];
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("[]"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_of_extents_is_refused() {
        for text in [
            "",
            "{}",
            "[{\"start\": 1}]",
            "[{\"start\": -1, \"length\": 1}]",
            "[{\"start\": 18446744073709551615, \"length\": 1}]",
        ] {
            assert_eq!(read(text).expect_err(text).code, "ExtentsInvalid");
        }
    }
}
