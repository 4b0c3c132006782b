"""A `holdfast serve` that is watched, and its operator."""

import subprocess

from harness.lab import until
from harness.service import PROGRAM, Service


class Watched(Service):
    def restart(self):
        """A look at vaults and alerts comes with every start, else every minute."""
        self.stop()
        self.start()

    def protect(self, vault, machine):
        """Puts a machine under a vault's protection; the vault is made if it is not there."""
        names = [one["name"] for one in self.cli("vault", "list")]
        if vault not in names:
            self.cli("vault", "create", vault, "--region", "local")
        until(f"{machine.name} is known", 60, lambda: self._knows(machine))
        self.cli("item", "enable", "--vault", vault, "--vm", machine.name)

    def _knows(self, machine):
        return any(machine.name == vm["name"] for vm in self.cli("vm", "list"))

    def back_up(self, vault, machine):
        """Backs it up; the job's status."""
        words = ("backup-now", "--vault", vault, "--item", machine.name, "--wait")
        command = [PROGRAM, "--data", self.data, "--json", *words]
        told = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        job = self.cli("job", "list", "--vault", vault)[0]["properties"]
        assert job["operation"] == "Backup", f"{told}: {job}"
        return job["status"]
