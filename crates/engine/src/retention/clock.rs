//! The clock, held against what was seen of it before and against the stores' clocks.

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::retention::ClockSight;
use model::vault::Vault;
use rules::retention::clock::{self, Doubt, Sights};

use crate::faults::OrFault;
use crate::world::World;

/// Looks at the clock: why it is not trusted, if it is not; else this moment is remembered.
///
/// # Errors
///
/// The ledger failed.
pub(super) fn look(
    world: &World,
    vaults: &[Vault],
    now: Timestamp,
) -> Result<Option<Fault>, Fault> {
    let before = world.ledger.clock_sight().or_fault()?;
    let doubt = stores(world, vaults, now)
        .into_iter()
        .map(Some)
        .chain([None])
        .find_map(|store| clock::doubt(&sights(&before, now, store)))
        .map(|doubt| fault(&doubt, now));
    let after = match &doubt {
        None => ClockSight { seen: before.seen.max(Some(now)), doubt: None, ..before.clone() },
        Some(doubt) => {
            tracing::error!("{}", doubt.message);
            ClockSight { doubt: Some(doubt.clone()), ..before.clone() }
        }
    };
    if after != before {
        world.ledger.put_clock_sight(&after).or_fault()?;
    }
    Ok(doubt)
}

/// Whether the clock is trusted now, by what was last found and by what it has shown before.
/// Nothing is remembered, and no store is asked: for who looks more often than retention does.
///
/// # Errors
///
/// The ledger failed.
pub(crate) fn is_trusted(world: &World) -> Result<bool, Fault> {
    let known = world.ledger.clock_sight().or_fault()?;
    let now = world.clock.now();
    Ok(known.doubt.is_none() && clock::doubt(&sights(&known, now, None)).is_none())
}

/// Takes the clock as it is now for right.
///
/// # Errors
///
/// The ledger failed.
pub(super) fn confirm(world: &World) -> Result<ClockSight, Fault> {
    let now = world.clock.now();
    let vaults = world.ledger.vaults().or_fault()?;
    let offsets = stores(world, &vaults, now).into_iter().map(|store| store.duration_since(now));
    let sight = ClockSight {
        seen: Some(now),
        accepted_offset: offsets.max_by_key(|offset| offset.abs()),
        doubt: None,
    };
    world.ledger.put_clock_sight(&sight).or_fault()?;
    tracing::warn!(%now, "the clock was confirmed");
    Ok(sight)
}

fn sights(known: &ClockSight, now: Timestamp, store: Option<Timestamp>) -> Sights {
    Sights { now, seen: known.seen, store, accepted_offset: known.accepted_offset }
}

/// What the clocks of the vaults' stores say: of one store per region. A store that cannot be asked
/// says nothing; its vault has other troubles.
fn stores(world: &World, vaults: &[Vault], now: Timestamp) -> Vec<Timestamp> {
    let mut regions: Vec<&str> = Vec::new();
    let mut told = Vec::new();
    for vault in vaults {
        if regions.contains(&vault.region.as_str()) {
            continue;
        }
        let asked = world.repositories.of(vault);
        let asked = asked.and_then(|repository| repository.store_time().or_fault());
        match asked {
            Ok(time) => {
                regions.push(&vault.region);
                // What the clock did while the store answered is not held against the store.
                let meanwhile = world.clock.now().duration_since(now);
                told.extend(time.map(|time| time.saturating_sub(meanwhile).unwrap_or(time)));
            }
            Err(fault) => tracing::warn!(vault = %vault.name, %fault, "its store tells no time"),
        }
    }
    told
}

fn fault(doubt: &Doubt, now: Timestamp) -> Fault {
    let message = format!("{} Until it is right, recovery points are kept.", doubt.words(now));
    Fault::new(Code::ClockSuspect, message)
}
