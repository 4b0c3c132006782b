"""The commands beside `az backup` that people use when they protect VMs."""

import pytest

from conftest import GROUP, REGION
from harness.expect import holds


def test_a_group_is_made_shown_and_deleted(az, arm):
    az.ok("group create -n passing --tags team=a", l=REGION)
    assert az.ok("group exists -n passing") is True
    assert az.ok("group show -n passing")["tags"] == {"team": "a"}
    assert "passing" in [group["name"] for group in az.ok("group list")]
    az.ok("group delete -n passing --yes")
    assert az.ok("group exists -n passing") is False
    assert arm.call("GET", arm.group("passing")).status_code == 404


def test_a_groups_empty_vaults_go_with_it(az, arm):
    az.ok("group create -n going", l=REGION)
    az.ok("backup vault create -n empty -g going", l=REGION)
    az.ok("group delete -n going --yes")
    assert arm.call("GET", arm.vault("going", "empty")).status_code == 404


def test_a_group_with_vms_stays(az, guest):
    told = az("group delete --yes", n=GROUP)
    assert told.code == 1 and "Code: " in told.err, told
    assert az.ok("group exists", n=GROUP) is True


def test_a_group_that_is_missing_is_not_found(az):
    assert az.ok("group exists -n none") is False
    az("group show -n none").refused("ResourceGroupNotFound", exit_code=3)


def test_regions_are_told(az):
    assert REGION in [place["name"] for place in az.ok("account list-locations")]


@pytest.mark.parametrize("name", ["Microsoft.RecoveryServices", "Microsoft.Compute"])
def test_providers_are_registered(az, name):
    assert az.ok("provider show", n=name)["registrationState"] == "Registered"
    az.ok("provider register", n=name)
    assert name in [provider["namespace"] for provider in az.ok("provider list")]


def test_an_unknown_provider_is_not_found(az):
    assert az("provider show -n Microsoft.Nothing").code != 0


def test_the_guest_and_its_power_state_are_shown(az, guest):
    vm = az.ok("vm show", n=guest.name, g=GROUP)
    assert vm["type"] == "Microsoft.Compute/virtualMachines"
    assert vm["location"] == REGION
    detailed = {vm["name"]: vm for vm in az.ok("vm list -d", g=GROUP)}
    assert detailed[guest.name]["powerState"] == "VM running"
    view = az.ok("vm get-instance-view", n=guest.name, g=GROUP)
    codes = [status["code"] for status in view["instanceView"]["statuses"]]
    assert "PowerState/running" in codes


def test_a_vm_that_is_off_is_shown_so(az, vm):
    off = vm(disks=2)
    shown = az.ok("vm show", n=off.name, g=GROUP)
    assert [disk["lun"] for disk in shown["storageProfile"]["dataDisks"]] == [0]
    view = az.ok("vm get-instance-view", n=off.name, g=GROUP)
    codes = [status["code"] for status in view["instanceView"]["statuses"]]
    assert any(code in ("PowerState/stopped", "PowerState/deallocated") for code in codes), codes


def test_a_vm_that_is_missing_is_not_found(az):
    az("vm show -n no-such-vm", g=GROUP).refused("ResourceNotFound", exit_code=3)


def test_networks_have_one_subnet(az, network):
    shown = az.ok("network vnet show", n=network, g=GROUP)
    assert len(shown["subnets"]) == 1
    assert network in [vnet["name"] for vnet in az.ok("network vnet list", g=GROUP)]


def test_the_staging_store_is_a_storage_account(az):
    shown = az.ok("storage account show -n staging", g=GROUP)
    holds(shown, {"name": "staging", "location": REGION})
    assert "staging" in [account["name"] for account in az.ok("storage account list")]


def test_resources_of_a_group_are_listed(az, vault):
    listed = az.ok("resource list", g=GROUP)
    assert vault in [resource["name"] for resource in listed]
    kind = "Microsoft.RecoveryServices/vaults"
    only = az.ok("resource list", resource_type=kind)
    assert only and {resource["type"] for resource in only} == {kind}
    shown = az.ok("resource show", n=vault, g=GROUP, resource_type=kind)
    assert shown["name"] == vault


def test_tags_of_a_resource_are_listed(az, arm):
    az.ok("backup vault create -n tags --tags team=a", g=GROUP, l=REGION)
    told = az.ok("tag list", resource_id=arm.vault(GROUP, "tags"))
    assert told["properties"]["tags"] == {"team": "a"}


# What Holdfast cannot do: hypervisors are managed by their own tools.
REFUSED = [
    "disk create -n d --size-gb 1 -l local",
    "snapshot create -n s --size-gb 1 -l local",
    "network nsg create -n n -l local",
    "vm delete -n no-such-vm --yes",
    "network vnet create -n v -l local",
]


@pytest.mark.parametrize("command", REFUSED)
def test_what_belongs_to_the_hypervisor_is_refused(az, command):
    told = az(command, g=GROUP)
    assert told.code in (1, 3) and ("Code: " in told.err or "NotFound" in told.err), told


def test_a_bare_call_is_answered_as_any_other(az, arm, vault):
    path = arm.vault(GROUP, vault)
    told = az.ok("rest --method get", url=f"{arm.endpoint}{path}?api-version=2025-08-01")
    assert told["name"] == vault
