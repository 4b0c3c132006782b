//! Alerts: what is wrong is looked for every minute, and told to whoever the operator named.
//!
//! ```text
//!  health ──► conditions ──rules::alerts──► alerts, notices ──► ledger ──► targets
//!                                           in one transaction     ▲  send, until they take it
//!                                                                  └─ or a week is over
//! ```
//!
//! A notice is in the ledger before anybody tries to send it, and leaves it when its target has
//! taken it: so one that was raised is delivered after a restart too, and perhaps twice. Targets
//! are ports: how a notice is sent is decided at the roof.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use ledger::LedgerError;
use ledger::port::NewNotice;
use model::alert::{Alert, Condition, Kind, Notice};
use model::fault::{Code, Fault};
use model::seed::new_uuid;
use rules::alerts::{self, Retry, Suppression};

use crate::faults::OrFault;
use crate::status::{self, Health, ItemHealth, Samples, VaultHealth};
use crate::tasks;
use crate::world::World;

/// How often it is looked whether there is something to send.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// For how long an alert that is over is remembered.
const REMEMBER: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Where notices go: a webhook, a mailbox.
pub trait Notify: Send + Sync {
    /// Its name, the same after every start.
    fn name(&self) -> &str;

    /// Whether it is to hear of alerts of this kind.
    fn wants(&self, kind: Kind) -> bool;

    /// How many notices go in one message, at most: a night on which a host is down must not fill
    /// a mailbox.
    fn at_once(&self) -> usize;

    /// Sends notices, at least one, in one message and within seconds. What is sent twice has the
    /// same alert and event.
    ///
    /// # Errors
    ///
    /// Why the target took none of them, for the log.
    fn send(&self, notices: &[Notice]) -> Result<(), String>;
}

/// Who is told of alerts, and when nobody is.
#[derive(Default)]
pub struct Alerting {
    /// Where notices go.
    pub targets: Vec<Box<dyn Notify>>,
    /// When they do not.
    pub suppressions: Vec<Suppression>,
}

/// Starts the loop that sends notices. It ends with the engine.
pub(crate) fn start(world: &Arc<World>) {
    tasks::every(world, "alerts", ASK_EVERY, |world| turn(world));
}

/// Finds what is wrong, and writes down what is to be told of it.
pub(crate) fn look(world: &World) -> Result<(), Fault> {
    let health = status::health(world, &|_| true, Samples::None)?;
    let ledger = &world.ledger;
    let open = ledger.open_alerts().or_fault()?;
    let new_id = || new_uuid(world.seed.as_ref());
    let suppressions = &world.alerting.suppressions;
    let steps = alerts::steps(open, conditions(&health), suppressions, health.at, new_id);
    let mut changed: Vec<Alert> = Vec::new();
    let mut notices: Vec<NewNotice> = Vec::new();
    for step in steps {
        let condition = &step.alert.condition;
        if let Some(event) = step.tell {
            tracing::warn!(
                kind = condition.kind.name(),
                event = event.name(),
                "{}",
                condition.title
            );
            let targets = world.alerting.targets.iter();
            notices.extend(targets.filter(|target| target.wants(condition.kind)).map(|target| {
                let (alert, target) = (step.alert.id, target.name().to_owned());
                NewNotice { alert, event, target, at: health.at }
            }));
        }
        changed.push(step.alert);
    }
    let forget = health.at.checked_sub(REMEMBER).unwrap_or(health.at);
    if changed.is_empty() {
        return Ok(());
    }
    ledger.change_alerts(&changed, &notices, forget).or_fault()
}

/// Sends what is due: to each target the oldest first, and nothing more once it refused.
pub(crate) fn turn(world: &World) {
    if let Err(error) = send_due(world) {
        tracing::warn!(%error, "the notices of alerts could not be read or written");
    }
}

fn send_due(world: &World) -> Result<(), LedgerError> {
    let mut by_target: BTreeMap<String, Vec<Notice>> = BTreeMap::new();
    for notice in world.ledger.notices()? {
        by_target.entry(notice.target.clone()).or_default().push(notice);
    }
    for (name, notices) in by_target {
        match world.alerting.targets.iter().find(|target| target.name() == name) {
            Some(target) => send_to(world, target.as_ref(), &notices)?,
            // The operator took it out of the settings.
            None => {
                notices.iter().try_for_each(|notice| world.ledger.drop_notice(notice.number))?;
            }
        }
    }
    Ok(())
}

fn send_to(world: &World, target: &dyn Notify, notices: &[Notice]) -> Result<(), LedgerError> {
    for message in notices.chunks(target.at_once().max(1)) {
        let now = world.clock.now();
        // What waits to be tried again keeps what is newer back: a target hears in order.
        if world.board.is_stopping() || message.iter().any(|notice| notice.next_at > now) {
            return Ok(());
        }
        match target.send(message) {
            Ok(()) => {
                message.iter().try_for_each(|notice| world.ledger.drop_notice(notice.number))?;
            }
            Err(why) => {
                tracing::warn!(target = target.name(), why, "a message of alerts was not taken");
                return message.iter().try_for_each(|notice| put_off(world, notice));
            }
        }
    }
    Ok(())
}

/// Has a notice that was not taken tried again later, or no more.
fn put_off(world: &World, notice: &Notice) -> Result<(), LedgerError> {
    let (tries, now) = (notice.tries.saturating_add(1), world.clock.now());
    let alert = &notice.alert;
    let since = alert.resolved_at.unwrap_or(alert.raised_at);
    match alerts::retry(tries, since, now) {
        Retry::At(at) => world.ledger.try_notice_again(notice.number, tries, at),
        Retry::GiveUp => {
            tracing::error!(alert = %alert.id, "nobody heard of it: {}", alert.condition.title);
            world.ledger.drop_notice(notice.number)
        }
    }
}

/// What is wrong now.
fn conditions(health: &Health) -> Vec<Condition> {
    let mut conditions: BTreeMap<String, Condition> = BTreeMap::new();
    for vault in &health.vaults {
        let of_items = vault.items.iter().flat_map(|item| of_item(vault, item));
        let failed = health.failed.iter().filter(|job| job.vault == vault.vault.id);
        let of_jobs = failed.map(|job| {
            let unknown = || Fault::new(Code::Internal, "The job has no reason on record.");
            let fault = job.error.clone().unwrap_or_else(unknown);
            let item = vault.items.iter().find(|item| item.item.id == job.item);
            let vm = item.map(|item| item.item.vm_name.as_str()).unwrap_or_default();
            let title = format!("{} of '{vm}' failed", job.operation.azure_name());
            of_fault(vault, Kind::JobFailed, &job.id.to_string(), vm, title, &fault)
        });
        for condition in
            damage(vault).into_iter().chain(waiting(vault)).chain(of_items).chain(of_jobs)
        {
            conditions.entry(condition.key.clone()).or_insert(condition);
        }
    }
    let clock = health.clock_doubt.as_ref().map(clock);
    conditions.into_values().chain(clock).collect()
}

/// The clock is not trusted.
fn clock(why: &Fault) -> Condition {
    Condition {
        key: Kind::ClockSuspect.name().to_owned(),
        kind: Kind::ClockSuspect,
        vault: String::new(),
        resource_group: String::new(),
        item: String::new(),
        title: "The clock is not trusted: nothing is deleted".to_owned(),
        text: why.to_string(),
        action: why.code.action().to_owned(),
    }
}

/// Somebody has to confirm what retention would let go of.
fn waiting(vault: &VaultHealth) -> Option<Condition> {
    let why = vault.retention_waits.as_ref()?;
    let title = format!("Retention of vault '{}' waits for a confirmation", vault.vault.name);
    let subject = vault.vault.id.to_string();
    Some(of_fault(vault, Kind::RetentionWaiting, &subject, "", title, why))
}

/// What the last verification found.
fn damage(vault: &VaultHealth) -> Option<Condition> {
    let found = vault.verified.as_ref().filter(|verified| !verified.is_clean())?;
    let text = format!(
        "The verification of {:.0} found {} damaged or missing objects; {} recovery points cannot be \
         restored as a whole.",
        found.at, found.damaged_objects, found.points_hit
    );
    let title = format!("Data of vault '{}' is damaged", vault.vault.name);
    let damaged = Fault::new(Code::StoreDamaged, text);
    Some(of_fault(vault, Kind::DamageFound, "", "", title, &damaged))
}

fn of_item(vault: &VaultHealth, item: &ItemHealth) -> Vec<Condition> {
    let vm = item.item.vm_name.as_str();
    let id = item.item.id.to_string();
    let failed = item.failed().map(|(_, fault)| {
        of_fault(vault, Kind::BackupFailed, &id, vm, format!("Backup of '{vm}' failed"), &fault)
    });
    let late = item.late_since().map(|due| {
        let newest = match item.newest {
            Some(newest) => format!("Its newest recovery point is of {newest:.0}."),
            None => "It has no recovery point at all.".to_owned(),
        };
        Condition {
            key: format!("{}:{id}", Kind::ObjectiveMissed.name()),
            kind: Kind::ObjectiveMissed,
            vault: vault.vault.name.to_string(),
            resource_group: vault.vault.resource_group.clone(),
            item: vm.to_owned(),
            title: format!("'{vm}' has no recovery point of its last run"),
            text: format!("The backup that was due at {due:.0} has made none. {newest}"),
            action: "Look at `holdfast status` and at the item's jobs for why, or back it up now."
                .to_owned(),
        }
    });
    failed.into_iter().chain(late).collect()
}

/// The condition of a fault: one for all faults of a vault where its data is damaged.
fn of_fault(
    vault: &VaultHealth,
    kind: Kind,
    subject: &str,
    vm: &str,
    title: String,
    fault: &Fault,
) -> Condition {
    let name = vault.vault.name.to_string();
    let is_damage = fault.code == Code::StoreDamaged;
    let (kind, subject, item, title) = if is_damage {
        let title = format!("Data of vault '{name}' is damaged");
        (Kind::DamageFound, vault.vault.id.to_string(), "", title)
    } else {
        (kind, subject.to_owned(), vm, title)
    };
    Condition {
        key: format!("{}:{subject}", kind.name()),
        kind,
        vault: name,
        resource_group: vault.vault.resource_group.clone(),
        item: item.to_owned(),
        title,
        text: fault.to_string(),
        action: fault.code.action().to_owned(),
    }
}
