//! How the installation does: what is protected, what is late, what failed, what runs, what comes
//! next, and how much room it takes. Computed in one place, for the API, the metrics and the
//! alerts.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use ledger::port::JobQuery;
use model::alert::Alert;
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{Job, Operation, Status};
use model::policy::Policy;
use model::retention::PlanState;
use model::space::SpaceSample;
use model::vault::Vault;
use model::verification::Verification;
use rules::health::{self, Objective};
use rules::schedule::{self, Calendar};
use uuid::Uuid;

use crate::Engine;
use crate::faults::OrFault;
use crate::tally::Counts;
use crate::world::World;
use crate::{scheduler, vaults};

/// For how long a failed job that is no backup is told. A failed backup is told until its item has
/// a good one.
const FAILED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The most failed jobs of one vault that are told.
const FAILED_MAX: usize = 100;

/// How all that the asker may see does.
#[derive(Debug, Clone)]
pub struct Health {
    /// When it was computed.
    pub at: Timestamp,
    /// The vaults, by name.
    pub vaults: Vec<VaultHealth>,
    /// The jobs that have not ended, newest first.
    pub running: Vec<Job>,
    /// Jobs that failed in the last day and are no backups, newest first within a vault.
    pub failed: Vec<Job>,
    /// Why the clock is not trusted, so that nothing is deleted.
    pub clock_doubt: Option<Fault>,
}

/// How a vault does.
#[derive(Debug, Clone)]
pub struct VaultHealth {
    /// The vault.
    pub vault: Vault,
    /// Its items, by the VM's name.
    pub items: Vec<ItemHealth>,
    /// How much it held on past days, oldest first; nothing for whoever does not ask.
    pub space: Vec<SpaceSample>,
    /// When its data was last looked at, and what was found; none where it never was.
    pub verified: Option<Verification>,
    /// Why retention waits for somebody to confirm it.
    pub retention_waits: Option<Fault>,
    /// When space was last collected.
    pub collected_at: Option<Timestamp>,
    /// What the operator should know, in sentences.
    pub warnings: Vec<String>,
}

/// How an item does.
#[derive(Debug, Clone)]
pub struct ItemHealth {
    /// The item.
    pub item: Item,
    /// When its newest recovery point was taken.
    pub newest: Option<Timestamp>,
    /// How it does against its policy; none where no policy backs it up.
    pub objective: Option<Objective>,
    /// When its policy backs it up next.
    pub next_run: Option<Timestamp>,
}

impl ItemHealth {
    /// When the first run was due whose point is late.
    pub fn late_since(&self) -> Option<Timestamp> {
        match self.objective {
            Some(Objective::Missed { due }) => Some(due),
            _ => None,
        }
    }

    /// When its last backup began, and why it failed; none where it did not, or where the item is
    /// not backed up any more.
    pub fn failed(&self) -> Option<(Timestamp, Fault)> {
        let last = self.item.last_backup.as_ref()?;
        if self.objective.is_none() || last.status != Status::Failed {
            return None;
        }
        Some((last.at, last.error.clone().unwrap_or_else(unknown)))
    }
}

impl VaultHealth {
    /// When the newest of its recovery points was taken.
    pub fn newest(&self) -> Option<Timestamp> {
        self.items.iter().filter_map(|item| item.newest).max()
    }

    /// How much it held when it was last measured.
    pub fn size(&self) -> Option<&SpaceSample> {
        self.space.last()
    }

    /// By how many bytes its store grew in so many days, where that is known.
    pub fn growth(&self, days: i64) -> Option<i64> {
        health::growth(&self.space, days)
    }
}

impl Health {
    /// Whether nothing is late, nothing has failed, and no damage is known.
    pub fn is_good(&self) -> bool {
        let fine = |item: &ItemHealth| item.late_since().is_none() && item.failed().is_none();
        let is_whole =
            |vault: &VaultHealth| vault.verified.as_ref().is_none_or(Verification::is_clean);
        self.failed.is_empty()
            && self.vaults.iter().all(is_whole)
            && self.vaults.iter().flat_map(|vault| &vault.items).all(fine)
    }
}

/// How far the scheduler is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Runs of policies whose turn has come and that have not been started.
    pub runs: usize,
    /// For how long the longest has waited.
    pub lag: SignedDuration,
}

impl Engine {
    /// How far the scheduler is behind.
    pub fn backlog(&self) -> Backlog {
        let now = self.world.clock.now();
        let (runs, longest) = scheduler::behind(&self.world, now);
        Backlog { runs, lag: longest.map_or(SignedDuration::ZERO, |at| now.duration_since(at)) }
    }

    /// The alerts that stand now, oldest first.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn standing_alerts(&self) -> Result<Vec<Alert>, Fault> {
        let mut alerts = self.world.ledger.open_alerts().or_fault()?;
        alerts.retain(|alert| alert.resolved_at.is_none());
        Ok(alerts)
    }

    /// What jobs came to since the service started.
    pub fn counts(&self) -> Counts {
        self.world.tally.counts()
    }

    /// How the vaults do that the asker may see, and what is in them.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn health(&self, sees: &dyn Fn(&Vault) -> bool) -> Result<Health, Fault> {
        health(&self.world, sees, Samples::All)
    }
}

/// Whether it is told how vaults grew: a year of samples of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Samples {
    All,
    None,
}

pub(crate) fn health(
    world: &World,
    sees: &dyn Fn(&Vault) -> bool,
    samples: Samples,
) -> Result<Health, Fault> {
    let at = world.clock.now();
    let mut seen = world.ledger.vaults().or_fault()?;
    seen.retain(sees);
    let unended = JobQuery { unfinished: true, ..JobQuery::default() };
    let mut running = world.ledger.jobs(unended).or_fault()?;
    running.retain(|job| seen.iter().any(|vault| vault.id == job.vault));
    // A running job's own word is newer than the ledger's.
    let running = running.into_iter().map(|job| world.board.job(job.id).unwrap_or(job)).collect();
    let counted: HashMap<Uuid, Timestamp> =
        world.ledger.runs_count_from().or_fault()?.into_iter().collect();
    let mut verified: HashMap<Uuid, Verification> =
        world.ledger.verifications().or_fault()?.into_iter().map(|it| (it.vault, it)).collect();
    let mut failed = Vec::new();
    let mut healths = Vec::new();
    for vault in seen {
        failed.extend(failed_jobs(world, &vault, at)?);
        let policies = world.ledger.policies(vault.id).or_fault()?;
        let items = items_of(world, &vault, &policies, &counted, at)?;
        let mut warnings = vaults::warnings(world, &vault);
        warnings.extend(clock_changes(&policies, &items, at));
        let upkeep = world.ledger.upkeep(vault.id).or_fault()?;
        let plans = world.ledger.retention_plans(vault.id).or_fault()?;
        let waiting = plans.into_iter().find(|plan| plan.state == PlanState::Waiting);
        let retention_waits = waiting.map(|plan| plan.waits.unwrap_or_else(unknown));
        warnings.extend(retention_waits.iter().map(|why| why.message.clone()));
        warnings.extend(upkeep.fault.iter().map(|why| format!("Retention: {}", why.message)));
        let collected_at = upkeep.collected_at;
        let space = match samples {
            Samples::All => world.ledger.space(vault.id, health::samples_from(at)).or_fault()?,
            Samples::None => Vec::new(),
        };
        let verified = verified.remove(&vault.id);
        healths.push(VaultHealth {
            vault,
            items,
            space,
            verified,
            retention_waits,
            collected_at,
            warnings,
        });
    }
    let clock_doubt = world.ledger.clock_sight().or_fault()?.doubt;
    Ok(Health { at, vaults: healths, running, failed, clock_doubt })
}

fn unknown() -> Fault {
    Fault::new(Code::Internal, "No reason is on record.")
}

/// The changes of clocks that runs of policies will not follow, of those that back anything up.
fn clock_changes(policies: &[Policy], items: &[ItemHealth], now: Timestamp) -> Vec<String> {
    let follows = |policy: &Policy, item: &ItemHealth| {
        let name = schedule::policy_of(&item.item).ok();
        name.is_some_and(|name| name.eq_ignore_ascii_case(&policy.name))
    };
    let used = policies.iter().filter(|policy| items.iter().any(|item| follows(policy, item)));
    let warn = |policy: &Policy| {
        let change = schedule::coming_change(policy, now)?;
        Some(format!("Policy '{}': {change}", policy.name))
    };
    used.filter_map(warn).collect()
}

fn failed_jobs(world: &World, vault: &Vault, now: Timestamp) -> Result<Vec<Job>, Fault> {
    let query = JobQuery {
        vault: Some(vault.id),
        status: Some(Status::Failed),
        from: now.checked_sub(FAILED_FOR).ok(),
        limit: Some(FAILED_MAX),
        ..JobQuery::default()
    };
    let mut jobs = world.ledger.jobs(query).or_fault()?;
    jobs.retain(|job| job.operation != Operation::Backup);
    Ok(jobs)
}

fn items_of(
    world: &World,
    vault: &Vault,
    policies: &[Policy],
    counted: &HashMap<Uuid, Timestamp>,
    now: Timestamp,
) -> Result<Vec<ItemHealth>, Fault> {
    let items = world.ledger.items(Some(vault.id)).or_fault()?;
    let ids: Vec<Uuid> = items.iter().map(|item| item.id).collect();
    let newest = world.ledger.newest_points(&ids).or_fault()?;
    let calendars: HashMap<String, Calendar> =
        policies.iter().map(|policy| (policy.name.to_lowercase(), Calendar::of(policy))).collect();
    let judge = |(item, newest): (Item, Option<Timestamp>)| {
        let policy = schedule::policy_of(&item).ok();
        let calendar = policy.and_then(|name| calendars.get(&name.to_lowercase()));
        let from = counted.get(&item.id).copied().unwrap_or(item.created_at);
        let objective = calendar.map(|it| health::objective(it, from, newest, now));
        let next_run = calendar.and_then(|calendar| calendar.next_after(now));
        ItemHealth { item, newest, objective, next_run }
    };
    Ok(items.into_iter().zip(newest).map(judge).collect())
}
