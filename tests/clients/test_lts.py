"""The oldest az that is supported: the way of a VM in twelve commands."""

import pytest

from conftest import GROUP, REGION
from harness.expect import job
from harness.guest import Guest
from harness.protection import Protection


@pytest.fixture(scope="module")
def item(az_lts, arm, lab):
    guest = Guest.small(lab, "lts")
    arm.wait_for_vm(GROUP, guest.name)
    yield Protection(az_lts, arm, GROUP, "lts", GROUP, guest.name)
    guest.remove()


@pytest.mark.steps
class TestTwelveCommands:
    def test_1_the_version_is_the_old_one(self, az_lts):
        assert az_lts.ok("version")["azure-cli"].startswith("2.66.")

    def test_2_the_account_is_shown(self, az_lts, arm):
        assert az_lts.ok("account show")["id"] == arm.subscription

    def test_3_a_vault_is_created(self, item):
        item.az.ok("backup vault create -n lts", g=GROUP, l=REGION)
        assert item.arm.get(item.vault_path)["properties"]["provisioningState"] == "Succeeded"

    def test_4_policies_are_listed(self, item):
        names = [policy["name"] for policy in item.az.ok("backup policy list", **item.in_vault)]
        assert "DefaultPolicy" in names

    def test_5_a_vm_is_protected(self, item):
        item.enable()

    def test_6_the_item_waits_for_its_first_backup(self, item):
        shown = item.az.ok("backup item show", **item.shown)
        assert shown["properties"]["protectionState"] == "IRPending"

    def test_7_a_backup_is_made(self, item):
        item.back_up()

    def test_8_jobs_are_listed(self, item):
        (found,) = item.az.ok("backup job list --operation Backup", **item.in_vault)
        job(found, "Backup", vm=item.vm)

    def test_9_a_job_is_waited_for(self, item):
        (found,) = item.az.ok("backup job list --operation Backup", **item.in_vault)
        item.az.ok("backup job wait", **item.in_vault, n=found["name"])

    def test_10_points_are_listed(self, item):
        (point,) = item.az.ok("backup recoverypoint list", **item.named)
        item.point = point["name"]

    def test_11_disks_are_restored(self, item):
        begun = item.az.ok(
            "backup restore restore-disks",
            **item.of_item,
            r=item.point,
            storage_account="staging",
            target_resource_group=GROUP,
        )
        item.ended(begun["name"])

    def test_12_protection_stops_and_keeps_the_data(self, item):
        job(item.disable(), "DisableBackup", vm=item.vm)
        item.expect(protectionState="ProtectionStopped")
        assert len(item.points()) == 1
