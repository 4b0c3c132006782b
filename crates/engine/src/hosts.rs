//! Hosts: connections to hypervisors, and what discovery last saw on each.
//!
//! Each host has a loop of its own that looks whenever the hypervisor reports a change, every
//! half minute besides, and after a lost connection until it is back. What it saw last is kept, so
//! that listing never waits for a hypervisor; what a job needs is asked afresh.
//!
//! The `Mutex` of a host guards what was last seen; nothing is called while it is held. Its
//! `RwLock` keeps recovery and captures apart: what recovery would find while a capture runs is
//! that capture's own.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use fabric::{Domain, FabricError, Host as Hypervisor, HostEvent, Network};
use model::fault::{Code, Fault};
use model::host::Host;
use model::vm::Vm;
use rules::naming::{self, Unnamed};
use uuid::Uuid;

use crate::Engine;
use crate::config::{check_group, check_region, host_run_dir, is_local_uri};
use crate::faults::{self, OrFault};
use crate::tasks::Tasks;
use crate::world::World;
use crate::{groups, recover};

/// How often a host is looked at although it reported nothing.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long to wait before a lost host is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often left-overs are looked for at most, where each look finds some.
const RECOVERIES_MAX: u32 = 10;
/// How long a request waits for somebody else's look.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events within this time of each other are one look.
const SETTLE: Duration = Duration::from_millis(200);

/// Makes the connection to a host.
pub type Connect = dyn Fn(&Host) -> Arc<dyn Hypervisor> + Send + Sync;

/// A registered host, as others see it.
#[derive(Debug, Clone)]
pub struct HostStatus {
    /// The host.
    pub host: Host,
    /// Why it cannot be reached, if it cannot.
    pub problem: Option<Fault>,
    /// How many virtual machines were last seen on it.
    pub vms: usize,
}

/// A registered host with its connection.
pub(crate) struct Connected {
    pub(crate) host: Host,
    pub(crate) hypervisor: Arc<dyn Hypervisor>,
    /// Where sockets of its captures go; names what is ours on it.
    pub(crate) run_dir: PathBuf,
    seen: Mutex<Seen>,
    /// Told after every look.
    looked: Condvar,
    captures: RwLock<()>,
}

#[derive(Default)]
struct Seen {
    domains: Vec<Domain>,
    networks: Vec<Network>,
    problem: Option<Fault>,
    /// How often left-overs of an earlier process were looked for since the host was last away.
    recoveries: u32,
    /// Looks that are under way, and that have ended.
    looking: u32,
    looks: u64,
}

impl Connected {
    fn new(host: Host, hypervisor: Arc<dyn Hypervisor>, run_dir: PathBuf) -> Self {
        let unseen = Fault::new(
            Code::HypervisorUnavailable,
            "The first look at this host is still under way; try again in a moment.",
        );
        let seen = Mutex::new(Seen { problem: Some(unseen), ..Seen::default() });
        let (looked, captures) = (Condvar::new(), RwLock::default());
        Self { host, hypervisor, run_dir, seen, looked, captures }
    }

    /// To be held while a capture runs. Waits for a recovery that is under way.
    pub(crate) fn capturing(&self) -> RwLockReadGuard<'_, ()> {
        self.captures.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The virtual networks that were last seen on it.
    pub(crate) fn networks(&self) -> Vec<Network> {
        self.with(|seen| seen.networks.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.seen.lock().expect("nothing panics while it holds what was seen"))
    }

    /// The resource groups that metadata of its domains name.
    fn named_groups(&self) -> BTreeSet<String> {
        let group = |domain: &Domain| domain.resource_group.clone();
        let mut named: BTreeSet<String> =
            self.with(|seen| seen.domains.iter().filter_map(group).collect());
        named.retain(|name| check_group(name).is_ok());
        named
    }

    /// Looks at the host now.
    fn look(&self) -> Result<(), FabricError> {
        self.with(|seen| seen.looking += 1);
        self.look_begun()
    }

    fn look_begun(&self) -> Result<(), FabricError> {
        let found = self.hypervisor.inventory();
        // A host whose networks cannot be listed has its virtual machines all the same.
        let networks = match found.is_ok().then(|| self.hypervisor.networks()) {
            Some(Err(error)) => {
                tracing::warn!(host = self.host.uri, %error, "its networks cannot be listed");
                None
            }
            Some(Ok(networks)) => Some(networks),
            None => None,
        };
        let fault = found.as_ref().err().map(faults::of_fabric);
        let result = self.with(|seen| {
            seen.looking -= 1;
            seen.looks += 1;
            if fault.is_some() {
                seen.recoveries = 0;
            }
            seen.problem = fault;
            if let Some(networks) = networks {
                seen.networks = networks;
            }
            found.map(|domains| seen.domains = domains)
        });
        self.looked.notify_all();
        result
    }

    /// Looks at the host on behalf of a request. Where a look is under way already, that one is
    /// waited for, and not for long: a hypervisor that hangs holds up one request, not all.
    fn look_for_request(&self) -> Result<(), FabricError> {
        let mut seen = self.seen.lock().expect("nothing panics while it holds what was seen");
        if seen.looking == 0 {
            seen.looking += 1;
            drop(seen);
            return self.look_begun();
        }
        let before = seen.looks;
        let waited = self.looked.wait_timeout_while(seen, PATIENCE, |seen| seen.looks == before);
        let (mut seen, timeout) = waited.expect("nothing panics while it holds what was seen");
        if timeout.timed_out() {
            let seconds = PATIENCE.as_secs();
            let message = format!("{} has not answered for {seconds} s", self.host.uri);
            let error = FabricError::HypervisorDown { message };
            seen.problem = Some(faults::of_fabric(&error));
            return Err(error);
        }
        let answers = seen.problem.is_none();
        drop(seen);
        // The look that was waited for may have begun before what is sought came to be.
        if answers { self.look() } else { Ok(()) }
    }
}

/// All registered hosts.
pub(crate) struct Hosts {
    connect: Box<Connect>,
    all: Mutex<Vec<Arc<Connected>>>,
}

impl Hosts {
    pub(crate) fn new(connect: Box<Connect>) -> Self {
        Self { connect, all: Mutex::default() }
    }

    /// Connects to a host and looks at it in a thread of its own, so that a hypervisor that takes
    /// its time keeps nobody from starting.
    pub(crate) fn begin(world: &Arc<World>, host: Host) {
        let hypervisor = (world.hosts.connect)(&host);
        let events = hypervisor.events();
        let run_dir = host_run_dir(&world.run_dir, &host.uri);
        let connected = Arc::new(Connected::new(host, hypervisor, run_dir));
        world.hosts.lock().push(Arc::clone(&connected));
        let (weak, tasks) = (Arc::downgrade(world), Arc::clone(&world.tasks));
        let watch = move || watch(&weak, tasks.as_ref(), &connected, &events);
        if let Err(error) = world.tasks.start_loop("host-watch", Box::new(watch)) {
            tracing::error!(%error, "no thread for watching a host");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Connected>>> {
        self.all.lock().expect("nothing panics while it holds the list of hosts")
    }

    /// The registered hosts.
    pub(crate) fn all(&self) -> Vec<Arc<Connected>> {
        self.lock().clone()
    }

    /// Looks at all hosts now. What cannot be looked at shows in its status.
    pub(crate) fn look(&self) {
        for connected in self.all() {
            if let Err(error) = connected.look_for_request() {
                tracing::warn!(host = connected.host.uri, %error, "the host cannot be reached");
            }
        }
    }

    /// What was last seen of all virtual machines.
    pub(crate) fn vms(&self) -> Vec<Vm> {
        let mut found: Vec<(Host, Domain)> = Vec::new();
        for connected in self.all() {
            let domains = connected.with(|seen| seen.domains.clone());
            found.extend(domains.into_iter().map(|domain| (connected.host.clone(), domain)));
        }
        let group = |host: &Host, domain: &Domain| {
            let own = domain.resource_group.clone();
            own.filter(|name| check_group(name).is_ok())
                .unwrap_or_else(|| host.resource_group.clone())
        };
        let unnamed: Vec<Unnamed> = found
            .iter()
            .map(|(host, domain)| Unnamed {
                uuid: domain.uuid,
                domain: domain.name.clone(),
                resource_group: group(host, domain),
            })
            .collect();
        let names = naming::names(&unnamed);
        let named = found.into_iter().zip(unnamed).zip(names);
        let mut vms: Vec<Vm> = named
            .map(|(((host, domain), unnamed), name)| vm(&host, domain, unnamed, name))
            .collect();
        vms.sort_by(|a, b| (&a.resource_group, &a.name).cmp(&(&b.resource_group, &b.name)));
        vms
    }

    /// The hosts on which virtual machines were last seen, by their ids.
    pub(crate) fn homes(&self) -> HashMap<Uuid, Uuid> {
        let mut homes = HashMap::new();
        for connected in self.all() {
            let host = connected.host.id;
            connected.with(|seen| homes.extend(seen.domains.iter().map(|it| (it.uuid, host))));
        }
        homes
    }

    /// The id of the host on which a virtual machine was last seen.
    pub(crate) fn home_of(&self, vm: Uuid) -> Option<Uuid> {
        let has = |connected: &Arc<Connected>| {
            connected.with(|seen| seen.domains.iter().any(|domain| domain.uuid == vm))
        };
        self.all().iter().find(|connected| has(connected)).map(|connected| connected.host.id)
    }

    /// The host on which a virtual machine was last seen, after a fresh look where none was.
    ///
    /// # Errors
    ///
    /// `HypervisorUnavailable` where it was not found and some host could not be looked at, else
    /// `VmNotFound`.
    pub(crate) fn host_of(&self, vm: Uuid, name: &str) -> Result<Arc<Connected>, Fault> {
        let has = |connected: &Arc<Connected>| {
            connected.with(|seen| seen.domains.iter().any(|domain| domain.uuid == vm))
        };
        let hosts = self.all();
        if let Some(found) = hosts.iter().find(|connected| has(connected)) {
            return Ok(Arc::clone(found));
        }
        let mut problem = None;
        for connected in &hosts {
            match connected.look() {
                Ok(()) if has(connected) => return Ok(Arc::clone(connected)),
                Ok(()) => {}
                Err(error) => problem = Some(faults::of_fabric(&error)),
            }
        }
        Err(problem.unwrap_or_else(|| {
            let message = format!("Virtual machine '{name}' is on none of the registered hosts.");
            Fault::new(Code::VmNotFound, message)
        }))
    }
}

impl Hosts {
    /// A host of this region that can be reached.
    ///
    /// # Errors
    ///
    /// `HypervisorUnavailable` where none can.
    pub(crate) fn in_region(&self, region: &str) -> Result<Arc<Connected>, Fault> {
        let mut problem = None;
        for connected in self.all() {
            if !connected.host.region.eq_ignore_ascii_case(region) {
                continue;
            }
            match connected.look() {
                Ok(()) => return Ok(connected),
                Err(error) => problem = Some(faults::of_fabric(&error)),
            }
        }
        Err(problem.unwrap_or_else(|| {
            let message = format!("Region '{region}' has no registered host.");
            Fault::new(Code::HypervisorUnavailable, message)
        }))
    }
}

fn vm(host: &Host, domain: Domain, unnamed: Unnamed, name: String) -> Vm {
    Vm {
        uuid: domain.uuid,
        name,
        domain: domain.name,
        host: host.id,
        region: host.region.clone(),
        resource_group: unnamed.resource_group,
        power: domain.power,
        disks: domain.disks,
        agent: domain.agent,
        vcpus: domain.vcpus,
        memory_bytes: domain.memory_bytes,
        interfaces: domain.interfaces,
        os: domain.os,
    }
}

/// Looks at every host, as the loop of each does again and again.
pub(crate) fn turn(world: &Arc<World>) {
    for connected in world.hosts.all() {
        look_and_recover(world, &connected);
    }
}

fn watch(
    world: &Weak<World>,
    tasks: &dyn Tasks,
    connected: &Arc<Connected>,
    events: &Receiver<HostEvent>,
) {
    loop {
        {
            let Some(world) = world.upgrade() else {
                return;
            };
            look_and_recover(&world, connected);
        }
        let lost = connected.with(|seen| seen.problem.is_some());
        let patience = if lost { RETRY_AFTER } else { LOOK_EVERY };
        match events.recv_timeout(patience) {
            Ok(_) => {
                tasks.pause(SETTLE);
                while !matches!(
                    events.try_recv(),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected)
                ) {}
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => tasks.pause(patience),
        }
    }
}

/// Looks at the host; where it was away, ends what an earlier process left on it, and looks for
/// more at the next looks until nothing is found: a guest's agent may have been busy.
fn look_and_recover(world: &Arc<World>, connected: &Arc<Connected>) {
    if connected.look().is_err() {
        return;
    }
    if let Err(fault) = groups::adopt(world, &connected.host.region, connected.named_groups()) {
        let host = connected.host.uri.as_str();
        tracing::warn!(host, code = fault.code.name(), "no group was made: {}", fault.message);
    }
    if connected.with(|seen| seen.recoveries) >= RECOVERIES_MAX {
        return;
    }
    let Ok(_alone) = connected.captures.try_write() else {
        return;
    };
    let domains: Vec<Uuid> =
        connected.with(|seen| seen.domains.iter().map(|domain| domain.uuid).collect());
    let nothing_left = recover::host(world, connected, &domains);
    connected.with(|seen| {
        seen.recoveries = if nothing_left { RECOVERIES_MAX } else { seen.recoveries + 1 };
    });
}

impl Engine {
    /// All hosts, in the order of their adding.
    ///
    /// # Errors
    ///
    /// None today; the ledger may fail later.
    pub fn hosts(&self) -> Result<Vec<HostStatus>, Fault> {
        let status = |connected: &Arc<Connected>| {
            let (problem, vms) = connected.with(|seen| (seen.problem.clone(), seen.domains.len()));
            HostStatus { host: connected.host.clone(), problem, vms }
        };
        Ok(self.world.hosts.all().iter().map(status).collect())
    }

    /// Registers a host. Its resource group is made if it is missing.
    ///
    /// # Errors
    ///
    /// `InvalidResourceName`; `BadRequest` for a URI that is not a local one or is registered;
    /// the ledger failed.
    pub fn add_host(&self, uri: &str, region: &str, resource_group: &str) -> Result<Host, Fault> {
        if !is_local_uri(uri) {
            let message = format!(
                "'{uri}' is not a local libvirt connection: qemu:///system, qemu:///session, or \
                 qemu+unix:///system?socket=PATH. Hosts elsewhere are not supported yet."
            );
            return Err(Fault::new(Code::BadRequest, message));
        }
        check_region(region)
            .map_err(|error| Fault::new(Code::InvalidResourceName, format!("{error}.")))?;
        let _alone = self.world.changing_tenancy();
        let group = self.make_resource_group(resource_group, region, None)?;
        let host = Host {
            id: model::seed::new_uuid(self.world.seed.as_ref()),
            uri: uri.to_owned(),
            region: region.to_lowercase(),
            resource_group: group.name,
        };
        match self.world.ledger.create_host(&host) {
            Err(ledger::LedgerError::HostTaken) => {
                let message = format!("A host with the URI '{uri}' is registered already.");
                return Err(Fault::new(Code::BadRequest, message));
            }
            other => other.or_fault()?,
        }
        self.ensure_staging(&host);
        Hosts::begin(&self.world, host.clone());
        Ok(host)
    }

    /// All virtual machines, as discovery last saw them, by group and name.
    ///
    /// # Errors
    ///
    /// None today; the ledger may fail later.
    pub fn vms(&self) -> Result<Vec<Vm>, Fault> {
        Ok(self.world.hosts.vms())
    }

    /// The virtual machine of this name in this group, both in any case of letters.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `HypervisorUnavailable` where it was not found and a host is away.
    pub fn vm(&self, group: &str, name: &str) -> Result<Vm, Fault> {
        let matches = |vm: &Vm| {
            vm.resource_group.eq_ignore_ascii_case(group) && vm.name.eq_ignore_ascii_case(name)
        };
        if let Some(vm) = self.vms()?.into_iter().find(matches) {
            return Ok(vm);
        }
        // It may be younger than the last look, or nobody has looked yet.
        self.world.hosts.look();
        if let Some(vm) = self.vms()?.into_iter().find(matches) {
            return Ok(vm);
        }
        if let Some(problem) = self.hosts()?.into_iter().find_map(|status| status.problem) {
            return Err(problem);
        }
        let message = format!(
            "The Resource 'Microsoft.Compute/virtualMachines/{name}' under resource group \
             '{group}' was not found."
        );
        Err(Fault::new(Code::ResourceNotFound, message))
    }
}
