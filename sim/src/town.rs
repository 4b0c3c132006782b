//! Everything around the engine, and the engine while its process lives.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use engine::config::{LOCAL_GROUP, LOCAL_REGION};
use engine::tasks::Tasks;
use engine::{Alerting, Config, Engine, Ports};
use fabric::fake::FakeHost;
use jiff::{SignedDuration, Timestamp};
use ledger::Ledger;
use ledger::sqlite::SqliteLedger;
use model::clock::Clock;
use model::seed::Seed;
use model::vm::DiskFormat;
use tempfile::TempDir;
use uuid::Uuid;

use crate::chance::{Chance, ChanceSeed};
use crate::clock::{LyingClock, SimClock};
use crate::defect::Defect;
use crate::guests::{Guest, GuestDisk, Guests};
use crate::host::{SimHost, Site};
use crate::ledger::SimLedger;
use crate::process::Process;
use crate::run::Scenario;
use crate::store::Stores;
use crate::tasks::Queue;
use crate::watch::Watch;

/// The other host's connection.
const OTHER_URI: &str = "qemu:///session";
/// How many tasks run within each other at most.
const DEPTH_MAX: usize = 2;
/// How often the engine is started until it must have come up.
const STARTS_MAX: u32 = 50;

/// Everything around the engine.
pub struct Town {
    pub scenario: Scenario,
    pub process: Arc<Process>,
    pub clock: Arc<SimClock>,
    pub queue: Arc<Queue>,
    pub stores: Arc<Stores>,
    /// The ledger as it is, without any trouble on the way.
    pub ledger: Arc<dyn Ledger>,
    pub watch: Arc<Mutex<Watch>>,
    pub hosts: Vec<FakeHost>,
    pub sites: Vec<Arc<Site>>,
    pub guests: Arc<Mutex<Guests>>,
    pub chance: Mutex<Chance>,
    seed: Arc<ChanceSeed>,
    engine: Mutex<Option<Arc<Engine>>>,
    depth: AtomicUsize,
    dir: TempDir,
}

/// The lock, whatever panicked with it: a panic ends the run, and is told.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Town {
    /// A town in which nothing has happened yet, with as many guests as the scenario says.
    pub fn new(scenario: &Scenario) -> Arc<Self> {
        let seed = scenario.seed;
        let mut chance = Chance::new(seed, "town");
        let hosts = vec![FakeHost::new(), FakeHost::new()];
        let process = Arc::new(Process::new(seed, scenario.trouble, hosts.clone()));
        let clock = Arc::new(SimClock::new(beginning(&mut chance)));
        let queue = Arc::new(Queue::new(Arc::clone(&clock), Arc::clone(&process)));
        let stores = Stores::new(seed, Arc::clone(&process), scenario.defect);
        let mut guests = Guests::default();
        for number in 0..scenario.vms {
            let mut guest = new_guest(&mut chance, number, scenario.cells);
            guest.appear(&hosts[guest.host]);
            for _ in 0..6 {
                guest.write(&hosts[guest.host], &mut chance);
            }
            guests.all.push(guest);
        }
        Arc::new(Self {
            scenario: scenario.clone(),
            process,
            clock,
            queue,
            stores: Arc::new(stores),
            ledger: Arc::new(SqliteLedger::in_memory().expect("SQLite has memory")),
            watch: Arc::default(),
            sites: hosts.iter().map(|_| Arc::default()).collect(),
            hosts,
            guests: Arc::new(Mutex::new(guests)),
            seed: Arc::new(ChanceSeed::new(Chance::new(seed, "engine"))),
            chance: Mutex::new(chance),
            engine: Mutex::default(),
            depth: AtomicUsize::new(0),
            dir: directory(),
        })
    }

    /// A directory in which the engine may restore to.
    pub fn restores(&self) -> PathBuf {
        self.dir.path().join("restores")
    }

    /// The key file of a vault.
    pub fn key_file(&self, vault: Uuid) -> PathBuf {
        self.data().join("keys").join(format!("{vault}.key"))
    }

    /// The directory of a vault's repository.
    pub fn repository_dir(&self, region: &str, vault: Uuid) -> PathBuf {
        self.data().join("stores").join(region).join(vault.to_string())
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The engine.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(lock(&self.engine).as_ref().expect("it runs"))
    }

    /// Starts the engine, as often as it takes.
    pub fn start(self: &Arc<Self>) {
        for _ in 0..STARTS_MAX {
            self.process.begin();
            match Engine::start_with(self.config(), self.ports()) {
                Ok(engine) => {
                    self.queue.serves(&engine);
                    *lock(&self.engine) = Some(engine);
                    if self.process.is_alive() {
                        self.process.note(|| "the engine runs".to_owned());
                        self.turn();
                    }
                }
                Err(error) => self.process.note(|| format!("the engine does not start: {error}")),
            }
            if self.process.is_alive() && lock(&self.engine).is_some() {
                return;
            }
            self.stop();
        }
        self.process.break_off(format!("the engine did not start {STARTS_MAX} times"));
        self.process.set_calm(true);
    }

    /// Ends the process, with all that it was at.
    pub fn stop(&self) {
        if self.process.is_alive() {
            self.process.dies();
        }
        if let Some(engine) = lock(&self.engine).take() {
            engine.shutdown();
        }
        self.queue.clear();
        self.stores.process_died();
    }

    /// What the engine's loops do again and again.
    pub fn turn(&self) {
        self.engine().turn();
    }

    /// Carries out everything that was begun.
    pub fn drain(&self) {
        while self.process.is_alive() && self.run_task() {}
    }

    fn run_task(&self) -> bool {
        let mut chance = Chance::new(lock(&self.chance).number(), "task");
        self.queue.run_one(&mut chance)
    }

    /// What happens while something else is under way: a guest writes, another task gets its turn.
    fn meanwhile(&self) {
        let choice = lock(&self.chance).below(12);
        match choice {
            0..=3 => {
                let mut guests = lock(&self.guests);
                let mut chance = lock(&self.chance);
                if !guests.all.is_empty() {
                    let at = chance.place(guests.all.len());
                    let guest = &mut guests.all[at];
                    guest.write(&self.hosts[guest.host], &mut chance);
                }
            }
            4 | 5 if self.depth.fetch_add(1, Ordering::SeqCst) < DEPTH_MAX => {
                self.run_task();
                self.depth.fetch_sub(1, Ordering::SeqCst);
            }
            4 | 5 => {
                self.depth.fetch_sub(1, Ordering::SeqCst);
            }
            6 => self.clock.pass(SignedDuration::from_secs(90)),
            _ => {}
        }
    }

    fn config(&self) -> Config {
        let dir = self.dir.path();
        let mut config = Config::new(self.data());
        config.run_dir = Some(dir.join("run"));
        config.scratch_dir = dir.join("scratch");
        config.image_dir = dir.join("images");
        config.restore_roots = vec![self.restores()];
        if !self.scenario.starts_spread() {
            (config.start_window, config.catch_up_window) = (Duration::ZERO, Duration::ZERO);
        }
        config
    }

    fn ports(self: &Arc<Self>) -> Ports {
        let clock: Arc<dyn Clock> = match self.scenario.defect {
            Some(Defect::ClockLies) => Arc::new(LyingClock::new(Arc::clone(&self.clock))),
            _ => Arc::clone(&self.clock) as Arc<dyn Clock>,
        };
        let ledger: Arc<dyn Ledger> = Arc::new(SimLedger::new(
            Arc::clone(&self.ledger),
            Arc::clone(&self.process),
            Arc::clone(&self.watch),
            Arc::clone(&self.clock),
            Arc::clone(&self.guests),
            self.scenario.defect,
        ));
        let stores = Arc::clone(&self.stores);
        let town = Arc::downgrade(self);
        Ports {
            clock,
            seed: Arc::clone(&self.seed) as Arc<dyn Seed>,
            connect: Box::new(move |host| {
                let town = town.upgrade().expect("an engine does not outlive its town");
                Arc::new(town.host(usize::from(host.uri == OTHER_URI)))
            }),
            open_ledger: Box::new(move |_| Ok(Arc::clone(&ledger))),
            open_store: Box::new(move |directory: &Path| stores.open(directory)),
            tasks: Arc::clone(&self.queue) as Arc<dyn Tasks>,
            alerting: Alerting::default(),
        }
    }

    fn host(self: &Arc<Self>, number: usize) -> SimHost {
        let town: Weak<Self> = Arc::downgrade(self);
        SimHost {
            inner: self.hosts[number].clone(),
            site: Arc::clone(&self.sites[number]),
            process: Arc::clone(&self.process),
            guests: Arc::clone(&self.guests),
            defect: self.scenario.defect,
            meanwhile: Arc::new(move || {
                if let Some(town) = town.upgrade() {
                    town.meanwhile();
                }
            }),
        }
    }

    /// How many tasks were begun so far.
    pub fn begun(&self) -> u64 {
        self.queue.begun()
    }

    /// Lets all hosts be reached. Which of them could not.
    pub fn set_reachable(&self) -> Vec<bool> {
        self.sites.iter().map(|site| site.is_down.swap(false, Ordering::SeqCst)).collect()
    }

    /// Lets these hosts not be reached.
    pub fn set_down(&self, down: &[bool]) {
        for (site, down) in self.sites.iter().zip(down) {
            site.is_down.store(*down, Ordering::SeqCst);
        }
    }

    /// Registers the host that is not there by itself.
    pub fn add_other_host(&self) {
        let added = self.engine().add_host(OTHER_URI, LOCAL_REGION, LOCAL_GROUP);
        added.expect("nothing goes wrong yet");
    }
}

/// Some moment of some year, so that every season with its changes of clocks is met.
fn beginning(chance: &mut Chance) -> Timestamp {
    let hours = i64::try_from(chance.below(3 * 365 * 24)).expect("three years");
    Timestamp::from_second(1_767_225_600 + hours * 3600).expect("in the calendar")
}

fn new_guest(chance: &mut Chance, number: usize, cells: u64) -> Guest {
    let disk = |target: &str, format, cells: u64| GuestDisk {
        target: target.to_owned(),
        format,
        cells: Arc::new(vec![0; usize::try_from(cells).expect("small")]),
    };
    let mut disks = vec![disk("vda", DiskFormat::Qcow2, cells)];
    if chance.once_in(4) {
        let format = if chance.once_in(3) { DiskFormat::Raw } else { DiskFormat::Qcow2 };
        disks.push(disk("vdb", format, (cells / 4).max(1)));
    }
    Guest {
        uuid: Uuid::from_u128(0x1000 + number as u128),
        name: format!("vm{number}"),
        host: usize::from(chance.once_in(3)),
        is_there: false,
        stays_away: 4,
        disks,
    }
}

/// In memory where the machine has such a place: the files are gone when the run is.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("holdfast-sim-");
    let made = if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() };
    made.expect("a directory for keys and restored files")
}
