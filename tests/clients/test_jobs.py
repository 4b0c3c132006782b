"""Jobs, by az."""

import os
from datetime import datetime, timedelta, timezone

import pytest

from conftest import GROUP
from harness.expect import job
from harness.guest import Guest
from harness.protection import Protection


@pytest.fixture(scope="module")
def item(az, arm, lab):
    """A small VM with a protection job and one backup."""
    guest = Guest.small(lab, "jobs")
    arm.wait_for_vm(GROUP, guest.name)
    az.ok("backup vault create -n jobs -l local", g=GROUP)
    item = Protection(az, arm, GROUP, "jobs", GROUP, guest.name)
    item.enable()
    item.back_up()
    yield item
    guest.remove()


YESTERDAY = (datetime.now(timezone.utc) - timedelta(days=1)).strftime("%d-%m-%Y")
FILTERS = {
    "": ["Backup", "ConfigureBackup"],
    "--operation Backup": ["Backup"],
    "--operation ConfigureBackup": ["ConfigureBackup"],
    "--operation Restore": [],
    "--status Completed": ["Backup", "ConfigureBackup"],
    "--status Failed": [],
    "--status InProgress": [],
    "--backup-management-type AzureIaasVM": ["Backup", "ConfigureBackup"],
    "--backup-management-type AzureWorkload": [],
    "--start-date 01-01-2020 --end-date 01-01-2021": [],
    f"--start-date {YESTERDAY}": ["Backup", "ConfigureBackup"],
}


@pytest.mark.parametrize("options", FILTERS)
def test_jobs_are_filtered(az, item, options):
    jobs = az.ok(f"backup job list {options}", **item.in_vault)
    assert sorted(found["properties"]["operation"] for found in jobs) == FILTERS[options]


def test_a_jobs_details_have_its_tasks(az, item):
    (listed,) = az.ok("backup job list --operation Backup", **item.in_vault)
    assert not listed["properties"].get("extendedInfo")
    shown = az.ok("backup job show", **item.in_vault, n=listed["name"])
    job(shown, "Backup", vm=item.vm)
    tasks = shown["properties"]["extendedInfo"]["tasksList"]
    assert [task["status"] for task in tasks] == ["Completed"] * len(tasks) and tasks
    assert shown["properties"]["extendedInfo"]["propertyBag"]["VM Name"] == item.vm


def test_a_job_that_has_ended_is_not_stopped(az, item):
    (ended,) = az.ok("backup job list --operation Backup", **item.in_vault)
    told = az("backup job stop", **item.in_vault, n=ended["name"])
    assert told.code == 1 and "Code: " in told.err, told
    assert item.job(ended["name"])["properties"]["status"] == "Completed"


def test_a_running_job_is_stopped(az, arm, lab, vault):
    guest = Guest.small(lab, "long")
    with open(guest.disks[0], "r+b") as disk:
        for _ in range(512):
            disk.write(os.urandom(1 << 20))
    arm.wait_for_vm(GROUP, guest.name)
    item = Protection(az, arm, GROUP, vault, GROUP, guest.name)
    item.enable()
    begun = az.ok("backup protection backup-now", **item.named)
    az.ok("backup job stop", **item.in_vault, n=begun["name"])
    item.ended(begun["name"], "Cancelled")
    item.expect(protectionState="IRPending")
    assert item.points() == []
    # The next one is not in its way.
    item.back_up()
    guest.remove()


def test_an_unknown_job_is_not_found(az, item):
    told = az("backup job show -n 4f8b1d3e-0000-4000-8000-000000000000", **item.in_vault)
    assert told.code == 3, told


def test_a_table_of_jobs_is_drawn(az, item):
    told = az("backup job list -o table", **item.in_vault)
    assert told.code == 0 and item.vm in told.out and "PT" not in told.out.split("\n")[0], told
