"""A real Prometheus, set up as docs/monitoring.md says, for as long as a test runs."""

import json
import re
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from harness.lab import REPOSITORY, run, until

MANUAL = REPOSITORY / "docs/monitoring.md"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def in_manual(begin):
    """The one block of YAML in the manual that begins so."""
    blocks = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    (block,) = [block for block in blocks if block.startswith(begin)]
    return block


def replace(text, pairs):
    for old, new in pairs.items():
        assert old in text, f"docs/monitoring.md does not say {old}"
        text = text.replace(old, str(new))
    return text


class Prometheus:
    def __init__(self, lab, service, client_id, secret_file):
        """With the manual's settings, for other places and with less patience."""
        place = lab.directory("prometheus")
        settings = replace(
            in_manual("scrape_configs:"),
            {
                "00000000-0000-0000-0000-000000000000": client_id,
                "/etc/prometheus/holdfast.secret": secret_file,
                "/etc/prometheus/holdfast-ca.pem": service.ca,
                "localhost:8443": f"localhost:{service.port}",
                "scrape_interval: 60s": "scrape_interval: 1s",
            },
        )
        rules = place / "rules.yml"
        rules.write_text(in_manual("groups:"))
        config = place / "prometheus.yml"
        every = "global: {evaluation_interval: 1s}"
        config.write_text(f"{every}\nrule_files: [{rules}]\n{settings}")
        run("promtool", "check", "config", config)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = lab.path("prometheus.log")
        words = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={place / 'data'}"]
        words += [f"--web.listen-address={self.url.removeprefix('http://')}"]
        with open(self.log, "w") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=place
            )

    def ask(self, path, **parameters):
        """The data of an answer of its HTTP API; an error unless it says `success`."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error
        assert told["status"] == "success" and "warnings" not in told, f"{parameters}: {told}"
        return told["data"]

    def query(self, expression):
        """What an expression comes to now: samples with labels and a value."""
        return self.ask("query", query=expression)["result"]

    def scrapes(self):
        """How many went well; none while the last one did not."""
        assert self._process.poll() is None, self.log.read_text()
        try:
            targets = self.ask("targets")["activeTargets"]
        except OSError:  # it does not listen yet
            return 0
        self.errors = [target["lastError"] for target in targets if target["lastError"]]
        samples = self.query("count_over_time((up == 1)[1h:1s])")
        return float(samples[0]["value"][1]) if samples and not self.errors else 0

    def wait_for_scrape(self):
        """Until it has scraped a few times more."""
        before = until("a good scrape", 30, self.scrapes)
        try:
            until("three more scrapes", 30, lambda: self.scrapes() >= before + 3)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.errors}") from error

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
