//! How fast the API lists and gets on a full ledger, and what watching it costs: 1,000 virtual
//! machines, as many protected items, 100,000 recovery points and 11,000 jobs in four vaults.
//!
//! ```text
//! arm-bench [--seconds N] [--rate N] [--keep DIR]
//! ```
//!
//! The service is the real one, over TLS, on a real ledger; only its host is in memory. What lies
//! in the ledger was made by the service itself, or is a copy of a record that it made. Requests
//! come from a process of their own, on connections that stay open, in open loop: each at its
//! appointed time, whether or not earlier ones have been answered, and its latency counts from
//! that time. `--keep` leaves the data directory, which must not be there yet, to start `holdfast
//! serve` on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

mod client;
mod load;
mod process;
mod seed;
mod watch;

/// What to measure.
struct Options {
    seconds: u64,
    rate: u64,
    keep: Option<PathBuf>,
}

fn main() -> Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((first, rest)) if first == "load" => {
            let [dir, seconds, rate] = rest else { bail!("load DIR SECONDS RATE") };
            load::run(Path::new(dir), seconds.parse()?, rate.parse()?)
        }
        Some((first, rest)) if first == "watch" => {
            let [dir, what] = rest else { bail!("watch DIR WHAT") };
            watch::ask(Path::new(dir), what)
        }
        _ => measure(&options(&args)?),
    }
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options { seconds: 60, rate: 100, keep: None };
    for pair in args.chunks(2) {
        match pair {
            [name, value] if name == "--seconds" => options.seconds = value.parse()?,
            [name, value] if name == "--rate" => options.rate = value.parse()?,
            [name, value] if name == "--keep" => options.keep = Some(value.into()),
            _ => bail!("arm-bench [--seconds N] [--rate N] [--keep DIR]"),
        }
    }
    Ok(options)
}

fn measure(options: &Options) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = match &options.keep {
        Some(dir) => dir.clone(),
        None => temporary.path().join("data"),
    };
    seed_into(&dir)?;
    println!("load of the machine before: {}", process::machine_load()?);
    let begun = Instant::now();
    let house = seed::start(&dir)?;
    println!("ready after {:.2} s", begun.elapsed().as_secs_f64());
    let before = process::usage()?;
    let status = Command::new(std::env::current_exe()?)
        .arg("load")
        .arg(&dir)
        .args([options.seconds.to_string(), options.rate.to_string()])
        .status()
        .context("the load cannot be started")?;
    let after = process::usage()?;
    let cpu = after.cpu.saturating_sub(before.cpu);
    println!(
        "service: {:.1} s of CPU for {} s of load; resident {} MiB before, {} MiB after",
        cpu.as_secs_f64(),
        options.seconds,
        before.resident_mib,
        after.resident_mib,
    );
    let watched = watch::measure(&dir);
    println!("load of the machine after: {}", process::machine_load()?);
    house.stop()?;
    watched?;
    if !status.success() {
        bail!("the load failed");
    }
    Ok(())
}

/// Fills a directory. In memory first, where there is some: each record is durable before the next
/// one is made, and a hundred thousand of them wait long for a disk.
fn seed_into(dir: &Path) -> Result<()> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { Path::new("/tmp") };
    let place = tempfile::tempdir_in(place)?;
    let full = place.path().join("data");
    seed::house(&full)?.stop()?;
    let copied = Command::new("cp").arg("-a").arg(&full).arg(dir).status()?;
    if !copied.success() {
        bail!("the data directory cannot be copied to {}", dir.display());
    }
    Ok(())
}

/// How long to wait for something that should take a moment.
const PATIENCE: Duration = Duration::from_secs(120);
