"""Azure's own answers, as recorded, are the shape of ours: ours may say more, never less.

A document in `shapes` is what Azure answered, with the names of people's things taken out. Left out
of them is only what no client reads and is not true here: the instant tier, regions of choice,
immutable points, sizes and scores of Azure's own, names of retention rules.
"""

import json
from pathlib import Path

import pytest

from conftest import GROUP, REGION
from harness.guest import Guest
from harness.protection import Protection

SHAPES = Path(__file__).parent / "shapes"


@pytest.fixture(scope="module")
def answers(az, arm, lab):
    """Our answer for each shape."""
    guest = Guest.small(lab, "shape")
    arm.wait_for_vm(GROUP, guest.name)
    az.ok("backup vault create -n shapes", g=GROUP, l=REGION)
    item = Protection(az, arm, GROUP, "shapes", GROUP, guest.name)
    vault = item.vault_path
    arm.call("POST", f"{vault}/backupFabrics/Azure/refreshContainers")
    (protectable,) = [
        found
        for found in arm.entries(f"{vault}/backupProtectableItems")
        if found["properties"]["friendlyName"] == guest.name
    ]
    item.enable()
    item.back_up()
    (backup,) = arm.entries(f"{vault}/backupJobs", **{"$filter": "operation eq 'Backup'"})
    yield {
        "vault": arm.get(vault),
        "policy-v1": arm.get(f"{vault}/backupPolicies/DefaultPolicy"),
        "policy-v2": arm.get(f"{vault}/backupPolicies/EnhancedPolicy"),
        "protectable": protectable,
        "container": arm.entries(f"{vault}/backupProtectionContainers")[0],
        "item": arm.get(item.path),
        "point": item.points()[0],
        "job": item.job(backup["name"]),
    }
    guest.remove()


def missing(shape, ours, place):
    """What the shape has and ours has not, or has as another kind of value."""
    if isinstance(shape, dict) and isinstance(ours, dict):
        for name, value in shape.items():
            if name not in ours:
                yield f"{place}.{name}"
            else:
                yield from missing(value, ours[name], f"{place}.{name}")
    elif isinstance(shape, list) and isinstance(ours, list):
        if shape and ours:
            yield from missing(shape[0], ours[0], f"{place}[]")
    elif type(shape) is not type(ours):
        yield f"{place} is {ours!r}"


@pytest.mark.parametrize("name", sorted(file.stem for file in SHAPES.glob("*.json")))
def test_nothing_that_azure_tells_is_missing(answers, name):
    shape = json.loads((SHAPES / f"{name}.json").read_text())
    absent = list(missing(shape, answers[name], name))
    assert not absent, absent
    assert answers[name]["type"] == shape["type"]
