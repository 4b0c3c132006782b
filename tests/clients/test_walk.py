"""The whole way of one real, running guest through a vault, by az alone.

What changes something is a process of az's own, as everybody starts it; looking is done in one
process for many.
"""

import json
from datetime import datetime, timedelta, timezone

import pytest

from conftest import GROUP, REGION
from harness.expect import holds, job
from harness.guest import Guest, hashes_of
from harness.lab import run, until, virsh
from harness.protection import Protection
from harness.restored import as_raw, restored_disks

VAULTS = "walk-group"


@pytest.fixture(scope="class")
def walk(az, arm, guest, lab):
    walk = Protection(az, arm, VAULTS, "walk", GROUP, guest.name)
    walk.guest, walk.lab = guest, lab
    return walk


def in_process(walk, command, *words, **options):
    """A command in a process of its own; its document."""
    return walk.az.process(command, *words, **options).ok()


@pytest.mark.steps
class TestWalk:
    def test_a_vault_is_made_in_a_group_of_its_own(self, walk):
        group = in_process(walk, "group create", n=VAULTS, l=REGION)
        assert group["properties"]["provisioningState"] == "Succeeded"
        assert walk.az.ok("group exists", n=VAULTS) is True
        made = in_process(walk, "backup vault create", n="walk", g=VAULTS, l=REGION)
        alerts = made["properties"]["monitoringSettings"]["azureMonitorAlertSettings"]
        assert alerts["alertsForAllJobFailures"] == "Enabled"
        restore = made["properties"]["restoreSettings"]["crossSubscriptionRestoreSettings"]
        assert restore["crossSubscriptionRestoreState"] == "Enabled"
        holds(
            walk.arm.get(walk.vault_path)["properties"],
            {
                "provisioningState": "Succeeded",
                "redundancySettings": {"standardTierStorageRedundancy": "GeoRedundant"},
                "costManagementSettings": {"granularityLevel": "VaultLevel"},
            },
        )

    def test_its_redundancy_becomes_local(self, walk):
        in_process(
            walk,
            "backup vault backup-properties set --backup-storage-redundancy LocallyRedundant",
            n="walk",
            g=VAULTS,
        )
        vault = walk.arm.get(walk.vault_path)["properties"]
        assert vault["redundancySettings"]["standardTierStorageRedundancy"] == "LocallyRedundant"
        storage, settings = walk.az.ok("backup vault backup-properties show", n="walk", g=VAULTS)
        assert storage["properties"]["storageType"] == "LocallyRedundant"
        assert settings["properties"]["softDeleteRetentionPeriodInDays"] == 14

    def test_nobody_protects_the_vm_yet(self, walk):
        assert walk.vm in [vm["name"] for vm in walk.az.ok("vm list", g=GROUP)]
        assert walk.az.ok("backup protection check-vm", vm=walk.vm_id) is None
        assert walk.az.ok("backup item list", **walk.in_vault) == []

    def test_it_is_protected(self, walk):
        told = in_process(
            walk,
            "backup protection enable-for-vm --policy-name DefaultPolicy",
            **walk.in_vault,
            vm=walk.vm_id,
        )
        job(told, "ConfigureBackup", vm=walk.vm)
        assert told["properties"]["extendedInfo"]["propertyBag"]["Policy Name"] == "DefaultPolicy"
        shown = walk.az.ok("backup item show", **walk.shown)
        expected = {
            "protectionState": "IRPending",
            "protectionStatus": "Healthy",
            "healthStatus": "Passed",
            "friendlyName": walk.vm,
            "policyName": "DefaultPolicy",
            "lastRecoveryPoint": None,
        }
        holds(shown["properties"], expected)
        vault = walk.az.ok("backup protection check-vm", vm=walk.vm_id)
        assert vault.lower() == walk.vault_path.lower()

    def test_its_container_is_healthy(self, walk):
        (found,) = walk.az.ok(
            "backup container list --backup-management-type AzureIaasVM", **walk.in_vault
        )
        expected = {
            "friendlyName": walk.vm,
            "healthStatus": "Healthy",
            "registrationStatus": "Registered",
            "virtualMachineVersion": "Compute",
        }
        holds(found["properties"], expected)
        options = {**walk.in_vault, "n": walk.vm, "backup_management_type": "AzureIaasVM"}
        assert walk.az.ok("backup container show", **options)["id"] == found["id"]

    def test_the_jobs_tell_that_it_was_protected(self, walk):
        (found,) = walk.az.ok(
            "backup job list --operation ConfigureBackup --status Completed", **walk.in_vault
        )
        job(found, "ConfigureBackup", vm=walk.vm)
        assert walk.az.ok("backup job list --operation Restore", **walk.in_vault) == []

    def test_a_first_backup_is_made(self, walk):
        walk.guest.sh(
            "mkdir -p /srv/walk && cd /srv/walk && dd if=/dev/urandom of=kept bs=64k count=32 && "
            "dd if=/dev/urandom of=changed bs=64k count=32 && echo gone > gone && sync"
        )
        until_day = (datetime.now(timezone.utc) + timedelta(days=60)).date()
        begun = in_process(
            walk,
            "backup protection backup-now",
            **walk.named,
            retain_until=until_day.strftime("%d-%m-%Y"),
        )
        job(begun, "Backup", "InProgress", walk.vm)
        in_process(walk, "backup job wait", **walk.in_vault, n=begun["name"], timeout=170)
        ended = walk.az.ok("backup job show", **walk.in_vault, n=begun["name"])
        job(ended, "Backup", vm=walk.vm)
        told = ended["properties"]["extendedInfo"]
        tasks = [(task["taskId"], task["status"]) for task in told["tasksList"]]
        assert tasks[:2] == [
            ("Take Snapshot", "Completed"),
            ("Transfer data to vault", "Completed"),
        ]
        # The whole of that day.
        expiry = told["propertyBag"]["Recovery Point Expiry Time in UTC"]
        day = until_day + timedelta(days=1)
        assert expiry == f"{day.month}/{day.day}/{day.year} 12:00:00 AM"
        walk.expect(protectionState="Protected", lastBackupStatus="Completed")

    def test_its_point_is_file_system_consistent(self, walk):
        (point,) = walk.az.ok("backup recoverypoint list", **walk.named)
        shown = walk.az.ok("backup recoverypoint show", **walk.named, n=point["name"])
        expected = {
            "objectType": "IaasVMRecoveryPoint",
            "recoveryPointType": "FileSystemConsistent",
            "isManagedVirtualMachine": True,
            "originalStorageAccountOption": False,
        }
        holds(shown["properties"], expected)
        tiers = shown["properties"]["recoveryPointTierDetails"]
        assert [(tier["type"], tier["status"]) for tier in tiers] == [("HardenedRP", "Valid")]
        assert point["name"].isdigit()

    def test_changed_data_makes_a_second_point(self, walk):
        walk.guest.sh(
            "cd /srv/walk && dd if=/dev/urandom of=new bs=64k count=48 && rm gone && "
            "dd if=/dev/urandom of=changed bs=64k count=3 seek=9 conv=notrunc && sync"
        )
        walk.hashes = walk.guest.hashes()
        walk.guest.hold_still()
        walk.disk = walk.guest.raw_copy("walk.expected")
        ended = walk.back_up()
        walk.guest.go_on()
        method = ended["extendedInfo"]["holdfast"]["disks"][0]["method"]
        assert "incremental" in method.lower()
        newest, oldest = walk.points()
        assert newest["properties"]["recoveryPointTime"] > oldest["properties"]["recoveryPointTime"]
        walk.newest = newest["name"]

    def test_its_disks_are_restored_byte_for_byte(self, walk):
        begun = in_process(
            walk,
            "backup restore restore-disks",
            **walk.of_item,
            rp_name=walk.newest,
            storage_account=storage_account(walk),
            target_resource_group=GROUP,
        )
        job(begun, "Restore", "InProgress", walk.vm)
        ended = walk.ended(begun["name"])
        told = ended["extendedInfo"]
        assert told["internalPropertyBag"]["restoreLocationType"] == "RestoreDisks"
        assert told["propertyBag"]["Target Storage Account Name"] == "staging"
        restored = walk.lab.path("walk.raw")
        (disk,) = restored_disks(told["propertyBag"])
        as_raw(disk, restored)
        run("cmp", walk.disk, restored)
        assert len(walk.hashes) > 100
        assert hashes_of(walk.lab, restored) == walk.hashes

    def test_a_new_vm_from_it_boots_with_the_same_files(self, walk, network):
        again = Guest(walk.lab, "again")
        begun = in_process(
            walk,
            "backup restore restore-disks",
            **walk.of_item,
            rp_name=walk.newest,
            storage_account=storage_account(walk),
            target_resource_group=GROUP,
            target_vm_name=again.name,
            target_vnet_name=network,
            target_vnet_resource_group=GROUP,
            target_subnet_name=subnet(walk, network),
        )
        job(begun, "Restore", "InProgress", walk.vm)
        ended = walk.ended(begun["name"])
        assert ended["extendedInfo"]["internalPropertyBag"]["restoreLocationType"] == (
            "AlternateLocation"
        )
        again.wait_for_agent()
        assert again.hashes() == walk.hashes
        assert walk.guest.state() == "running", "the original was touched"
        walk.arm.wait_for_vm(GROUP, again.name)
        again.remove()

    def test_a_vault_that_protects_something_cannot_go(self, walk):
        refused = walk.az.process("backup vault delete --yes", n="walk", g=VAULTS)
        assert refused.code == 1, refused
        assert "(ServiceResourceNotEmptyWithContainerDetails)" in refused.err
        assert "cannot be deleted as there are existing resources within the vault" in refused.err
        assert walk.arm.get(walk.vault_path)["name"] == "walk"

    def test_protection_stops_and_keeps_the_data(self, walk):
        told = in_process(walk, "backup protection disable --yes", **walk.named)
        job(told, "DisableBackup", vm=walk.vm)
        walk.expect(protectionState="ProtectionStopped", policyId="", policyName="")
        assert len(walk.points()) == 2
        # Nobody will read what changed since the last backup: the guest is rid of the record.
        checkpoints = lambda: virsh("checkpoint-list", "--name", walk.vm).split()
        until("the guest has no checkpoint any more", 30, lambda: not checkpoints())

    def test_a_stopped_item_is_not_backed_up(self, walk):
        told = walk.az("backup protection backup-now", **walk.named)
        told.refused("UserErrorProtectionStateNotAllowed")

    def test_protection_resumes(self, walk):
        told = in_process(
            walk, "backup protection resume --policy-name DefaultPolicy", **walk.named
        )
        job(told, "ConfigureBackup", vm=walk.vm)
        walk.expect(protectionState="Protected", policyName="DefaultPolicy")

    def test_it_follows_another_policy(self, walk):
        # As a person would: a copy of a policy, under another name.
        policy = walk.az.ok("backup policy show -n DefaultPolicy", **walk.in_vault)
        policy["properties"]["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = 60
        text = json.dumps(policy)
        options = {**walk.in_vault, "n": "sixty", "backup_management_type": "AzureIaasVM"}
        in_process(walk, "backup policy create", policy=text, **options)
        told = in_process(walk, "backup item set-policy --policy-name sixty", **walk.shown)
        job(told, "ConfigureBackup", vm=walk.vm)
        walk.expect(policyName="sixty")
        (found,) = walk.az.ok("backup policy list-associated-items -n sixty", **walk.in_vault)
        assert found["properties"]["friendlyName"] == walk.vm

    def test_deleted_data_is_kept_for_a_while(self, walk):
        told = in_process(
            walk, "backup protection disable --delete-backup-data true --yes", **walk.named
        )
        job(told, "DeleteBackupData", vm=walk.vm)
        walk.expect(protectionState="ProtectionStopped", isScheduledForDeferredDelete=True)
        bag = told["properties"]["extendedInfo"]["propertyBag"]
        assert bag["Number of Recovery Points"] == "2"

    def test_a_vault_with_deleted_data_goes_out_of_sight_and_comes_back(self, walk):
        told = walk.az.process("backup vault delete --yes", n="walk", g=VAULTS)
        assert told.code == 0, told
        assert walk.arm.call("GET", walk.vault_path).status_code == 404
        deleted = walk.arm.out_of_sight()
        refused = walk.arm.call("DELETE", f"{deleted}/walk")
        assert "as there are backup items in soft deleted state in the vault" in refused.text
        group = {"properties": {"recoveryResourceGroupId": walk.arm.group(VAULTS)}}
        assert walk.arm.call("POST", f"{deleted}/walk/undelete", group).status_code == 200
        assert walk.arm.get(walk.vault_path)["name"] == "walk"

    def test_it_comes_back_and_can_be_restored(self, walk):
        told = in_process(walk, "backup protection undelete", **walk.named)
        job(told, "Undelete", vm=walk.vm)
        item = walk.item()
        holds(item, {"protectionState": "ProtectionStopped"})
        assert not item.get("isScheduledForDeferredDelete")
        assert len(walk.points()) == 2

    def test_it_is_deleted_for_good_in_the_end(self, walk):
        walk.delete()
        walk.expect(isScheduledForDeferredDelete=True)
        # The VM itself is free again, and was never touched.
        assert walk.guest.state() == "running"


def storage_account(walk):
    return walk.arm.group(GROUP, "/providers/Microsoft.Storage/storageAccounts/staging")


def subnet(walk, network):
    path = walk.arm.group(GROUP, f"/providers/Microsoft.Network/virtualNetworks/{network}")
    (found,) = walk.arm.get(path)["properties"]["subnets"]
    return found["name"]
