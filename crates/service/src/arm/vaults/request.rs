//! From what a client sends of a vault to the change that it asks for.

use api::arm::tags;
use api::arm::vault::{
    AlertsRequest, ClassicAlertsRequest, ImmutabilityRequest, SecurityRequest, VaultRequest,
    VaultRequestProperties,
};
use engine::{AlertsChange, VaultChange};
use model::fault::Fault;
use model::vault::{
    Alert, CostGranularity, CrossSubscriptionRestore, Immutability, PublicNetworkAccess,
    Redundancy, SoftDeleteState,
};

use super::super::bad_request;

/// The change that a request asks for.
pub(in super::super) fn wanted(request: &VaultRequest) -> Result<VaultChange, Fault> {
    let mut change = match &request.properties {
        Some(properties) => of_properties(properties)?,
        None => VaultChange::default(),
    };
    change.tags = request.tags.clone().map(tags::sent);
    let identity = request.identity.as_ref().and_then(|identity| identity.kind.as_deref());
    if let Some(kind) = identity.filter(|kind| !kind.eq_ignore_ascii_case("None")) {
        // An identity is a principal of a directory that others trust, and there is none here.
        change.unsupported.push(format!("identity '{kind}'"));
    }
    Ok(change)
}

fn of_properties(properties: &VaultRequestProperties) -> Result<VaultChange, Fault> {
    let mut change = VaultChange {
        public_network_access: named(
            "publicNetworkAccess",
            properties.public_network_access.as_deref(),
            PublicNetworkAccess::from_azure_name,
        )?,
        ..VaultChange::default()
    };
    if let Some(redundancy) = &properties.redundancy_settings {
        let wanted = redundancy.standard_tier_storage_redundancy.as_deref();
        change.redundancy = redundancy_named("standardTierStorageRedundancy", wanted)?;
        if is_on(redundancy.cross_region_restore.as_deref()) {
            change.unsupported.push(cross_region_restore());
        }
    }
    if let Some(security) = &properties.security_settings {
        of_security(&mut change, security)?;
    }
    if let Some(monitoring) = &properties.monitoring_settings {
        let today = monitoring.azure_monitor_alert_settings.clone().unwrap_or_default();
        let classic = monitoring.classic_alert_settings.clone().unwrap_or_default();
        change.alerts = alerts(&today, &classic)?;
    }
    let cost = properties.cost_management_settings.as_ref();
    let cost = cost.map(|cost| cost.granularity_level.as_str());
    change.cost_granularity = named("granularityLevel", cost, CostGranularity::from_azure_name)?;
    let restore = properties.restore_settings.as_ref();
    let restore = restore.and_then(|it| it.cross_subscription_restore_settings.as_ref());
    change.cross_subscription_restore = named(
        "crossSubscriptionRestoreState",
        restore.and_then(|it| it.cross_subscription_restore_state.as_deref()),
        CrossSubscriptionRestore::from_azure_name,
    )?;
    if properties.encryption.as_ref().is_some_and(|encryption| !encryption.is_null()) {
        change.unsupported.push("encryption with a key of a key vault".to_owned());
    }
    Ok(change)
}

fn of_security(change: &mut VaultChange, security: &SecurityRequest) -> Result<(), Fault> {
    if let Some(soft_delete) = &security.soft_delete_settings {
        let state = soft_delete.soft_delete_state.as_deref();
        change.soft_delete = soft_delete_named("softDeleteState", state)?;
        let state = soft_delete.enhanced_security_state.as_deref();
        change.enhanced_security = soft_delete_named("enhancedSecurityState", state)?;
        change.soft_delete_days = soft_delete.soft_delete_retention_period_in_days;
    }
    if let Some(immutability) = &security.immutability_settings {
        let state = immutability.state.as_deref();
        change.immutability =
            named("immutabilitySettings.state", state, Immutability::from_azure_name)?;
        change.unsupported.extend(time_based(immutability));
    }
    let scan = security.source_scan_configuration.as_ref();
    if is_on(scan.map(|scan| scan.state.as_str())) {
        change.unsupported.push("sourceScanConfiguration 'Enabled'".to_owned());
    }
    Ok(())
}

/// Immutability for a number of days of its own is another thing than what the policy says.
fn time_based(immutability: &ImmutabilityRequest) -> Option<String> {
    let kind = immutability.configuration.as_ref()?.kind.as_deref()?;
    let other = !kind.eq_ignore_ascii_case("AsPerPolicy");
    other.then(|| format!("immutability of the type '{kind}'"))
}

fn alerts(today: &AlertsRequest, classic: &ClassicAlertsRequest) -> Result<AlertsChange, Fault> {
    let alert =
        |field: &str, name: &Option<String>| named(field, name.as_deref(), Alert::from_azure_name);
    let job_failures = alert("alertsForAllJobFailures", &today.alerts_for_all_job_failures)?;
    let issues = &today.alerts_for_all_replication_issues;
    let replication_issues = alert("alertsForAllReplicationIssues", issues)?;
    let issues = &today.alerts_for_all_failover_issues;
    let failover_issues = alert("alertsForAllFailoverIssues", issues)?;
    let operations = &classic.alerts_for_critical_operations;
    let critical_operations = alert("alertsForCriticalOperations", operations)?;
    let mail = &classic.email_notifications_for_site_recovery;
    let site_recovery_mail = alert("emailNotificationsForSiteRecovery", mail)?;
    Ok(AlertsChange {
        job_failures,
        replication_issues,
        failover_issues,
        critical_operations,
        site_recovery_mail,
    })
}

/// What is refused where somebody wants restores in another region.
pub(in super::super) fn cross_region_restore() -> String {
    "crossRegionRestore 'Enabled' (no second copy exists)".to_owned()
}

fn is_on(state: Option<&str>) -> bool {
    state.is_some_and(|state| state.eq_ignore_ascii_case("Enabled"))
}

/// The redundancy of this name.
pub(in super::super) fn redundancy_named(
    field: &str,
    name: Option<&str>,
) -> Result<Option<Redundancy>, Fault> {
    named(field, name, Redundancy::from_azure_name)
}

/// The state of soft delete of this name.
pub(in super::super) fn soft_delete_named(
    field: &str,
    name: Option<&str>,
) -> Result<Option<SoftDeleteState>, Fault> {
    named(field, name, SoftDeleteState::from_azure_name)
}

/// The setting of this name; a missing or empty one is none.
fn named<T>(
    field: &str,
    name: Option<&str>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    match parse(name) {
        Some(setting) => Ok(Some(setting)),
        None => Err(bad_request(format!("'{name}' is not a value of {field}."))),
    }
}
