"""Restores, by az: what may be chosen, and what is refused before anything is written."""

import pytest

from conftest import GROUP, REGION
from harness.expect import job
from harness.guest import Guest
from harness.lab import run, virsh
from harness.protection import Protection
from harness.restored import as_raw, restored_disks


@pytest.fixture(scope="module")
def item(az, arm, lab):
    """A small VM with three disks, with one point."""
    guest = Guest.small(lab, "restored", disks=3)
    arm.wait_for_vm(GROUP, guest.name)
    az.ok("backup vault create -n restore", g=GROUP, l=REGION)
    item = Protection(az, arm, GROUP, "restore", GROUP, guest.name)
    item.guest, item.lab = guest, lab
    item.enable()
    item.back_up()
    item.point = item.points()[0]["name"]
    yield item
    guest.remove()


def restore(item, **options):
    wanted = {
        "r": item.point,
        "storage_account": "staging",
        "target_resource_group": GROUP,
        **options,
    }
    wanted = {name: value for name, value in wanted.items() if value is not None}
    return item.az("backup restore restore-disks", **item.of_item, **wanted)


# Options, and the numbers of the disks that come back: 0 is the operating system's.
CHOICES = {
    "all disks": ({}, [0, 1, 2]),
    "the system's alone": ({"restore_only_osdisk": "true"}, [0]),
    "one data disk": ({"diskslist": ["1"]}, [2]),
    "two data disks": ({"diskslist": ["0", "1"]}, [1, 2]),
}


@pytest.mark.parametrize("case", CHOICES)
def test_chosen_disks_come_back_byte_for_byte(item, case):
    options, numbers = CHOICES[case]
    begun = restore(item, **options).ok()
    job(begun, "Restore", begun["properties"]["status"], item.vm)
    told = item.ended(begun["name"])["extendedInfo"]
    assert told["internalPropertyBag"]["restoreLocationType"] == "RestoreDisks"
    disks = restored_disks(told["propertyBag"])
    assert [disk["target"] for disk in disks] == [f"vd{'abc'[number]}" for number in numbers]
    for number, disk in zip(numbers, disks):
        raw = item.lab.path("one.raw")
        as_raw(disk, raw)
        run("cmp", item.guest.disks[number], raw)


def test_the_restores_are_among_the_jobs(item):
    begun = restore(item, restore_only_osdisk="true").ok()
    item.ended(begun["name"])
    found = item.az.ok("backup job list --operation Restore --status Completed", **item.in_vault)
    assert begun["name"] in [listed["name"] for listed in found]


REFUSED = {
    "no such storage account": ({"storage_account": "nowhere"}, None),
    "no such point": ({"r": "4611686018427387904"}, None),
    "no such group": ({"target_resource_group": "no-such-group"}, "ResourceGroupNotFound"),
    "no such disk": ({"diskslist": ["7"]}, "UserErrorRestoreTargetInvalid"),
    "over the original": (
        {"restore_mode": "OriginalLocation", "target_resource_group": None},
        "UserErrorRestoreTypeNotSupported",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_restored_is_refused_at_once(item, case):
    options, code = REFUSED[case]
    before = len(item.arm.entries(f"{item.vault_path}/backupJobs"))
    told = restore(item, **options)
    assert told.code != 0, told
    if code:
        told.refused(code)
    assert len(item.arm.entries(f"{item.vault_path}/backupJobs")) == before, "a job was begun"


def test_a_new_vm_needs_a_network_that_is_there(item):
    told = restore(
        item,
        target_vm_name="hf-clients-nowhere",
        target_vnet_name="no-such-network",
        target_vnet_resource_group=GROUP,
        target_subnet_name="default",
    )
    assert told.code in (1, 3), told
    assert "hf-clients-nowhere" not in virsh("list", "--all", "--name")


def test_a_new_vm_does_not_take_the_place_of_another(item, network):
    told = restore(
        item,
        target_vm_name=item.vm,
        target_vnet_name=network,
        target_vnet_resource_group=GROUP,
        target_subnet_name="default",
    )
    assert told.code == 1 and "Code: " in told.err, told
    assert len([name for name in virsh("list", "--all", "--name").split() if name == item.vm]) == 1


# Commands that Azure has and Holdfast has not: each is refused, and nothing changes.
UNSUPPORTED = {
    "files out of a point": ("backup restore files mount-rp", "r"),
    "advice on archiving": (
        "backup recoverypoint list --recommended-for-archive"
        " --backup-management-type AzureIaasVM --workload-type VM",
        None,
    ),
    "archiving": (
        "backup recoverypoint move --source-tier VaultStandard --destination-tier VaultArchive"
        " --backup-management-type AzureIaasVM --workload-type VM",
        "n",
    ),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_there_is_not_is_refused(item, case):
    command, option = UNSUPPORTED[case]
    before = item.points()
    point = {option: item.point} if option else {}
    told = item.az(command, **item.of_item, **point)
    assert told.code == 1 and "Code: " in told.err, told
    assert item.points() == before


def test_there_is_no_second_region(item):
    told = item.az("backup recoverypoint list --use-secondary-region", **item.named)
    assert told.code != 0, told


# ── points ───────────────────────────────────────────────────────────────────────────────────────
def test_points_are_listed_by_their_days(item):
    listed = lambda words: [
        point["name"] for point in item.az.ok(f"backup recoverypoint list {words}", **item.named)
    ]
    assert listed("") == [item.point]
    assert listed("--start-date 01-01-2020 --end-date 02-01-2020") == []
    assert listed("--start-date 01-01-2020 --end-date 01-01-2090") == [item.point]


def test_points_are_in_the_vault_and_nowhere_else(item):
    listed = lambda tier: item.az.ok(
        f"backup recoverypoint list --tier {tier} --workload-type VM", **item.named
    )
    assert [point["name"] for point in listed("VaultStandard")] == [item.point]
    for tier in ["VaultArchive", "SnapshotAndVaultStandard", "Snapshot"]:
        assert listed(tier) == [], tier


def test_no_point_can_be_archived(item):
    words = "--is-ready-for-move True --target-tier VaultArchive --workload-type VM"
    assert item.az.ok(f"backup recoverypoint list {words}", **item.named) == []


def test_an_unknown_point_is_not_found(item):
    told = item.az("backup recoverypoint show -n 4611686018427387904", **item.named)
    assert told.code != 0 and "NotFound" in told.err, told
