//! Requests in, replies and events out.
//!
//! Each request runs on a thread of its own, so that a guest agent that never answers holds up
//! nobody else. Their number is bounded; what comes above it is refused.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use api::helper::{
    AGENT_ANSWER_MAX, Answer, Call, DomainInfo, Event, Failure, FailureKind, Message, NetworkInfo,
    Request, write_frame,
};

use crate::ffi::{Domain, Result};
use crate::freezes::{is_thawed, thaw};
use crate::hypervisor::Hypervisor;
use crate::jobs::{Begin, Jobs, is_paused_soon};

/// Most requests at a time: some per domain that is being captured, and an inventory.
const REQUESTS_MAX: usize = 64;

/// Where the parent listens. Cheap to clone.
#[derive(Clone)]
pub struct Out(Arc<Mutex<UnixStream>>);

impl Out {
    /// Writes to this socket.
    pub fn new(socket: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(socket)))
    }

    /// Sends one message. A parent that is gone is noticed by the reader, so it is no error here.
    pub fn send(&self, message: &Message) {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = write_frame(&mut *socket, message) {
            let note = api::helper::Failure {
                kind: FailureKind::Request,
                message: format!("an answer could not be sent: {error}"),
            };
            log!("{}", note.message);
            if let Message::Reply { id, .. } = message {
                let _ = write_frame(&mut *socket, &Message::Reply { id: *id, result: Err(note) });
            }
        }
        let _ = socket.flush();
    }
}

/// Answers requests.
pub struct Server {
    /// libvirt.
    pub hypervisor: Arc<Hypervisor>,
    /// Own backup jobs.
    pub jobs: Arc<Jobs>,
    /// The parent.
    pub out: Out,
    /// Requests that are being answered.
    pub running: AtomicUsize,
}

impl Server {
    /// Answers one request, in the background.
    pub fn answer(self: &Arc<Self>, request: Request) {
        let Request { id, call } = request;
        if self.running.fetch_add(1, Ordering::SeqCst) >= REQUESTS_MAX {
            self.running.fetch_sub(1, Ordering::SeqCst);
            let message = format!("more than {REQUESTS_MAX} requests at a time");
            let result = Err(Failure { kind: FailureKind::Request, message });
            self.out.send(&Message::Reply { id, result });
            return;
        }
        let server = Arc::clone(self);
        thread::spawn(move || {
            let result = server.run(call);
            server.running.fetch_sub(1, Ordering::SeqCst);
            server.out.send(&Message::Reply { id, result });
        });
    }

    /// Passes an event on. An I/O error of a domain with an own job costs the job, not the guest.
    pub fn notice(self: &Arc<Self>, event: Event) {
        if let Event::IoError { domain, .. } = &event
            && let Some(marker) = self.jobs.marker(domain)
        {
            let (server, domain) = (Arc::clone(self), domain.clone());
            thread::spawn(move || match server.sacrifice(&domain, &marker) {
                Ok(false) => {}
                Ok(true) => {
                    let event = Event::JobSacrificed { domain };
                    server.out.send(&Message::Event { event });
                }
                Err(error) => log!("domain {domain}: job not sacrificed: {error}"),
            });
        }
        self.out.send(&Message::Event { event });
    }

    fn sacrifice(&self, domain: &str, marker: &str) -> Result<bool> {
        if !is_paused_soon(&self.hypervisor.domain(domain)?)? {
            return Ok(false);
        }
        let (found, _) = self.jobs.end(domain, marker)?;
        Ok(found)
    }

    fn run(&self, call: Call) -> std::result::Result<Answer, Failure> {
        let domain = |uuid: &str| self.hypervisor.domain(uuid);
        let text = |text| Answer::Text { text };
        Ok(match call {
            Call::ListDomains => Answer::Domains { domains: self.domains()? },
            Call::ListNetworks => {
                let found = self.hypervisor.get()?.networks()?.into_iter();
                let networks = found.map(|(active, xml)| NetworkInfo { active, xml }).collect();
                Answer::Networks { networks }
            }
            Call::GetDomain { domain: uuid } => Answer::Domain { domain: info(&domain(&uuid)?)? },
            Call::DefinitionXml { domain: uuid } => text(domain(&uuid)?.definition()?),
            Call::BlockInfo { domain: uuid, target } => {
                let (capacity, allocation) = domain(&uuid)?.block_info(&target)?;
                Answer::Block { capacity, allocation }
            }
            Call::Leases { domain: uuid } => Answer::Leases { leases: domain(&uuid)?.leases()? },
            Call::Agent { domain: uuid, command, timeout_s } => {
                text(agent(&domain(&uuid)?, &command, timeout_s)?)
            }
            Call::Begin { domain, backup_xml, checkpoint_xml, freeze_budget_ms, marker } => {
                let begin = Begin { domain, backup_xml, checkpoint_xml, freeze_budget_ms, marker };
                Answer::Began { freeze: self.jobs.begin(&begin)? }
            }
            Call::End { domain, marker } => {
                let (found, resumed) = self.jobs.end(&domain, &marker)?;
                Answer::Ended { found, resumed }
            }
            Call::BackupXml { domain: uuid } => Answer::Job { xml: domain(&uuid)?.backup_xml()? },
            Call::ListCheckpoints { domain: uuid } => {
                Answer::Checkpoints { checkpoints: domain(&uuid)?.checkpoints()? }
            }
            Call::CheckpointXml { domain: uuid, name } => {
                text(domain(&uuid)?.checkpoint(&name)?.xml()?)
            }
            call => self.change(call)?,
        })
    }

    fn change(&self, call: Call) -> std::result::Result<Answer, Failure> {
        let domain = |uuid: &str| self.hypervisor.domain(uuid);
        match call {
            Call::Thaw { domain: uuid } => {
                let domain = domain(&uuid)?;
                let tried = thaw(&domain);
                if !is_thawed(&domain)? {
                    tried?;
                }
            }
            Call::DeleteCheckpoint { domain: uuid, name, metadata_only } => {
                domain(&uuid)?.checkpoint(&name)?.delete(metadata_only)?;
            }
            Call::RedefineCheckpoint { domain: uuid, xml } => {
                domain(&uuid)?.redefine_checkpoint(&xml)?;
            }
            Call::Define { domain: uuid, name, xml } => self.define(&uuid, &name, &xml)?,
            Call::Undefine { domain: uuid } => domain(&uuid)?.undefine()?,
            Call::Start { domain: uuid } => domain(&uuid)?.start()?,
            Call::Shutdown { domain: uuid } => domain(&uuid)?.shutdown()?,
            Call::Destroy { domain: uuid } => domain(&uuid)?.destroy()?,
            Call::Resume { domain: uuid } => domain(&uuid)?.resume()?,
            _ => {
                let message = "not a call of this kind".to_owned();
                return Err(Failure { kind: FailureKind::Request, message });
            }
        }
        Ok(Answer::Done)
    }

    fn domains(&self) -> Result<Vec<DomainInfo>> {
        // A domain may go between the list and the look at it; then it is not in the answer.
        Ok(self.hypervisor.get()?.domains()?.iter().filter_map(|it| info(it).ok()).collect())
    }

    fn define(&self, uuid: &str, name: &str, xml: &str) -> std::result::Result<(), Failure> {
        let connection = self.hypervisor.get()?;
        let taken = if connection.domain(uuid).is_ok() {
            Some(format!("a domain with UUID {uuid} exists"))
        } else if connection.domain_by_name(name).is_ok() {
            Some(format!("a domain named {name} exists"))
        } else {
            None
        };
        if let Some(message) = taken {
            return Err(Failure { kind: FailureKind::Exists, message });
        }
        connection.define(xml)?;
        Ok(())
    }
}

fn info(domain: &Domain) -> Result<DomainInfo> {
    Ok(DomainInfo {
        uuid: domain.uuid()?,
        name: domain.name()?,
        state: domain.state()?,
        xml: domain.xml()?,
    })
}

fn agent(domain: &Domain, command: &str, timeout_s: u32) -> std::result::Result<String, Failure> {
    let seconds = i32::try_from(timeout_s.clamp(1, 60)).expect("at most 60");
    let answer = domain.agent(command, seconds)?;
    if answer.len() > AGENT_ANSWER_MAX {
        let message = format!("the agent's answer of {} bytes is too long", answer.len());
        return Err(Failure { kind: FailureKind::Agent, message });
    }
    Ok(answer)
}
