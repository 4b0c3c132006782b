//! How late scheduled backups start that are due at the same minute: 1,000 virtual machines on 20
//! hosts, protected by four vaults of one region, all by policies that run at one moment.
//!
//! ```text
//! starts-bench [--vms N] [--hosts N] [--window SECONDS] [--at-once N] [--dir DIR]
//! ```
//!
//! The engine is the real one, with its clock, its ledger on SQLite, its queue, its caps, and
//! repositories in directories; only the hosts are in memory, and each disk has 64 KiB of content
//! of its own. A run has started when its job is in the ledger and its backup runs: what waits for
//! a place on its host or at its store has not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engine::{Config, Engine, JobQuery, NewVault, Ports, VaultChange};
use fabric::fake::{FakeHost, NewDisk};
use jiff::{SignedDuration, Timestamp};
use model::host::Host;
use model::job::{Job, Operation, Status};
use model::policy::{Policy, Schedule};
use model::units::MIB;
use model::vault::Vault;
use model::vm::DiskFormat;
use uuid::Uuid;

const REGION: &str = "bench";
const GROUP: &str = "bench";
/// Vaults, which share the virtual machines.
const VAULTS: usize = 4;
/// Content of each disk, in bytes.
const CONTENT: u64 = 64 * 1024;
/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(1800);
/// What the project promises: 99 of 100 start within this time.
const P99: SignedDuration = SignedDuration::from_secs(60);

/// What to measure.
struct Options {
    vms: usize,
    hosts: usize,
    /// The start window; `None`: as it usually is.
    window: Option<Duration>,
    /// Backups at once at the store; `None`: as it usually is.
    at_once: Option<usize>,
    dir: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = options(std::env::args().skip(1).collect())?;
    let temporary = match &options.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    println!("load of the machine before: {}", machine_load()?);
    let engine = start(&temporary.path().join("data"), &options)?;
    let begun = Instant::now();
    let due = protect_all(&engine, options.vms)?;
    println!("{} items made in {:.1?}; all are due at {due}", options.vms, begun.elapsed());
    let jobs = watch(&engine, options.vms, due)?;
    println!("load of the machine after: {}", machine_load()?);
    tell(jobs, due)
}

fn options(args: Vec<String>) -> Result<Options> {
    let mut options = Options { vms: 1000, hosts: 20, window: None, at_once: None, dir: None };
    for pair in args.chunks(2) {
        match pair {
            [name, value] if name == "--vms" => options.vms = value.parse()?,
            [name, value] if name == "--hosts" => options.hosts = value.parse()?,
            [name, value] if name == "--window" => {
                options.window = Some(Duration::from_secs(value.parse()?));
            }
            [name, value] if name == "--at-once" => options.at_once = Some(value.parse()?),
            [name, value] if name == "--dir" => options.dir = Some(value.into()),
            _ => bail!(
                "starts-bench [--vms N] [--hosts N] [--window SECONDS] [--at-once N] [--dir DIR]"
            ),
        }
    }
    Ok(options)
}

/// How many programs wanted to run, over the last 1, 5 and 15 minutes.
fn machine_load() -> Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

fn vm_name(number: usize) -> String {
    format!("vm-{number:04}")
}

/// Starts an engine whose hosts share the virtual machines.
fn start(dir: &Path, options: &Options) -> Result<Arc<Engine>> {
    let fakes: Vec<FakeHost> = (0..options.hosts).map(|_| FakeHost::new()).collect();
    let disk = NewDisk { target: "vda".to_owned(), size: MIB, format: DiskFormat::Qcow2 };
    for number in 0..options.vms {
        let fake = fakes.get(number % options.hosts).context("no hosts")?;
        let uuid = Uuid::from_u128(number as u128 + 1);
        fake.add(uuid, &vm_name(number), std::slice::from_ref(&disk));
        fake.write(uuid, "vda", 0, &noise(number as u64))?;
    }
    let mut config = Config::new(dir);
    config.run_dir = Some(dir.join("run"));
    config.scratch_dir = dir.join("scratch");
    config.local_host = false;
    config.start_window = options.window.unwrap_or(config.start_window);
    config.backups_per_store = options.at_once.unwrap_or(config.backups_per_store);
    println!(
        "{} hosts with {} backups at once each, {} at the store; a window of {:?}",
        options.hosts, config.backups_per_host, config.backups_per_store, config.start_window
    );
    let connect = move |host: &Host| {
        let number = host.uri.rsplit('/').next().and_then(|number| number.parse::<usize>().ok());
        let fake = number.and_then(|number| fakes.get(number)).cloned().unwrap_or_default();
        Arc::new(fake) as Arc<dyn fabric::Host>
    };
    let ports = Ports { connect: Box::new(connect), ..Ports::real(&config) };
    let engine = Engine::start_with(config, ports)?;
    for number in 0..options.hosts {
        engine.add_host(&format!("qemu+unix:///system?socket=/bench/{number}"), REGION, GROUP)?;
    }
    wait_for("all virtual machines", || Ok(engine.vms()?.len() == options.vms))?;
    Ok(engine)
}

/// Bytes that do not compress and that no other disk has.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..CONTENT / 8).flat_map(next).collect()
}

/// Protects every virtual machine; when all of them are due. They are moved to that schedule at the
/// end, for nobody knows before how long it takes to make them.
fn protect_all(engine: &Engine, vms: usize) -> Result<Timestamp> {
    let mut vaults = Vec::new();
    for number in 0..VAULTS {
        let new = NewVault {
            name: format!("vault-{number}"),
            resource_group: GROUP.to_owned(),
            region: REGION.to_owned(),
            wanted: VaultChange::default(),
        };
        vaults.push(engine.create_vault(new)?.0);
    }
    for number in 0..vms {
        let vault = vaults.get(number % VAULTS).context("no vaults")?;
        engine.enable(vault, GROUP, &vm_name(number), "DefaultPolicy")?;
    }
    // The next full minute that leaves the scheduler half a minute to read it.
    let second = (engine.clock().now().as_second() + 30).div_euclid(60) * 60 + 60;
    let due = Timestamp::from_second(second)?;
    for vault in &vaults {
        set_schedule(engine, vault, due)?;
    }
    // An enabled item makes the scheduler read policies anew; here that says the one it has.
    engine.enable(&vaults[0], GROUP, &vm_name(0), "DefaultPolicy")?;
    Ok(due)
}

fn set_schedule(engine: &Engine, vault: &Vault, due: Timestamp) -> Result<()> {
    let policy = engine.policy(vault, "DefaultPolicy")?;
    let policy = Policy { schedule: Schedule::Daily { at: due }, ..policy };
    // Behind the API's back: Azure's schedules begin at full and half hours.
    engine.ledger().put_policy(&policy)?;
    Ok(())
}

fn wait_for(what: &str, mut there: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !there()? {
        if begun.elapsed() > PATIENCE {
            bail!("{what} did not come about within {PATIENCE:?}");
        }
        sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Waits until all backups have ended.
fn watch(engine: &Engine, vms: usize, due: Timestamp) -> Result<Vec<Job>> {
    let query = JobQuery {
        operation: Some(Operation::Backup),
        from: Some(due - SignedDuration::from_secs(60)),
        ..JobQuery::default()
    };
    sleep(Duration::try_from(due.duration_since(engine.clock().now())).unwrap_or_default());
    let mut jobs = Vec::new();
    wait_for("the backups", || {
        sleep(Duration::from_secs(5));
        jobs = engine.ledger().jobs(query)?;
        Ok(jobs.len() >= vms && jobs.iter().all(|job| job.status.has_ended()))
    })?;
    Ok(jobs)
}

fn tell(jobs: Vec<Job>, due: Timestamp) -> Result<()> {
    let mut lags: Vec<SignedDuration> =
        jobs.iter().map(|job| job.started_at.duration_since(due)).collect();
    lags.sort_unstable();
    let percentile = |percent: usize| {
        let at = (lags.len() * percent).div_ceil(100).saturating_sub(1);
        lags.get(at).copied().context("nothing was started")
    };
    println!("| started | p50 s | p95 s | p99 s | max s |\n|---|---|---|---|---|");
    let seconds = |percent| percentile(percent).map(|lag| lag.as_secs_f64());
    println!(
        "| {} | {:.1} | {:.1} | {:.1} | {:.1} |",
        lags.len(),
        seconds(50)?,
        seconds(95)?,
        seconds(99)?,
        seconds(100)?
    );
    let last = jobs.iter().filter_map(|job| job.ended_at).max().context("no job has ended")?;
    println!("the last one ended {:.1} s after its time", last.duration_since(due).as_secs_f64());
    let bad = jobs.iter().filter(|job| job.status != Status::Completed).count();
    if bad > 0 {
        bail!("{bad} backups did not get through");
    }
    let verdict = if percentile(99)? <= P99 { "holds" } else { "IS MISSED" };
    println!("the promise of {} s {verdict}", P99.as_secs());
    Ok(())
}
