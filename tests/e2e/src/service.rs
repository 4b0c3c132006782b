//! A `holdfast serve` of a test's own, and the command line against it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::lab::Lab;
use crate::run::run;
use crate::wait::until;

/// How long a start may take.
const START: Duration = Duration::from_secs(30);
/// How long a job of the tests may take.
pub const JOB: Duration = Duration::from_secs(240);

/// The `holdfast` program, from the same build as this test.
pub fn program() -> Result<PathBuf> {
    let test = std::env::current_exe().context("this test's own path")?;
    let program = test.ancestors().nth(2).map(|release| release.join("holdfast"));
    let program = program.filter(|path| path.exists());
    program.context("holdfast is not built beside this test: cargo build --release --bins")
}

/// What the command line answered.
#[derive(Debug)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// The one document on stdout; null if there was none.
    pub document: Value,
    /// What it said on stderr.
    pub stderr: String,
}

impl Answer {
    /// The code of the error that was told.
    pub fn error_code(&self) -> &str {
        self.document["error"]["code"].as_str().unwrap_or_default()
    }

    /// An error unless this one was told with this exit code, a message that holds all of `words`,
    /// a cause and something to do.
    pub fn assert_refused(&self, exit: i32, code: &str, words: &[&str]) -> Result<()> {
        ensure!(self.code == exit, "exit code {} instead of {exit}: {self:?}", self.code);
        ensure!(self.error_code() == code, "not {code}: {self:?}");
        for word in words {
            ensure!(self.stderr.contains(word), "'{word}' is not told: {self:?}");
        }
        for part in ["Cause: ", "Do this: "] {
            ensure!(self.stderr.contains(part), "no '{part}': {self:?}");
        }
        Ok(())
    }
}

/// A running service.
pub struct Service {
    /// Its data directory.
    pub data: PathBuf,
    /// Where it listens.
    pub address: String,
    /// What it said on stderr.
    pub log: PathBuf,
    scratch: PathBuf,
    more: Vec<String>,
    child: Child,
}

impl Service {
    /// Starts a service on a data directory of the lab and waits until it is ready.
    pub fn start(lab: &Lab, more: &[&str]) -> Result<Service> {
        let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let (data, log) = (lab.path("data"), lab.path("serve.log"));
        let scratch = lab.directory("scratch")?;
        let child = spawn(&data, &address, &scratch, &more, &log)?;
        lab.saw("serve is ready");
        Ok(Service { data, address, log, scratch, more, child })
    }

    /// Starts it again on the same data; how long until it was ready.
    pub fn start_again(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        self.child = spawn(&self.data, &self.address, &self.scratch, &self.more, &self.log)?;
        Ok(begin.elapsed())
    }

    /// Ends it without a chance to write anything down.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        run("kill", ["-TERM", &self.child.id().to_string()])?;
        let ended = || Ok(self.child.try_wait()?);
        let status = until("serve ends on SIGTERM", START, ended)?;
        ensure!(status.success(), "serve ended with {status}");
        Ok(())
    }

    /// Memory that it holds, in bytes (RSS).
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).context("no VmRSS")?;
        Ok(kib.parse::<u64>()? * 1024)
    }

    /// Runs `holdfast … --json` against it.
    pub fn cli(&self, arguments: &[&str]) -> Result<Answer> {
        cli(&self.data, arguments)
    }

    /// The same, and an error unless it succeeds.
    pub fn ok(&self, arguments: &[&str]) -> Result<Value> {
        let answer = self.cli(arguments)?;
        ensure!(answer.code == 0, "holdfast {}: {answer:?}", arguments.join(" "));
        Ok(answer.document)
    }

    /// The entries of a list.
    pub fn list(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let document = self.ok(arguments)?;
        let entries = document.get("value").unwrap_or(&document);
        entries.as_array().cloned().with_context(|| format!("no list: {document}"))
    }

    /// The virtual machine of this name, once the service knows it with a connected agent or
    /// powered off.
    pub fn wait_for_vm(&self, name: &str) -> Result<Value> {
        until(&format!("{name} is discovered"), START, || {
            let vm = self.list(&["vm", "list"])?.into_iter().find(|vm| vm["name"] == name);
            Ok(vm.filter(|vm| {
                let facts = &vm["properties"]["holdfast"];
                facts["powerState"] == "Off" || facts["agent"]["state"] == "Connected"
            }))
        })
    }

    /// A vault with this item in it.
    pub fn protect(&self, vault: &str, vm: &str) -> Result<()> {
        self.wait_for_vm(vm)?;
        self.ok(&["vault", "create", vault, "--region", "local"])?;
        self.ok(&["item", "enable", "--vault", vault, "--vm", vm, "--policy", "DefaultPolicy"])?;
        Ok(())
    }

    /// Backs up and waits for the end; the job.
    pub fn back_up(&self, vault: &str, vm: &str) -> Result<Value> {
        self.ok(&["backup-now", "--vault", vault, "--item", vm, "--wait"])
    }

    /// Starts a backup and does not wait; the job's id.
    pub fn begin_backup(&self, vault: &str, vm: &str) -> Result<String> {
        name(&self.ok(&["backup-now", "--vault", vault, "--item", vm])?)
    }

    /// A job as it stands.
    pub fn job(&self, vault: &str, id: &str) -> Result<Value> {
        self.ok(&["job", "show", id, "--vault", vault])
    }

    /// A job once it has ended.
    pub fn ended_job(&self, vault: &str, id: &str) -> Result<Value> {
        until(&format!("job {id} ends"), JOB, || {
            let job = self.job(vault, id)?;
            let status = job["properties"]["status"].as_str().unwrap_or_default();
            Ok((!["InProgress", "Cancelling"].contains(&status)).then_some(job))
        })
    }

    /// The points of an item, newest first.
    pub fn points(&self, vault: &str, vm: &str) -> Result<Vec<Value>> {
        self.list(&["point", "list", "--vault", vault, "--item", vm])
    }

    /// Restores a point's disks as raw files; the directory.
    pub fn restore(&self, lab: &Lab, vault: &str, vm: &str, point: &str) -> Result<PathBuf> {
        let to = lab.directory(&format!("restored-{point}"))?;
        let words = ["restore", "disks", "--vault", vault, "--item", vm, "--point", point];
        let place = to.to_string_lossy();
        self.ok(&[&words[..], &["--to", &place, "--wait"]].concat())?;
        Ok(to)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.stop().is_err() {
            let _ = self.kill();
        }
        if thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("the end of {}:", self.log.display());
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}

/// The name of a resource.
pub fn name(resource: &Value) -> Result<String> {
    resource["name"].as_str().map(str::to_owned).with_context(|| format!("no name: {resource}"))
}

/// Runs `holdfast … --json` with the credentials in this data directory.
pub fn cli(data: &Path, arguments: &[&str]) -> Result<Answer> {
    let mut command = Command::new(program()?);
    command.arg("--data").arg(data).arg("--json").args(arguments).stdin(Stdio::null());
    let output = command.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().with_context(|| format!("{command:?}: killed: {stderr}"))?;
    let document = match output.stdout.trim_ascii() {
        [] => Value::Null,
        text => serde_json::from_slice(text).with_context(|| {
            format!("not one document: {}", String::from_utf8_lossy(&output.stdout))
        })?,
    };
    Ok(Answer { code, document, stderr })
}

fn spawn(data: &Path, address: &str, scratch: &Path, more: &[String], log: &Path) -> Result<Child> {
    let errors = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(program()?);
    command.arg("serve").arg("--data").arg(data).args(["--listen", address]);
    command.arg("--scratch").arg(scratch).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let stdout = child.stdout.take().context("stdout was piped")?;
    let (tell, told) = mpsc::channel();
    // Reads to the end, so that the service never waits for a reader.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    match told.recv_timeout(START) {
        Ok(line) if line.contains("https://") => Ok(child),
        other => {
            let _ = child.kill();
            let said = std::fs::read_to_string(log).unwrap_or_default();
            bail!("serve was not ready within {START:?}: {other:?}\n{said}")
        }
    }
}
