"""A place for one run: a directory that QEMU may enter, and names for its domains.

What a run leaves is removed at its end; what a killed run left, at the next start.
"""

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
# Where libvirt keeps images: its QEMU user may enter, also where a security module confines it.
IMAGES = Path("/var/lib/libvirt/images")
# What every domain's name begins with, and the directory's.
PREFIX = "hf-clients-"


def run(*words, check=True, stdin=None):
    """Runs a program; its stdout, or an error that tells what it said on stderr."""
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{words}: {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def virsh(*words, check=True, stdin=None):
    return run("virsh", "-q", "-c", "qemu:///system", *words, check=check, stdin=stdin)


def until(what, seconds, ask, pause=0.2):
    """The first true answer of `ask`; an error if there was none within so many seconds."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


class Lab:
    def __init__(self, prefix=PREFIX):
        self.prefix = prefix
        self._lock = open(f"/run/lock/{prefix.rstrip('-')}", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.place = IMAGES / prefix.rstrip("-")
        self.clear()
        self.directory()

    def path(self, name):
        return self.place / name

    def directory(self, name=""):
        """A directory in the lab that QEMU may enter; created."""
        path = self.place / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        return path

    def domain(self, name):
        return self.prefix + name

    def clear(self):
        """Removes the domains and the files of this lab, this run's or an earlier one's."""
        for domain in virsh("list", "--all", "--name", check=False).split():
            if domain.startswith(self.prefix):
                virsh("destroy", domain, check=False)
                virsh("undefine", "--checkpoints-metadata", domain, check=False)
        for network in virsh("net-list", "--all", "--name", check=False).split():
            if network.startswith(PREFIX):
                virsh("net-destroy", network, check=False)
                virsh("net-undefine", network, check=False)
        shutil.rmtree(self.place, ignore_errors=True)
        # The disks of VMs that restores made lie beside the lab, named after the VM and its job.
        for left in IMAGES.glob(f"{self.prefix}*"):
            shutil.rmtree(left, ignore_errors=True)

    def network(self):
        """A network of libvirt that runs and leads nowhere; its name."""
        name, bridge = f"{PREFIX}net", "hfclients0"
        xml = self.path("network.xml")
        xml.write_text(
            f"<network><name>{name}</name><forward mode='open'/>"
            f"<bridge name='{bridge}' stp='off'/></network>"
        )
        virsh("net-define", xml)
        virsh("net-start", name)
        return name

    def close(self):
        if os.environ.get("HOLDFAST_KEEP"):
            print(f"kept: {self.place}")
        else:
            self.clear()
        self._lock.close()
