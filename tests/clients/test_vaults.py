"""Vaults and their settings, by az."""

import pytest

from conftest import GROUP, REGION
from harness.expect import holds


def test_a_vault_is_created_within_seconds(az, arm):
    told = az.process("backup vault create", n="created", g=GROUP, l=REGION)
    vault = told.ok()
    # The bar is 5 s on a quiet machine; a test that fails on a busy one says nothing.
    print(f"az backup vault create: {told.seconds:.1f} s, az's own start included")
    assert told.seconds < 15
    assert vault["properties"]["provisioningState"] == "Succeeded"
    assert vault["location"] == REGION
    assert arm.get(arm.vault(GROUP, "created"))["name"] == "created"


@pytest.mark.parametrize("name", ["v", "1vault", "va_ult", "v" * 51, "vault-ä"])
def test_a_name_that_azure_refuses_is_refused(az, arm, name):
    told = az("backup vault create", n=name, g=GROUP, l=REGION)
    assert told.code != 0, told
    assert "InvalidResourceName" in told.err or "Bad Request" in told.err, told
    assert name not in [vault["name"] for vault in arm.entries(vaults(arm))]


def vaults(arm):
    return arm.group(GROUP, "/providers/Microsoft.RecoveryServices/vaults")


# What `az backup vault …` is told, and what a later GET of the vault shows.
CREATED = {
    "immutability that can be switched off": (
        {"immutability_state": "Unlocked"},
        {"securitySettings": {"immutabilitySettings": {"state": "Unlocked"}}},
    ),
    "no restore into other subscriptions": (
        {"cross_subscription_restore_state": "Disable"},
        {
            "restoreSettings": {
                "crossSubscriptionRestoreSettings": {"crossSubscriptionRestoreState": "Disabled"}
            }
        },
    ),
    "no alerts": (
        {"job_failure_alerts": "Disable", "classic_alerts": "Disable"},
        {
            "monitoringSettings": {
                "azureMonitorAlertSettings": {"alertsForAllJobFailures": "Disabled"},
                "classicAlertSettings": {"alertsForCriticalOperations": "Disabled"},
            }
        },
    ),
}


@pytest.mark.parametrize("case", CREATED)
def test_a_new_vault_has_the_settings_that_were_asked_for(az, arm, case):
    options, expected = CREATED[case]
    name = case.split()[-1] + "-" + str(len(case))
    az.ok("backup vault create", n=name, g=GROUP, l=REGION, **options)
    holds(arm.get(arm.vault(GROUP, name))["properties"], expected)


UPDATED = {
    "immutability": (
        "backup vault update --immutability-state Unlocked",
        {"securitySettings": {"immutabilitySettings": {"state": "Unlocked"}}},
    ),
    "alerts": (
        "backup vault update --job-failure-alerts Disable",
        {
            "monitoringSettings": {
                "azureMonitorAlertSettings": {"alertsForAllJobFailures": "Disabled"}
            }
        },
    ),
    "restore into other subscriptions": (
        "backup vault update --cross-subscription-restore-state Disable",
        {
            "restoreSettings": {
                "crossSubscriptionRestoreSettings": {"crossSubscriptionRestoreState": "Disabled"}
            }
        },
    ),
    "classic alerts by properties": (
        "backup vault backup-properties set --classic-alerts Disable",
        {
            "monitoringSettings": {"classicAlertSettings": {"alertsForCriticalOperations": "Disabled"}}
        },
    ),
    "redundancy by properties": (
        "backup vault backup-properties set --backup-storage-redundancy ZoneRedundant",
        {"redundancySettings": {"standardTierStorageRedundancy": "ZoneRedundant"}},
    ),
    "redundancy": (
        "backup vault update --backup-storage-redundancy LocallyRedundant",
        {"redundancySettings": {"standardTierStorageRedundancy": "LocallyRedundant"}},
    ),
    "cost granularity": (
        "backup vault update --cost-management-granularity ProtectedItemLevel",
        {"costManagementSettings": {"granularityLevel": "ProtectedItemLevel"}},
    ),
}


@pytest.mark.parametrize("case", UPDATED)
def test_a_setting_changes_alone(az, arm, vault, case):
    command, expected = UPDATED[case]
    path = arm.vault(GROUP, vault)
    before = arm.get(path)["properties"]
    az.ok(command, n=vault, g=GROUP)
    after = arm.get(path)["properties"]
    holds(after, expected)
    # What the expectation does not name is as it was; scores and warnings follow from the rest.
    for name in (*expected, "secureScore", "bcdrSecurityLevel", "holdfast"):
        before.pop(name, None), after.pop(name, None)
    assert after == before


def test_soft_delete_is_set_by_its_own_configuration(az, arm, lenient_vault):
    set_to = "backup vault backup-properties set"
    of_vault = {"n": lenient_vault, "g": GROUP}
    settings = lambda: arm.get(arm.vault(GROUP, lenient_vault, "/backupconfig/vaultconfig"))
    az.ok(f"{set_to} --soft-delete-feature-state Enable --soft-delete-duration 20", **of_vault)
    expected = {"softDeleteFeatureState": "Enabled", "softDeleteRetentionPeriodInDays": 20}
    holds(settings()["properties"], expected)
    az.ok(f"{set_to} --soft-delete-feature-state Disable", **of_vault)
    holds(settings()["properties"], {"softDeleteFeatureState": "Disabled"})


def test_soft_delete_that_is_always_on_stays(az, arm, vault):
    words = "backup vault backup-properties set --soft-delete-feature-state Disable"
    # az sees it itself, says so in its log, and ends with 0.
    az(words, n=vault, g=GROUP)
    path = arm.vault(GROUP, vault, "/backupconfig/vaultconfig")
    body = {"properties": {"softDeleteFeatureState": "Disabled"}}
    arm.refused(400, "BMSUserErrorDisablingSoftDeleteStateNotAllowed", "PATCH", path, body)
    assert arm.get(path)["properties"]["softDeleteFeatureState"] == "AlwaysON"


def test_locked_immutability_stays(az, arm, vault):
    for state in ["Unlocked", "Locked"]:
        az.ok("backup vault update", n=vault, g=GROUP, immutability_state=state)
    told = az("backup vault update", n=vault, g=GROUP, immutability_state="Disabled")
    assert told.code == 1, told
    settings = arm.get(arm.vault(GROUP, vault))["properties"]["securitySettings"]
    assert settings["immutabilitySettings"]["state"] == "Locked"


def test_tags_are_stored_and_told(az, arm):
    az.ok("backup vault create --tags team=a env=test", n="tagged", g=GROUP, l=REGION)
    assert arm.get(arm.vault(GROUP, "tagged"))["tags"] == {"team": "a", "env": "test"}
    az.ok("backup vault update --tags team=b", n="tagged", g=GROUP)
    assert arm.get(arm.vault(GROUP, "tagged"))["tags"] == {"team": "b"}


def test_lists_hold_a_vault_until_it_is_deleted(az, arm, vault):
    names = lambda **options: [v["name"] for v in az.ok("backup vault list", **options)]
    assert vault in names() and vault in names(g=GROUP)
    az.ok("backup vault delete --yes", n=vault, g=GROUP)
    assert arm.call("GET", arm.vault(GROUP, vault)).status_code == 404
    assert vault not in names() and vault not in names(g=GROUP)
    az("backup vault show", n=vault, g=GROUP).refused("ResourceNotFound", exit_code=3)


def test_a_vault_in_a_group_that_is_missing_is_refused(az):
    told = az("backup vault create", n="lost", g="no-such-group", l=REGION)
    told.refused("ResourceGroupNotFound", exit_code=told.code or 1)
    assert told.code != 0


def test_what_holdfast_has_not_is_refused(az, arm, vault):
    before = arm.get(arm.vault(GROUP, vault))["properties"]
    for command in [
        "backup vault identity assign --system-assigned",
        "backup vault encryption update --encryption-key-id https://kv.vault.local/keys/k/1"
        " --mi-system-assigned --infrastructure-encryption Disabled",
    ]:
        told = az(command, n=vault, g=GROUP)
        assert told.code == 1, told
    path, code = arm.vault(GROUP, vault), "UserErrorVaultSettingNotSupported"
    for properties in [
        {"encryption": {"keyVaultProperties": {"keyUri": "https://kv.vault.local/keys/k/1"}}},
        {"redundancySettings": {"crossRegionRestore": "Enabled"}},
    ]:
        arm.refused(400, code, "PATCH", path, {"properties": properties})
    arm.refused(400, code, "PATCH", path, {"identity": {"type": "SystemAssigned"}})
    assert arm.get(arm.vault(GROUP, vault))["properties"] == before


def test_encryption_is_the_services_own(az, vault):
    told = az.ok("backup vault encryption show", n=vault, g=GROUP)
    assert told["properties"]["encryptionAtRestType"] == "MicrosoftManaged"


def test_a_resource_guard_is_not_there(az, vault):
    told = az("backup vault resource-guard-mapping show", n=vault, g=GROUP)
    assert told.code in (1, 3) and "Not" in told.err, told


def test_a_vault_has_no_identity(az, vault):
    assert not az.ok("backup vault identity show", n=vault, g=GROUP)


def test_an_empty_vault_is_gone_at_once_and_not_soft_deleted(az, arm, vault):
    it = arm.vault(GROUP, vault)
    az.ok("backup vault delete --yes", n=vault, g=GROUP)
    listed = az.ok("backup deleted-vault list", l=REGION)
    assert it.lower() not in [one["properties"]["vaultId"].lower() for one in listed]
    told = az("backup deleted-vault get", l=REGION, n=vault)
    assert told.code in (1, 3) and "NotFound" in told.err, told
