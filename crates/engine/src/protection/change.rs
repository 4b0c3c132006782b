//! How an item's protection changes: decided by the rules, written with the job that tells it.

use std::sync::Arc;

use ledger::LedgerError;
use ledger::port::JobQuery;
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{JobId, Operation};
use model::vault::Vault;
use rules::item_life::{self, Change, Facts, Wish};
use rules::policy;

use crate::faults::OrFault;
use crate::job_run::{JobRun, NewJob};
use crate::purge;
use crate::world::World;

/// How often a change is decided anew because the item changed meanwhile.
const CHANGE_TRIES: u32 = 5;

/// Makes of the item what is wished; returns it and the job that tells it. That has ended, except
/// one that deletes data for good: it is carried out beside everything else.
///
/// # Errors
///
/// See [`item_life::change`] and [`policy::check_immutable`]; `BackupInProgress` while a backup
/// runs, and where data is to go for good, while any job of the item does; the ledger failed.
pub(crate) fn change(
    world: &Arc<World>,
    vault: &Vault,
    item: Item,
    wish: &Wish,
) -> Result<(Item, JobId), Fault> {
    let mut before = item;
    for _ in 0..CHANGE_TRIES {
        let points = world.ledger.count_points(before.id).or_fault()?;
        let Change { after, operation, idle } =
            item_life::change(&before, wish, facts(world, vault, points))?;
        keeps_as_long(world, vault, &before, &after, points)?;
        let purges = after.deletion.is_some_and(|deletion| deletion.purging);
        if purges {
            nothing_runs(world, &before)?;
        }
        let mut new = NewJob { operation, ..configured(&after) };
        if operation == Operation::DeleteBackupData {
            new.properties.push(("Number of Recovery Points".to_owned(), points.to_string()));
        }
        let job = if purges { new.job(world) } else { JobRun::done(world, new) };
        match world.ledger.change_item(&before, &after, &job, idle) {
            Ok(()) => {
                tracing::info!(
                    vault = %vault.name, vm = after.vm_name, job = %job.id,
                    "{}", operation.azure_name()
                );
                world.scheduler.changed();
                give_up_chain(world, &before, &after);
                let id = job.id;
                if purges {
                    purge::start(world, vault, &after, job);
                } else {
                    world.tally.count(&job);
                }
                return Ok((after, id));
            }
            // A backup may have ended meanwhile: decide again on what there is now.
            Err(LedgerError::ItemChanged) => {
                before = world.ledger.item(before.id).or_fault()?.unwrap_or(before);
            }
            Err(error) => return Err(error).or_fault(),
        }
    }
    Err(LedgerError::ItemChanged).or_fault()
}

/// In an immutable vault, an item with points goes to no policy that keeps them for less long.
fn keeps_as_long(
    world: &World,
    vault: &Vault,
    before: &Item,
    after: &Item,
    points: u64,
) -> Result<(), Fault> {
    let (Some(from), Some(to)) = (&before.policy, &after.policy) else { return Ok(()) };
    let is_same = from.eq_ignore_ascii_case(to);
    if is_same || points == 0 || !vault.settings.immutability.is_on() {
        return Ok(());
    }
    let named = |name: &str| world.ledger.policy(vault.id, name).or_fault();
    match (named(from)?, named(to)?) {
        (Some(from), Some(to)) => policy::check_immutable(&from, &to),
        _ => Ok(()),
    }
}

/// Nothing may work with data that is about to go for good, such as a restore.
fn nothing_runs(world: &World, item: &Item) -> Result<(), Fault> {
    let query = JobQuery { item: Some(item.id), unfinished: true, ..JobQuery::default() };
    match world.ledger.jobs(query).or_fault()?.first() {
        None => Ok(()),
        Some(job) => {
            let message = format!(
                "Job {} ({}) of virtual machine '{}' has not ended, so its data cannot be deleted \
                 for good.",
                job.id,
                job.operation.azure_name(),
                item.vm_name
            );
            Err(Fault::new(Code::BackupInProgress, message))
        }
    }
}

fn facts(world: &World, vault: &Vault, points: u64) -> Facts {
    let soft_delete = &vault.settings.soft_delete;
    Facts {
        points,
        immutable: vault.settings.immutability.is_on(),
        soft_delete_days: soft_delete.is_on().then_some(soft_delete.days),
        now: world.clock.now(),
    }
}

/// Deletes the checkpoint of a chain that nothing will be read from any more, in the background: a
/// hypervisor may take its time. One that cannot be deleted now, as of a machine that is off, is
/// deleted with the next recovery of its host, or by the next backup.
fn give_up_chain(world: &Arc<World>, before: &Item, after: &Item) {
    let Some(chain) = before.chain.clone().filter(|_| after.chain.is_none()) else {
        return;
    };
    let (own, vm, name) = (Arc::clone(world), before.vm, before.vm_name.clone());
    let forget = move || {
        let forgotten = own
            .hosts
            .host_of(vm, &name)
            .and_then(|host| host.hypervisor.forget_checkpoint(vm, &chain.checkpoint).or_fault());
        match forgotten {
            Ok(()) => tracing::info!(vm = name, checkpoint = chain.checkpoint, "given up"),
            Err(fault) => {
                tracing::warn!(vm = name, checkpoint = chain.checkpoint, "stays: {fault}");
            }
        }
    };
    if let Err(error) = world.tasks.start("forget", Box::new(forget)) {
        tracing::warn!(%error, "no thread for giving up a checkpoint");
    }
}

/// The job of an item that is configured.
pub(super) fn configured(item: &Item) -> NewJob<'static> {
    let mut properties = vec![("VM Name".to_owned(), item.vm_name.clone())];
    if let Some(policy) = &item.policy {
        properties.push(("Policy Name".to_owned(), policy.clone()));
    }
    NewJob {
        vault: item.vault,
        item: item.id,
        operation: Operation::ConfigureBackup,
        point: None,
        retain_until: None,
        tasks: &[],
        properties,
    }
}
