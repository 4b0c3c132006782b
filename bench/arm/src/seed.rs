//! A service with a full ledger.
//!
//! Vaults and items come about as clients make them, over the API. One backup really runs; the
//! other points and jobs are copies of what it left, put into the ledger.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engine::{Config, Engine, PointQuery, Ports};
use fabric::fake::{FakeHost, NewDisk};
use jiff::{SignedDuration, Timestamp};
use model::host::Host;
use model::item::Item;
use model::job::{Job, JobId};
use model::point::{Point, PointId};
use model::units::MIB;
use model::vault::Vault;
use model::vm::DiskFormat;
use serde_json::json;
use service::{Options, Running};
use uuid::Uuid;

use crate::PATIENCE;
use crate::client::Client;

/// Vaults, which share the virtual machines.
pub const VAULTS: usize = 4;
/// Virtual machines, each of them protected.
pub const VMS: usize = 1_000;
const POINTS_OF_ITEM: usize = 100;
const JOBS_OF_ITEM: usize = 10;

/// The name of a vault.
pub fn vault(number: usize) -> String {
    format!("vault-{}", number % VAULTS)
}

/// The name of a virtual machine.
pub fn vm(number: usize) -> String {
    format!("vm-{number:04}")
}

/// A running service.
pub struct House {
    engine: Arc<Engine>,
    running: Running,
}

impl House {
    /// Stops it.
    pub fn stop(self) -> Result<()> {
        self.running.stopper().stop();
        self.running.wait()?;
        self.engine.shutdown();
        Ok(())
    }
}

/// Starts a service on this directory and fills its ledger.
pub fn house(dir: &Path) -> Result<House> {
    let house = start(dir)?;
    let client = Client::of(dir)?;
    let begun = Instant::now();
    protect_all(&client)?;
    println!("{VAULTS} vaults and {VMS} items made over the API in {:.1?}", begun.elapsed());
    let begun = Instant::now();
    multiply(&house.engine)?;
    println!("points and jobs put into the ledger in {:.1?}", begun.elapsed());
    Ok(house)
}

/// Starts a service on this directory.
pub fn start(dir: &Path) -> Result<House> {
    let fake = FakeHost::new();
    let disk = NewDisk { target: "vda".to_owned(), size: MIB, format: DiskFormat::Qcow2 };
    for number in 0..VMS {
        fake.add(Uuid::from_u128(number as u128 + 1), &vm(number), std::slice::from_ref(&disk));
    }
    let mut config = Config::new(dir);
    config.run_dir = Some(dir.join("run"));
    config.scratch_dir = dir.join("scratch");
    let connect = move |_: &Host| Arc::new(fake.clone()) as Arc<dyn fabric::Host>;
    let ports = Ports { connect: Box::new(connect), ..Ports::real(&config) };
    let engine = Engine::start_with(config, ports)?;
    let listen = "127.0.0.1:0".parse()?;
    let options = Options { listen, data_dir: dir.to_owned() };
    let running = service::run(Arc::clone(&engine), options)?;
    let endpoint = format!("https://localhost:{}", running.address().port());
    std::fs::write(dir.join("endpoint"), endpoint)?;
    Ok(House { engine, running })
}

/// Makes the vaults and protects every virtual machine.
fn protect_all(client: &Client) -> Result<()> {
    for number in 0..VAULTS {
        client.put(&client.vault(&vault(number), ""), &json!({ "location": "local" }))?;
    }
    wait_for("all virtual machines", || {
        let path = client.group("/providers/Microsoft.Compute/virtualMachines");
        let last = format!("{path}/{}", vm(VMS - 1));
        Ok(client.fetch(&last).is_ok())
    })?;
    for number in 0..VMS {
        let (vault, vm) = (vault(number), vm(number));
        let body = json!({ "properties": {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "sourceResourceId":
                client.group(&format!("/providers/Microsoft.Compute/virtualMachines/{vm}")),
            "policyId": client.vault(&vault, "/backupPolicies/DefaultPolicy"),
        } });
        client.put(&client.item(&vault, &vm, ""), &body)?;
    }
    let backup = client.item(&vault(0), &vm(0), "/backup");
    wait_for("the first item to be protected", || Ok(client.post(&backup).is_ok()))?;
    let points = client.item(&vault(0), &vm(0), "/recoveryPoints");
    wait_for("a backup", || {
        let list = client.get(&points)?;
        Ok(list["value"].as_array().is_some_and(|points| !points.is_empty()))
    })
}

fn wait_for(what: &str, mut there: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !there()? {
        if begun.elapsed() > PATIENCE {
            bail!("{what} did not come about within {PATIENCE:?}");
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Copies the point and the job of the backup that ran until every item has its share.
fn multiply(engine: &Engine) -> Result<()> {
    let ledger = engine.ledger();
    let items: Vec<(Vault, Item)> = (0..VMS)
        .map(|number| {
            let vault = engine.vault("holdfast", &vault(number))?;
            let item = engine.item(&vault, "holdfast", &vm(number))?;
            Ok((vault, item))
        })
        .collect::<Result<_, model::fault::Fault>>()?;
    let (_, first) = items.first().context("no items")?;
    let point = ledger.points(PointQuery::of(first.id))?.into_iter().next().context("no point")?;
    let job = ledger.job(point.job)?.context("the point's job is gone")?;
    let mut next = 0;
    for (vault, item) in &items {
        for age in 1..POINTS_OF_ITEM {
            next += 1;
            ledger.put_point(&Point {
                id: PointId::new(next).context("63 bits")?,
                vault: vault.id,
                item: item.id,
                taken_at: days_before(point.taken_at, age),
                ..point.clone()
            })?;
        }
        for age in 1..JOBS_OF_ITEM {
            next += 1;
            ledger.create_job(&Job {
                id: JobId(Uuid::from_u128(next.into())),
                vault: vault.id,
                item: item.id,
                started_at: days_before(job.started_at, age),
                ended_at: job.ended_at.map(|at| days_before(at, age)),
                ..job.clone()
            })?;
        }
    }
    Ok(())
}

fn days_before(at: Timestamp, days: usize) -> Timestamp {
    let hours = i64::try_from(days * 24).expect("a few years at most");
    at - SignedDuration::from_hours(hours)
}
