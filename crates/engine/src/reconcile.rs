//! Points that a repository's log has and the ledger does not.
//!
//! There are such points when a ledger was put back from a copy, when the service died between the
//! commit and the record, and when a backup failed at a moment that leaves it open what became of
//! its point: it was sent to a store that gave no answer, or it could be neither read back nor
//! forgotten. A start looks at all vaults; while the service runs, [`turn`] looks at those that the
//! start could not read and those in which such a backup failed, until nothing is open.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::fault::{Code, Fault};
use uuid::Uuid;

use crate::faults::OrFault;
use crate::recover;
use crate::tasks;
use crate::world::World;

/// How often vaults are looked at in which something is open.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The vaults in which it is open whether a point exists.
#[derive(Default)]
pub(crate) struct Unsure {
    /// Behind a mutex because backups fail in tasks of their own; nothing is called while it is
    /// held.
    vaults: Mutex<BTreeSet<Uuid>>,
    /// Held during a turn, so that who calls one finds all of them dealt with.
    turns: Mutex<()>,
}

impl Unsure {
    /// A backup failed in this vault when its point may have been in the log, or the log could not
    /// be read.
    pub(crate) fn note(&self, vault: Uuid) {
        self.with(|vaults| vaults.insert(vault));
    }

    fn take(&self) -> BTreeSet<Uuid> {
        self.with(std::mem::take)
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeSet<Uuid>) -> T) -> T {
        act(&mut self.vaults.lock().expect("nothing panics while it holds the set"))
    }
}

/// Starts the loop. It ends with the engine.
pub(crate) fn start(world: &Arc<World>) {
    tasks::every(world, "reconcile", LOOK_EVERY, turn);
}

/// Looks at the vaults in which something is open.
pub(crate) fn turn(world: &Arc<World>) {
    let _alone = world.unsure.turns.lock().unwrap_or_else(PoisonError::into_inner);
    for id in world.unsure.take() {
        match settle(world, id) {
            Ok(true) => {}
            Ok(false) => world.unsure.note(id),
            Err(fault) => {
                world.unsure.note(id);
                tracing::warn!(vault = %id, code = fault.code.name(), "{}", fault.message);
            }
        }
    }
}

/// Records what the ledger does not know of a vault, and ends sessions of earlier runs.
/// Whether nothing is open then.
fn settle(world: &World, id: Uuid) -> Result<bool, Fault> {
    let Some(vault) = world.ledger.vault(id).or_fault()? else {
        return Ok(true);
    };
    let items = world.ledger.items(Some(id)).or_fault()?;
    let repository = world.repositories.of(&vault)?;
    world.repositories.end_earlier_sessions(&repository).or_fault()?;
    let mut is_settled = true;
    for info in repository.points().or_fault()? {
        if world.ledger.point(info.id).or_fault()?.is_some() {
            continue;
        }
        if world.board.is_making(info.id) {
            // Its job is about to say what becomes of it.
            is_settled = false;
            continue;
        }
        match recover::adopt(world, &vault, &items, &repository, info.id) {
            Ok(()) => {}
            // It stays as it is: a repair may heal it, and the next start records it then.
            Err(fault) if fault.code == Code::StoreDamaged => {
                tracing::error!(point = %info.id, "not readable: {}", fault.message);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(is_settled)
}
