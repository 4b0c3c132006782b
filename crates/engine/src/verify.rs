//! Verification that runs by itself: each vault in turn, every few days, its structure as a whole
//! and some of its packs, chosen at random. What is found is recorded, in the repository's log too,
//! so that no new point relies on damaged data.
//!
//! One vault at a time: it reads, and backups read and write meanwhile. The `Mutex` holds nothing
//! but what is to be known from one look to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use model::fault::{Code, Fault};
use model::vault::Vault;
use model::verification::Verification;
use repo::{Flow, Progress, RepoError, Transfer, VerifyOptions};
use uuid::Uuid;

use crate::faults::OrFault;
use crate::world::World;

/// After how long a verification that failed is tried again.
const TRY_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// What is verified now, and what could not be.
#[derive(Default)]
pub(crate) struct Verifier(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    running: bool,
    /// When the verification of a vault failed.
    failed: HashMap<Uuid, Timestamp>,
}

impl Verifier {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins the verification that is due longest, if one is and none runs.
pub(crate) fn look(world: &Arc<World>, now: Timestamp) -> Result<(), Fault> {
    let Some(every) = world.config.verify_every else {
        return Ok(());
    };
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    let last: HashMap<Uuid, Timestamp> =
        world.ledger.verifications().or_fault()?.into_iter().map(|it| (it.vault, it.at)).collect();
    let mut due: Vec<(Timestamp, Vault)> = Vec::new();
    for vault in world.ledger.vaults().or_fault()? {
        let since = last.get(&vault.id).copied().unwrap_or(vault.created_at);
        if now.duration_since(since).abs() >= every {
            due.push((since, vault));
        }
    }
    due.sort_by_key(|(since, _)| *since);
    let mut memory = world.verifier.memory();
    let lately = |at: &Timestamp| now.duration_since(*at).abs() < TRY_AGAIN;
    due.retain(|(_, vault)| !memory.failed.get(&vault.id).is_some_and(lately));
    let Some((_, vault)) = due.into_iter().next().filter(|_| !memory.running) else {
        return Ok(());
    };
    memory.running = true;
    drop(memory);
    let weak = Arc::downgrade(world);
    let run = move || {
        if let Some(world) = weak.upgrade() {
            verify_and_remember(&world, &vault);
        }
    };
    world.tasks.start("verify", Box::new(run)).map_err(|error| {
        world.verifier.memory().running = false;
        Fault::new(Code::Internal, format!("No thread could be started: {error}."))
    })
}

fn verify_and_remember(world: &World, vault: &Vault) {
    let done = verify(world, vault);
    let mut memory = world.verifier.memory();
    memory.running = false;
    match done {
        Ok(()) => drop(memory.failed.remove(&vault.id)),
        Err(fault) => {
            tracing::warn!(vault = %vault.name, %fault, "the vault could not be verified");
            memory.failed.insert(vault.id, world.clock.now());
        }
    }
}

/// Ends with the service.
struct UntilStopped<'a>(&'a World);

impl Progress for UntilStopped<'_> {
    fn report(&self, _: Transfer) -> Flow {
        if self.0.board.is_stopping() { Flow::Cancel } else { Flow::Continue }
    }
}

fn verify(world: &World, vault: &Vault) -> Result<(), Fault> {
    let (at, percent) = (world.clock.now(), world.config.verify_percent);
    let options = VerifyOptions { read_data: (percent > 0).then_some(percent), record: true };
    let repository = world.repositories.of(vault)?;
    let report = match repository.verify(&options, &UntilStopped(world)) {
        Err(RepoError::Cancelled) => return Ok(()),
        report => report.or_fault()?,
    };
    for object in &report.damaged {
        tracing::error!(vault = %vault.name, object = object.name, "damaged: {}", object.reason);
    }
    let done = Verification {
        vault: vault.id,
        at,
        percent,
        read_bytes: report.bytes_read,
        damaged_objects: report.damaged.len() as u64,
        points_hit: report.points_hit.len() as u64,
    };
    tracing::info!(vault = %vault.name, damaged = done.damaged_objects, "the vault was verified");
    world.ledger.put_verification(&done).or_fault()
}
