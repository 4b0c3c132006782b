"""A place of its own for each file of tests."""

import os

import pytest

from harness.lab import Lab

pytest_plugins = ["harness.steps"]


@pytest.fixture(scope="module")
def lab():
    if os.geteuid() != 0:
        pytest.exit("libvirt's machines need root", 1)
    lab = Lab("hf-monitoring-")
    yield lab
    lab.close()
