//! A house to test in: an engine on a directory of its own, over hosts in memory, with a clock and
//! a seed of its own.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use engine::{Config, Engine, NewVault, Ports, VaultChange};
use fabric::fake::{FakeHost, NewDisk};
use fabric::{
    Capture, CapturePlan, Domain, FabricError, Host, HostEvent, Network, NewDomain, RecoverScope,
};
use jiff::{SignedDuration, Timestamp};
use ledger::sqlite::SqliteLedger;
use model::clock::Clock;
use model::item::Item;
use model::job::{Job, JobId};
use model::point::Point;
use model::seed::Seed;
use model::units::{Extent, MIB};
use model::vault::Vault;
use model::vm::DiskFormat;
use tempfile::TempDir;
use uuid::Uuid;

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

/// A host in memory whose begins can be held up.
#[derive(Clone)]
struct Gated {
    inner: FakeHost,
    hangs: Arc<AtomicBool>,
    at_begin: Arc<Mutex<Option<AtBegin>>>,
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
        self.inner.define(source_xml, new)
    }

    fn start(&self, domain: Uuid) -> Result<(), FabricError> {
        self.inner.start(domain)
    }

    fn destroy(&self, domain: Uuid) -> Result<(), FabricError> {
        self.inner.destroy(domain)
    }

    fn undefine(&self, domain: Uuid) -> Result<(), FabricError> {
        self.inner.undefine(domain)
    }

    fn wait_for_agent(&self, domain: Uuid, limit: Duration) -> Result<(), FabricError> {
        self.inner.wait_for_agent(domain, limit)
    }
}

/// An engine, and the hosts that it is connected to.
pub struct House {
    pub engine: Arc<Engine>,
    pub host: FakeHost,
    pub other: FakeHost,
    /// Whether looks at the local host find no end.
    pub hangs: Arc<AtomicBool>,
    at_begin: Arc<Mutex<Option<AtBegin>>>,
    seed: Arc<TestSeed>,
    clock: Arc<TestClock>,
    dir: TempDir,
}

impl House {
    /// A new one, with a virtual machine of these disks on its local host, written to.
    pub fn new(disks: &[(&str, DiskFormat)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
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
        let hangs = Arc::new(AtomicBool::new(false));
        let at_begin = Arc::default();
        let seed = Arc::new(TestSeed(AtomicU64::new(1)));
        let local = Gated {
            inner: host.clone(),
            hangs: Arc::clone(&hangs),
            at_begin: Arc::clone(&at_begin),
        };
        let clock = Arc::new(TestClock(AtomicI64::new(0)));
        let engine = start(dir.path(), local, &other, &seed, &clock);
        Self { engine, host, other, hangs, at_begin, seed, clock, dir }
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

    /// Ends the engine, and starts another one on the same directory once `between` has been there.
    pub fn restart(self, between: impl FnOnce(&Path)) -> Self {
        let Self { engine, host, other, hangs, at_begin, seed, clock, dir } = self;
        drop(engine);
        host.process_dies();
        between(&dir.path().join("data"));
        let local = Gated {
            inner: host.clone(),
            hangs: Arc::clone(&hangs),
            at_begin: Arc::clone(&at_begin),
        };
        let engine = start(dir.path(), local, &other, &seed, &clock);
        Self { engine, host, other, hangs, at_begin, seed, clock, dir }
    }

    /// Sets the clock forward to this moment.
    pub fn set_clock(&self, to: &str) {
        self.clock_setter()(to);
    }

    /// What sets the clock forward, also while no engine runs.
    pub fn clock_setter(&self) -> impl Fn(&str) + use<> {
        let clock = Arc::clone(&self.clock);
        move |to| {
            let to: Timestamp = to.parse().expect("a timestamp");
            let ahead = to.duration_since(clock.now()).as_millis();
            let ahead = i64::try_from(ahead).expect("not that far");
            clock.0.fetch_add(ahead.max(0), Ordering::SeqCst);
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
    seed: &Arc<TestSeed>,
    clock: &Arc<TestClock>,
) -> Arc<Engine> {
    let mut config = Config::new(dir.join("data"));
    config.run_dir = Some(dir.join("run"));
    config.scratch_dir = dir.join("scratch");
    config.backups_per_host = 1;
    config.image_dir = dir.join("images");
    config.restore_roots = vec![dir.to_owned()];
    let other = other.clone();
    let connect = move |host: &model::host::Host| -> Arc<dyn Host> {
        match host.uri.as_str() {
            OTHER_URI => Arc::new(other.clone()),
            _ => Arc::new(local.clone()),
        }
    };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let seed = Arc::clone(seed) as Arc<dyn Seed>;
    let ports = Ports { clock, seed, connect: Box::new(connect), ..Ports::real(&config) };
    Engine::start_with(config, ports).expect("starts")
}
