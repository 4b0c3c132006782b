//! Image files, read through `qemu-nbd` and converted with `qemu-img`.
//!
//! The format is always given, never guessed by QEMU: a guest can write any header into a raw
//! disk, and a guessed "qcow2" would make QEMU open the files that the guest names in it.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use model::units::{Extent, normalised};
use model::vm::DiskFormat;

use crate::error::FabricError;
use crate::host::{Counters, DiskReader, Sink};
use crate::nbd::{ALLOCATION, Client, NbdError, Options, dirty_bitmap};
use crate::process::spawn_leashed;

/// How long a server may be silent. A cold disk under load may take seconds for 16 reads.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often the new server's socket is looked for, and how long it may take to appear.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 1000;

/// What an image's first bytes say. Meant for files that an operator names: a raw disk of a
/// guest that wants to be taken for qcow2 is taken for qcow2.
///
/// # Errors
///
/// [`FabricError::File`].
pub fn probe(path: &Path) -> Result<DiskFormat, FabricError> {
    let mut magic = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut magic));
    read.map_err(|source| FabricError::File { what: "reading", path: path.into(), source })?;
    Ok(if magic == *b"QFI\xfb" { DiskFormat::Qcow2 } else { DiskFormat::Raw })
}

/// Opens an image file that nobody writes to. Its server ends with the reader.
///
/// # Errors
///
/// [`FabricError::Tool`] with what `qemu-nbd` said.
pub fn open(
    path: &Path,
    format: DiskFormat,
    socket_dir: &Path,
) -> Result<ImageReader, FabricError> {
    let server = Server::start(path, format, &[], socket_dir)?;
    let target = path.display().to_string();
    let disk = NbdDisk::connect(&server.socket, "", target, &Map::Allocated)?;
    Ok(ImageReader { disk, _server: server })
}

/// Converts a raw image to qcow2; holes and zeroes take no space. Only the owner may read the new
/// file.
///
/// # Errors
///
/// [`FabricError::File`]; [`FabricError::Tool`] with what `qemu-img` said.
pub fn convert_raw_to_qcow2(raw: &Path, qcow2: &Path) -> Result<(), FabricError> {
    // qemu-img makes files that everybody may read, but leaves one that is there as private as it
    // is: a guest's disk is not everybody's business.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(qcow2);
    made.map_err(|source| FabricError::File { what: "creating", path: qcow2.to_owned(), source })?;
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-q", "-f", "raw", "-O", "qcow2"]).arg(raw).arg(qcow2);
    run("qemu-img", command)
}

/// An image file, and the server that reads it.
#[derive(Debug)]
pub struct ImageReader {
    disk: NbdDisk,
    _server: Server,
}

impl DiskReader for ImageReader {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn extents(&mut self) -> Result<Vec<Extent>, FabricError> {
        self.disk.extents()
    }

    fn read(&mut self, ranges: &[Extent], sink: Sink<'_>) -> Result<ControlFlow<()>, FabricError> {
        self.disk.read(ranges, sink)
    }

    fn counters(&self) -> Counters {
        self.disk.counters()
    }
}

/// What a reader's extents are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Map {
    /// What holds data.
    Allocated,
    /// What any of these bitmaps marks.
    Dirty(Vec<String>),
}

impl Map {
    fn contexts(&self) -> Vec<String> {
        match self {
            Self::Allocated => vec![ALLOCATION.to_owned()],
            Self::Dirty(bitmaps) => bitmaps.iter().map(|name| dirty_bitmap(name)).collect(),
        }
    }

    /// Whether a range with these flags belongs to it. An allocation's bit 1 says "reads as
    /// zero"; bit 0 ("hole") alone promises nothing about the content.
    fn holds(&self, flags: u32) -> bool {
        match self {
            Self::Allocated => flags & 2 == 0,
            Self::Dirty(_) => flags & 1 != 0,
        }
    }
}

/// One export of a server, as a disk.
#[derive(Debug)]
pub(crate) struct NbdDisk {
    client: Client,
    target: String,
    map: Map,
    counters: Cell<Counters>,
}

impl NbdDisk {
    pub(crate) fn connect(
        socket: &Path,
        export: &str,
        target: String,
        map: &Map,
    ) -> Result<Self, FabricError> {
        let contexts = map.contexts();
        let options = Options { socket, export, contexts: &contexts, patience: PATIENCE };
        match Client::connect(&options) {
            Ok(client) => {
                let counters = Cell::new(Counters::default());
                Ok(Self { client, target, map: map.clone(), counters })
            }
            Err(NbdError::NoContext { name }) => {
                Err(FabricError::ChainBroken { disk: Some(target), message: format!("no {name}") })
            }
            Err(source) => Err(FabricError::Read { target, source }),
        }
    }
}

impl DiskReader for NbdDisk {
    fn size(&self) -> u64 {
        self.client.size()
    }

    fn extents(&mut self) -> Result<Vec<Extent>, FabricError> {
        let map = self.map.clone();
        let answers = self
            .client
            .status(&|flags| map.holds(flags))
            .map_err(|source| FabricError::Read { target: self.target.clone(), source })?;
        Ok(normalised(answers.into_iter().flatten().collect()))
    }

    fn read(&mut self, ranges: &[Extent], sink: Sink<'_>) -> Result<ControlFlow<()>, FabricError> {
        let counters = &self.counters;
        let count = |bytes| {
            let Counters { bytes: before, requests } = counters.get();
            counters.set(Counters { bytes: before + bytes, requests: requests + 1 });
        };
        self.client
            .read(ranges, &count, sink)
            .map_err(|source| FabricError::Read { target: self.target.clone(), source })
    }

    fn counters(&self) -> Counters {
        self.counters.get()
    }
}

/// A `qemu-nbd` process that serves one image read-only. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) socket: PathBuf,
    dir: PathBuf,
}

impl Server {
    /// Starts a server in a directory of its own below `socket_dir`.
    pub(crate) fn start(
        image: &Path,
        format: DiskFormat,
        bitmaps: &[String],
        socket_dir: &Path,
    ) -> Result<Self, FabricError> {
        let dir = own_dir(socket_dir)?;
        let socket = dir.join("nbd");
        let mut command = Command::new("qemu-nbd");
        command.args(["--read-only", "--persistent", "--shared=8", "--cache=writeback"]);
        command.args(["--format", format.name()]).arg("--socket").arg(&socket);
        for bitmap in bitmaps {
            command.arg("--bitmap").arg(bitmap);
        }
        command.arg("--").arg(image);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = spawn_leashed(command)
            .map_err(|error| FabricError::Tool { tool: "qemu-nbd", message: error.to_string() });
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                let _ = std::fs::remove_dir_all(&dir);
                return Err(error);
            }
        };
        let mut server = Self { child, socket, dir };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<(), FabricError> {
        let failed = |message| FabricError::Tool { tool: "qemu-nbd", message };
        for _ in 0..LOOKS {
            if UnixStream::connect(&self.socket).is_ok() {
                return Ok(());
            }
            let exited = self.child.try_wait().map_err(|error| failed(error.to_string()))?;
            if exited.is_some() {
                let mut said = String::new();
                if let Some(stderr) = self.child.stderr.take() {
                    let _ = stderr.take(4096).read_to_string(&mut said);
                }
                return Err(failed(said.trim().to_owned()));
            }
            thread::sleep(LOOK);
        }
        Err(failed("it does not begin to serve".into()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A new directory, for us alone. Its name carries our process id, so that nobody else's can be
/// meant by it.
fn own_dir(socket_dir: &Path) -> Result<PathBuf, FabricError> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = socket_dir.join(format!("q{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&dir)
        .map_err(|source| FabricError::File { what: "creating", path: dir.clone(), source })?;
    Ok(dir)
}

fn run(tool: &'static str, mut command: Command) -> Result<(), FabricError> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = spawn_leashed(command);
    let output = child.and_then(Child::wait_with_output);
    let output = output.map_err(|error| FabricError::Tool { tool, message: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    let said: String = String::from_utf8_lossy(&output.stderr).chars().take(4096).collect();
    Err(FabricError::Tool { tool, message: said.trim().to_owned() })
}

#[cfg(test)]
mod tests;
