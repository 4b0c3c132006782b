//! The `holdfast-libvirt` child: started when needed, asked, and heard.
//!
//! Replies find their askers by id. When the child dies, every asker gets
//! [`FabricError::HypervisorDown`], subscribers get [`HostEvent::Lost`], and the next call starts
//! a new child. Dropping the [`Helper`] closes the socket, which ends the child in its own time:
//! it may still have guests to thaw.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use api::helper::{
    Answer, Call, Event, Failure, FailureKind, FrameError, Message, Request, read_frame,
    write_frame,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use uuid::Uuid;

use crate::error::FabricError;
use crate::host::HostEvent;

/// The program's name.
const PROGRAM: &str = "holdfast-libvirt";

/// Events that wait for a subscriber that does not look. An event means "look again", so that
/// losing some behind these loses nothing.
const EVENTS_WAITING: usize = 1024;

/// How long the child may take to connect.
const READY_LIMIT: Duration = Duration::from_secs(20);

type Reply = Result<Answer, Failure>;

/// The child, if there is one.
pub(crate) struct Helper {
    uri: String,
    program: Option<PathBuf>,
    running: Mutex<Option<Arc<Running>>>,
    /// The last start that failed: its number, and why.
    failed: Mutex<(u64, String)>,
    listeners: Arc<Listeners>,
}

/// Who hears of what.
#[derive(Default)]
struct Listeners {
    hosts: Mutex<Vec<Sender<HostEvent>>>,
    /// Domains whose job the helper gave up for the guest's sake.
    sacrifices: Mutex<HashSet<Uuid>>,
}

/// One life of the child.
struct Running {
    socket: Mutex<UnixStream>,
    /// `None` once the child is gone.
    waiting: Mutex<Option<HashMap<u64, Sender<Reply>>>>,
    next: AtomicU64,
}

impl Helper {
    pub(crate) fn new(uri: String, program: Option<PathBuf>) -> Self {
        let listeners = Arc::new(Listeners::default());
        let (running, failed) = (Mutex::new(None), Mutex::default());
        Self { uri, program, running, failed, listeners }
    }

    pub(crate) fn events(&self) -> Receiver<HostEvent> {
        let (sender, receiver) = bounded(EVENTS_WAITING);
        lock(&self.listeners.hosts).push(sender);
        receiver
    }

    /// Whether the domain's job was given up for the guest's sake since this was asked last.
    pub(crate) fn take_sacrifice(&self, domain: Uuid) -> bool {
        lock(&self.listeners.sacrifices).remove(&domain)
    }

    /// Asks and waits for the answer, for at most `limit`.
    pub(crate) fn call(&self, call: Call, limit: Duration) -> Result<Answer, FabricError> {
        let running = self.running()?;
        let (sender, receiver) = bounded(1);
        let id = running.next.fetch_add(1, Ordering::Relaxed);
        let gone = || down("holdfast-libvirt ended during the call");
        lock(&running.waiting).as_mut().ok_or_else(gone)?.insert(id, sender);
        let what = name_of(&call);
        write_frame(&mut *lock(&running.socket), &Request { id, call })
            .map_err(|error| down(&format!("holdfast-libvirt takes no calls: {error}")))?;
        match receiver.recv_timeout(limit) {
            Ok(reply) => reply.map_err(meaning),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(waiting) = lock(&running.waiting).as_mut() {
                    waiting.remove(&id);
                }
                Err(FabricError::Timeout { what, seconds: limit.as_secs() })
            }
        }
    }

    fn running(&self) -> Result<Arc<Running>, FabricError> {
        let failures = lock(&self.failed).0;
        let mut slot = lock(&self.running);
        if let Some(running) = slot.as_ref().filter(|it| lock(&it.waiting).is_some()) {
            return Ok(Arc::clone(running));
        }
        // A start that hangs takes long: who waited for one that failed does not try once more.
        {
            let failed = lock(&self.failed);
            if failed.0 != failures {
                return Err(down(&failed.1));
            }
        }
        match self.start() {
            Ok(running) => {
                *slot = Some(Arc::clone(&running));
                Ok(running)
            }
            Err(error) => {
                if let FabricError::HypervisorDown { message } = &error {
                    let mut failed = lock(&self.failed);
                    *failed = (failed.0 + 1, message.clone());
                }
                Err(error)
            }
        }
    }

    fn program(&self) -> PathBuf {
        let beside = || std::env::current_exe().ok()?.parent().map(|dir| dir.join(PROGRAM));
        self.program.clone().or_else(beside).unwrap_or_else(|| PROGRAM.into())
    }

    fn start(&self) -> Result<Arc<Running>, FabricError> {
        let program = self.program();
        let failed = |error: std::io::Error| {
            down(&format!("{} cannot be started: {error}", program.display()))
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut command = Command::new(&program);
        command.args(["--uri", &self.uri]);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
        // A Ctrl-C at the terminal is for us; the helper is told by its socket.
        let mut child = command.process_group(0).spawn().map_err(failed)?;
        drop(command);
        let said = hear_stderr(&mut child);
        let socket = ours.try_clone().map_err(failed)?;
        socket.set_read_timeout(Some(READY_LIMIT)).map_err(failed)?;
        let mut messages = BufReader::new(ours);
        let first = read_frame::<Message>(&mut messages);
        match first {
            Ok(Some(Message::Ready { libvirt_version })) => {
                tracing::info!(libvirt_version, uri = self.uri, "connected to libvirt");
            }
            Ok(Some(Message::Refused { failure })) => {
                reap(child);
                return Err(down(&format!("no connection to {}: {}", self.uri, failure.message)));
            }
            Err(error) if is_timeout(&error) => {
                let _ = child.kill();
                reap(child);
                let (uri, seconds) = (&self.uri, READY_LIMIT.as_secs());
                return Err(down(&format!("{uri} does not answer within {seconds} s")));
            }
            _ => {
                let _ = child.kill();
                reap(child);
                let said = said.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
                let message = format!("{} does not run: {said}", program.display());
                return Err(down(message.trim_end_matches([' ', ':'])));
            }
        }
        messages.get_ref().set_read_timeout(None).map_err(failed)?;
        let running = Arc::new(Running {
            socket: Mutex::new(socket),
            waiting: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
        });
        let (life, listeners) = (Arc::clone(&running), Arc::clone(&self.listeners));
        thread::spawn(move || {
            let why = hear(&mut messages, &life, &listeners);
            drop(lock(&life.waiting).take());
            reap(child);
            listeners.tell(&HostEvent::Lost { why });
        });
        Ok(running)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            let _ = lock(&running.socket).shutdown(Shutdown::Both);
        }
    }
}

/// Passes messages on until the child is gone; why it is.
fn hear(messages: &mut impl Read, life: &Running, listeners: &Listeners) -> String {
    loop {
        match read_frame::<Message>(&mut *messages) {
            Ok(Some(Message::Reply { id, result })) => {
                let asker = lock(&life.waiting).as_mut().and_then(|it| it.remove(&id));
                if let Some(asker) = asker {
                    let _ = asker.send(result);
                }
            }
            Ok(Some(Message::Event { event })) => listeners.hear(event),
            Ok(Some(_)) => {}
            Ok(None) => return "holdfast-libvirt ended".into(),
            Err(error) => {
                // A child that we do not understand is let go: it cleans up by itself.
                let _ = lock(&life.socket).shutdown(Shutdown::Both);
                return format!("holdfast-libvirt is not understood: {error}");
            }
        }
    }
}

impl Listeners {
    fn hear(&self, event: Event) {
        let parse = |domain: &str| Uuid::parse_str(domain).ok();
        let domain = match &event {
            Event::Lifecycle { domain }
            | Event::Agent { domain, .. }
            | Event::IoError { domain, .. }
            | Event::JobSacrificed { domain } => parse(domain),
            Event::Disconnected => None,
        };
        if let Event::IoError { domain, source, reason } = &event {
            tracing::warn!(domain, source, reason, "a disk of the domain failed");
        }
        let Some(domain) = domain else { return };
        if matches!(event, Event::JobSacrificed { .. }) {
            lock(&self.sacrifices).insert(domain);
        }
        self.tell(&HostEvent::Changed { domain });
    }

    fn tell(&self, event: &HostEvent) {
        use crossbeam_channel::TrySendError;
        lock(&self.hosts).retain(|listener| {
            !matches!(listener.try_send(event.clone()), Err(TrySendError::Disconnected(_)))
        });
    }
}

/// Logs what the child says, and keeps its last words.
fn hear_stderr(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = bounded(1);
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || {
            let mut last = String::new();
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            for line in lines {
                last = line.chars().take(500).collect();
                tracing::warn!("holdfast-libvirt: {last}");
            }
            let _ = sender.send(last);
        });
    }
    receiver
}

fn reap(mut child: Child) {
    thread::spawn(move || child.wait());
}

fn is_timeout(error: &FrameError) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error, FrameError::Io(error) if matches!(error.kind(), TimedOut | WouldBlock))
}

fn name_of(call: &Call) -> String {
    let json = serde_json::to_value(call).unwrap_or_default();
    format!("the libvirt call {}", json["op"].as_str().unwrap_or("?"))
}

fn down(message: &str) -> FabricError {
    FabricError::HypervisorDown { message: message.to_owned() }
}

/// An answer of the wrong kind: the programs are not of one version.
pub(crate) fn unexpected(answer: &Answer) -> FabricError {
    let told: String = format!("{answer:?}").chars().take(100).collect();
    down(&format!("holdfast-libvirt answers something else: {told}"))
}

fn meaning(failure: Failure) -> FabricError {
    let Failure { kind, message } = failure;
    match kind {
        FailureKind::NoDomain => FabricError::DomainGone { message },
        FailureKind::WrongState => FabricError::WrongState { message },
        FailureKind::Checkpoint => FabricError::ChainBroken { disk: None, message },
        FailureKind::Busy => FabricError::JobRunning { message },
        FailureKind::Agent => FabricError::AgentUnavailable { message },
        FailureKind::Connection => FabricError::HypervisorDown { message },
        FailureKind::Exists => FabricError::Exists { message },
        FailureKind::Timeout => FabricError::Timeout { what: message, seconds: 0 },
        FailureKind::Request | FailureKind::Other => FabricError::Other { message },
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
