"""Vaults, by az."""

from conftest import GROUP, REGION


def test_a_vault_is_created_within_seconds(az, arm):
    told = az.process("backup vault create", n="created", g=GROUP, l=REGION)
    vault = told.ok()
    # The bar is 5 s on a quiet machine; a test that fails on a busy one says nothing.
    print(f"az backup vault create: {told.seconds:.1f} s, az's own start included")
    assert told.seconds < 15
    assert vault["properties"]["provisioningState"] == "Succeeded"
    assert vault["location"] == REGION
    assert arm.get(arm.vault(GROUP, "created"))["name"] == "created"
