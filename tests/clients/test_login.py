"""The way in: a cloud, a login, an account; and who may do what."""

import pytest

from conftest import GROUP, REGION
from harness.arm import Arm
from harness.az import Az
from harness.protection import Protection


def test_the_account_is_the_installations(az, service):
    account = az.process("account show").ok()
    assert account["id"] == service.credentials["subscriptionId"]
    assert account["tenantId"] == service.credentials["tenantId"]
    assert account["user"]["type"] == "servicePrincipal"


def test_holdfast_sets_az_up(lab, service):
    az = Az("az-newest", lab.directory("az-holdfast"), service)
    told = service.cli("az-login", "--az", az.program, environment=az.environment)
    assert service.credentials["clientSecret"] not in str(told)
    az.environment.update(told["environment"])
    assert az.process("account show").ok()["id"] == service.credentials["subscriptionId"]
    az.close()


def test_the_secret_is_in_no_log(service):
    assert service.credentials["clientSecret"] not in service.log.read_text()


def test_a_wrong_secret_is_refused(lab, service):
    stranger = Az("az-newest", lab.directory("az-stranger"), service)
    told = stranger.log_in(service, lab, service.credentials["clientId"], "wrong")
    assert told.code == 1 and "AADSTS7000215" in told.err, told
    stranger.close()


class Principal:
    """A principal with az logged in as it."""

    def __init__(self, lab, service, name, role, **scope):
        told = service.cli("principal", "create", name)
        words = [word for option, value in scope.items() for word in (f"--{option}", value)]
        service.cli("role", "assign", "--principal", name, "--role", role, *words)
        properties = told["properties"]
        secret = (properties["clientId"], properties["clientSecret"])
        self.az = Az("az-newest", lab.directory(f"az-{name}"), service)
        self.az.log_in(service, lab, *secret).ok()
        self.arm = Arm(service, secret)


@pytest.fixture(scope="module")
def principals(lab, service):
    made = []

    def make(name, role, **scope):
        made.append(Principal(lab, service, name, role, **scope))
        return made[-1]

    yield make
    for principal in made:
        principal.az.close()


def test_a_reader_sees_everything_and_changes_nothing(principals, vault, arm):
    reader = principals("reader", "Reader")
    assert vault in [found["name"] for found in reader.az.ok("backup vault list")]
    assert reader.az.ok("backup policy list", v=vault, g=GROUP)
    for command, options in [
        ("backup vault create", {"n": "not-made", "g": GROUP, "l": REGION}),
        ("backup vault delete --yes", {"n": vault, "g": GROUP}),
        ("backup policy delete -n DefaultPolicy", {"v": vault, "g": GROUP}),
        ("group create -n not-made", {"l": REGION}),
    ]:
        reader.az(command, **options).refused("AuthorizationFailed")
    assert arm.call("GET", arm.vault(GROUP, "not-made")).status_code == 404
    assert arm.get(arm.vault(GROUP, vault))["name"] == vault


def test_an_operator_of_one_vault_backs_up_and_deletes_nothing(principals, az, arm, vault, vm):
    item = Protection(az, arm, GROUP, vault, GROUP, vm().name)
    item.enable()
    operator = principals("operator", "Backup Operator", vault=vault)
    theirs = Protection(operator.az, operator.arm, GROUP, vault, GROUP, item.vm)
    theirs.back_up()
    theirs.az("backup protection disable --yes --delete-backup-data true", **item.named).refused(
        "AuthorizationFailed"
    )
    theirs.az("backup policy delete -n EnhancedPolicy", **item.in_vault).refused(
        "AuthorizationFailed"
    )
    item.expect(protectionState="Protected")
    assert len(item.points()) == 1


def test_roles_are_listed_by_az(az, service):
    names = [role["roleName"] for role in az.ok("role definition list")]
    for name in ["Owner", "Contributor", "Reader", "Backup Contributor", "Backup Operator",
                 "Backup Reader"]:
        assert name in names
    # Without a directory of people az can only tell the ids.
    told = az.ok("role assignment list --all --fill-principal-name false")
    assert any(found["roleDefinitionName"] == "Owner" for found in told)
