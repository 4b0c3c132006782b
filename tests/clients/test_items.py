"""Protected items: what becomes of them, and what is refused. The VMs are small and off."""

import pytest

from conftest import GROUP
from harness.expect import holds, job
from harness.protection import Protection


@pytest.fixture
def protect(az, arm, vault, vm):
    """Protects a new small VM in the test's vault: `protect(disks=3, diskslist=["0"])`."""

    def make(disks=1, enable=True, **options):
        protection = Protection(az, arm, GROUP, vault, GROUP, vm(disks).name)
        if enable:
            protection.enable(**options)
        return protection

    return make


def test_a_vm_that_is_off_is_crash_consistent(protect):
    item = protect()
    holds(item.item(), {"protectionState": "IRPending", "lastBackupStatus": ""})
    item.back_up()
    (point,) = item.points()
    assert point["properties"]["recoveryPointType"] == "CrashConsistent"
    item.expect(protectionState="Protected")


def test_a_vm_in_the_vaults_group_is_found_by_its_name(az, arm, vault, vm):
    guest = vm()
    told = az.ok(
        "backup protection enable-for-vm -p DefaultPolicy", v=vault, g=GROUP, vm=guest.name
    )
    job(told, "ConfigureBackup", vm=guest.name)
    items = arm.entries(arm.vault(GROUP, vault, "/backupProtectedItems"))
    assert [item["properties"]["friendlyName"] for item in items] == [guest.name]


def test_only_one_vault_may_protect_it(az, arm, protect):
    item = protect()
    az.ok("backup vault create -n other -l local", g=GROUP)
    other = Protection(az, arm, GROUP, "other", GROUP, item.vm)
    told = az(
        "backup protection enable-for-vm -p DefaultPolicy", **other.in_vault, vm=item.vm_id
    )
    assert told.code == 1, told
    other.arm.refused(
        409,
        "BMSUserErrorContainerIsAlreadyRegisteredWithAnotherVault",
        "PUT",
        other.path,
        {
            "properties": {
                "protectedItemType": "Microsoft.Compute/virtualMachines",
                "policyId": f"{other.vault_path}/backupPolicies/DefaultPolicy",
                "sourceResourceId": item.vm_id,
            }
        },
    )
    assert arm.entries(f"{other.vault_path}/backupProtectedItems") == []


def test_a_vm_that_is_missing_is_not_protected(az, arm, vault):
    told = az(
        "backup protection enable-for-vm -p DefaultPolicy", v=vault, g=GROUP, vm="no-such-vm"
    )
    assert told.code in (1, 3) and "NotFound" in told.err, told
    assert arm.entries(arm.vault(GROUP, vault, "/backupProtectedItems")) == []


def test_a_policy_that_is_missing_protects_nothing(az, arm, protect):
    item = protect(enable=False)
    told = az("backup protection enable-for-vm -p none", **item.in_vault, vm=item.vm_id)
    assert told.code in (1, 3) and "NotFound" in told.err, told
    assert arm.call("GET", item.path).status_code == 404


def test_an_item_that_is_missing_is_not_found(az, protect):
    item = protect(enable=False)
    told = az("backup item show", **item.shown)
    assert told.code != 0 or told.ok() is None
    item.arm.refused(404, "BMSUserErrorContainerObjectNotFound", "GET", item.path)


# ── disks ────────────────────────────────────────────────────────────────────────────────────────
DISKS = {
    "one of two data disks": ({"disk_list_setting": "include", "diskslist": ["0"]}, [0], True),
    "all but one": ({"disk_list_setting": "exclude", "diskslist": ["1"]}, [1], False),
    "only the system's": ({"exclude_all_data_disks": "true"}, [], True),
}


@pytest.mark.parametrize("case", DISKS)
def test_disks_that_were_chosen_are_backed_up(protect, case):
    options, luns, inclusion = DISKS[case]
    item = protect(disks=3, **options)
    chosen = item.item()["extendedProperties"]["diskExclusionProperties"]
    assert [int(lun) for lun in chosen["diskLunList"]] == luns
    assert chosen["isInclusionList"] is inclusion
    ended = item.back_up()
    read = [disk["target"] for disk in ended["extendedInfo"]["holdfast"]["disks"]]
    assert read == {"one of two data disks": ["vda", "vdb"], "all but one": ["vda", "vdb"],
                    "only the system's": ["vda"]}[case]


def test_a_choice_of_disks_is_changed_and_taken_back(az, protect):
    item = protect(disks=3)
    told = az.ok(
        "backup protection update-for-vm --disk-list-setting exclude --diskslist 0",
        **{k: v for k, v in item.of_item.items()},
    )
    job(told, "ConfigureBackup", vm=item.vm)
    chosen = item.item()["extendedProperties"]["diskExclusionProperties"]
    assert chosen["isInclusionList"] is False
    az.ok("backup protection update-for-vm --disk-list-setting resetexclusionsettings",
          **item.of_item)
    assert not item.item()["extendedProperties"].get("diskExclusionProperties")


# ── stopping, going on, deleting ─────────────────────────────────────────────────────────────────
def test_a_stopped_item_goes_on_under_another_policy(az, protect):
    item = protect()
    item.back_up()
    job(item.disable(), "DisableBackup", vm=item.vm)
    item.expect(protectionState="ProtectionStopped", policyName="")
    told = az.ok("backup protection resume --policy-name EnhancedPolicy", **item.named)
    job(told, "ConfigureBackup", vm=item.vm)
    item.expect(protectionState="Protected", policyName="EnhancedPolicy", policyType="V2")


def test_backups_are_suspended_only_where_a_vault_is_immutable(az, protect):
    item = protect()
    item.back_up()
    told = az(
        "backup protection disable --yes --retain-recovery-points-as-per-policy", **item.named
    )
    told.refused("UserErrorOperationDeniedOnImmutableItem")
    item.expect(protectionState="Protected")
    az.ok("backup vault update --immutability-state Unlocked", n=item.vault, g=GROUP)
    told = az.ok(
        "backup protection disable --yes --retain-recovery-points-as-per-policy", **item.named
    )
    job(told, "DisableBackup", vm=item.vm)
    item.expect(protectionState="BackupsSuspended")
    told = az("backup protection disable --yes --delete-backup-data true", **item.named)
    told.refused("UserErrorOperationDeniedOnImmutableItem")
    item.expect(protectionState="BackupsSuspended")


def test_deleted_data_comes_back(az, protect):
    item = protect()
    item.back_up()
    told = item.delete()
    assert told["properties"]["extendedInfo"]["propertyBag"]["Number of Recovery Points"] == "1"
    deleted = item.item()
    holds(deleted, {"protectionState": "ProtectionStopped", "isScheduledForDeferredDelete": True})
    assert deleted["deferredDeleteTimeInUTC"]
    containers = az.ok(
        "backup vault list-soft-deleted-containers --backup-management-type AzureIaasVM",
        n=item.vault,
        g=GROUP,
    )
    assert len(containers) == 1
    # What is deleted takes no backup and gives nothing back.
    assert az("backup protection backup-now", **item.named).code == 1
    job(az.ok("backup protection undelete", **item.named), "Undelete", vm=item.vm)
    item.expect(protectionState="ProtectionStopped")
    assert not item.item().get("isScheduledForDeferredDelete")
    assert len(item.points()) == 1
    assert az("backup protection undelete", **item.named).code != 0
    item.delete()


def test_without_soft_delete_the_data_is_gone_at_once(az, arm, lenient_vault, vm):
    item = Protection(az, arm, GROUP, lenient_vault, GROUP, vm().name)
    item.enable()
    item.back_up()
    az.ok(
        "backup vault backup-properties set --soft-delete-feature-state Disable",
        n=item.vault,
        g=GROUP,
    )
    told = az.ok("backup protection disable --yes --delete-backup-data true", **item.named)
    job(told, "DeleteBackupData", vm=item.vm)
    assert arm.get(f"{item.vault_path}/backupProtectedItems")["value"] == []
    # Its machine is free, and the vault empty.
    az.ok("backup vault delete --yes", n=item.vault, g=GROUP)
    assert arm.call("GET", item.vault_path).status_code == 404


def test_a_vault_with_an_item_cannot_go(az, arm, protect):
    item = protect()
    told = az("backup vault delete --yes", n=item.vault, g=GROUP)
    assert told.code == 1 and "existing resources within the vault" in told.err, told
    assert arm.get(item.vault_path)["name"] == item.vault


def test_by_force_it_goes_out_of_sight_and_comes_back(az, arm, protect):
    item = protect()
    item.back_up()
    az.ok("backup vault delete --yes --force", n=item.vault, g=GROUP)
    # az has deleted the item, which is kept for a while as any other, and its vault with it.
    assert arm.call("GET", item.vault_path).status_code == 404
    deleted = arm.out_of_sight()
    assert item.vault in [it["name"] for it in arm.get(deleted)["value"]]
    assert 400 <= arm.call("DELETE", f"{deleted}/{item.vault}").status_code < 500
    group = {"properties": {"recoveryResourceGroupId": arm.group(GROUP)}}
    assert arm.call("POST", f"{deleted}/{item.vault}/undelete", group).status_code == 200
    item.expect(isScheduledForDeferredDelete=True)


def test_a_vm_does_not_move_to_another_vault_with_its_data(az, arm, protect):
    item = protect()
    item.back_up()
    az.ok("backup vault create -n elsewhere -l local", g=GROUP)
    told = az(
        "backup protection reconfigure --new-vault-name elsewhere --new-policy-name DefaultPolicy",
        new_rg=GROUP,
        **item.named,
    )
    # It is in no other vault's list of what could be protected.
    assert told.code == 1 and "Not Found" in told.err, told
    assert arm.entries(arm.vault(GROUP, "elsewhere", "/backupProtectedItems")) == []
    assert len(item.points()) == 1


def test_points_are_not_scanned(protect):
    item = protect()
    answer = item.arm.call("POST", f"{item.path}/configureSourceScan", {"properties": {}})
    assert answer.status_code == 404, answer.text
    assert item.item()["sourceSideScanInfo"]["sourceSideScanStatus"] == "NotConfigured"


def test_a_change_of_policy_needs_one_that_is_there(az, protect):
    item = protect()
    told = az("backup item set-policy -p none", **item.shown)
    assert told.code in (1, 3) and "NotFound" in told.err, told
    item.expect(policyName="DefaultPolicy")


# ── what a vault could protect, and protects ─────────────────────────────────────────────────────
def test_containers_of_other_kinds_there_are_none(az, protect):
    item = protect()
    for kind in ["AzureWorkload", "AzureStorage"]:
        listed = az.ok(
            "backup container list", **item.in_vault, backup_management_type=kind
        )
        assert listed == [], kind
        assert az.ok("backup item list", **item.in_vault, backup_management_type=kind) == []


def test_what_is_protected_is_not_protectable(arm, protect):
    item = protect(enable=False)
    path = f"{item.vault_path}/backupProtectableItems"
    names = lambda: [found["properties"]["friendlyName"] for found in arm.entries(path)]
    answer = arm.call("POST", f"{item.vault_path}/backupFabrics/Azure/refreshContainers")
    assert answer.status_code == 202
    assert item.vm in names()
    item.enable()
    assert item.vm not in names()


def test_azure_names_the_same_item_by_its_native_names(az, protect):
    item = protect()
    name = f"iaasvmcontainerv2;{GROUP};{item.vm}".lower()
    told = az.ok(
        "backup item show",
        **item.in_vault,
        c=f"IaasVMContainer;{name}",
        n=f"vm;{name}",
    )
    assert told["properties"]["friendlyName"] == item.vm


def test_a_table_of_items_is_drawn_before_the_first_backup(az, protect):
    item = protect()
    told = az("backup item list -o table", **item.in_vault)
    assert told.code == 0 and item.vm in told.out, told
