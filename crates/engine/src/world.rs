//! What every part of the engine works with: the ports, and the state shared by all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::Ledger;
use model::clock::Clock;
use model::principal::Tenancy;
use model::seed::Seed;

use crate::alerts::Alerting;
use crate::board::Board;
use crate::config::Config;
use crate::hosts::Hosts;
use crate::reconcile::Unsure;
use crate::refresh::Refreshes;
use crate::repositories::Repositories;
use crate::retention::Retention;
use crate::scheduler::Scheduler;
use crate::tally::Tally;
use crate::tasks::Tasks;
use crate::verify::Verifier;
use crate::watch::Watch;

/// The ports, and the state shared by all parts of the engine.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) run_dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: Arc<dyn Seed>,
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) tenancy: Tenancy,
    pub(crate) board: Board,
    pub(crate) repositories: Repositories,
    pub(crate) hosts: Hosts,
    pub(crate) refreshes: Refreshes,
    pub(crate) unsure: Unsure,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) watch: Watch,
    pub(crate) verifier: Verifier,
    pub(crate) tally: Tally,
    pub(crate) alerting: Alerting,
    /// Held while somebody looks for what is to be purged. It guards no value, only that order.
    pub(crate) purging: Mutex<()>,
    pub(crate) retention: Retention,
    /// Held while vaults, resource groups and hosts are made or deleted, so that none of them is
    /// made in one that is being deleted. It guards no value, only that order.
    pub(crate) tenancy_changes: Mutex<()>,
}

impl World {
    /// To be held while a vault, a resource group or a host is made or deleted.
    pub(crate) fn changing_tenancy(&self) -> MutexGuard<'_, ()> {
        self.tenancy_changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
