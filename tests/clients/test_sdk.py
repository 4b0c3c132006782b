"""The Azure SDK for Python, with Azure's own client objects."""

import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.recoveryservices import RecoveryServicesClient
from azure.mgmt.recoveryservices.models import Vault, VaultProperties
from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

from conftest import GROUP, REGION
from harness.expect import JOB_ENDED, holds, short
from harness.guest import Guest
from harness.lab import until

VM = "Microsoft.Compute/virtualMachines"


class Sdk:
    """Both clients, and the names of one VM in one vault."""

    def __init__(self, service, arm, vault, vm):
        self.arm, self.vault, self.vm = arm, vault, vm
        told = service.credentials
        secret = (told["clientId"], told["clientSecret"])
        credential = ClientSecretCredential("adfs", *secret, authority=service.endpoint)
        place = {
            "base_url": service.endpoint,
            "credential_scopes": [f"{service.endpoint}/.default"],
        }
        self.vaults = RecoveryServicesClient(credential, told["subscriptionId"], **place)
        self.backup = RecoveryServicesBackupClient(credential, told["subscriptionId"], **place)
        self.name = f"iaasvmcontainerv2;{GROUP};{vm}".lower()
        self.item = (vault, GROUP, "Azure", f"IaasVMContainer;{self.name}", f"VM;{self.name}")
        self.path = arm.item(GROUP, vault, GROUP, vm)

    def ended_job(self, operation):
        """The newest job of an operation once it has ended, as it is told by a GET."""
        jobs = self.arm.entries(self.arm.vault(GROUP, self.vault, "/backupJobs"))
        name = next(job["name"] for job in jobs if job["properties"]["operation"] == operation)

        def ended():
            job = self.arm.get(self.arm.vault(GROUP, self.vault, f"/backupJobs/{name}"))
            return job["properties"]["status"] in JOB_ENDED and job

        return until(f"the job {operation} ends", 120, ended)

    def protect(self, policy):
        properties = {
            "protectedItemType": VM,
            "policyId": self.arm.vault(GROUP, self.vault, f"/backupPolicies/{policy}"),
            "sourceResourceId": self.arm.vm(GROUP, self.vm),
        }
        poller = self.backup.protected_items.begin_create_or_update(
            *self.item, {"properties": properties}
        )
        return poller.result()


@pytest.fixture(scope="module", autouse=True)
def trust(service):
    """What the SDK trusts is told by the environment."""
    before = os.environ.get("REQUESTS_CA_BUNDLE")
    os.environ["REQUESTS_CA_BUNDLE"] = str(service.ca)
    yield
    os.environ.pop("REQUESTS_CA_BUNDLE")
    if before is not None:
        os.environ["REQUESTS_CA_BUNDLE"] = before


@pytest.fixture(scope="module")
def sdk(service, arm, lab):
    guest = Guest.small(lab, "sdk")
    arm.wait_for_vm(GROUP, guest.name)
    yield Sdk(service, arm, "sdk", guest.name)
    guest.remove()


@pytest.mark.steps
class TestSdk:
    def test_a_vault_is_created(self, sdk):
        vault = Vault(location=REGION, sku={"name": "Standard"}, properties=VaultProperties())
        made = sdk.vaults.vaults.begin_create_or_update(GROUP, "sdk", vault).result()
        assert made.properties.provisioning_state == "Succeeded"
        redundancy = made.properties.redundancy_settings
        assert redundancy.standard_tier_storage_redundancy == "GeoRedundant"

    def test_its_tags_are_patched(self, sdk):
        sdk.vaults.vaults.begin_update(GROUP, "sdk", {"tags": {"team": "a"}}).result()
        assert sdk.vaults.vaults.get(GROUP, "sdk").tags == {"team": "a"}
        names = [vault.name for vault in sdk.vaults.vaults.list_by_subscription_id()]
        assert "sdk" in names

    def test_policies_are_listed_and_made(self, sdk):
        policies = {policy.name: policy for policy in sdk.backup.backup_policies.list("sdk", GROUP)}
        assert {"DefaultPolicy", "EnhancedPolicy"} <= set(policies)
        default = sdk.backup.protection_policies.get("sdk", GROUP, "DefaultPolicy")
        default.properties.retention_policy.daily_schedule.retention_duration.count = 45
        sdk.backup.protection_policies.create_or_update("sdk", GROUP, "mine", default)
        mine = sdk.backup.protection_policies.get("sdk", GROUP, "mine")
        assert mine.properties.retention_policy.daily_schedule.retention_duration.count == 45

    def test_a_vm_is_protected(self, sdk):
        sdk.protect("mine")
        got = sdk.backup.protected_items.get(*sdk.item)
        assert got.properties["protectionState"] == "IRPending"
        assert got.properties["policyName"] == "mine"
        listed = list(sdk.backup.backup_protected_items.list("sdk", GROUP))
        assert [short(item.id) for item in listed] == [short(got.id)]

    def test_a_backup_is_made(self, sdk):
        request = {"properties": {"objectType": "IaasVMBackupRequest"}}
        sdk.backup.backups.trigger(*sdk.item, request)
        assert sdk.ended_job("Backup")["properties"]["status"] == "Completed"

    def test_jobs_and_their_details_are_told(self, sdk):
        listed = list(sdk.backup.backup_jobs.list("sdk", GROUP, filter="operation eq 'Backup'"))
        assert [job.properties.operation for job in listed] == ["Backup"]
        details = sdk.backup.job_details.get("sdk", GROUP, listed[0].name)
        assert details.properties.status == "Completed"
        assert details.properties.extended_info.tasks_list

    def test_points_are_told(self, sdk):
        (point,) = sdk.backup.recovery_points.list(*sdk.item)
        got = sdk.backup.recovery_points.get(*sdk.item, point.name)
        assert got.properties.recovery_point_type == "CrashConsistent"
        sdk.point = point.name

    def test_disks_are_restored(self, sdk):
        staging = f"/providers/Microsoft.Storage/storageAccounts/staging"
        properties = {
            "objectType": "IaasVMRestoreRequest",
            "recoveryPointId": sdk.point,
            "recoveryType": "RestoreDisks",
            "region": REGION,
            "sourceResourceId": sdk.arm.vm(GROUP, sdk.vm),
            "storageAccountId": sdk.arm.group(GROUP, staging),
            "targetResourceGroupId": sdk.arm.group(GROUP),
            "createNewCloudService": False,
            "originalStorageAccountOption": False,
        }
        poller = sdk.backup.restores.begin_trigger(
            *sdk.item, sdk.point, {"properties": properties}
        )
        poller.result()
        assert sdk.ended_job("Restore")["properties"]["status"] == "Completed"

    def test_usages_are_told(self, sdk):
        usages = list(sdk.vaults.usages.list_by_vaults(GROUP, "sdk"))
        assert usages
        assert all(usage.current_value is not None for usage in usages)

    def test_the_vms_backup_status_is_told(self, sdk):
        status = sdk.backup.backup_status.get(
            REGION, {"resourceType": "VM", "resourceId": sdk.arm.vm(GROUP, sdk.vm)}
        )
        assert status.protection_status == "Protected"
        assert status.vault_id.lower() == sdk.arm.vault(GROUP, "sdk").lower()

    def test_a_full_vault_is_not_deleted(self, sdk):
        with pytest.raises(HttpResponseError) as refused:
            sdk.vaults.vaults.begin_delete(GROUP, "sdk").result()
        assert 400 <= refused.value.status_code < 500
        assert sdk.vaults.vaults.get(GROUP, "sdk").name == "sdk"

    def test_the_data_is_deleted(self, sdk):
        sdk.backup.protected_items.delete(*sdk.item)
        job = sdk.ended_job("DeleteBackupData")
        assert job["properties"]["status"] == "Completed"
        holds(
            sdk.arm.get(sdk.path)["properties"],
            {"protectionState": "ProtectionStopped", "isScheduledForDeferredDelete": True},
        )


def test_what_is_missing_is_mapped_to_the_sdks_own_error(service, arm, vault):
    sdk = Sdk(service, arm, vault, "no-such-vm")
    for missing in [
        lambda: sdk.vaults.vaults.get(GROUP, "none"),
        lambda: sdk.backup.protected_items.get(*sdk.item),
        lambda: sdk.backup.protection_policies.get(vault, GROUP, "none"),
        lambda: sdk.backup.job_details.get(vault, GROUP, "00000000-0000-4000-8000-000000000000"),
    ]:
        with pytest.raises(ResourceNotFoundError):
            missing()


def test_a_vault_without_items_is_deleted(service, arm, vault):
    sdk = Sdk(service, arm, vault, "no-such-vm")
    sdk.vaults.vaults.begin_delete(GROUP, vault).result()
    assert arm.call("GET", arm.vault(GROUP, vault)).status_code == 404


def test_a_long_list_is_read_page_by_page(service, arm, vault):
    # Policies are cheap to make, and their list is paged like any other.
    policy = arm.get(arm.vault(GROUP, vault, "/backupPolicies/DefaultPolicy"))
    wanted = {f"policy-{number:03}" for number in range(205)}
    for name in sorted(wanted):
        path = arm.vault(GROUP, vault, f"/backupPolicies/{name}")
        answer = arm.call("PUT", path, {"properties": policy["properties"]})
        assert answer.status_code in (200, 201), answer.text
    first = arm.get(arm.vault(GROUP, vault, "/backupPolicies"))
    assert first["nextLink"] and len(first["value"]) < len(wanted)
    sdk = Sdk(service, arm, vault, "no-such-vm")
    listed = [policy.name for policy in sdk.backup.backup_policies.list(vault, GROUP)]
    assert len(listed) == len(set(listed))
    assert wanted <= set(listed)
