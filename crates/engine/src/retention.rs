//! Lets go of points that nothing keeps any more, and gets their space back, by itself.
//!
//! ```text
//!  points ──judge──► verdicts ──many at once──► a plan that waits ──confirmed──┐
//!  policies            │                                                       │
//!                      └──────────────► a plan, stored ◄───────────────────────┘
//!                                         │ for each point: the repository's log, then the ledger
//!                                         ▼
//!                                       no plan ──later──► collected, what that did recorded
//! ```
//!
//! [`turn`] does all of it for every vault, soft-deleted ones too; a loop calls it, and it asks the
//! clock whether it is time. A plan is stored before the first point goes and removed after the
//! last one, so a turn that was cut off anywhere is finished by the next one. The log is the truth
//! and comes first: a point that is gone there and still in the ledger is taken out of the ledger,
//! whatever its plan says. A plan whose points are not all released any more is dropped, and made
//! anew.
//!
//! While the clock is doubted (`rules::retention::clock`), nothing is let go of and nothing is
//! collected.
//!
//! One `Mutex` keeps turns apart and holds when the next one is due; another one says which vault
//! is being looked after. Nothing else is called while that one is held.

mod clock;
mod collect;
mod judge;
mod plan;

pub(crate) use clock::is_trusted;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::{SignedDuration, Timestamp};
use model::fault::{Code, Fault};
use model::item::Item;
use model::point::PointId;
use model::retention::{ClockSight, Plan, PlanState, Upkeep};
use model::vault::Vault;
use rules::retention::Verdict;
use uuid::Uuid;

use crate::Engine;
use crate::faults::{self, OrFault};
use crate::tasks;
use crate::vaults;
use crate::world::World;

/// How often points are judged.
const TURN_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How long a new engine waits before its first turn: others have more to do then.
const FIRST_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// How often the loop looks whether it is time for a turn.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How others reach retention.
pub(crate) struct Retention {
    bell: Sender<()>,
    rings: Receiver<()>,
    /// Vaults that somebody wants to be looked after now.
    asked: Mutex<BTreeSet<Uuid>>,
    /// When the next turn is due.
    next: Mutex<Timestamp>,
    /// The vaults that are being looked after, and whether somebody wants them removed.
    in_hand: Mutex<BTreeMap<Uuid, bool>>,
}

/// A point, and what retention says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointVerdict {
    /// The point.
    pub point: PointId,
    /// The moment whose state it holds.
    pub taken_at: Timestamp,
    /// What becomes of it, and why.
    pub verdict: Verdict,
}

/// What retention says of an item's points.
#[derive(Debug, Clone)]
pub struct ItemVerdicts {
    /// The item.
    pub item: Item,
    /// Its points, oldest first.
    pub points: Vec<PointVerdict>,
}

/// How retention stands in a vault.
#[derive(Debug, Clone)]
pub struct RetentionStatus {
    /// What was last done.
    pub upkeep: Upkeep,
    /// The plan that waits for a confirmation, or was confirmed and not carried out yet.
    pub waiting: Option<Plan>,
    /// What is known of the clock.
    pub clock: ClockSight,
}

impl Retention {
    pub(crate) fn new(now: Timestamp) -> Self {
        let (bell, rings) = bounded(1);
        let next = Mutex::new(now.saturating_add(FIRST_AFTER).unwrap_or(now));
        Self { bell, rings, asked: Mutex::default(), next, in_hand: Mutex::default() }
    }

    fn in_hand(&self) -> MutexGuard<'_, BTreeMap<Uuid, bool>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this vault, which the ledger has no more, is being looked after. If so, it is
    /// removed once that is done: whoever writes into a repository that is being removed makes it
    /// anew.
    pub(crate) fn removes_later(&self, vault: Uuid) -> bool {
        self.in_hand().get_mut(&vault).map(|wanted| *wanted = true).is_some()
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks that this vault be looked after now.
    fn ask(&self, vault: Uuid) {
        self.asked().insert(vault);
        // Where one ring is waiting to be heard, a second one says nothing more.
        let _ = self.bell.try_send(());
    }
}

/// Starts the loop. It ends with the engine.
pub(crate) fn start(world: &Arc<World>) {
    let rings = world.retention.rings.clone();
    tasks::every_and_at(world, "retention", rings, LOOK_EVERY, |world| turn(world));
}

/// Looks after every vault if it is time to, and else after those for which somebody asked.
pub(crate) fn turn(world: &World) {
    let mut next = world.retention.next.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = std::mem::take(&mut *world.retention.asked());
    let now = world.clock.now();
    // Also where the clock was set back to well before the last turn.
    let is_due = *next <= now || next.duration_since(now) > TURN_EVERY;
    if !is_due && asked.is_empty() {
        return;
    }
    if is_due {
        *next = now.saturating_add(TURN_EVERY).unwrap_or(now);
    }
    if let Err(fault) = look_after(world, &asked, is_due, now) {
        tracing::error!(%fault, "no retention");
    }
}

fn look_after(
    world: &World,
    asked: &BTreeSet<Uuid>,
    all: bool,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut vaults = world.ledger.vaults().or_fault()?;
    // What is out of sight takes space all the same, until the last of its items is gone.
    let out_of_sight = world.ledger.soft_deleted_vaults().or_fault()?;
    vaults.extend(out_of_sight.into_iter().map(|deleted| deleted.vault));
    let doubt = clock::look(world, &vaults, now)?;
    for vault in &vaults {
        let was_asked = asked.contains(&vault.id);
        if world.board.is_stopping() || !(all || was_asked) {
            continue;
        }
        world.retention.in_hand().insert(vault.id, false);
        // It may have gone since the vaults were listed.
        let done = world.ledger.vault(vault.id).or_fault().and_then(|found| match found {
            Some(vault) => look_after_one(world, &vault, now, doubt.as_ref(), was_asked),
            None => Ok(()),
        });
        if let Err(fault) = done {
            tracing::error!(vault = %vault.name, %fault, "what retention did is not recorded");
        }
        if world.retention.in_hand().remove(&vault.id) == Some(true) {
            vaults::finish_later(world, vault.id);
        }
    }
    Ok(())
}

/// Looks after a vault, and records what was done and what stood in the way.
fn look_after_one(
    world: &World,
    vault: &Vault,
    now: Timestamp,
    doubt: Option<&Fault>,
    asked: bool,
) -> Result<(), Fault> {
    let known = world.ledger.upkeep(vault.id).or_fault()?;
    let mut upkeep = Upkeep { fault: doubt.cloned(), ..known };
    if doubt.is_none() {
        let cared = plan::let_go(world, vault, now, &mut upkeep)
            .and_then(|()| collect::if_due(world, vault, now, asked, &mut upkeep));
        if let Err(fault) = cared {
            tracing::error!(vault = %vault.name, %fault, "retention");
            if faults::opens_anew(fault.code) {
                world.repositories.forget(vault.id);
            }
            upkeep.fault = Some(fault);
        }
    }
    upkeep.judged_at = Some(now);
    world.ledger.put_upkeep(vault.id, &upkeep).or_fault()
}

impl Engine {
    /// What retention says of every point of an item now. A dry run: it changes nothing.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn retention_of_item(&self, vault: &Vault, item: &Item) -> Result<ItemVerdicts, Fault> {
        let now = self.world.clock.now();
        Ok(judge::item(&self.world, vault, item.clone(), now)?.into_verdicts())
    }

    /// When each point of an item expires as things are: the dates that plans go by. A point that
    /// no date lets go of is not among them.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn expiries(
        &self,
        vault: &Vault,
        item: &Item,
    ) -> Result<HashMap<PointId, Timestamp>, Fault> {
        let judged = self.retention_of_item(vault, item)?.points;
        let expiry = |judged: PointVerdict| Some((judged.point, judged.verdict.until?));
        Ok(judged.into_iter().filter_map(expiry).collect())
    }

    /// How retention stands in a vault.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn retention_status(&self, vault: &Vault) -> Result<RetentionStatus, Fault> {
        let ledger = &self.world.ledger;
        let plans = ledger.retention_plans(vault.id).or_fault()?;
        Ok(RetentionStatus {
            upkeep: ledger.upkeep(vault.id).or_fault()?,
            waiting: plans.into_iter().find(|plan| plan.state != PlanState::Running),
            clock: ledger.clock_sight().or_fault()?,
        })
    }

    /// Asks that a vault be looked after now, in the background, with a collection of its space.
    pub fn ask_for_retention(&self, vault: &Vault) {
        self.world.retention.ask(vault.id);
    }

    /// As [`Engine::ask_for_retention`], and waits until it is done.
    pub fn run_retention(&self, vault: &Vault) {
        self.world.retention.asked().insert(vault.id);
        turn(&self.world);
    }

    /// Confirms the plan of this vault that waits: what it names is let go of, if nothing that it
    /// rests on has changed.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` where no plan waits; `PreconditionFailed` where another one does than the
    /// operator has seen; the ledger failed.
    pub fn confirm_retention(&self, vault: &Vault, seen: Option<Uuid>) -> Result<Plan, Fault> {
        let waiting = self.retention_status(vault)?.waiting.ok_or_else(|| {
            let message = format!("No retention plan of vault '{}' waits.", vault.name);
            Fault::new(Code::ResourceNotFound, message)
        })?;
        if seen.is_some_and(|seen| seen != waiting.id) {
            let message = format!(
                "The retention plan that waits in vault '{}' is {} by now: its points are others. \
                 Look at it before you confirm it.",
                vault.name, waiting.id
            );
            return Err(Fault::new(Code::PreconditionFailed, message));
        }
        self.world.ledger.confirm_retention_plan(waiting.id).or_fault()?;
        tracing::warn!(vault = %vault.name, plan = %waiting.id, "retention plan confirmed");
        self.world.retention.ask(vault.id);
        Ok(Plan { state: PlanState::Confirmed, ..waiting })
    }

    /// Says that the clock is right as it is now, whatever speaks against it. Retention goes on
    /// with its next turn.
    ///
    /// # Errors
    ///
    /// A store or the ledger failed.
    pub fn confirm_clock(&self) -> Result<ClockSight, Fault> {
        clock::confirm(&self.world)
    }
}
