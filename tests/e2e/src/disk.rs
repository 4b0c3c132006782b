//! Disk images: made, compared, and looked into.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::lab::Lab;
use crate::run::run;

/// A disk image of a guest.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The file.
    pub path: PathBuf,
    /// `qcow2` or `raw`.
    pub format: &'static str,
}

/// The folder of the demo guest's kernel and disks, with a root disk of this size, such as `2G`.
pub fn demo_guest(size: &str) -> Result<PathBuf> {
    let folder = run(&tool("guest/build"), ["--size", size])?;
    Ok(PathBuf::from(folder.trim()))
}

/// A script of this repository.
pub fn tool(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(path).to_string_lossy().into_owned()
}

impl Disk {
    /// A root disk of the demo guest, with a size such as `2G`.
    pub fn root(lab: &Lab, name: &str, size: &str) -> Result<Disk> {
        let path = lab.path(&format!("{name}.qcow2"));
        let made = demo_guest(size)?.join(format!("root-{size}.qcow2"));
        fs::copy(&made, &path).with_context(|| format!("cannot copy {}", made.display()))?;
        Ok(Disk { path, format: "qcow2" })
    }

    /// A data disk with ext4 on all of it, filled with the files below `content`.
    pub fn ext4(
        lab: &Lab,
        name: &str,
        format: &'static str,
        size: &str,
        content: Option<&Path>,
    ) -> Result<Disk> {
        let raw = lab.path(&format!("{name}.raw"));
        run("truncate", ["-s".as_ref(), size.as_ref(), raw.as_os_str()])?;
        let mut arguments = ["-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
            .map(Into::into)
            .to_vec();
        if let Some(content) = content {
            arguments.extend(["-d".into(), content.as_os_str().to_os_string()]);
        }
        arguments.push(raw.as_os_str().to_os_string());
        run("mke2fs", arguments)?;
        let disk = Disk { path: raw, format: "raw" };
        if format == "raw" {
            return Ok(disk);
        }
        let path = lab.path(&format!("{name}.qcow2"));
        disk.convert(&path, "qcow2")?;
        fs::remove_file(&disk.path)?;
        Ok(Disk { path, format: "qcow2" })
    }

    /// Writes the same content to `to`, also while a guest that does not write has it open.
    pub fn convert(&self, to: &Path, format: &'static str) -> Result<Disk> {
        let words = ["convert", "-q", "-U", "-f", self.format, "-O", format];
        let paths = [self.path.as_os_str(), to.as_os_str()];
        run("qemu-img", words.iter().map(AsRef::as_ref).chain(paths))?;
        Ok(Disk { path: to.to_path_buf(), format })
    }

    /// Bytes that the file takes on the host's disk.
    pub fn allocated(&self) -> Result<u64> {
        use std::os::unix::fs::MetadataExt;
        Ok(fs::metadata(&self.path)?.blocks() * 512)
    }
}

/// An error unless two raw images have the same size and the same bytes.
pub fn assert_equal(one: &Path, other: &Path) -> Result<()> {
    let sizes = (fs::metadata(one)?.len(), fs::metadata(other)?.len());
    ensure!(
        sizes.0 == sizes.1,
        "{} has {} bytes, {} has {}",
        one.display(),
        sizes.0,
        other.display(),
        sizes.1
    );
    run("cmp", [one, other]).map(drop).context("the images differ")
}

/// An error unless the ext4 on a raw image is clean, journal included.
pub fn assert_clean(raw: &Path) -> Result<()> {
    run("e2fsck", ["-fn".as_ref(), raw.as_os_str()]).map(drop)
}

/// SHA-256 of every file on the ext4 of a raw image, by path.
pub fn hashes(lab: &Lab, raw: &Path) -> Result<BTreeMap<String, String>> {
    let into = lab.directory("extracted")?;
    let request = format!("rdump / \"{}\"", into.display());
    run("debugfs", ["-R".as_ref(), request.as_ref(), raw.as_os_str()])?;
    let script = "cd \"$1\" && find . -type f -print0 | xargs -0 -r sha256sum";
    let told = run("sh", ["-c".as_ref(), script.as_ref(), "sh".as_ref(), into.as_os_str()])?;
    fs::remove_dir_all(&into)?;
    Ok(parse_hashes(&told))
}

/// Reads lines of `sha256sum`; paths lose their leading dot.
pub fn parse_hashes(told: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (hash, path) = line.split_once("  ")?;
        Some((path.trim_start_matches('.').to_owned(), hash.to_owned()))
    };
    told.lines().filter_map(line).collect()
}

/// An error that names the files, unless `got` holds everything of `wanted` and nothing more.
pub fn assert_same_files(
    wanted: &BTreeMap<String, String>,
    got: &BTreeMap<String, String>,
) -> Result<()> {
    ensure!(wanted.len() > 100, "only {} files are compared", wanted.len());
    let differs = |path: &&String| wanted.get(*path) != got.get(*path);
    let different: Vec<&String> = wanted.keys().chain(got.keys()).filter(differs).collect();
    ensure!(different.is_empty(), "these files differ: {different:?}");
    Ok(())
}
