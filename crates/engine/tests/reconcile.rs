//! Points of which it is open whether they exist: the ledger lists them as soon as the store tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use engine::{Config, Engine, NewVault, Ports, VaultChange};
use fabric::fake::{FakeHost, NewDisk};
use model::fault::Code;
use model::item::Item;
use model::job::{Job, Status};
use model::units::MIB;
use model::vault::Vault;
use model::vm::DiskFormat;
use repo::objects::{Attempt, Faulty, Memory, Mishap, ObjectStore, Operation};
use tempfile::TempDir;
use uuid::Uuid;

const VM: Uuid = Uuid::from_u128(0x11);

/// A store that is gone from the moment of the next commit until it is back.
#[derive(Default)]
struct Outage {
    memory: Arc<Memory>,
    is_wanted: AtomicBool,
    /// 1: the next log entry is a commit. 2: the store is gone.
    stage: AtomicU8,
}

impl Outage {
    fn fate(&self, attempt: Attempt<'_>) -> Option<Mishap> {
        let is_put =
            |prefix: &str| attempt.operation == Operation::Put && attempt.name.starts_with(prefix);
        match self.stage.load(Ordering::SeqCst) {
            0 if is_put("manifests/") && self.is_wanted.load(Ordering::SeqCst) => {
                self.stage.store(1, Ordering::SeqCst);
                None
            }
            1 if is_put("log/") => {
                self.stage.store(2, Ordering::SeqCst);
                None
            }
            2 => Some(Mishap::Fails),
            _ => None,
        }
    }

    fn ends(&self) {
        self.is_wanted.store(false, Ordering::SeqCst);
        self.stage.store(0, Ordering::SeqCst);
    }
}

fn start(dir: &TempDir, host: &FakeHost, outage: &Arc<Outage>) -> Arc<Engine> {
    let mut config = Config::new(dir.path().join("data"));
    config.run_dir = Some(dir.path().join("run"));
    config.scratch_dir = dir.path().join("scratch");
    config.image_dir = dir.path().join("images");
    let (host, outage) = (host.clone(), Arc::clone(outage));
    let ports = Ports {
        connect: Box::new(move |_| Arc::new(host.clone())),
        open_store: Box::new(move |directory| {
            std::fs::create_dir_all(directory).expect("made");
            let fate = Arc::clone(&outage);
            let script = move |attempt: Attempt<'_>| fate.fate(attempt);
            let store = Faulty::new(Arc::clone(&outage.memory), script);
            Ok(Arc::new(store) as Arc<dyn ObjectStore>)
        }),
        ..Ports::real(&config)
    };
    Engine::start_with(config, ports).expect("starts")
}

fn back_up(engine: &Engine, vault: &Vault) -> Job {
    let item = engine.item(vault, "holdfast", "web").expect("protected");
    let id = engine.backup_now(&item, None).expect("begun");
    for _ in 0..4000 {
        let job = engine.job(vault, id).expect("there");
        if job.status.has_ended() {
            return job;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("job {id} does not end");
}

/// A vault with one item and one point, and a second one that the store took before it was gone.
fn with_an_open_point(engine: &Engine, outage: &Outage) -> (Vault, Item) {
    let new = NewVault {
        name: "v1".to_owned(),
        resource_group: "holdfast".to_owned(),
        region: "local".to_owned(),
        wanted: VaultChange::default(),
    };
    let vault = engine.create_vault(new).expect("created").0;
    let item = engine.enable(&vault, "holdfast", "web", "DefaultPolicy").expect("enabled").0;
    assert_eq!(back_up(engine, &vault).status, Status::Completed);
    outage.is_wanted.store(true, Ordering::SeqCst);
    let job = back_up(engine, &vault);
    assert_eq!(job.error.map(|fault| fault.code), Some(Code::StoreUnavailable));
    assert_eq!(engine.points(&item).expect("listed").len(), 1);
    (vault, item)
}

fn house() -> (TempDir, FakeHost, Arc<Outage>) {
    let host = FakeHost::new();
    let disk = NewDisk { target: "vda".to_owned(), size: MIB, format: DiskFormat::Qcow2 };
    host.add(VM, "web", &[disk]);
    host.write(VM, "vda", 0, &[7; 100_000]).expect("written");
    (tempfile::tempdir().expect("a directory"), host, Arc::default())
}

#[test]
fn a_point_that_could_not_be_read_back_is_listed_once_the_store_is_back() {
    let (dir, host, outage) = house();
    let engine = start(&dir, &host, &outage);
    let (vault, item) = with_an_open_point(&engine, &outage);

    engine.turn();
    assert_eq!(engine.points(&item).expect("listed").len(), 1, "the store does not tell");
    outage.ends();
    engine.turn();
    assert_eq!(engine.points(&item).expect("listed").len(), 2);
    assert_eq!(back_up(&engine, &vault).status, Status::Completed);
}

#[test]
fn a_store_that_is_away_at_the_start_is_looked_at_when_it_is_back() {
    let (dir, host, outage) = house();
    let engine = start(&dir, &host, &outage);
    let (_, item) = with_an_open_point(&engine, &outage);
    drop(engine);
    host.process_dies();

    let engine = start(&dir, &host, &outage);
    assert_eq!(engine.points(&item).expect("listed").len(), 1, "the store does not tell");
    outage.ends();
    engine.turn();
    assert_eq!(engine.points(&item).expect("listed").len(), 2);
}
