//! The engine: gathers facts, asks `rules`, carries out with `repo` and `fabric`, records in
//! `ledger`. It supplies the clock and the randomness.
//!
//! [`Engine`] is the only way in. Its calls block; long work runs in tasks of its own, one per job,
//! and is watched through [`Engine::job`].

#![warn(missing_docs)]

pub mod access;
mod alerts;
mod backup;
mod board;
pub mod clock;
pub mod config;
mod data_dir;
mod faults;
mod groups;
pub mod hosts;
pub mod image;
mod job_export;
mod job_run;
mod jobs;
mod networks;
mod policies;
mod protection;
mod purge;
mod reconcile;
mod record;
mod recover;
mod refresh;
mod repositories;
pub mod restore;
pub mod retention;
mod retries;
mod scheduler;
pub mod seed;
pub mod status;
mod stores;
pub mod tally;
pub mod tasks;
mod vaults;
mod verify;
mod watch;
mod world;

use std::path::Path;
use std::sync::{Arc, Mutex};

use fabric::libvirt::LibvirtHost;
use ledger::sqlite::SqliteLedger;
use ledger::{Ledger, LedgerError};
use model::clock::Clock;
use model::fault::Fault;
use model::host::Host;
use model::principal::Tenancy;
use model::seed::Seed;

pub use access::{Access, NewAssignment};
pub use alerts::{Alerting, Notify};
pub use config::Config;
pub use data_dir::DataDirError;
pub use hosts::{Connect, HostStatus};
pub use ledger::port::{ItemQuery, JobQuery, PointQuery};
pub use policies::{Following, PolicyRuns};
pub use repositories::OpenStore;
pub use restore::{ImageFormat, RestoreForm, RestoreRequest};
pub use retention::{ItemVerdicts, PointVerdict, RetentionStatus};
pub use rules::alerts::{Suppression, Window};
pub use rules::health::Objective;
pub use rules::item_life::Wish;
pub use rules::tags::Change as TagsChange;
pub use rules::vault::plan::{Blocker, Plan as DeletionPlan};
pub use rules::vault::{AlertsChange, Change as VaultChange, Ending as VaultEnding};
/// The zone of a Windows or an IANA name.
pub use rules::zone::find as time_zone;
pub use status::{Backlog, Health, ItemHealth, VaultHealth};
pub use stores::NewStore;
pub use vaults::{NewVault, Strictness, VaultEnd, VaultOutOfSight, VaultUsage};

use board::Board;
use clock::SystemClock;
use data_dir::DataDir;
use hosts::Hosts;
use repositories::Repositories;
use retention::Retention;
use scheduler::Scheduler;
use seed::SystemSeed;
use tally::Tally;
use tasks::{Tasks, Threads};
use verify::Verifier;
use watch::Watch;
use world::World;

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The ledger cannot be opened or read.
    #[error("the ledger cannot be used")]
    Ledger(#[source] LedgerError),
    /// What an earlier run left could not be brought in order.
    #[error("what an earlier run left could not be brought in order")]
    Recovery(#[source] Fault),
}

/// What the engine takes from outside: the real ones come from [`Ports::real`].
pub struct Ports {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub seed: Arc<dyn Seed>,
    /// Makes connections to hosts.
    pub connect: Box<Connect>,
    /// Opens the ledger that is to be in this file.
    pub open_ledger: Box<OpenLedger>,
    /// Opens the object stores of vaults.
    pub open_store: Box<OpenStore>,
    /// Carries out what the engine begins.
    pub tasks: Arc<dyn Tasks>,
    /// Who is told of alerts.
    pub alerting: Alerting,
}

/// Opens the ledger in a file, which is made where there is none.
pub type OpenLedger = dyn Fn(&Path) -> Result<Arc<dyn Ledger>, LedgerError> + Send + Sync;

impl Ports {
    /// The machine's clock and random generator, libvirt, SQLite, directories and threads.
    pub fn real(config: &Config) -> Self {
        let helper = config.helper.clone();
        let connect = move |host: &Host| {
            let usual = fabric::libvirt::Config::new(&host.uri);
            let config = fabric::libvirt::Config { helper: helper.clone(), ..usual };
            Arc::new(LibvirtHost::new(config)) as Arc<dyn fabric::Host>
        };
        Self {
            clock: Arc::new(SystemClock),
            seed: Arc::new(SystemSeed),
            connect: Box::new(connect),
            open_ledger: Box::new(|file| Ok(Arc::new(SqliteLedger::open(file)?))),
            open_store: Box::new(repositories::open_directory),
            tasks: Arc::new(Threads),
            alerting: Alerting::default(),
        }
    }
}

/// A running engine. Shared as `Arc<Engine>`.
pub struct Engine {
    world: Arc<World>,
    _data_dir: DataDir,
}

impl Engine {
    /// Locks the data directory, opens the ledger, ends what an earlier run left, and begins
    /// discovery and the backups that policies ask for.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. A host that cannot be reached is no error: it is tried again.
    pub fn start(config: Config) -> Result<Arc<Self>, StartError> {
        let ports = Ports::real(&config);
        Self::start_with(config, ports)
    }

    /// As [`Engine::start`], with other ports.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub fn start_with(mut config: Config, ports: Ports) -> Result<Arc<Self>, StartError> {
        let data_dir = DataDir::lock(&config.data_dir)?;
        // One directory has one name, whatever links led to it: what is ours on hosts goes by it.
        if let Ok(path) = config.data_dir.canonicalize() {
            config.data_dir = path;
        }
        let ledger = (ports.open_ledger)(&config.ledger_file()).map_err(StartError::Ledger)?;
        let tenancy = tenancy(ledger.as_ref(), ports.seed.as_ref()).map_err(StartError::Ledger)?;
        let run_dir =
            config.run_dir.clone().unwrap_or_else(|| config::default_run_dir(&config.data_dir));
        let (clock, seed) = (Arc::clone(&ports.clock), Arc::clone(&ports.seed));
        let repositories = Repositories::new(&config, clock, seed, ports.open_store);
        let now = ports.clock.now();
        let world = Arc::new(World {
            run_dir,
            clock: ports.clock,
            seed: ports.seed,
            tasks: ports.tasks,
            ledger,
            tenancy,
            board: Board::default(),
            repositories,
            hosts: Hosts::new(ports.connect),
            purging: Mutex::default(),
            tenancy_changes: Mutex::default(),
            scheduler: Scheduler::new(),
            watch: Watch::default(),
            verifier: Verifier::default(),
            tally: Tally::default(),
            alerting: ports.alerting,
            retention: Retention::new(now),
            refreshes: refresh::Refreshes::default(),
            unsure: reconcile::Unsure::default(),
            config,
        });
        recover::deleted_vaults(&world).map_err(StartError::Recovery)?;
        recover::jobs(&world).map_err(StartError::Recovery)?;
        recover::repositories(&world).map_err(StartError::Recovery)?;
        let engine = Arc::new(Self { world, _data_dir: data_dir });
        engine.begin_discovery().map_err(StartError::Recovery)?;
        scheduler::start(&engine.world);
        watch::start(&engine.world);
        alerts::start(&engine.world);
        reconcile::start(&engine.world);
        retention::start(&engine.world);
        purge::start_loop(&engine.world);
        Ok(engine)
    }

    /// Registers the local host where that is wanted, and connects to all registered ones.
    fn begin_discovery(&self) -> Result<(), Fault> {
        let registered = faults::OrFault::or_fault(self.world.ledger.hosts())?;
        let local_is_new = !registered.iter().any(|host| host.uri == config::LOCAL_URI);
        self.create_resource_group(config::LOCAL_GROUP, config::LOCAL_REGION, None)?;
        for host in registered {
            self.ensure_staging(&host);
            Hosts::begin(&self.world, host);
        }
        if self.world.config.local_host && local_is_new {
            self.add_host(config::LOCAL_URI, config::LOCAL_REGION, config::LOCAL_GROUP)?;
        }
        Ok(())
    }

    /// Does once, in this thread, what the engine's loops do again and again: looks at every host,
    /// starts what is due, sees to points of which it is open whether they exist, lets go of those
    /// past their date, purges what was deleted long enough ago, measures what vaults hold, and
    /// tells of alerts. For an engine whose [`Tasks`] run no loops.
    pub fn turn(&self) {
        hosts::turn(&self.world);
        scheduler::turn(&self.world);
        reconcile::turn(&self.world);
        retention::turn(&self.world);
        watch::turn(&self.world);
        alerts::turn(&self.world);
        purge::turn(&self.world);
    }

    /// Asks every running job to stop. The process may end when they have; one that is killed
    /// before leaves nothing that the next start does not bring in order.
    pub fn shutdown(&self) {
        self.world.board.stop_all();
    }

    /// Whether no job runs.
    pub fn is_idle(&self) -> bool {
        self.world.board.is_empty()
    }

    /// The ledger.
    pub fn ledger(&self) -> &dyn Ledger {
        self.world.ledger.as_ref()
    }

    /// The tenant and the subscription that this installation is.
    pub fn tenancy(&self) -> Tenancy {
        self.world.tenancy
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.world.clock.as_ref()
    }

    /// The randomness.
    pub fn seed(&self) -> &dyn Seed {
        self.world.seed.as_ref()
    }
}

fn tenancy(ledger: &dyn Ledger, seed: &dyn Seed) -> Result<Tenancy, LedgerError> {
    if let Some(tenancy) = ledger.tenancy()? {
        return Ok(tenancy);
    }
    ledger.set_tenancy(Tenancy {
        tenant: model::seed::new_uuid(seed),
        subscription: model::seed::new_uuid(seed),
    })
}
