"""One service, one booted guest and one login for all tests; vaults and small VMs for each."""

import itertools
import os

import pytest

from harness.arm import Arm
from harness.az import Az
from harness.guest import Guest
from harness.lab import Lab, until
from harness.service import Service

pytest_plugins = ["harness.steps"]

# The group that every installation has; the local host's VMs are in it.
GROUP = "holdfast"
REGION = "local"


@pytest.fixture(scope="session")
def lab():
    if os.geteuid() != 0:
        pytest.exit("tests on guests need root", 1)
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def service(lab):
    service = Service(lab)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def arm(service):
    return Arm(service)


@pytest.fixture(scope="session")
def az(lab, service):
    """The newest az, logged in."""
    yield from logged_in("az-newest", lab, service)


@pytest.fixture(scope="session")
def az_lts(lab, service):
    """The oldest az that is supported, logged in."""
    yield from logged_in("az-lts", lab, service)


def logged_in(version, lab, service):
    az, told = Az(version, lab.directory(version), service), service.credentials
    az.log_in(service, lab, told["clientId"], told["clientSecret"]).ok()
    yield az
    az.close()


@pytest.fixture(scope="session")
def guest(lab, arm):
    """The demo guest, booted and known to the service."""
    guest = Guest.boot(lab, "guest")
    arm.wait_for_vm(GROUP, guest.name)
    yield guest
    guest.remove()


@pytest.fixture(scope="session")
def network(lab, arm):
    """A network that the service knows; its name."""
    name = lab.network()
    path = arm.group(GROUP, f"/providers/Microsoft.Network/virtualNetworks/{name}")
    until("the service knows the network", 60, lambda: arm.call("GET", path).status_code == 200)
    return name


NUMBERS = itertools.count(1)


@pytest.fixture
def vm(lab, arm):
    """Makes small VMs that are off, and known to the service: `vm(disks=2)`."""
    made = []

    def make(disks=1):
        made.append(Guest.small(lab, f"off{next(NUMBERS)}", disks))
        arm.wait_for_vm(GROUP, made[-1].name)
        return made[-1]

    yield make
    for guest in made:
        guest.remove()


@pytest.fixture
def vault(arm):
    """A vault of the test's own, made without az; its name. Its soft delete is always on."""
    return new_vault(arm, {})


@pytest.fixture
def lenient_vault(arm):
    """The same, with soft delete that can be switched off."""
    settings = {"softDeleteState": "Enabled", "softDeleteRetentionPeriodInDays": 14}
    return new_vault(arm, {"securitySettings": {"softDeleteSettings": settings}})


def new_vault(arm, properties):
    name = f"vault{next(NUMBERS)}"
    body = {"location": REGION, "sku": {"name": "Standard"}, "properties": properties}
    answer = arm.call("PUT", arm.vault(GROUP, name), body)
    assert answer.status_code in (200, 201), answer.text
    return name
