"""A `holdfast serve` of the run's own, on the machine's real libvirt."""

import json
import os
import select
import signal
import socket
import subprocess
from pathlib import Path

from .lab import TARGET

# HOLDFAST_BIN: the tests of another build.
PROGRAM = Path(os.environ.get("HOLDFAST_BIN", TARGET / "release/holdfast"))


class Service:
    def __init__(self, lab, *options):
        """Starts it, with options of `serve` beside those that its place takes."""
        self.data, self.log = lab.path("data"), lab.path("serve.log")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.endpoint = f"https://localhost:{self.port}"
        self.ca = self.data / "ca.pem"
        words = [PROGRAM, "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}"]
        words += ["--scratch", lab.directory("scratch"), *options]
        self._words = [str(word) for word in words]
        self.start()

    def start(self):
        """Starts it, where it is not running."""
        self._process = subprocess.Popen(
            self._words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=open(self.log, "a"),
            text=True,
        )
        said, _, _ = select.select([self._process.stdout], [], [], 30)
        line = self._process.stdout.readline() if said else ""
        if "https://" not in line:
            self.stop()
            raise AssertionError(f"serve is not ready: {self.log_end()}")
        self.credentials = json.loads((self.data / "credentials.json").read_text())

    def cli(self, *words, environment=None):
        """What `holdfast … --json` answers."""
        command = [PROGRAM, "--data", self.data, "--json", *words]
        done = subprocess.run(
            [str(word) for word in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"holdfast {words}: {done.stderr or done.stdout}"
        return json.loads(done.stdout)

    def log_end(self):
        return "\n".join(self.log.read_text().splitlines()[-40:])

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
