//! `/metrics`: figures for Prometheus. docs/monitoring.md tells what each means and how to scrape
//! them.
//!
//! Figures about items and vaults are of now, from the same computation as the status; those about
//! jobs count from the start of the service.

use std::collections::BTreeMap;

use engine::tally::{Counts, Moved, STEPS_S};
use engine::{Backlog, Health, ItemHealth, VaultHealth};
use jiff::Timestamp;
use model::alert::{self, Alert};
use model::fault::Fault;

use crate::call::{Call, Reply};

mod text;

use text::{Exposition, Kind, MEDIA_TYPE};

/// `GET /metrics`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let engine = call.engine();
    let mut exposition = exposition(&engine.health(&|_| true)?, &engine.counts());
    backlog(&mut exposition, engine.backlog());
    alerts(&mut exposition, &engine.standing_alerts()?);
    Ok(Reply::text(MEDIA_TYPE, exposition.into_text()))
}

fn exposition(health: &Health, counts: &Counts) -> Exposition {
    let mut exposition = Exposition::default();
    exposition
        .family("holdfast_build_info", Kind::Gauge, "The version that runs; always 1.")
        .put(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    jobs(&mut exposition, counts);
    running(&mut exposition, health);
    items(&mut exposition, health);
    vaults(&mut exposition, health);
    let help = "Whether the clock is not trusted, so that nothing is deleted.";
    exposition
        .family("holdfast_clock_suspect", Kind::Gauge, help)
        .put(&[], flag(health.clock_doubt.is_some()));
    exposition
}

fn backlog(exposition: &mut Exposition, backlog: Backlog) {
    exposition
        .family(
            "holdfast_scheduler_waiting_runs",
            Kind::Gauge,
            "Runs of policies whose turn has come and that have not been started.",
        )
        .put(&[], backlog.runs);
    exposition
        .family(
            "holdfast_scheduler_lag_seconds",
            Kind::Gauge,
            "For how long the longest of them has waited; 0 where none does.",
        )
        .put(&[], backlog.lag.as_secs());
}

fn alerts(exposition: &mut Exposition, standing: &[Alert]) {
    let help = "Alerts that stand now, told or silenced.";
    let mut samples = exposition.family("holdfast_alerts", Kind::Gauge, help);
    for kind in alert::Kind::ALL {
        let count = standing.iter().filter(|alert| alert.condition.kind == kind).count();
        samples.put(&[("kind", kind.name())], count);
    }
}

/// A figure of what ended jobs moved.
type OfJobs = fn(&Moved) -> u64;

const OF_JOBS: &[(&str, &str, OfJobs)] = &[
    (
        "holdfast_job_transferred_bytes_total",
        "Bytes that ended jobs read from disks or wrote to them.",
        |moved| moved.done,
    ),
    (
        "holdfast_job_new_bytes_total",
        "Of them, bytes that the repository did not hold before.",
        |moved| moved.new,
    ),
    ("holdfast_job_stored_bytes_total", "Bytes that were added to stores for them.", |moved| {
        moved.stored
    }),
];

fn jobs(exposition: &mut Exposition, counts: &Counts) {
    let help = "Jobs that have ended since the service started.";
    let mut ended = exposition.family("holdfast_jobs_total", Kind::Counter, help);
    for ((operation, status), count) in &counts.ended {
        ended.put(&[("operation", operation), ("status", status)], count);
    }
    let help = "How long ended jobs took, in seconds.";
    let mut took = exposition.family("holdfast_job_duration_seconds", Kind::Histogram, help);
    for (operation, durations) in &counts.durations {
        let steps = STEPS_S.into_iter().zip(durations.steps);
        took.put_steps(&[("operation", operation)], steps, durations.count, durations.sum_s);
    }
    for (name, help, figure) in OF_JOBS {
        let mut samples = exposition.family(name, Kind::Counter, help);
        for (operation, moved) in &counts.moved {
            samples.put(&[("operation", operation)], figure(moved));
        }
    }
}

fn running(exposition: &mut Exposition, health: &Health) {
    let mut jobs: BTreeMap<&str, u64> = BTreeMap::new();
    for job in &health.running {
        *jobs.entry(job.operation.azure_name()).or_default() += 1;
    }
    let help = "Jobs that have not ended.";
    let mut samples = exposition.family("holdfast_running_jobs", Kind::Gauge, help);
    for (operation, count) in jobs {
        samples.put(&[("operation", operation)], count);
    }
}

/// A figure of an item; none where it has none.
type OfItem = fn(&ItemHealth) -> Option<f64>;

const OF_ITEMS: &[(&str, &str, OfItem)] = &[
    (
        "holdfast_item_last_backup_timestamp_seconds",
        "When the item's newest recovery point was taken; missing where it has none.",
        |item| item.newest.map(seconds),
    ),
    (
        "holdfast_item_next_run_timestamp_seconds",
        "When the item's policy backs it up next; missing where none does.",
        |item| item.next_run.map(seconds),
    ),
    (
        "holdfast_item_late",
        "Whether the item has no recovery point that its policy asks for.",
        |item| item.objective.map(|_| flag(item.late_since().is_some())),
    ),
    ("holdfast_item_failed", "Whether the item's last backup failed.", |item| {
        item.objective.map(|_| flag(item.failed().is_some()))
    }),
];

fn items(exposition: &mut Exposition, health: &Health) {
    for (name, help, figure) in OF_ITEMS {
        let mut samples = exposition.family(name, Kind::Gauge, help);
        for vault in &health.vaults {
            // What is deleted may be there twice: it can be protected elsewhere meanwhile.
            for item in vault.items.iter().filter(|item| item.item.deletion.is_none()) {
                let Some(value) = figure(item) else { continue };
                let labels = [
                    ("vault", vault.vault.name.as_str()),
                    ("resource_group", vault.vault.resource_group.as_str()),
                    ("item", item.item.vm_name.as_str()),
                    ("item_resource_group", item.item.vm_resource_group.as_str()),
                ];
                samples.put(&labels, value);
            }
        }
    }
}

/// A figure of a vault; none where it has none.
type OfVault = fn(&VaultHealth) -> Option<f64>;

const OF_VAULTS: &[(&str, &str, OfVault)] = &[
    ("holdfast_vault_items", "Items, deleted ones included.", |vault| {
        Some(vault.items.len() as f64)
    }),
    ("holdfast_vault_points", "Recovery points, when the vault was last measured.", |vault| {
        vault.size().map(|size| size.points as f64)
    }),
    ("holdfast_vault_logical_bytes", "Sizes of the disks of all points.", |vault| {
        vault.size().map(|size| size.logical_bytes as f64)
    }),
    ("holdfast_vault_stored_bytes", "What they take in the store.", |vault| {
        vault.size().map(|size| size.stored_bytes as f64)
    }),
    ("holdfast_vault_measured_timestamp_seconds", "When the vault was last measured.", |vault| {
        vault.size().map(|size| seconds(size.measured_at))
    }),
    (
        "holdfast_vault_verified_timestamp_seconds",
        "When the vault was last verified; missing where it never was.",
        |vault| vault.verified.as_ref().map(|verified| seconds(verified.at)),
    ),
    (
        "holdfast_vault_damaged_objects",
        "Damaged or missing objects that the last verification found.",
        |vault| vault.verified.as_ref().map(|verified| verified.damaged_objects as f64),
    ),
    (
        "holdfast_vault_retention_waiting",
        "Whether retention waits for somebody to confirm it.",
        |vault| Some(flag(vault.retention_waits.is_some())),
    ),
    (
        "holdfast_vault_collected_timestamp_seconds",
        "When space was last collected; missing where it never was.",
        |vault| vault.collected_at.map(seconds),
    ),
    ("holdfast_vault_warnings", "Warnings that the status shows of the vault.", |vault| {
        Some(vault.warnings.len() as f64)
    }),
];

fn vaults(exposition: &mut Exposition, health: &Health) {
    for (name, help, figure) in OF_VAULTS {
        let mut samples = exposition.family(name, Kind::Gauge, help);
        for vault in &health.vaults {
            let Some(value) = figure(vault) else { continue };
            let labels = [
                ("vault", vault.vault.name.as_str()),
                ("resource_group", vault.vault.resource_group.as_str()),
            ];
            samples.put(&labels, value);
        }
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}

fn flag(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}
