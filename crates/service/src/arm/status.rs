//! How the installation does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use api::arm::status::{
    FailedJob, LateItem, NextRun, RunningJob, SpaceStatus, StatusProperties, StatusWarning,
    VaultStatus, VerifiedStatus, render,
};
use api::arm::time;
use engine::{Health, ItemHealth, VaultHealth};
use jiff::Timestamp;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::ProtectionState;
use model::job::{Job, Operation};
use model::role::Scope;
use model::vault::Vault;
use model::verification::Verification;
use uuid::Uuid;

use crate::call::{Call, Reply};
use crate::routes::fabric::STATUS_READ;

/// The most entries of a list.
const ENTRIES: usize = 100;

/// `GET …/providers/Holdfast.Fabric/status`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let reach = call.reach(STATUS_READ)?;
    let health = call.engine().health(&|vault| reach.holds(&scope(vault)))?;
    let subscription = call.subscription();
    Ok(Reply::ok(&render(&subscription, properties(&subscription, &health))))
}

fn scope(vault: &Vault) -> Scope {
    Scope::Vault { group: vault.resource_group.clone(), vault: vault.name.to_string() }
}

fn properties(subscription: &str, health: &Health) -> StatusProperties {
    let names = Names::of(health);
    let count = |is: fn(&ItemHealth) -> bool| {
        health.vaults.iter().flat_map(|vault| &vault.items).filter(|item| is(item)).count() as u64
    };
    let (late, failed) = (late(health), failed(health, &names));
    StatusProperties {
        at: time::moment(health.at),
        healthy: health.is_good(),
        protected_items: count(|item| item.objective.is_some()),
        stopped_items: count(|item| item.item.deletion.is_none() && is_stopped(item)),
        deleted_items: count(|item| item.item.deletion.is_some()),
        late_items: late.len() as u64,
        failures: failed.len() as u64,
        running_jobs: health.running.len() as u64,
        vaults: health.vaults.iter().map(|vault| of_vault(subscription, vault)).collect(),
        late: first(late),
        failed: first(failed),
        running: first(health.running.iter().map(|job| running(job, &names)).collect()),
        next: first(next(health)),
        warnings: warnings(health),
    }
}

fn is_stopped(item: &ItemHealth) -> bool {
    let stopped = [ProtectionState::ProtectionStopped, ProtectionState::BackupsSuspended];
    stopped.contains(&item.item.state)
}

fn first<T>(mut entries: Vec<T>) -> Vec<T> {
    entries.truncate(ENTRIES);
    entries
}

/// The names of vaults and items, by their ids.
struct Names<'a> {
    vaults: HashMap<Uuid, &'a str>,
    items: HashMap<Uuid, &'a str>,
}

impl<'a> Names<'a> {
    fn of(health: &'a Health) -> Self {
        let vaults = health.vaults.iter().map(|it| (it.vault.id, it.vault.name.as_str()));
        let items = health.vaults.iter().flat_map(|vault| &vault.items);
        let items = items.map(|it| (it.item.id, it.item.vm_name.as_str()));
        Self { vaults: vaults.collect(), items: items.collect() }
    }

    fn vault(&self, id: Uuid) -> String {
        self.vaults.get(&id).copied().unwrap_or_default().to_owned()
    }

    fn item(&self, id: Uuid) -> String {
        self.items.get(&id).copied().unwrap_or_default().to_owned()
    }
}

fn of_vault(subscription: &str, health: &VaultHealth) -> VaultStatus {
    let vault = &health.vault;
    let count =
        |is: fn(&ItemHealth) -> bool| health.items.iter().filter(|item| is(item)).count() as u64;
    VaultStatus {
        id: arm_id::vault(subscription, &vault.resource_group, vault.name.as_str()),
        name: vault.name.to_string(),
        resource_group: vault.resource_group.clone(),
        items: health.items.len() as u64,
        late_items: count(|item| item.late_since().is_some()),
        failed_items: count(|item| item.failed().is_some()),
        newest_point: health.newest().map(time::moment),
        space: space(health),
        verified: health.verified.as_ref().map(verified),
    }
}

fn space(health: &VaultHealth) -> Option<SpaceStatus> {
    let size = health.size()?;
    Some(SpaceStatus {
        measured_at: time::moment(size.measured_at),
        points: size.points,
        logical_bytes: size.logical_bytes,
        stored_bytes: size.stored_bytes,
        growth_7_days_bytes: health.growth(7),
        growth_30_days_bytes: health.growth(30),
    })
}

fn verified(last: &Verification) -> VerifiedStatus {
    VerifiedStatus {
        at: time::moment(last.at),
        percent: last.percent,
        damaged_objects: last.damaged_objects,
        points_hit: last.points_hit,
    }
}

fn late(health: &Health) -> Vec<LateItem> {
    let mut late: Vec<(Timestamp, LateItem)> = Vec::new();
    for vault in &health.vaults {
        for item in &vault.items {
            let Some(due) = item.late_since() else { continue };
            let entry = LateItem {
                vault: vault.vault.name.to_string(),
                item: item.item.vm_name.clone(),
                policy: item.item.policy.clone().unwrap_or_default(),
                due: time::moment(due),
                newest_point: item.newest.map(time::moment),
            };
            late.push((due, entry));
        }
    }
    late.sort_by_key(|(due, _)| *due);
    late.into_iter().map(|(_, entry)| entry).collect()
}

fn failed(health: &Health, names: &Names<'_>) -> Vec<FailedJob> {
    let mut failed: Vec<(Timestamp, FailedJob)> = Vec::new();
    let mut add = |at, vault, item, operation: Operation, fault: Fault| {
        let entry = FailedJob {
            vault,
            item,
            operation: operation.azure_name().to_owned(),
            at: time::moment(at),
            code: fault.code.name().to_owned(),
            message: fault.message,
            action: fault.code.action().to_owned(),
        };
        failed.push((at, entry));
    };
    for vault in &health.vaults {
        for item in &vault.items {
            let Some((at, fault)) = item.failed() else { continue };
            let (vault, item) = (vault.vault.name.to_string(), item.item.vm_name.clone());
            add(at, vault, item, Operation::Backup, fault);
        }
    }
    for job in &health.failed {
        let unknown = || Fault::new(Code::Internal, "The job has no reason on record.");
        let fault = job.error.clone().unwrap_or_else(unknown);
        let (vault, item) = (names.vault(job.vault), names.item(job.item));
        add(job.started_at, vault, item, job.operation, fault);
    }
    failed.sort_by_key(|(at, _)| Reverse(*at));
    failed.into_iter().map(|(_, entry)| entry).collect()
}

fn running(job: &Job, names: &Names<'_>) -> RunningJob {
    RunningJob {
        job_id: job.id.to_string(),
        vault: names.vault(job.vault),
        item: names.item(job.item),
        operation: job.operation.azure_name().to_owned(),
        started_at: time::moment(job.started_at),
        percent: job.percent(),
        done_bytes: job.done_bytes(),
        total_bytes: job.total_bytes(),
    }
}

/// The next run of every policy that backs anything up.
fn next(health: &Health) -> Vec<NextRun> {
    let mut runs: BTreeMap<(Timestamp, &str, String), u64> = BTreeMap::new();
    for vault in &health.vaults {
        for item in &vault.items {
            if let (Some(at), Some(policy)) = (item.next_run, &item.item.policy) {
                *runs.entry((at, vault.vault.name.as_str(), policy.clone())).or_default() += 1;
            }
        }
    }
    let entry = |((at, vault, policy), items): ((Timestamp, &str, String), u64)| NextRun {
        at: time::moment(at),
        vault: vault.to_owned(),
        policy,
        items,
    };
    runs.into_iter().map(entry).collect()
}

fn warnings(health: &Health) -> Vec<StatusWarning> {
    let of_vault = |health: &VaultHealth| {
        let vault = health.vault.name.to_string();
        let warn =
            move |text: &String| StatusWarning { vault: Some(vault.clone()), text: text.clone() };
        health.warnings.iter().map(warn).collect::<Vec<_>>()
    };
    let clock = health.clock_doubt.iter().map(|why| StatusWarning {
        vault: None,
        text: format!("{} Nothing is deleted until then.", why.message),
    });
    clock.chain(health.vaults.iter().flat_map(of_vault)).collect()
}
