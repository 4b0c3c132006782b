"""A real Prometheus scrapes a real service over TLS, with a principal's credentials, as
docs/monitoring.md says; and everything that the dashboard asks has an answer."""

import json
import ssl
import subprocess
import urllib.parse
import urllib.request

import pytest

from dashboard import EXPRESSIONS
from machines import Machine
from prometheus import Prometheus
from watched import Watched

# What this installation cannot have yet, and why.
NOT_YET = {
    "holdfast_vault_verified_timestamp_seconds": "the first verification comes after a week",
    "holdfast_vault_collected_timestamp_seconds": "nothing was let go of yet",
}


@pytest.fixture(scope="module")
def service(lab):
    service = Watched(lab)
    good, bad = Machine(lab, "good"), Machine(lab, "bad")
    service.machines = good, bad
    service.protect("v1", good)
    service.protect("v1", bad)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def principal(lab, service):
    """Who scrapes: its id, and the file with its secret."""
    file = lab.path("prometheus.secret")
    made = service.cli("principal", "create", "prometheus", "--secret-file", file)
    service.cli("role", "assign", "--principal", "prometheus", "--role", "Backup Reader")
    return made["properties"]["clientId"], file


@pytest.fixture(scope="module")
def prometheus(lab, service, principal):
    """It scrapes before the jobs, as it does where it runs all the time, and after them."""
    prometheus = Prometheus(lab, service, *principal)
    try:
        prometheus.wait_for_scrape()
        good, bad = service.machines
        assert service.back_up("v1", good) == "Completed"
        bad.lose_disk()
        assert service.back_up("v1", bad) == "Failed"
        prometheus.wait_for_scrape()
        service.restart()  # for the vault's sizes
        prometheus.wait_for_scrape()
        yield prometheus
    finally:
        prometheus.stop()


def value(samples):
    (sample,) = samples
    return float(sample["value"][1])


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_the_dashboard_asks_has_an_answer(prometheus, expression):
    answer = prometheus.query(expression)
    if not any(name in expression for name in NOT_YET):
        assert answer, "no sample"


def test_what_the_dashboard_does_not_have_yet_is_what_the_ledger_does_not_have(prometheus):
    for name, why in NOT_YET.items():
        assert not prometheus.query(name), f"{name} is there, although {why}: take it off the list"


def test_the_dashboard_finds_the_vaults(prometheus):
    assert prometheus.ask("label/vault/values", **{"match[]": "holdfast_vault_items"}) == ["v1"]


def test_figures_are_those_of_the_service(prometheus, service):
    good, bad = service.machines
    of = lambda name, item: value(prometheus.query(f'{name}{{item="{item.name}"}}'))
    assert of("holdfast_item_failed", good) == 0
    assert of("holdfast_item_failed", bad) == 1
    assert 0 < of("time() - holdfast_item_last_backup_timestamp_seconds", good) < 600
    assert value(prometheus.query("holdfast_vault_points")) == 1
    assert value(prometheus.query("holdfast_vault_stored_bytes")) > 0


def test_the_first_job_of_its_kind_counts_as_growth(prometheus):
    for status in ("Completed", "Failed"):
        which = f'holdfast_jobs_total{{operation="Backup",status="{status}"}}'
        assert value(prometheus.query(f"increase({which}[1h])")) > 0, status


def test_the_rules_of_the_manual_fire(prometheus, service):
    alerts = prometheus.ask("alerts")["alerts"]
    firing = {(one["labels"]["alertname"], one["labels"].get("item")) for one in alerts}
    assert firing == {("BackupFailed", service.machines[1].name)}


def test_promtool_has_nothing_to_say_about_the_figures(service, principal, prometheus):
    context = ssl.create_default_context(cafile=service.ca)

    def ask(path, form=None, headers={}):
        body = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(service.endpoint + path, body, headers)
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return answer.read()

    client, file = principal
    form = {"grant_type": "client_credentials", "client_id": client}
    form |= {"client_secret": file.read_text().strip(), "scope": f"{service.endpoint}/.default"}
    token = json.loads(ask("/adfs/oauth2/token", form))["access_token"]
    text = ask("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert b"holdfast_jobs_total" in text
    told = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert told.returncode == 0 and not told.stderr, told.stderr.decode()
