//! The watch: what is done every minute for whoever looks after the installation. It measures how
//! much vaults hold, so that growth can be told later, begins verifications, and finds what is to
//! be told.
//!
//! It begins after the service is ready: nobody waits for it. The `Mutex` keeps turns apart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, ToSpan};
use ledger::port::JobQuery;
use model::fault::Fault;
use model::space::SpaceSample;
use model::vault::Vault;
use rules::health;
use uuid::Uuid;

use crate::alerts;
use crate::faults::OrFault;
use crate::tasks;
use crate::verify;
use crate::world::World;

/// How often it is asked whether a look is due.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often it looks.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// After how long a vault that could not be measured is tried again.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(15);

/// What the watch remembers from one look to the next.
#[derive(Default)]
pub(crate) struct Watch(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    looked_at: Option<Timestamp>,
    /// When a vault could not be measured.
    failed: HashMap<Uuid, Timestamp>,
}

/// Starts the watch's loop. It ends with the engine.
pub(crate) fn start(world: &Arc<World>) {
    tasks::every(world, "watch", ASK_EVERY, turn);
}

/// Looks, if that is due. What fails is told to the log, and tried again.
pub(crate) fn turn(world: &Arc<World>) {
    let now = world.clock.now();
    let mut memory = world.watch.0.lock().unwrap_or_else(PoisonError::into_inner);
    let lately = |at: Timestamp| now.duration_since(at).abs() < LOOK_EVERY;
    if memory.looked_at.is_some_and(lately) {
        return;
    }
    memory.looked_at = Some(now);
    match world.ledger.vaults() {
        Ok(vaults) => vaults.iter().for_each(|vault| memory.measure(world, vault, now)),
        Err(error) => tracing::warn!(%error, "the vaults could not be listed"),
    }
    if let Err(fault) = verify::look(world, now) {
        tracing::warn!(%fault, "no verification could be begun");
    }
    if let Err(fault) = alerts::look(world) {
        tracing::warn!(%fault, "it could not be found out what is wrong");
    }
}

impl Memory {
    fn measure(&mut self, world: &World, vault: &Vault, now: Timestamp) {
        let lately = |at: &Timestamp| now.duration_since(*at).abs() < TRY_AGAIN;
        if self.failed.get(&vault.id).is_some_and(lately) {
            return;
        }
        match measure(world, vault, now) {
            Ok(()) => drop(self.failed.remove(&vault.id)),
            Err(fault) => {
                tracing::warn!(vault = %vault.name, %fault, "the vault could not be measured");
                self.failed.insert(vault.id, now);
            }
        }
    }
}

/// Measures the vault, where that is due.
fn measure(world: &World, vault: &Vault, now: Timestamp) -> Result<(), Fault> {
    let day = health::sample_day(now);
    let lately = day.checked_sub(1.day()).unwrap_or(day);
    let last = world.ledger.space(vault.id, lately).or_fault()?.pop();
    if !health::sample_is_due(last.as_ref(), has_changed(world, vault, last.as_ref())?, now) {
        return Ok(());
    }
    let size = world.repositories.of(vault)?.size().or_fault()?;
    let sample = SpaceSample {
        vault: vault.id,
        day,
        measured_at: now,
        points: size.points,
        logical_bytes: size.logical_bytes,
        stored_bytes: size.stored_bytes,
    };
    world.ledger.put_space(&sample, health::samples_from(now)).or_fault()
}

/// Whether a job of the vault has ended since it was measured.
fn has_changed(world: &World, vault: &Vault, last: Option<&SpaceSample>) -> Result<bool, Fault> {
    let Some(last) = last else {
        return Ok(true);
    };
    let newest = JobQuery { vault: Some(vault.id), limit: Some(1), ..JobQuery::default() };
    let jobs = world.ledger.jobs(newest).or_fault()?;
    let ended = jobs.first().and_then(|job| job.ended_at);
    Ok(ended.is_some_and(|ended| ended > last.measured_at))
}
