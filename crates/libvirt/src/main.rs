//! `holdfast-libvirt`: the only program of Holdfast that links libvirt.
//!
//! One process per host connection. It talks with its parent over the socket that it is given as
//! standard input (messages: [`api::helper`]), owns freezes and backup jobs, and lives on that
//! socket's leash: when the parent goes away, for whatever reason, it thaws, aborts, resumes, and
//! exits. Signals that mean "end" are taken the same way, so that no Ctrl-C leaves a guest frozen.
//!
//! Exit codes: 0 the parent let go, 2 usage, 3 libvirt could not be reached or went away.

#![warn(missing_docs)]

use std::io::BufReader;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use api::helper::{Event, Message, Request, read_frame};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::freezes::Freezes;
use crate::hypervisor::Hypervisor;
use crate::jobs::Jobs;
use crate::serve::{Out, Server};

/// Says something on stderr, if anybody is there to hear it. `eprintln!` would panic where the
/// parent is gone, which is exactly when this program is needed most.
macro_rules! log {
    ($($what:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

mod events;
mod ffi;
mod freezes;
mod hypervisor;
mod jobs;
mod serve;

/// How long the end may take. A job that libvirt grants late comes within its lock's 30 s.
const CLEAN_UP_MAX: Duration = Duration::from_secs(60);

/// How much longer guests are thawed when the rest is done: as long as a freeze hook may run.
const THAW_MAX: Duration = Duration::from_secs(600);

const USAGE: &str = "usage: holdfast-libvirt --uri URI, with a socket as standard input";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, uri] = arguments.as_slice() else {
        log!("{USAGE}");
        return ExitCode::from(2);
    };
    let socket = rustix::io::dup(std::io::stdin().as_fd()).map(UnixStream::from);
    let Some(socket) = socket.ok().filter(|it| flag == "--uri" && it.peer_addr().is_ok()) else {
        log!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(uri, &socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log!("{error}");
            ExitCode::from(3)
        }
    }
}

fn run(uri: &str, socket: &UnixStream) -> Result<(), Box<dyn std::error::Error>> {
    let out = Out::new(socket.try_clone()?);
    let opened = events::start_loop().and_then(|()| Hypervisor::open(uri));
    let hypervisor = match opened {
        Ok(hypervisor) => Arc::new(hypervisor),
        Err(error) => {
            out.send(&Message::Refused { failure: error.clone().into() });
            return Err(error.into());
        }
    };
    let freezes = Freezes::watched(Arc::clone(&hypervisor));
    let jobs = Jobs::new(Arc::clone(&hypervisor), Arc::clone(&freezes));
    let server = Arc::new(Server {
        hypervisor: Arc::clone(&hypervisor),
        jobs: Arc::clone(&jobs),
        out: out.clone(),
        running: AtomicUsize::new(0),
    });
    let lost = Arc::new(AtomicBool::new(false));
    leash_signals(socket.try_clone()?)?;
    let (noticing, losing) = (Arc::clone(&server), Arc::clone(&lost));
    let leash = socket.try_clone()?;
    let connection = hypervisor.get()?;
    events::subscribe(
        &connection,
        Box::new(move |event| {
            let disconnected = event == Event::Disconnected;
            noticing.notice(event);
            if disconnected {
                losing.store(true, Ordering::SeqCst);
                let _ = leash.shutdown(Shutdown::Read);
            }
        }),
    )?;
    out.send(&Message::Ready { libvirt_version: connection.version()? });
    let mut requests = BufReader::new(socket);
    let end = loop {
        match read_frame::<Request>(&mut requests) {
            Ok(Some(request)) => server.answer(request),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    clean_up(&freezes, &jobs);
    if lost.load(Ordering::SeqCst) {
        return Err("the connection to libvirt is lost".into());
    }
    Ok(end?)
}

/// A signal that asks for the end closes the leash, as if the parent had.
fn leash_signals(leash: UnixStream) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            let _ = leash.shutdown(Shutdown::Read);
        }
    });
    Ok(())
}

/// Guests first: the thaws run while the jobs are ended.
fn clean_up(freezes: &Arc<Freezes>, jobs: &Arc<Jobs>) {
    freezes.pursue_all();
    let now = Instant::now();
    if !jobs.end_all(now + CLEAN_UP_MAX) {
        log!("a backup job could not be ended; the next start finds it");
    }
    // A freeze that was under way when the leash was closed is in the table only now.
    freezes.pursue_all();
    if !freezes.wait_until_none(now + THAW_MAX) {
        log!("a guest may still be frozen; the next start finds it");
    }
}
