"""`holdfast serve --config` with alerts: real backups fail, and a real mail server and a webhook's
receiver hear of it once, outside of the windows that silence it.

The steps build on each other: it is the story of one night."""

import base64
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness.lab import until
from machines import Machine
from receivers import MailServer, WebhookReceiver, certificate
from watched import Watched

PASSWORD, SECRET = "a-password-of-the-mail-server", "the-secret-of-the-webhook"
# For how long the vault `quiet` is silenced. Its alert is found well before that.
SILENCE = timedelta(seconds=90)
# A look for what is wrong comes every 60 s.
PATIENCE_S = 75

SETTINGS = """
[alerts]
source = "kvm1"
[[alerts.webhook]]
name = "ops"
url = "{webhook.url}"
secret-file = "{secret}"
ca-file = "{ca}"
[[alerts.mail]]
name = "mail"
server = "localhost"
port = {mail.port}
security = "starttls"
user = "holdfast"
password-file = "{password}"
ca-file = "{ca}"
from = "Holdfast <holdfast@example.com>"
to = ["ops@example.com", "night@example.com"]
[[alerts.suppress]]
from = "2026-01-01T00:00:00Z"
until = "{until:%Y-%m-%dT%H:%M:%SZ}"
vaults = ["quiet"]
"""


class Night:
    """The service, who hears of it, and the machines."""

    def __init__(self, lab):
        context, ca = certificate(lab)
        self.mail = MailServer(context, "holdfast", PASSWORD)
        self.webhook = WebhookReceiver(context, SECRET)
        self.until = datetime.now(timezone.utc) + SILENCE
        secrets = {"password": PASSWORD, "secret": SECRET}
        for name, text in secrets.items():
            lab.path(name).write_text(text)
            lab.path(name).chmod(0o600)
        files = {name: lab.path(name) for name in secrets}
        config = lab.path("holdfast.toml")
        config.write_text(SETTINGS.format(ca=ca, **files, **vars(self)))
        self.service = Watched(lab, "--config", config)
        self.web, self.db = Machine(lab, "web"), Machine(lab, "db")

    def told(self):
        """What the webhook heard: event, kind, vault and item."""
        keys = ("event", "kind", "vault", "item")
        return [tuple(alert[key] for key in keys) for alert in self.webhook.alerts]

    def stop(self):
        self.service.stop()
        self.webhook.stop()
        self.mail.stop()


@pytest.fixture(scope="module")
def night(lab):
    # All that the service can say, so that a secret in it would show.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_LOG", "trace")
        night = Night(lab)
        yield night
        night.stop()


@pytest.mark.steps
class TestNight:
    def test_a_failed_backup_is_told_by_mail_and_webhook(self, night):
        for vault, machine in (("loud", night.web), ("quiet", night.db)):
            night.service.protect(vault, machine)
            machine.lose_disk()
            assert night.service.back_up(vault, machine) == "Failed"
        until("the webhook hears of it", PATIENCE_S, night.told)
        until("a mail", 10, lambda: night.mail.mails)
        assert night.told() == [("raised", "BackupFailed", "loud", night.web.name)]
        (alert,) = night.webhook.alerts
        assert alert["source"] == "kvm1" and alert["text"] and alert["action"]

    def test_the_mail_says_the_same_to_all_who_are_named(self, night):
        ((envelope, mail),) = night.mail.mails
        assert envelope.rcpt_tos == ["ops@example.com", "night@example.com"]
        assert envelope.mail_from == "holdfast@example.com"
        assert night.web.name in mail["Subject"] and "kvm1" in mail["Subject"]
        (alert,) = night.webhook.alerts
        body = " ".join(mail.get_content().split())
        assert " ".join(alert["text"].split()) in body, body
        assert night.db.name not in body

    def test_what_is_silenced_stands_all_the_same(self, night):
        assert datetime.now(timezone.utc) < night.until, "too slow for this window"
        failed = night.service.cli("status")["properties"]["failed"]
        assert night.db.name in str(failed) and night.web.name in str(failed)

    def test_it_is_told_once_the_window_has_ended_and_nothing_twice(self, night):
        time.sleep(max(0, (night.until - datetime.now(timezone.utc)).total_seconds()))
        night.service.restart()
        until("the other one is told", 20, lambda: len(night.mail.mails) > 1)
        until("to both", 20, lambda: len(night.told()) > 1)
        assert night.told()[1:] == [("raised", "BackupFailed", "quiet", night.db.name)]

    def test_that_it_is_over_is_told_too(self, night):
        for vault, machine in (("loud", night.web), ("quiet", night.db)):
            machine.find_disk()
            assert night.service.back_up(vault, machine) == "Completed"
        night.service.restart()
        until("both are over", 20, lambda: len(night.told()) >= 4)
        over = {("resolved", "BackupFailed", "loud", night.web.name)}
        over |= {("resolved", "BackupFailed", "quiet", night.db.name)}
        assert set(night.told()[2:]) == over
        raised, resolved = night.webhook.alerts[0], night.webhook.alerts[2:]
        assert raised["id"] in [alert["id"] for alert in resolved]

    def test_nothing_more_comes_after_that(self, night):
        night.service.restart()
        time.sleep(5)
        assert len(night.told()) == 4 and not night.webhook.refused
        assert len(night.mail.mails) in (3, 4), "one mail may tell of both that are over"

    def test_no_secret_shows(self, night):
        log = night.service.log.read_text()
        assert "BackupFailed" in log and "TRACE" in log, "the log is not the one meant"
        places = {"the log": log, "a mail": str([str(mail) for _, mail in night.mail.mails])}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                places[str(process)] = (process / "cmdline").read_text()
            except OSError:  # it has ended
                continue
        own = [text for text in places.values() if str(night.service.data) in text]
        assert own, "the service's own arguments were not seen"
        for file in night.service.data.rglob("*"):
            if file.is_file() and not file.is_symlink():
                places[str(file)] = file.read_bytes().decode(errors="replace")
        # As they are, and as a mail server is given them.
        plain = base64.b64encode(f"\0holdfast\0{PASSWORD}".encode()).decode()
        login = base64.b64encode(PASSWORD.encode()).decode()
        for secret in (PASSWORD, SECRET, plain, login):
            found = [place for place, text in places.items() if secret in text]
            assert not found, found
