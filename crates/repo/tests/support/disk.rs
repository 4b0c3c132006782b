//! A disk in memory that forgets: after a power cut it holds what was synced, and of the rest
//! whatever a file system may have come to write by itself.
//!
//! It is harsher than the common file systems, which keep the order of names: here each name in a
//! directory that was not synced since is the old one, the new one, or one between, and each file
//! that was not synced is empty, cut, zeros or garbage.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use repo::objects::{Disk, Look, Space};

type Inode = usize;
type Names = BTreeMap<OsString, Inode>;

/// Where everything begins.
const TOP: Inode = 0;
const EDQUOT: i32 = 122;
const ENOSPC: i32 = 28;
/// What a system says that has no more room, and that grants no more of it.
pub const FULL: [i32; 2] = [ENOSPC, EDQUOT];

#[derive(Debug, Clone)]
enum Node {
    File(Arc<[u8]>),
    Directory(Names),
}

/// What is asked of the disk that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    MakeDirectory,
    Create,
    Write,
    Sync,
    SyncDirectory,
    Rename,
    Remove,
}

/// A change.
#[derive(Debug, Clone)]
enum Step {
    Name {
        directory: Inode,
        name: OsString,
        now: Option<Inode>,
    },
    /// Two names at once, as far as whoever looks can tell.
    Rename {
        old: (Inode, OsString),
        new: (Inode, OsString),
        file: Inode,
    },
    Bytes {
        file: Inode,
        bytes: Arc<[u8]>,
    },
    Sync {
        file: Inode,
    },
    SyncDirectory {
        directory: Inode,
    },
}

/// What the power cut left of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Luck {
    Nothing,
    Everything,
    /// All names, and of files nothing, a part, zeros or garbage.
    Names(u64),
    /// One or the other, by this seed.
    Mixed(u64),
}

type Script = Box<dyn Fn(Call, &Path) -> Option<i32> + Send + Sync>;

struct Inner {
    nodes: Vec<Node>,
    locks: BTreeMap<Inode, u64>,
    /// All of it is durable.
    base: Vec<Node>,
    steps: Vec<Step>,
    script: Option<Script>,
}

/// The disk; clones are the same one.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<Inner>>);

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimDisk")
    }
}

/// An open file of it.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    inode: Inode,
    handle: u64,
    path: std::path::PathBuf,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut inner = self.disk.inner();
        if inner.locks.get(&self.inode) == Some(&self.handle) {
            inner.locks.remove(&self.inode);
        }
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::of(vec![Node::Directory(Names::new())])
    }

    fn of(nodes: Vec<Node>) -> Self {
        let base = nodes.clone();
        let (locks, steps) = (BTreeMap::new(), Vec::new());
        Self(Arc::new(Mutex::new(Inner { nodes, locks, base, steps, script: None })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nothing panics while it holds the disk")
    }

    /// Makes everything durable.
    pub fn settle(&self) {
        let mut inner = self.inner();
        inner.base = inner.nodes.clone();
        inner.steps.clear();
    }

    /// How many changes there were since [`Self::settle`].
    pub fn steps(&self) -> usize {
        self.inner().steps.len()
    }

    /// Lets `script` answer calls with errors of the system.
    pub fn refuse(&self, script: impl Fn(Call, &Path) -> Option<i32> + Send + Sync + 'static) {
        self.inner().script = Some(Box::new(script));
    }

    /// Answers all calls again.
    pub fn allow(&self) {
        self.inner().script = None;
    }

    /// The disk as it is found when the power failed behind the first `steps` changes.
    pub fn cut(&self, steps: usize, luck: Luck) -> Self {
        let inner = self.inner();
        let mut after = AfterCut::new(&inner.base, luck);
        // What is a directory is one from the beginning, if it is there at all.
        let made = inner.nodes.iter().enumerate().skip(inner.base.len());
        let directories = made.filter(|(_, node)| matches!(node, Node::Directory(_)));
        let empty = directories.map(|(inode, _)| (inode, Node::Directory(Names::new())));
        after.nodes.extend(empty);
        inner.steps[..steps].iter().for_each(|step| after.take(step));
        Self::of(after.found())
    }

    /// What is on it, as one number.
    pub fn print(&self) -> blake3::Hash {
        let inner = self.inner();
        let mut hasher = blake3::Hasher::new();
        print(&inner.nodes, TOP, &mut hasher);
        hasher.finalize()
    }
}

fn print(nodes: &[Node], inode: Inode, hasher: &mut blake3::Hasher) {
    match &nodes[inode] {
        Node::File(bytes) => {
            hasher.update(b"f").update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        }
        Node::Directory(names) => {
            hasher.update(b"d").update(&(names.len() as u64).to_le_bytes());
            for (name, inode) in names {
                hasher.update(name.as_encoded_bytes()).update(b"/");
                print(nodes, *inode, hasher);
            }
        }
    }
}

/// Plays changes again and remembers which of them were durable.
struct AfterCut {
    /// What is durable. A file that never was has no bytes.
    nodes: BTreeMap<Inode, Node>,
    /// By directory and name: what it was meanwhile, in this order.
    names: BTreeMap<(Inode, OsString), Vec<Option<Inode>>>,
    bytes: BTreeMap<Inode, Arc<[u8]>>,
    luck: Luck,
    drawn: u64,
}

impl AfterCut {
    fn new(base: &[Node], luck: Luck) -> Self {
        let (names, bytes) = (BTreeMap::new(), BTreeMap::new());
        Self { nodes: base.iter().cloned().enumerate().collect(), names, bytes, luck, drawn: 0 }
    }

    fn name(&mut self, directory: Inode, name: &OsStr, now: Option<Inode>) {
        self.names.entry((directory, name.to_owned())).or_default().push(now);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Name { directory, name, now } => self.name(*directory, name, *now),
            Step::Rename { old, new, file } => {
                self.name(old.0, &old.1, None);
                self.name(new.0, &new.1, Some(*file));
            }
            Step::Bytes { file, bytes } => {
                self.bytes.insert(*file, Arc::clone(bytes));
            }
            Step::Sync { file } => {
                if let Some(bytes) = self.bytes.remove(file) {
                    self.nodes.insert(*file, Node::File(bytes));
                }
            }
            Step::SyncDirectory { directory } => {
                let synced: Vec<_> =
                    self.names.keys().filter(|(of, _)| of == directory).cloned().collect();
                for key in synced {
                    let versions = self.names.remove(&key).unwrap_or_default();
                    self.set(key, versions.last().copied().flatten());
                }
            }
        }
    }

    fn set(&mut self, (directory, name): (Inode, OsString), now: Option<Inode>) {
        let Some(Node::Directory(names)) = self.nodes.get_mut(&directory) else {
            panic!("a directory stays one")
        };
        match now {
            Some(inode) => names.insert(name, inode),
            None => names.remove(&name),
        };
    }

    fn draw(&mut self, below: u64) -> u64 {
        let (Luck::Names(seed) | Luck::Mixed(seed)) = self.luck else { return 0 };
        self.drawn += 1;
        let bytes = super::noise(seed ^ (self.drawn << 32), 8);
        u64::from_le_bytes(bytes.try_into().expect("eight bytes")) % below
    }

    /// What is found.
    fn found(mut self) -> Vec<Node> {
        for (key, versions) in std::mem::take(&mut self.names) {
            match self.luck {
                Luck::Nothing => {}
                Luck::Everything | Luck::Names(_) => {
                    self.set(key, versions.last().copied().flatten());
                }
                Luck::Mixed(_) => {
                    let chosen = self.draw(versions.len() as u64 + 1) as usize;
                    if chosen > 0 {
                        self.set(key, versions[chosen - 1]);
                    }
                }
            }
        }
        for (file, bytes) in std::mem::take(&mut self.bytes) {
            let torn = match self.luck {
                Luck::Nothing => continue,
                Luck::Everything => bytes,
                Luck::Names(_) | Luck::Mixed(_) => self.torn(&bytes),
            };
            self.nodes.insert(file, Node::File(torn));
        }
        self.reachable()
    }

    fn torn(&mut self, bytes: &Arc<[u8]>) -> Arc<[u8]> {
        let length = bytes.len();
        match self.draw(5) {
            0 => Arc::from([]),
            1 => bytes[..self.draw(length as u64 + 1) as usize].into(),
            2 => vec![0; length].into(),
            3 => super::noise(self.drawn, length).into(),
            _ => Arc::clone(bytes),
        }
    }

    /// What no name leads to is gone; numbers are given anew.
    fn reachable(self) -> Vec<Node> {
        let mut numbers = BTreeMap::from([(TOP, TOP)]);
        let mut order = vec![TOP];
        let mut next = 0;
        while let Some(inode) = order.get(next) {
            if let Some(Node::Directory(names)) = self.nodes.get(inode) {
                for inode in names.values().copied().collect::<BTreeSet<_>>() {
                    numbers.entry(inode).or_insert_with(|| {
                        order.push(inode);
                        order.len() - 1
                    });
                }
            }
            next += 1;
        }
        let nodes = order.iter().map(|inode| match self.nodes.get(inode) {
            Some(Node::Directory(names)) => Node::Directory(
                names.iter().map(|(name, inode)| (name.clone(), numbers[inode])).collect(),
            ),
            Some(file) => file.clone(),
            // Made, and never synced.
            None => Node::File(Arc::from([])),
        });
        nodes.collect()
    }
}

fn error(kind: io::ErrorKind) -> io::Error {
    kind.into()
}

impl Inner {
    fn ask(&self, call: Call, path: &Path) -> io::Result<()> {
        let refused = self.script.as_ref().and_then(|script| script(call, path));
        refused.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }

    fn find(&self, path: &Path) -> io::Result<Inode> {
        let mut at = TOP;
        for part in path.components() {
            let Component::Normal(part) = part else { continue };
            let Node::Directory(names) = &self.nodes[at] else {
                return Err(error(io::ErrorKind::NotADirectory));
            };
            at = *names.get(part).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    fn names(&mut self, directory: Inode) -> io::Result<&mut Names> {
        match &mut self.nodes[directory] {
            Node::Directory(names) => Ok(names),
            Node::File(_) => Err(error(io::ErrorKind::NotADirectory)),
        }
    }

    /// The directory that a path is in, and its name there.
    fn place(&self, path: &Path) -> io::Result<(Inode, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::AlreadyExists)?;
        let directory = self.find(path.parent().ok_or(io::ErrorKind::AlreadyExists)?)?;
        Ok((directory, name.to_owned()))
    }

    fn make(&mut self, path: &Path, node: Node) -> io::Result<Inode> {
        let (directory, name) = self.place(path)?;
        let inode = self.nodes.len();
        let names = self.names(directory)?;
        if names.contains_key(&name) {
            return Err(error(io::ErrorKind::AlreadyExists));
        }
        names.insert(name.clone(), inode);
        self.nodes.push(node);
        self.steps.push(Step::Name { directory, name, now: Some(inode) });
        Ok(inode)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (directory, name) = self.place(path)?;
        self.names(directory)?.remove(&name);
        self.steps.push(Step::Name { directory, name, now: None });
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path, over: bool) -> io::Result<()> {
        self.ask(Call::Rename, to)?;
        let (old, new) = (self.place(from)?, self.place(to)?);
        let file = self.find(from)?;
        if !over && self.names(new.0)?.contains_key(&new.1) {
            return Err(error(io::ErrorKind::AlreadyExists));
        }
        self.names(old.0)?.remove(&old.1);
        self.names(new.0)?.insert(new.1.clone(), file);
        self.steps.push(Step::Rename { old, new, file });
        Ok(())
    }
}

impl SimDisk {
    fn file(&self, inode: Inode, path: &Path) -> SimFile {
        static HANDLES: AtomicU64 = AtomicU64::new(0);
        let handle = HANDLES.fetch_add(1, Ordering::Relaxed);
        SimFile { disk: self.clone(), inode, handle, path: path.to_owned() }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.ask(Call::MakeDirectory, path)?;
        inner.make(path, Node::Directory(Names::new())).map(drop)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut inner = self.inner();
        let directory = inner.find(directory)?;
        Ok(inner.names(directory)?.keys().cloned().collect())
    }

    fn look(&self, path: &Path) -> io::Result<Look> {
        let inner = self.inner();
        Ok(match &inner.nodes[inner.find(path)?] {
            Node::File(bytes) => Look::File(bytes.len() as u64),
            Node::Directory(_) => Look::Directory,
        })
    }

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut inner = self.inner();
        inner.ask(Call::Create, path)?;
        let inode = inner.make(path, Node::File(Arc::from([])))?;
        Ok(self.file(inode, path))
    }

    fn open(&self, path: &Path) -> io::Result<(SimFile, u64)> {
        let inner = self.inner();
        let inode = inner.find(path)?;
        match &inner.nodes[inode] {
            Node::File(bytes) => Ok((self.file(inode, path), bytes.len() as u64)),
            Node::Directory(_) => Err(error(io::ErrorKind::NotFound)),
        }
    }

    fn lock(&self, file: &SimFile) -> io::Result<()> {
        while !self.try_lock(file) {
            std::thread::yield_now();
        }
        Ok(())
    }

    fn try_lock(&self, file: &SimFile) -> bool {
        *self.inner().locks.entry(file.inode).or_insert(file.handle) == file.handle
    }

    fn write(&self, file: &SimFile, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.ask(Call::Write, &file.path)?;
        let (file, bytes) = (file.inode, Arc::<[u8]>::from(bytes));
        inner.nodes[file] = Node::File(Arc::clone(&bytes));
        inner.steps.push(Step::Bytes { file, bytes });
        Ok(())
    }

    fn read(&self, file: &SimFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let inner = self.inner();
        let Node::File(bytes) = &inner.nodes[file.inode] else {
            return Err(error(io::ErrorKind::IsADirectory));
        };
        let from = offset as usize;
        let part = bytes.get(from..from + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    }

    fn sync(&self, file: &SimFile) -> io::Result<()> {
        let mut inner = self.inner();
        inner.ask(Call::Sync, &file.path)?;
        inner.steps.push(Step::Sync { file: file.inode });
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.ask(Call::SyncDirectory, directory)?;
        let directory = inner.find(directory)?;
        inner.steps.push(Step::SyncDirectory { directory });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner().rename(from, to, false)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner().rename(from, to, true)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.ask(Call::Remove, path)?;
        let inode = inner.find(path)?;
        match inner.nodes[inode] {
            Node::File(_) => inner.remove(path),
            Node::Directory(_) => Err(error(io::ErrorKind::IsADirectory)),
        }
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.ask(Call::Remove, path)?;
        let inode = inner.find(path)?;
        if inner.names(inode)?.is_empty() {
            inner.remove(path)
        } else {
            Err(error(io::ErrorKind::DirectoryNotEmpty))
        }
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space::default())
    }

    fn allocate(&self, _: &Path, _: u64) -> io::Result<()> {
        Err(error(io::ErrorKind::Unsupported))
    }

    fn cut(&self, _: &Path, _: u64) -> io::Result<()> {
        Err(error(io::ErrorKind::Unsupported))
    }
}
