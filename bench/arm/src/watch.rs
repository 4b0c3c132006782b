//! What watching costs: a scrape of `/metrics` and the status, one after the other, and the command
//! `holdfast status`, on the same full ledger.
//!
//! Latency is counted in a process of its own, CPU in the service's, less what it takes for itself
//! in as long a time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::load::{ms, percentile};
use crate::process;

/// How often each is asked for.
const TIMES: u32 = 200;
/// How often the command is started.
const STARTS: u32 = 20;
/// The most that a scrape may take of the service's CPU.
const CPU: Duration = Duration::from_millis(50);

/// Measures both documents and the command.
pub fn measure(dir: &Path) -> Result<()> {
    let begun = Instant::now();
    let before = process::usage()?.cpu;
    sleep(Duration::from_secs(5));
    let idle = (process::usage()?.cpu - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    println!("idle, the service takes {:.1} ms of CPU in a second", idle * 1000.0);
    println!("| document | bytes | p50 ms | p99 ms | CPU ms each |\n|---|---|---|---|---|");
    let mut dearest = Duration::ZERO;
    for what in ["metrics", "status"] {
        let (begun, before) = (Instant::now(), process::usage()?.cpu);
        let asked = Command::new(std::env::current_exe()?)
            .arg("watch")
            .arg(dir)
            .arg(what)
            .output()
            .context("the client cannot be started")?;
        let own = begun.elapsed().mul_f64(idle);
        let cpu = (process::usage()?.cpu - before).saturating_sub(own) / TIMES;
        if !asked.status.success() {
            bail!("{what}: {}", String::from_utf8_lossy(&asked.stderr));
        }
        let cells = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        println!("| {what} | {cells} | {} |", ms(cpu));
        dearest = dearest.max(cpu);
    }
    let verdict = if dearest <= CPU { "holds" } else { "IS MISSED" };
    println!("the bar of {} ms of CPU {verdict}", ms(CPU));
    command(dir)
}

/// Asks for a document again and again; prints its length and how long that took.
pub fn ask(dir: &Path, what: &str) -> Result<()> {
    let client = Client::of(dir)?;
    let path = match what {
        "metrics" => "/metrics".to_owned(),
        _ => client.status(),
    };
    let mut bytes = client.fetch(&path)?;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        bytes = client.fetch(&path)?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let cell = |percent| percentile(&times, percent).map_or_else(String::new, ms);
    println!("{bytes} | {} | {}", cell(50), cell(99));
    Ok(())
}

/// The command, where the release build has it.
fn command(dir: &Path) -> Result<()> {
    let program: PathBuf = std::env::current_exe()?.with_file_name("holdfast");
    if !program.exists() {
        println!("holdfast is not built: its `status` is not measured");
        return Ok(());
    }
    let mut times = Vec::new();
    let before = process::cpu_of_children()?;
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut status = Command::new(&program);
        status.arg("--data").arg(dir).arg("status").stdout(Stdio::null());
        if !status.status()?.success() {
            bail!("`holdfast status` failed");
        }
        times.push(begun.elapsed());
    }
    let cpu = (process::cpu_of_children()? - before) / STARTS;
    times.sort_unstable();
    let cell = |percent| percentile(&times, percent).map_or_else(String::new, ms);
    let (half, most) = (cell(50), cell(100));
    println!("`holdfast status`: p50 {half} ms, at most {most} ms, {} ms of its own CPU", ms(cpu));
    Ok(())
}
