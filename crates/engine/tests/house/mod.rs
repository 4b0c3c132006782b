//! A house to test in: an engine on a directory of its own, over hosts in memory, with a clock and
//! a seed of its own.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use engine::{Alerting, Config, Engine, ImageFormat, NewVault, Ports, RestoreRequest, VaultChange};
use fabric::fake::{FakeHost, NewDisk};
use fabric::{
    Capture, CapturePlan, Domain, FabricError, Host, HostEvent, Network, NewDomain, RecoverScope,
};
use jiff::{SignedDuration, Timestamp};
use ledger::sqlite::SqliteLedger;
use ledger::{Ledger, LedgerError};
use model::clock::Clock;
use model::item::Item;
use model::job::{Job, JobId, Status};
use model::point::{Point, PointId};
use model::seed::Seed;
use model::units::{Extent, MIB};
use model::vault::Vault;
use model::vm::DiskFormat;
use repo::objects::{Attempt, Faulty, LocalDir, Mishap, ObjectStore, StoreError};
use repo::{Environment, Repository};
use tempfile::TempDir;
use uuid::Uuid;

mod timed;

use timed::Timed;

/// The virtual machine of the local host.
pub const VM: Uuid = Uuid::from_u128(0x11);
/// Its name.
pub const NAME: &str = "web";
/// The virtual machine of the other host.
pub const OTHER_VM: Uuid = Uuid::from_u128(0x22);
/// The other host.
pub const OTHER_URI: &str = "qemu:///session";
/// The size of disks, in bytes.
pub const SIZE: u64 = 8 * MIB;

struct TestClock(AtomicI64);

impl TestClock {
    /// By how many milliseconds it is behind this moment.
    fn behind(&self, moment: &str) -> i64 {
        let moment: Timestamp = moment.parse().expect("a timestamp");
        let ahead = moment.duration_since(self.now()).as_millis();
        i64::try_from(ahead).expect("not that far")
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a timestamp");
        start + SignedDuration::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

struct TestSeed(AtomicU64);

impl Seed for TestSeed {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let n = self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let n = (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            chunk.copy_from_slice(&(n ^ (n >> 32)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// What happens at the next begin of a capture.
pub enum AtBegin {
    /// It says that it was reached, and goes on when it is let.
    Wait { reached: Sender<()>, go: Receiver<()> },
    /// A bug.
    Panic,
}

/// What becomes of a call of a store or of the ledger: a test's word. It may also wait, or look.
#[derive(Default)]
pub struct Faults {
    store: Mutex<Option<Box<StoreScript>>>,
    ledger: Mutex<Option<Box<LedgerScript>>>,
    host: Mutex<Option<Box<HostScript>>>,
    /// What the stores' clocks say.
    pub store_time: Mutex<Option<Timestamp>>,
}

type StoreScript = dyn FnMut(Attempt<'_>) -> Option<Mishap> + Send;
type LedgerScript = dyn FnMut(&'static str) -> bool + Send;
type HostScript = dyn FnMut(&'static str) -> Option<Lost> + Send;

/// What becomes of a call of the local host that finds no libvirt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Nothing is done.
    Call,
    /// It is done, and only the answer is lost.
    Answer,
}

impl Faults {
    /// From now on this decides about requests to stores.
    pub fn of_store(&self, script: impl FnMut(Attempt<'_>) -> Option<Mishap> + Send + 'static) {
        *self.store.lock().expect("not poisoned") = Some(Box::new(script));
    }

    /// From now on this says which calls of the ledger fail.
    pub fn of_ledger(&self, script: impl FnMut(&'static str) -> bool + Send + 'static) {
        *self.ledger.lock().expect("not poisoned") = Some(Box::new(script));
    }

    /// From now on this decides about calls of the local host that make virtual machines.
    pub fn of_host(&self, script: impl FnMut(&'static str) -> Option<Lost> + Send + 'static) {
        *self.host.lock().expect("not poisoned") = Some(Box::new(script));
    }

    /// From now on all goes well.
    pub fn none(&self) {
        *self.host.lock().expect("not poisoned") = None;
        *self.store.lock().expect("not poisoned") = None;
        *self.ledger.lock().expect("not poisoned") = None;
    }

    fn store(&self, attempt: Attempt<'_>) -> Option<Mishap> {
        let mut script = self.store.lock().expect("not poisoned");
        script.as_mut().and_then(|script| script(attempt))
    }

    fn host<T>(
        &self,
        call: &'static str,
        done: impl FnOnce() -> Result<T, FabricError>,
    ) -> Result<T, FabricError> {
        let mut script = self.host.lock().expect("not poisoned");
        let lost = script.as_mut().and_then(|script| script(call));
        let down = || FabricError::HypervisorDown { message: "a scripted fault".to_owned() };
        match lost {
            None => done(),
            Some(Lost::Call) => Err(down()),
            Some(Lost::Answer) => done().and(Err(down())),
        }
    }

    fn ledger(&self, call: &'static str) -> Result<(), LedgerError> {
        let mut script = self.ledger.lock().expect("not poisoned");
        match script.as_mut().is_some_and(|script| script(call)) {
            true => Err(LedgerError::Database("a scripted failure".into())),
            false => Ok(()),
        }
    }
}

/// A host in memory whose begins can be held up.
#[derive(Clone)]
struct Gated {
    inner: FakeHost,
    hangs: Arc<AtomicBool>,
    at_begin: Arc<Mutex<Option<AtBegin>>>,
    faults: Arc<Faults>,
}

impl Host for Gated {
    fn begin_capture(&self, plan: &CapturePlan) -> Result<Box<dyn Capture>, FabricError> {
        let at_begin = self.at_begin.lock().expect("not poisoned").take();
        match at_begin {
            Some(AtBegin::Wait { reached, go }) => {
                reached.send(()).expect("the test listens");
                go.recv().expect("the test lets it go on");
            }
            Some(AtBegin::Panic) => panic!("a bug, on purpose"),
            None => {}
        }
        self.inner.begin_capture(plan)
    }

    fn inventory(&self) -> Result<Vec<Domain>, FabricError> {
        while self.hangs.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.inner.inventory()
    }

    fn networks(&self) -> Result<Vec<Network>, FabricError> {
        self.inner.networks()
    }

    fn domain(&self, domain: Uuid) -> Result<Domain, FabricError> {
        self.inner.domain(domain)
    }

    fn events(&self) -> Receiver<HostEvent> {
        self.inner.events()
    }

    fn recover(&self, scope: &RecoverScope) -> Result<Vec<String>, FabricError> {
        self.inner.recover(scope)
    }

    fn end_left_over(
        &self,
        domain: Uuid,
        scope: &RecoverScope,
    ) -> Result<Vec<String>, FabricError> {
        self.inner.end_left_over(domain, scope)
    }

    fn forget_checkpoint(&self, domain: Uuid, name: &str) -> Result<(), FabricError> {
        self.inner.forget_checkpoint(domain, name)
    }

    fn agent(&self, domain: Uuid, command: &str, limit: Duration) -> Result<String, FabricError> {
        self.inner.agent(domain, command, limit)
    }

    fn define(&self, source_xml: &str, new: &NewDomain) -> Result<Vec<String>, FabricError> {
        self.faults.host("define", || self.inner.define(source_xml, new))
    }

    fn start(&self, domain: Uuid) -> Result<(), FabricError> {
        self.faults.host("start", || self.inner.start(domain))
    }

    fn destroy(&self, domain: Uuid) -> Result<(), FabricError> {
        self.inner.destroy(domain)
    }

    fn undefine(&self, domain: Uuid) -> Result<(), FabricError> {
        self.faults.host("undefine", || self.inner.undefine(domain))
    }

    fn wait_for_agent(&self, domain: Uuid, limit: Duration) -> Result<(), FabricError> {
        self.inner.wait_for_agent(domain, limit)
    }
}

thread_local! {
    /// Who is told of the alerts of the next engine that this thread starts.
    static ALERTING: RefCell<Alerting> = RefCell::default();
}

/// An engine, and the hosts that it is connected to.
pub struct House {
    pub engine: Arc<Engine>,
    pub host: FakeHost,
    pub other: FakeHost,
    /// Whether looks at the local host find no end.
    pub hangs: Arc<AtomicBool>,
    /// What goes wrong with stores and the ledger.
    pub faults: Arc<Faults>,
    at_begin: Arc<Mutex<Option<AtBegin>>>,
    seed: Arc<TestSeed>,
    clock: Arc<TestClock>,
    configure: fn(&mut Config),
    dir: TempDir,
}

impl House {
    /// A new one, with a virtual machine of these disks on its local host, written to.
    pub fn new(disks: &[(&str, DiskFormat)]) -> Self {
        Self::configured(disks, |_| ())
    }

    /// With one qcow2 disk, and these targets of alerts.
    pub fn alerting(alerting: Alerting) -> Self {
        ALERTING.replace(alerting);
        Self::with_one_disk()
    }

    /// As [`House::new`], with an engine that is told more.
    pub fn configured(disks: &[(&str, DiskFormat)], configure: fn(&mut Config)) -> Self {
        let (host, other) = (FakeHost::new(), FakeHost::new());
        let disk = |(target, format): &(&str, DiskFormat)| NewDisk {
            target: (*target).to_owned(),
            size: SIZE,
            format: *format,
        };
        host.add(VM, NAME, &disks.iter().map(disk).collect::<Vec<_>>());
        other.add(OTHER_VM, "db", &[disk(&("vda", DiskFormat::Qcow2))]);
        for (target, _) in disks {
            host.write(VM, target, MIB, &noise(1, 2 * MIB)).expect("written");
        }
        let dir = tempfile::tempdir().expect("a directory");
        let seed = Arc::new(TestSeed(AtomicU64::new(1)));
        let clock = Arc::new(TestClock(AtomicI64::new(0)));
        Self::open(dir, host, other, seed, clock, configure)
    }

    fn open(
        dir: TempDir,
        host: FakeHost,
        other: FakeHost,
        seed: Arc<TestSeed>,
        clock: Arc<TestClock>,
        configure: fn(&mut Config),
    ) -> Self {
        let (hangs, at_begin) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let faults = Arc::<Faults>::default();
        let local = Gated {
            inner: host.clone(),
            hangs: Arc::clone(&hangs),
            at_begin: Arc::clone(&at_begin),
            faults: Arc::clone(&faults),
        };
        let engine = start(dir.path(), local, &other, (&seed, &clock), &faults, configure);
        Self { engine, host, other, hangs, faults, at_begin, seed, clock, configure, dir }
    }

    /// The house in which the process was killed when its data directory looked like this, and its
    /// host like that, with an engine that was started since.
    pub fn after_kill(&self, data: TempDir, host: FakeHost) -> Self {
        host.process_dies();
        let (seed, clock) = (Arc::clone(&self.seed), Arc::clone(&self.clock));
        Self::open(data, host, self.other.fork(), seed, clock, self.configure)
    }

    /// With one qcow2 disk.
    pub fn with_one_disk() -> Self {
        Self::new(&[("vda", DiskFormat::Qcow2)])
    }

    /// Where it all lies.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The engine's data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// As [`House::restart`], with these targets of alerts.
    pub fn restart_alerting(self, alerting: Alerting) -> Self {
        self.restart(|_| drop(ALERTING.replace(alerting)))
    }

    /// Ends the engine, and starts another one on the same directory once `between` has been there.
    pub fn restart(self, between: impl FnOnce(&Path)) -> Self {
        let Self { engine, host, other, seed, clock, configure, dir, .. } = self;
        drop(engine);
        host.process_dies();
        between(&dir.path().join("data"));
        Self::open(dir, host, other, seed, clock, configure)
    }

    /// Ends the engine, and starts another one on the same directory as it was when `saved` was
    /// copied from it, over the local host as it was then: as if the process had been killed there.
    pub fn back_at(self, saved: &Path, host: FakeHost) -> Self {
        let Self { engine, other, seed, clock, configure, dir, .. } = self;
        drop(engine);
        for entry in fs::read_dir(dir.path()).expect("listed") {
            let path = entry.expect("listed").path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                .expect("removed");
        }
        copy(saved, dir.path());
        host.process_dies();
        Self::open(dir, host, other, seed, clock, configure)
    }

    /// Sets the clock forward to this moment.
    pub fn set_clock(&self, to: &str) {
        self.clock_setter()(to);
    }

    /// What sets the clock to this moment, back too, also while no engine runs.
    pub fn clock_corrector(&self) -> impl Fn(&str) + use<> {
        let clock = Arc::clone(&self.clock);
        move |to| {
            clock.0.fetch_add(clock.behind(to), Ordering::SeqCst);
        }
    }

    /// Sets the clock forward by so many seconds.
    pub fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// What sets the clock forward, also while no engine runs.
    pub fn clock_setter(&self) -> impl Fn(&str) + use<> {
        let clock = Arc::clone(&self.clock);
        move |to| {
            clock.0.fetch_add(clock.behind(to).max(0), Ordering::SeqCst);
        }
    }

    /// A vault in this region.
    pub fn vault(&self, name: &str, region: &str) -> Vault {
        let new = NewVault {
            name: name.to_owned(),
            resource_group: "holdfast".to_owned(),
            region: region.to_owned(),
            wanted: VaultChange::default(),
        };
        self.engine.create_vault(new).expect("created").0
    }

    /// The local virtual machine's item in a vault of its own.
    pub fn protected(&self) -> (Vault, Item) {
        let vault = self.vault("v1", "local");
        let enabled = self.engine.enable(&vault, "holdfast", NAME, "DefaultPolicy");
        (vault, enabled.expect("enabled").0)
    }

    /// The item as it is now.
    pub fn item(&self, vault: &Vault) -> Item {
        self.engine.item(vault, "holdfast", NAME).expect("protected")
    }

    /// A backup, to its end.
    pub fn backup(&self, vault: &Vault) -> Job {
        let job = self.engine.backup_now(&self.item(vault), None).expect("begun");
        self.ended(vault, job)
    }

    /// The job, once it has ended.
    pub fn ended(&self, vault: &Vault, id: JobId) -> Job {
        for _ in 0..4000 {
            let job = self.engine.job(vault, id).expect("there");
            if job.status.has_ended() {
                return job;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("job {id} does not end");
    }

    /// The item's points, newest first.
    pub fn points(&self, vault: &Vault) -> Vec<Point> {
        self.engine.points(&self.item(vault)).expect("listed")
    }

    /// Restores a point, and compares its disk `vda` with what it should be, if that is known.
    #[track_caller]
    pub fn check_restores(&self, vault: &Vault, point: PointId, expected: Option<&[u8]>) {
        let directory = self.dir().join(format!("restored-{point}"));
        let _ = fs::remove_dir_all(&directory);
        let to = RestoreRequest::to_directory(&directory, ImageFormat::Raw);
        let job = self.engine.restore(&self.item(vault), point, to).expect("begun");
        let job = self.ended(vault, job);
        assert_eq!(job.status, Status::Completed, "point {point}: {:?}", job.error);
        let restored = fs::read(directory.join(format!("{NAME}-vda.raw"))).expect("restored");
        let equal = expected.is_none_or(|expected| restored == expected);
        assert!(equal, "point {point} differs");
        fs::remove_dir_all(&directory).expect("removed");
    }

    /// Where the vault's repository lies.
    pub fn repository_dir(&self, vault: &Vault) -> PathBuf {
        self.data().join("stores").join(&vault.region).join(vault.id.to_string())
    }

    /// The vault's repository, opened beside the engine.
    pub fn repository(&self, vault: &Vault) -> Repository {
        let store = Arc::new(LocalDir::open(self.repository_dir(vault)).expect("there"));
        let key = self.data().join("keys").join(format!("{}.key", vault.id));
        let key = repo::keys::read_key_file(&key).expect("a key");
        let environment = Environment {
            seed: Arc::clone(&self.seed) as Arc<dyn Seed>,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            actor: "a test".to_owned(),
            caches: None,
        };
        Repository::open(store, &key, environment).expect("opens")
    }

    /// What happens at the next begin.
    pub fn at_next_begin(&self, what: AtBegin) {
        *self.at_begin.lock().expect("not poisoned") = Some(what);
    }

    /// Holds up the next begin: who hears that it was reached, and who lets it go on.
    pub fn hold_next_begin(&self) -> (Receiver<()>, Sender<()>) {
        let ((reached, hear), (let_go, go)) = (bounded(1), bounded(1));
        self.at_next_begin(AtBegin::Wait { reached, go });
        (hear, let_go)
    }

    /// A disk of the local virtual machine, as it is now.
    pub fn content(&self, target: &str) -> Vec<u8> {
        self.host.image(VM, target).expect("there").read(Extent::new(0, SIZE))
    }
}

/// The ledger in a data directory that no engine runs on.
pub fn ledger(data: &Path) -> SqliteLedger {
    SqliteLedger::open(&data.join("ledger.db")).expect("opens")
}

/// Copies the ledger of a data directory that no engine runs on.
pub fn copy_ledger(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(to.join(name));
        let _ = fs::copy(from.join(name), to.join(name));
    }
}

/// Copies everything in a directory, but for what only running processes share.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("known");
        if kind.is_dir() {
            copy(&from, &to);
        } else if kind.is_file() && from.extension().is_none_or(|it| it != "db-shm") {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

/// All files below a directory, in order; none where there is no directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("listed").path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    let mut files: Vec<PathBuf> = paths.flat_map(below).collect();
    files.sort();
    files
}

/// Bytes that do not compress.
pub fn noise(seed: u64, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(length).expect("small")];
    TestSeed(AtomicU64::new(seed << 32)).fill(&mut bytes);
    bytes
}

fn start(
    dir: &Path,
    local: Gated,
    other: &FakeHost,
    (seed, clock): (&Arc<TestSeed>, &Arc<TestClock>),
    faults: &Arc<Faults>,
    configure: fn(&mut Config),
) -> Arc<Engine> {
    let mut config = Config::new(dir.join("data"));
    config.run_dir = Some(dir.join("run"));
    config.scratch_dir = dir.join("scratch");
    config.backups_per_host = 1;
    config.start_window = Duration::ZERO;
    config.catch_up_window = Duration::ZERO;
    config.retries = 0;
    config.settle_patience = Duration::from_secs(2);
    config.image_dir = dir.join("images");
    config.restore_roots = vec![dir.to_owned()];
    configure(&mut config);
    let other = other.clone();
    let connect = move |host: &model::host::Host| -> Arc<dyn Host> {
        match host.uri.as_str() {
            OTHER_URI => Arc::new(other.clone()),
            _ => Arc::new(local.clone()),
        }
    };
    let real = Ports::real(&config);
    let (of_store, of_ledger) = (Arc::clone(faults), Arc::clone(faults));
    let open_store = move |directory: &Path| -> Result<Arc<dyn ObjectStore>, StoreError> {
        let faults = Arc::clone(&of_store);
        let script = move |attempt: Attempt<'_>| faults.store(attempt);
        let store = Timed { inner: (real.open_store)(directory)?, faults: Arc::clone(&of_store) };
        Ok(Arc::new(Faulty::new(store, script)))
    };
    let open_ledger = move |file: &Path| -> Result<Arc<dyn Ledger>, LedgerError> {
        let faults = Arc::clone(&of_ledger);
        let script = move |call| faults.ledger(call);
        Ok(Arc::new(ledger::Faulty::new(SqliteLedger::open(file)?, script)))
    };
    let ports = Ports {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        seed: Arc::clone(seed) as Arc<dyn Seed>,
        connect: Box::new(connect),
        open_store: Box::new(open_store),
        open_ledger: Box::new(open_ledger),
        tasks: real.tasks,
        alerting: ALERTING.take(),
    };
    Engine::start_with(config, ports).expect("starts")
}
