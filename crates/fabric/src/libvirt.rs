//! The host port over libvirt, through the `holdfast-libvirt` program.
//!
//! This process never links libvirt. The helper is started by the first call and again by the
//! next call after it died; it owns freezes and backup jobs and ends them when this process goes
//! away. What is here builds and reads XML, keeps scratch directories, and reads disks over NBD.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use api::helper::{Answer, Call, DomainInfo, DomainState, Lease};
use crossbeam_channel::Receiver;
use model::vm::{AgentState, Interface, PowerState};
use uuid::Uuid;

use crate::error::FabricError;
use crate::host::{
    CHECKPOINT_PREFIX, Capture, CapturePlan, Domain, Host, HostEvent, Network, NewDomain,
    RecoverScope,
};
use crate::xml::{domain, network, rebuild};

mod addresses;
mod capture;
mod helper;
mod offline;
mod recover;
mod scratch;

use helper::{Helper, unexpected};

/// How long a call that only asks libvirt may take.
const LIMIT: Duration = Duration::from_secs(40);

/// How long defining or starting a domain may take. libvirt may start QEMU first to see what it
/// can do, several times over where it finds `/dev/kvm` but QEMU's user may not use it: that was
/// seen to take two minutes on a busy machine.
const DEFINE_LIMIT: Duration = Duration::from_secs(300);

/// Largest agent command: 128 KiB of data in base 64, and its frame. Longer ones hang the
/// channel for all who come after.
const AGENT_COMMAND_MAX: usize = 180 << 10;

/// How the helper is started.
#[derive(Debug, Clone)]
pub struct Config {
    /// The libvirt connection, such as `qemu:///system`.
    pub uri: String,
    /// The `holdfast-libvirt` program; `None` = beside the current program.
    pub helper: Option<PathBuf>,
    /// QEMU's configuration in libvirt, which names the user that QEMU runs as.
    pub qemu_conf: PathBuf,
}

impl Config {
    /// The usual places.
    pub fn new(uri: &str) -> Self {
        let qemu_conf = PathBuf::from("/etc/libvirt/qemu.conf");
        Self { uri: uri.to_owned(), helper: None, qemu_conf }
    }
}

/// A host behind libvirt.
pub struct LibvirtHost {
    shared: Arc<Shared>,
}

/// What captures share with the host that began them.
pub(crate) struct Shared {
    helper: Helper,
    config: Config,
    /// Bytes of scratch that running captures have been promised.
    promised: Mutex<u64>,
    /// Versions of agents that were asked, until something happens to their domain.
    agents: Arc<Mutex<HashMap<Uuid, Option<String>>>>,
    /// Markers of this process's captures: from before the job is asked for until it is over.
    live: Mutex<Vec<(Uuid, String)>>,
}

impl LibvirtHost {
    /// A host that is not yet connected to.
    pub fn new(config: Config) -> Self {
        let helper = Helper::new(config.uri.clone(), config.helper.clone());
        let agents = Arc::new(Mutex::new(HashMap::new()));
        forget_agents(Arc::clone(&agents), helper.events());
        let (promised, live) = (Mutex::new(0), Mutex::default());
        Self { shared: Arc::new(Shared { helper, config, promised, agents, live }) }
    }
}

/// What is known of an agent is good until its domain changes.
fn forget_agents(agents: Arc<Mutex<HashMap<Uuid, Option<String>>>>, events: Receiver<HostEvent>) {
    thread::spawn(move || {
        for event in events {
            let mut agents = agents.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                HostEvent::Changed { domain } => drop(agents.remove(&domain)),
                HostEvent::Lost { .. } => agents.clear(),
            }
        }
    });
}

impl Shared {
    fn info(&self, uuid: Uuid) -> Result<DomainInfo, FabricError> {
        match self.helper.call(Call::GetDomain { domain: uuid.to_string() }, LIMIT)? {
            Answer::Domain { domain } => Ok(domain),
            other => Err(unexpected(&other)),
        }
    }

    /// A domain with the sizes of its disks, the version of its agent, and its cards' addresses.
    fn describe(&self, info: &DomainInfo) -> Result<Domain, FabricError> {
        let mut domain = domain::read(&info.xml, power(info.state))?;
        for disk in &mut domain.disks {
            match self.block(&info.uuid, &disk.target) {
                Ok((capacity, _)) => disk.size = Some(capacity),
                Err(error @ FabricError::HypervisorDown { .. }) => return Err(error),
                // Its QEMU stands still: each further disk would take as long again.
                Err(FabricError::Timeout { .. } | FabricError::JobRunning { .. }) => break,
                // An image that is missing has no size; who needs it will find out.
                Err(_) => {}
            }
        }
        let leased = |card: &Interface| card.network.is_some();
        if domain.power == PowerState::Running && domain.interfaces.iter().any(leased) {
            addresses::give(&mut domain.interfaces, &self.leases(&info.uuid)?);
        }
        if let AgentState::Connected { version } = &mut domain.agent {
            *version = self.agent_version(domain.uuid);
        }
        Ok(domain)
    }

    /// The leased addresses; none where libvirt cannot tell, as of a machine that has just ended.
    fn leases(&self, uuid: &str) -> Result<Vec<Lease>, FabricError> {
        match self.helper.call(Call::Leases { domain: uuid.to_owned() }, LIMIT) {
            Ok(Answer::Leases { leases }) => Ok(leases),
            Ok(other) => Err(unexpected(&other)),
            Err(error @ FabricError::HypervisorDown { .. }) => Err(error),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Capacity and allocation of a disk, in bytes.
    fn block(&self, uuid: &str, target: &str) -> Result<(u64, u64), FabricError> {
        let call = Call::BlockInfo { domain: uuid.to_owned(), target: target.to_owned() };
        match self.helper.call(call, LIMIT)? {
            Answer::Block { capacity, allocation } => Ok((capacity, allocation)),
            other => Err(unexpected(&other)),
        }
    }

    fn agent_version(&self, uuid: Uuid) -> Option<String> {
        if let Some(known) = self.agents().get(&uuid) {
            return known.clone();
        }
        let asked = self.ask_agent(uuid, r#"{"execute":"guest-info"}"#, Duration::from_secs(3));
        let answer: Option<serde_json::Value> =
            asked.ok().and_then(|text| serde_json::from_str(&text).ok());
        let version = answer
            .as_ref()
            .and_then(|it| it.pointer("/return/version")?.as_str())
            .filter(|it| it.len() <= 64 && it.bytes().all(|byte| byte.is_ascii_graphic()))
            .map(ToOwned::to_owned);
        self.agents().insert(uuid, version.clone());
        version
    }

    fn agents(&self) -> MutexGuard<'_, HashMap<Uuid, Option<String>>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_agent(&self, uuid: Uuid, command: &str, limit: Duration) -> Result<String, FabricError> {
        if command.len() > AGENT_COMMAND_MAX {
            let message = format!("a command of {} bytes would hang its channel", command.len());
            return Err(FabricError::AgentUnavailable { message });
        }
        let timeout_s = u32::try_from(limit.as_secs().clamp(1, 60)).expect("at most 60");
        let call = Call::Agent { domain: uuid.to_string(), command: command.to_owned(), timeout_s };
        // libvirt first makes sure of the channel, and may wait for another agent command.
        self.text(call, limit + LIMIT)
    }

    fn text(&self, call: Call, limit: Duration) -> Result<String, FabricError> {
        match self.helper.call(call, limit)? {
            Answer::Text { text } => Ok(text),
            other => Err(unexpected(&other)),
        }
    }

    fn done(&self, call: Call, limit: Duration) -> Result<(), FabricError> {
        match self.helper.call(call, limit)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// The domain's checkpoints with their parents, parents first.
    fn checkpoints(&self, uuid: Uuid) -> Result<Vec<(String, Option<String>)>, FabricError> {
        match self.helper.call(Call::ListCheckpoints { domain: uuid.to_string() }, LIMIT)? {
            Answer::Checkpoints { checkpoints } => {
                Ok(checkpoints.into_iter().map(|it| (it.name, it.parent)).collect())
            }
            other => Err(unexpected(&other)),
        }
    }

    fn delete_checkpoint(
        &self,
        uuid: Uuid,
        name: &str,
        metadata_only: bool,
    ) -> Result<(), FabricError> {
        let (domain, name) = (uuid.to_string(), name.to_owned());
        self.done(Call::DeleteCheckpoint { domain, name, metadata_only }, LIMIT * 3)
    }

    /// Ends the backup job with this marker; whether there was one, and whether the guest had
    /// to be resumed.
    fn end_job(&self, uuid: Uuid, marker: &str) -> Result<(bool, bool), FabricError> {
        let call = Call::End { domain: uuid.to_string(), marker: marker.to_owned() };
        match self.helper.call(call, LIMIT * 2)? {
            Answer::Ended { found, resumed } => Ok((found, resumed)),
            other => Err(unexpected(&other)),
        }
    }

    fn job_xml(&self, uuid: Uuid) -> Result<Option<String>, FabricError> {
        match self.helper.call(Call::BackupXml { domain: uuid.to_string() }, LIMIT)? {
            Answer::Job { xml } => Ok(xml),
            other => Err(unexpected(&other)),
        }
    }
}

impl Host for LibvirtHost {
    fn inventory(&self) -> Result<Vec<Domain>, FabricError> {
        let domains = match self.shared.helper.call(Call::ListDomains, LIMIT)? {
            Answer::Domains { domains } => domains,
            other => return Err(unexpected(&other)),
        };
        let mut described = Vec::with_capacity(domains.len());
        for info in &domains {
            match self.shared.describe(info) {
                Ok(domain) => described.push(domain),
                // One domain with XML that cannot be read hides no other.
                Err(FabricError::Xml { message }) => {
                    tracing::warn!(domain = info.name, message, "domain left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(described)
    }

    fn networks(&self) -> Result<Vec<Network>, FabricError> {
        let networks = match self.shared.helper.call(Call::ListNetworks, LIMIT)? {
            Answer::Networks { networks } => networks,
            other => return Err(unexpected(&other)),
        };
        let read = networks.iter().filter_map(|info| match network::read(&info.xml, info.active) {
            Ok(network) => Some(network),
            // One network with XML that cannot be read hides no other.
            Err(error) => {
                tracing::warn!(%error, "network left out");
                None
            }
        });
        Ok(read.collect())
    }

    fn domain(&self, domain: Uuid) -> Result<Domain, FabricError> {
        self.shared.describe(&self.shared.info(domain)?)
    }

    fn events(&self) -> Receiver<HostEvent> {
        self.shared.helper.events()
    }

    fn begin_capture(&self, plan: &CapturePlan) -> Result<Box<dyn Capture>, FabricError> {
        let info = self.shared.info(plan.domain)?;
        if info.state == DomainState::Off {
            Ok(Box::new(offline::begin(&self.shared, plan, &info)?))
        } else {
            Ok(Box::new(capture::begin(&self.shared, plan, &info)?))
        }
    }

    fn recover(&self, scope: &RecoverScope) -> Result<Vec<String>, FabricError> {
        recover::recover(&self.shared, scope)
    }

    fn end_left_over(
        &self,
        domain: Uuid,
        scope: &RecoverScope,
    ) -> Result<Vec<String>, FabricError> {
        recover::one(&self.shared, domain, scope)
    }

    fn forget_checkpoint(&self, domain: Uuid, name: &str) -> Result<(), FabricError> {
        let known = self.shared.checkpoints(domain)?;
        if !name.starts_with(CHECKPOINT_PREFIX) || !known.iter().any(|(it, _)| it == name) {
            return Ok(());
        }
        self.shared.delete_checkpoint(domain, name, false)
    }

    fn agent(&self, domain: Uuid, command: &str, limit: Duration) -> Result<String, FabricError> {
        self.shared.ask_agent(domain, command, limit)
    }

    fn define(&self, source_xml: &str, new: &NewDomain) -> Result<Vec<String>, FabricError> {
        let (xml, dropped) = rebuild::rebuild(source_xml, new)?;
        let (domain, name) = (new.uuid.to_string(), new.name.clone());
        self.shared.done(Call::Define { domain, name, xml }, DEFINE_LIMIT)?;
        Ok(dropped)
    }

    fn start(&self, domain: Uuid) -> Result<(), FabricError> {
        self.shared.done(Call::Start { domain: domain.to_string() }, DEFINE_LIMIT)
    }

    fn destroy(&self, domain: Uuid) -> Result<(), FabricError> {
        if self.shared.info(domain)?.state == DomainState::Off {
            return Ok(());
        }
        self.shared.done(Call::Destroy { domain: domain.to_string() }, LIMIT)
    }

    fn undefine(&self, domain: Uuid) -> Result<(), FabricError> {
        self.shared.done(Call::Undefine { domain: domain.to_string() }, LIMIT)
    }

    fn wait_for_agent(&self, domain: Uuid, limit: Duration) -> Result<(), FabricError> {
        const PAUSE: Duration = Duration::from_millis(200);
        let tries = limit.as_millis() / PAUSE.as_millis();
        for _ in 0..=tries {
            // A connected channel is asked first, because a ping on a dead one takes seconds.
            let info = self.shared.info(domain)?;
            let agent = domain::read(&info.xml, power(info.state))?.agent;
            let answers = matches!(agent, AgentState::Connected { .. })
                && self
                    .shared
                    .ask_agent(domain, r#"{"execute":"guest-ping"}"#, Duration::from_secs(2))
                    .is_ok();
            if answers {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        let what = "the guest agent's first answer".to_owned();
        Err(FabricError::Timeout { what, seconds: limit.as_secs() })
    }
}

fn power(state: DomainState) -> PowerState {
    match state {
        DomainState::Running => PowerState::Running,
        DomainState::Paused | DomainState::PausedByIoError => PowerState::Paused,
        DomainState::Off => PowerState::Off,
    }
}
