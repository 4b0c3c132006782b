//! `holdfast serve`: the engine and the API over it, until somebody says stop.
//!
//! The first SIGTERM or SIGINT stops cleanly: no new requests, running jobs are asked to end, and
//! the process ends when they have. A second one ends it at once; the next start brings in order
//! whatever that leaves.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{DataDirError, Engine, Ports, StartError};
use model::fault::{Code, Fault};
use serde_json::json;
use service::ServiceError;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

use crate::args::Global;
use crate::failure::{Exit, Failure, sentence};

mod alerts;
mod memory;
mod settings;

use settings::Settings;

/// How long running jobs may take to end once they are asked to. A killed one leaves nothing that
/// the next start does not bring in order, so waiting is a courtesy to the operator.
const JOBS_MAY_TAKE: Duration = Duration::from_secs(60);
/// How often it is looked whether they have ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The environment variable that says what is logged, such as `debug` or `warn,engine=trace`.
const LOG_VARIABLE: &str = "HOLDFAST_LOG";

/// How the service runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The address to listen on [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where blocks that running guests overwrite go while they are backed up; QEMU's user must be
    /// able to get there [default: /var/lib/libvirt/holdfast]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Where the disks of restored virtual machines go; QEMU's user must be able to get there
    /// [default: /var/lib/libvirt/images]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// A directory that restores may write in, beside staging stores and images; may be repeated
    #[arg(long, value_name = "DIR")]
    restore_root: Vec<PathBuf>,
    /// Do not register the local qemu:///system by itself
    #[arg(long)]
    no_local_host: bool,
    /// A file of settings (TOML: listen, scratch, images, restore-roots, local-host,
    /// freeze-seconds, backups-per-host, backups-per-store, start-window-seconds,
    /// catch-up-window-seconds, retries, retry-minutes, job-history-days, verify-days,
    /// verify-percent, alerts); options go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Args {
    /// Runs the service until it is stopped. Says on `out` when it is ready.
    pub fn run(self, global: &Global, out: &mut dyn Write) -> Result<Exit, Failure> {
        let settings = Settings::gather(&self)?;
        log_to_stderr();
        memory::give_back_large_blocks();
        // Before anything that takes time, so that a signal is never lost.
        let signals = Signals::new([SIGTERM, SIGINT]).map_err(|error| not_started(&error))?;
        let data_dir = std::path::absolute(&global.data)
            .map_err(|error| Failure::file("Cannot use the directory", &global.data, &error))?;
        let config = settings.engine(&data_dir);
        let ports = Ports { alerting: settings.alerting()?, ..Ports::real(&config) };
        let engine = Engine::start_with(config, ports).map_err(of_start)?;
        let options = service::Options { listen: settings.listen, data_dir: data_dir.clone() };
        let running = match service::run(engine.clone(), options) {
            Ok(running) => running,
            Err(error) => {
                engine.shutdown();
                return Err(of_service(&error));
            }
        };
        let stopper = running.stopper();
        let asked = engine.clone();
        std::thread::spawn(move || stop_on(signals, &asked, &stopper));
        let endpoint = format!("https://localhost:{}", running.address().port());
        // Whoever closed our output does not want to hear it; the service runs on.
        let _ = say_ready(out, global.json, &endpoint, &data_dir);
        running.wait().map_err(|error| of_service(&error))?;
        engine.shutdown();
        wait_for_jobs(&engine);
        Ok(Exit::Done)
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    // Fails only where a logger is set already, as by a test.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .try_init();
}

fn stop_on(mut signals: Signals, engine: &Engine, stopper: &service::Stopper) {
    let mut asked_before = false;
    for _ in signals.forever() {
        if asked_before {
            tracing::warn!("stopped at once; the next start brings in order what was running");
            std::process::exit(i32::from(Exit::Failed as u8));
        }
        asked_before = true;
        tracing::info!("stopping");
        engine.shutdown();
        stopper.stop();
    }
}

fn say_ready(out: &mut dyn Write, json: bool, endpoint: &str, data: &Path) -> io::Result<()> {
    if json {
        let credentials = data.join(api::credentials::FILE_NAME);
        writeln!(out, "{}", json!({"endpoint": endpoint, "credentials": credentials}))?;
    } else {
        writeln!(out, "Holdfast is ready at {endpoint}")?;
    }
    out.flush()
}

fn wait_for_jobs(engine: &Engine) {
    let looks = JOBS_MAY_TAKE.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if engine.is_idle() {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    tracing::warn!("jobs are still running; the next start brings in order what they leave");
}

fn not_started(error: &dyn std::error::Error) -> Failure {
    Fault::new(Code::Internal, sentence(error)).into()
}

fn of_start(error: StartError) -> Failure {
    let message = sentence(&error);
    match error {
        StartError::DataDir(DataDirError::InUse { .. }) => Failure::new(
            "DataDirectoryInUse",
            message,
            "One data directory belongs to one service.",
            "Stop the other one, or name another directory with --data.",
        ),
        StartError::DataDir(_) => Failure::new(
            "DataDirectoryUnusable",
            message,
            "The service's user may not write there, or the file system is full or read-only.",
            "Check the directory's owner and its file system, or name another one with --data.",
        ),
        StartError::Ledger(_) => Failure::new(
            "LedgerUnusable",
            message,
            "A newer Holdfast wrote the ledger, it is damaged, or its disk failed or is full.",
            "Check the disk and the program's version; recovery points can be read without the \
             ledger, with `holdfast repo`.",
        ),
        StartError::Recovery(fault) => fault.into(),
    }
}

fn of_service(error: &ServiceError) -> Failure {
    let message = sentence(error);
    match error {
        ServiceError::Listen { .. } => Failure::new(
            "AddressUnusable",
            message,
            "Another program listens there, or the address is not this machine's.",
            "Name another address with --listen.",
        ),
        _ => Failure::new(
            "ServiceNotStarted",
            message,
            "A file of the service in the data directory is damaged or may not be read.",
            "Look at the message; a damaged certificate or key is made anew once it is moved away.",
        ),
    }
}
