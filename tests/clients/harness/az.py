"""The Azure CLI, unmodified: as a process per command, or many commands in one process."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .lab import TARGET

HERE = Path(__file__).parent


@dataclass
class Answer:
    """What a command answered."""

    words: tuple
    code: int
    out: str
    err: str
    seconds: float

    def ok(self):
        """Its document; an error unless it ended with 0."""
        assert self.code == 0, f"az {' '.join(self.words)}: exit code {self.code}: {self.err}"
        return json.loads(self.out) if self.out.strip() else None

    def refused(self, code, exit_code=1):
        """An error unless the service refused it with this code."""
        told = f"az {' '.join(self.words)}: {self.code}: {self.err}{self.out}"
        assert self.code == exit_code, told
        assert f"({code})" in self.err or f"Code: {code}" in self.err, told


class Az:
    """One version of az with a configuration of its own, logged in by somebody."""

    def __init__(self, version, config, service):
        self.place = TARGET / "clients" / version
        self.environment = {
            **os.environ,
            "AZURE_CONFIG_DIR": str(config),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
            "AZURE_CORE_NO_COLOR": "true",
            "REQUESTS_CA_BUNDLE": str(service.ca),
            "COLUMNS": "200",
        }
        self._worker = None

    @property
    def program(self):
        return self.place / "bin/az"

    def log_in(self, service, lab, client_id, secret):
        """Logs in as a person would do it; the secret goes by a file."""
        file = lab.path("secret")
        file.touch(0o600)
        file.write_text(secret)
        self.ok("cloud register -n Lab", endpoint_resource_manager=service.endpoint)
        self.ok("cloud set -n Lab")
        tenant = service.credentials["tenantId"]
        told = self("login --service-principal", u=client_id, p=f"@{file}", tenant=tenant)
        file.unlink()
        return told

    def process(self, command, *words, **options):
        """Runs a command as everybody does, in a process of its own."""
        words, begin = _words(command, words, options), time.monotonic()
        done = subprocess.run(
            [self.program, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - begin
        return Answer(words, done.returncode, done.stdout, done.stderr, seconds)

    def __call__(self, command, *words, **options):
        """Runs a command in the process that is kept for many."""
        words = _words(command, words, options)
        if self._worker is None:
            self._worker = subprocess.Popen(
                [self.place / "bin/python", HERE / "az_worker.py"],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        self._worker.stdin.write(json.dumps(words) + "\n")
        self._worker.stdin.flush()
        line = self._worker.stdout.readline()
        assert line, f"az {' '.join(words)}: the worker has died"
        return Answer(words, **json.loads(line))

    def ok(self, command, *words, **options):
        return self(command, *words, **options).ok()

    def close(self):
        if self._worker is not None:
            self._worker.stdin.close()
            self._worker.wait(10)
            self._worker = None


def _words(command, words, options):
    """The command's own words, then other words, then options: `g="rg"` is `-g rg`,
    `policy_name="p"` is `--policy-name p`; a list gives several values, True none.
    """
    all_words = [*command.split(), *words]
    for name, value in options.items():
        all_words.append(f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}")
        if value is not True:
            all_words += value if isinstance(value, (list, tuple)) else [value]
    return tuple(str(word) for word in all_words)
