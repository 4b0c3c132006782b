"""Virtual machines: one that boots and can be asked, and small ones that stay off."""

import base64
import json
import shutil

from .lab import REPOSITORY, run, until, virsh

BOOT_S = 180
# The application's own state changes with every freeze: it is no evidence of equality.
RESTLESS = "/var/lib/app/*"


def boot_files():
    """The folder of the demo guest's kernel and disks."""
    return run(REPOSITORY / "guest/build", "--size", "2G").strip()


class Guest:
    """A domain that runs the demo guest, or could."""

    def __init__(self, lab, name, disks=()):
        self.lab, self.name, self.disks = lab, lab.domain(name), list(disks)

    @classmethod
    def define(cls, lab, name, disks):
        """Defines a domain with these disks (paths) and leaves it powered off."""
        guest = cls(lab, name, disks)
        words = [f"{path},format={path.suffix.lstrip('.')}" for path in guest.disks]
        console = lab.path(f"{name}.console")
        xml = run(
            REPOSITORY / "guest/domain",
            *("--name", guest.name, "--guest", boot_files(), "--log", console),
            *words,
        )
        lab.path(f"{name}.xml").write_text(xml)
        virsh("define", lab.path(f"{name}.xml"))
        return guest

    @classmethod
    def boot(cls, lab, name):
        """Boots the demo guest from a disk of its own and waits for its agent."""
        disk = lab.path(f"{name}.qcow2")
        shutil.copy(f"{boot_files()}/root-2G.qcow2", disk)
        guest = cls.define(lab, name, [disk])
        virsh("start", guest.name)
        guest.wait_for_agent()
        return guest

    @classmethod
    def small(cls, lab, name, disks=1):
        """A domain that stays off, with small disks: an ext4 of 16 MiB each, with one file."""
        paths = []
        for number in range(disks):
            raw = lab.path(f"{name}-{number}.raw")
            content = lab.directory(f"{name}-{number}.content")
            (content / "note").write_text(f"disk {number} of {name}\n" * 100)
            run("truncate", "-s", "16M", raw)
            run("mke2fs", "-q", "-t", "ext4", "-d", content, raw)
            shutil.rmtree(content)
            paths.append(raw)
        return cls.define(lab, name, paths)

    def remove(self):
        virsh("destroy", self.name, check=False)
        virsh("undefine", "--checkpoints-metadata", self.name, check=False)

    def state(self):
        return virsh("domstate", self.name).strip()

    def wait_for_agent(self):
        ping = lambda: self._agent({"execute": "guest-ping"}, 5, check=False)
        until(f"the agent of {self.name} answers", BOOT_S, ping)

    def sh(self, command):
        """Runs a shell command in the guest; its stdout, or an error unless it ends with 0."""
        arguments = {"path": "/bin/sh", "arg": ["-c", command], "capture-output": True}
        begun = self._agent({"execute": "guest-exec", "arguments": arguments})
        ask = {"execute": "guest-exec-status", "arguments": {"pid": begun["return"]["pid"]}}

        def ended():
            status = self._agent(ask)["return"]
            return status["exited"] and status

        status = until(command, 180, ended)
        text = lambda name: base64.b64decode(status.get(name, "")).decode(errors="replace")
        assert status.get("exitcode") == 0, f"{command}: {text('err-data')}"
        return text("out-data")

    def hashes(self):
        """SHA-256 of every file of the root disk, computed in the guest, by path."""
        found = f"find / -xdev -type f -not -path '{RESTLESS}'"
        return parse_hashes(self.sh(f"{found} | xargs sha256sum"))

    def hold_still(self):
        """From here on nothing in the guest writes to its root disk."""
        self.sh("sync; mount -o remount,ro /")

    def go_on(self):
        self.sh("mount -o remount,rw,noatime /")

    def raw_copy(self, name, disk=0):
        """What a disk holds now, as a raw image, also while a guest that does not write has it."""
        source = self.disks[disk]
        copy = self.lab.path(name)
        kind = source.suffix.lstrip(".")
        run("qemu-img", "convert", "-q", "-U", "-f", kind, "-O", "raw", source, copy)
        return copy

    def _agent(self, request, seconds=60, check=True):
        text = json.dumps(request)
        words = ("qemu-agent-command", "--timeout", str(seconds), self.name, text)
        answer = virsh(*words, check=check)
        return json.loads(answer) if answer.strip() else None


def parse_hashes(text):
    """Lines of `sha256sum`, by path; paths lose their leading dot."""
    pairs = (line.split("  ", 1) for line in text.splitlines())
    return {path.lstrip("."): digest for digest, path in pairs}


def hashes_of(lab, raw):
    """SHA-256 of every file on the ext4 of a raw image, by path; an error unless it is clean."""
    run("e2fsck", "-fn", raw)
    into = lab.directory("extracted")
    run("debugfs", "-R", f'rdump / "{into}"', raw)
    script = 'cd "$1" && find . -type f -not -path "./var/lib/app/*" -print0 | xargs -0 sha256sum'
    told = run("sh", "-c", script, "sh", into)
    shutil.rmtree(into)
    return parse_hashes(told)
