"""The requests that Terraform's provider azurerm makes, in its order, with its bodies.

The provider itself comes from a registry of its own, so it is not run here; what it sends was
recorded from it. `terraform plan` shows no difference when a GET tells what the PUT said: that is
what these tests compare.
"""

import base64
import json
import time

import pytest

from conftest import GROUP, REGION
from harness.expect import holds
from harness.guest import Guest

GROUPS, VAULTS, POLICIES, ITEMS = "2023-07-01", "2025-08-01", "2024-10-01", "2023-02-01"
REPLICATION = "2024-04-01"
HERE = "terraform"

VAULT = {
    "identity": {"type": "None", "userAssignedIdentities": None},
    "location": REGION,
    "properties": {
        "publicNetworkAccess": "Enabled",
        "redundancySettings": {
            "crossRegionRestore": "Disabled",
            "standardTierStorageRedundancy": "LocallyRedundant",
        },
    },
    "sku": {"name": "Standard"},
    "tags": {},
}

POLICY = {
    "properties": {
        "backupManagementType": "AzureIaasVM",
        "policyType": "V1",
        "timeZone": "UTC",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": ["23:00:00Z"],
            "scheduleRunDays": [],
        },
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {
                "retentionTimes": ["23:00:00Z"],
                "retentionDuration": {"count": 10, "durationType": "Days"},
            },
        },
        "snapshotConsistencyType": "",
        "tieringPolicy": {
            "ArchivedRP": {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}
        },
    }
}


class Provider:
    """What azurerm knows of the service: the paths of what it manages."""

    def __init__(self, arm, vm):
        self.arm, self.vm = arm, vm
        self.group = arm.group(HERE)
        self.vault = arm.vault(HERE, "tf-vault")
        self.policy = f"{self.vault}/backupPolicies/tf-policy"
        # Its own case of the prefixes.
        name = f"iaasvmcontainerv2;{GROUP};{vm}"
        self.item = (
            f"{self.vault}/backupFabrics/Azure/protectionContainers/iaasvmcontainer;{name}"
            f"/protectedItems/VM;{name}"
        )

    def status(self, path, version):
        return self.arm.call("GET", path, version=version).status_code

    def put(self, path, body, version):
        answer = self.arm.call("PUT", path, body, version=version)
        assert answer.status_code in (200, 201, 202), answer.text
        if "Azure-AsyncOperation" in answer.headers:
            assert self.arm.ended(answer)["status"] == "Succeeded"
        return self.arm.get(path, version=version)

    def delete(self, path, version):
        answer = self.arm.call("DELETE", path, version=version)
        assert answer.status_code in (200, 202, 204), answer.text
        if "Azure-AsyncOperation" in answer.headers:
            assert self.arm.ended(answer)["status"] == "Succeeded"

    def protect(self):
        vm = self.arm.vm(GROUP, self.vm)
        properties = {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "policyId": self.policy,
            "sourceResourceId": vm,
            "friendlyName": self.vm,
            "virtualMachineId": vm,
            "workloadType": "VM",
        }
        return self.put(self.item, {"properties": properties}, ITEMS)


@pytest.fixture(scope="module")
def provider(arm, lab):
    guest = Guest.small(lab, "terraform", disks=2)
    arm.wait_for_vm(GROUP, guest.name)
    yield Provider(arm, guest.name)
    guest.remove()


@pytest.mark.steps
class TestTerraform:
    def test_the_cloud_is_one_that_it_takes(self, provider):
        (cloud,) = provider.arm.get("/metadata/endpoints", version="2019-05-01")
        holds(cloud["authentication"], {"identityProvider": "AAD", "tenant": "common"})
        cloud = provider.arm.get("/metadata/endpoints", version="2022-09-01")
        assert cloud["microsoftGraphResourceId"] and cloud["name"] != "AzureStackCloud"
        assert cloud["resourceManager"] == provider.arm.endpoint

    def test_its_tokens_tell_who_it_is(self, provider):
        arm = provider.arm
        for scope in [f"{arm.endpoint}/graph/.default", f"{arm.endpoint}/.default"]:
            token = arm.token(f"/adfs/{arm.tenant}/oauth2/v2.0/token", scope)
            _, claims, _ = token.split(".")
            claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            assert claims["appid"] == arm.client_id
            assert claims["tid"] == arm.tenant and claims["oid"]

    def test_a_group_is_made(self, provider):
        assert provider.status(provider.group, GROUPS) == 404
        group = provider.put(provider.group, {"location": REGION, "tags": {}}, GROUPS)
        assert group["location"] == REGION

    def test_a_vault_is_made(self, provider):
        assert provider.status(provider.vault, VAULTS) == 404
        vault = provider.put(provider.vault, VAULT, VAULTS)
        assert vault["properties"]["provisioningState"] == "Succeeded"

    def test_the_vault_shows_no_difference(self, provider):
        vault = provider.arm.get(provider.vault, version=VAULTS)
        holds(vault, {name: VAULT[name] for name in ["location", "properties"]})
        assert vault["sku"]["name"] == "Standard" and not vault.get("tags")
        settings = f"{provider.vault}/replicationVaultSettings/default"
        assert provider.arm.get(settings, version=REPLICATION)["name"] == "default"

    def test_the_vault_is_patched(self, provider):
        body = {"tags": {"env": "test"}, "properties": VAULT["properties"]}
        answer = provider.arm.call("PATCH", provider.vault, body, version=VAULTS)
        assert answer.status_code in (200, 202), answer.text
        assert provider.arm.get(provider.vault, version=VAULTS)["tags"] == {"env": "test"}

    def test_a_policy_is_made(self, provider):
        assert provider.status(provider.policy, POLICIES) == 404
        provider.put(provider.policy, POLICY, POLICIES)

    def test_the_policy_shows_no_difference(self, provider):
        got = provider.arm.get(provider.policy, version=POLICIES)["properties"]
        sent = POLICY["properties"]
        (run_at,) = got["schedulePolicy"]["scheduleRunTimes"]
        assert run_at.endswith("T23:00:00Z"), run_at
        assert got["retentionPolicy"]["dailySchedule"]["retentionTimes"] == [run_at]
        duration = got["retentionPolicy"]["dailySchedule"]["retentionDuration"]
        assert duration == {"count": 10, "durationType": "Days"}
        names = ["backupManagementType", "policyType", "timeZone", "tieringPolicy"]
        holds(got, {name: sent[name] for name in names})
        assert got["instantRpRetentionRangeInDays"] == 2

    def test_it_sends_back_what_it_read_and_nothing_changes(self, provider):
        before = provider.arm.get(provider.policy, version=POLICIES)
        assert provider.put(provider.policy, before, POLICIES)["properties"] == before["properties"]

    def test_a_vm_is_protected(self, provider):
        assert provider.status(provider.item, ITEMS) == 404
        item = provider.protect()["properties"]
        assert item["policyId"].lower() == provider.policy.lower()
        assert item["sourceResourceId"] == provider.arm.vm(GROUP, provider.vm)
        assert item["protectionState"] == "IRPending"

    def test_disks_by_number_show_no_difference(self, provider):
        vm = provider.arm.vm(GROUP, provider.vm)
        properties = {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "policyId": provider.policy,
            "sourceResourceId": vm,
            "extendedProperties": {
                "diskExclusionProperties": {"diskLunList": [0], "isInclusionList": True}
            },
        }
        item = provider.put(provider.item, {"properties": properties}, ITEMS)["properties"]
        chosen = item["extendedProperties"]["diskExclusionProperties"]
        assert chosen == {"diskLunList": [0], "isInclusionList": True}

    def test_protection_is_destroyed_and_made_again(self, provider):
        provider.delete(provider.item, ITEMS)
        # Soft-deleted: it reads such an item as gone, and undeletes it before it protects again.
        item = provider.arm.get(provider.item, version=ITEMS)["properties"]
        assert item["isScheduledForDeferredDelete"] is True
        again = {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "isRehydrate": True,
        }
        item = provider.put(provider.item, {"properties": again}, ITEMS)["properties"]
        assert not item.get("isScheduledForDeferredDelete")
        assert provider.protect()["properties"]["policyId"].lower() == provider.policy.lower()

    def test_protection_is_only_stopped(self, provider):
        vm = provider.arm.vm(GROUP, provider.vm)
        stopped = {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "protectionState": "ProtectionStopped",
            "sourceResourceId": vm,
        }
        item = provider.put(provider.item, {"properties": stopped}, ITEMS)["properties"]
        assert item["protectionState"] == "ProtectionStopped"

    def test_a_policy_without_items_is_destroyed(self, provider):
        provider.delete(provider.policy, POLICIES)
        assert provider.status(provider.policy, POLICIES) == 404

    def test_a_full_vault_stays(self, provider):
        answer = provider.arm.call("DELETE", provider.vault, version=VAULTS)
        assert 400 <= answer.status_code < 500, answer.text
        assert provider.status(provider.vault, VAULTS) == 200

    def test_a_vault_with_deleted_data_is_destroyed_and_out_of_sight(self, provider):
        provider.delete(provider.item, ITEMS)
        provider.delete(provider.vault, VAULTS)
        assert provider.status(provider.vault, VAULTS) == 404


def test_an_empty_vault_is_destroyed_and_gone(arm):
    provider = Provider(arm, "no-such-vm")
    vault, group = arm.vault("tf-empty", "tf-vault2"), arm.group("tf-empty")
    provider.put(group, {"location": REGION, "tags": {}}, GROUPS)
    provider.put(vault, VAULT, VAULTS)
    provider.delete(vault, VAULTS)
    assert provider.status(vault, VAULTS) == 404
    provider.delete(group, GROUPS)
    end = time.monotonic() + 30
    while provider.status(group, GROUPS) != 404:
        assert time.monotonic() < end, "the group does not go"
        time.sleep(0.2)
