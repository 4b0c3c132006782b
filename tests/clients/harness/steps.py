"""Tests of a class marked `steps` build on each other: after one has failed, the others say so
instead of failing for reasons that are none."""

import pytest

FAILED_STEPS = {}


def pytest_configure(config):
    config.addinivalue_line("markers", "steps: the tests of this class build on each other")


def pytest_runtest_makereport(item, call):
    if "steps" in item.keywords and call.excinfo is not None:
        if not call.excinfo.errisinstance(pytest.skip.Exception):
            FAILED_STEPS.setdefault(item.parent.nodeid, item.name)


def pytest_runtest_setup(item):
    failed = FAILED_STEPS.get(item.parent.nodeid) if "steps" in item.keywords else None
    if failed:
        pytest.fail(f"not reached: {failed} failed", pytrace=False)
