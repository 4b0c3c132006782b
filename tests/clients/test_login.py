"""The way in: a cloud, a login, an account."""

from conftest import GROUP


def test_the_account_is_the_installations(az, service):
    account = az.ok("account show")
    assert account["id"] == service.credentials["subscriptionId"]
    assert account["tenantId"] == service.credentials["tenantId"]
    assert account["user"]["type"] == "servicePrincipal"


def test_the_booted_guest_is_a_virtual_machine(az, guest):
    vm = az.ok("vm show", n=guest.name, g=GROUP)
    assert vm["type"] == "Microsoft.Compute/virtualMachines"
    assert guest.name in [vm["name"] for vm in az.ok("vm list")]
