//! What may be asked of a vault: which of its settings may change how, and when it may be deleted.
//!
//! ```text
//! soft delete    Disabled ◄──► Enabled ──► AlwaysON
//! immutability   Disabled ◄──► Unlocked ──► Locked
//! restore into another subscription   Enabled ◄──► Disabled ──► PermanentlyDisabled
//! redundancy     any ◄──► any, while the vault protects nothing
//! ```
//!
//! A new vault begins wherever in these its creator says, except `Locked`: what cannot be undone is
//! decided on a vault that one has seen.

use model::fault::{Code, Fault};
use model::tags::Tags;
use model::vault::{
    Alert, CostGranularity, CrossSubscriptionRestore, Immutability, PublicNetworkAccess,
    Redundancy, SOFT_DELETE_DAYS_MAX, SOFT_DELETE_DAYS_MIN, SoftDeleteState, Vault,
};

use crate::tags;

mod delete;
pub mod plan;

pub use delete::{Contents, Ending, may_delete, may_purge, names_out_of_sight, purge_time};

/// What a request asks of a vault. What it does not name stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// How many copies of its data are wanted.
    pub redundancy: Option<Redundancy>,
    /// Whether what is deleted can be brought back.
    pub soft_delete: Option<SoftDeleteState>,
    /// The same for other workloads.
    pub enhanced_security: Option<SoftDeleteState>,
    /// For how many days.
    pub soft_delete_days: Option<i64>,
    /// Whether points may be deleted before their time.
    pub immutability: Option<Immutability>,
    /// About what the operator wants to be told.
    pub alerts: AlertsChange,
    /// How costs are to be told apart.
    pub cost_granularity: Option<CostGranularity>,
    /// Whether networks other than private ones may reach it.
    pub public_network_access: Option<PublicNetworkAccess>,
    /// Whether its points may be restored into another subscription.
    pub cross_subscription_restore: Option<CrossSubscriptionRestore>,
    /// What it is marked with: all of it.
    pub tags: Option<Tags>,
    /// Settings that are asked for and that nothing here stands behind, in words.
    pub unsupported: Vec<String>,
}

/// About what the operator wants to be told from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlertsChange {
    /// Failed jobs.
    pub job_failures: Option<Alert>,
    /// Trouble with replication.
    pub replication_issues: Option<Alert>,
    /// Trouble with failover.
    pub failover_issues: Option<Alert>,
    /// Critical operations.
    pub critical_operations: Option<Alert>,
    /// Replication, by mail.
    pub site_recovery_mail: Option<Alert>,
}

/// What is known of the vault that is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does not exist yet.
    New,
    /// It exists; whether it has items, soft-deleted ones included.
    There {
        /// Whether it has any.
        has_items: bool,
    },
}

/// The vault after the change; the same one where nothing changes.
///
/// # Errors
///
/// `VaultSettingNotSupported`, `SoftDeleteAlwaysOn`, `VaultCannotChange` for what goes one way
/// only, `BadRequest` for a number of days out of range, `InvalidTags`.
pub fn changed(vault: &Vault, standing: Standing, change: Change) -> Result<Vault, Fault> {
    if let Some(what) = change.unsupported.first() {
        let message = format!("{what} is not supported here; the request changed nothing.");
        return Err(Fault::new(Code::VaultSettingNotSupported, message));
    }
    let mut vault = vault.clone();
    redundancy(&mut vault, standing, &change)?;
    soft_delete(&mut vault, standing, &change)?;
    immutability(&mut vault, standing, &change)?;
    cross_subscription(&mut vault, standing, &change)?;
    let settings = &mut vault.settings;
    let alerts = (&mut settings.alerts, change.alerts);
    set(&mut alerts.0.job_failures, alerts.1.job_failures);
    set(&mut alerts.0.replication_issues, alerts.1.replication_issues);
    set(&mut alerts.0.failover_issues, alerts.1.failover_issues);
    set(&mut alerts.0.critical_operations, alerts.1.critical_operations);
    set(&mut alerts.0.site_recovery_mail, alerts.1.site_recovery_mail);
    set(&mut settings.cost_granularity, change.cost_granularity);
    set(&mut settings.public_network_access, change.public_network_access);
    if let Some(given) = change.tags {
        vault.tags = tags::changed(&vault.tags, tags::Change::Replace, given)?;
    }
    Ok(vault)
}

fn set<T>(place: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *place = wanted;
    }
}

fn cannot_change(message: String) -> Fault {
    Fault::new(Code::VaultCannotChange, message)
}

/// Azure lets the redundancy change only before the vault has items.
fn redundancy(vault: &mut Vault, standing: Standing, change: &Change) -> Result<(), Fault> {
    let Some(wanted) = change.redundancy.filter(|wanted| *wanted != vault.redundancy) else {
        return Ok(());
    };
    if standing == (Standing::There { has_items: true }) {
        return Err(cannot_change(format!(
            "The redundancy of vault '{}' is {} and cannot change any more, because the vault has \
             backup items.",
            vault.name,
            vault.redundancy.azure_name()
        )));
    }
    vault.redundancy = wanted;
    Ok(())
}

/// `Enabled` where it is always on asks for nothing more than there is: clients send it.
fn soft_delete(vault: &mut Vault, standing: Standing, change: &Change) -> Result<(), Fault> {
    let name = vault.name.clone();
    let settings = &mut vault.settings.soft_delete;
    let places = [
        (&mut settings.state, change.soft_delete, "soft delete"),
        (&mut settings.enhanced, change.enhanced_security, "security for hybrid workloads"),
    ];
    for (state, wanted, what) in places {
        match (standing, *state, wanted) {
            (_, _, None) => {}
            (
                Standing::There { .. },
                SoftDeleteState::AlwaysOn,
                Some(SoftDeleteState::Disabled),
            ) => {
                let message =
                    format!("The {what} of vault '{name}' is AlwaysON and cannot be switched off.");
                return Err(Fault::new(Code::SoftDeleteAlwaysOn, message));
            }
            (Standing::There { .. }, SoftDeleteState::AlwaysOn, Some(_)) => {}
            (_, _, Some(wanted)) => *state = wanted,
        }
    }
    let Some(days) = change.soft_delete_days else {
        return Ok(());
    };
    match u16::try_from(days) {
        Ok(days) if (SOFT_DELETE_DAYS_MIN..=SOFT_DELETE_DAYS_MAX).contains(&days) => {
            settings.days = days;
            Ok(())
        }
        // Where it is off, clients send what they find there, or nothing at all.
        _ if days == 0 && !settings.is_on() => Ok(()),
        _ => {
            let message = format!(
                "softDeleteRetentionPeriodInDays is {days}: deleted data can be brought back for \
                 {SOFT_DELETE_DAYS_MIN} to {SOFT_DELETE_DAYS_MAX} days."
            );
            Err(Fault::new(Code::BadRequest, message))
        }
    }
}

fn immutability(vault: &mut Vault, standing: Standing, change: &Change) -> Result<(), Fault> {
    let now = vault.settings.immutability;
    let Some(wanted) = change.immutability.filter(|wanted| *wanted != now) else {
        return Ok(());
    };
    let why = match (standing, now, wanted) {
        (_, Immutability::Locked, _) => "it is Locked, which cannot be undone",
        (Standing::New, _, Immutability::Locked)
        | (_, Immutability::Disabled, Immutability::Locked) => {
            "it can be Locked only once it is Unlocked"
        }
        _ => {
            vault.settings.immutability = wanted;
            return Ok(());
        }
    };
    Err(cannot_change(format!(
        "The immutability of vault '{}' cannot become {}: {why}.",
        vault.name,
        wanted.azure_name()
    )))
}

fn cross_subscription(vault: &mut Vault, standing: Standing, change: &Change) -> Result<(), Fault> {
    let now = vault.settings.cross_subscription_restore;
    let Some(wanted) = change.cross_subscription_restore.filter(|wanted| *wanted != now) else {
        return Ok(());
    };
    let is_new = standing == Standing::New;
    if now == CrossSubscriptionRestore::PermanentlyDisabled && !is_new {
        return Err(cannot_change(format!(
            "Restores of vault '{}' into other subscriptions are permanently disabled.",
            vault.name
        )));
    }
    vault.settings.cross_subscription_restore = wanted;
    Ok(())
}

#[cfg(test)]
mod tests;
