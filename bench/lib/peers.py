"""What is measured: how each program stores, restores and checks a disk image."""

import json
import os
import shutil
import subprocess


class Peer:
    """A program with a store of its own. A step it does not have is None."""

    told = None
    note = ""

    def __init__(self, name, program, images):
        self.name, self.program, self.images = name, program, images

    def settle(self, place):
        """Works in this directory from now on."""
        self.place = place
        self.store = os.path.join(place, "store")
        self.secret = os.path.join(place, "secret")

    def env(self):
        return {}

    def image(self, name):
        return os.path.join(self.images, f"{name}.raw")

    def call(self, *command):
        """A step that is not measured."""
        env = {**os.environ, **self.env(), "HOME": self.place}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=self.place).stdout

    def prepare(self):
        with open(self.secret, "w") as file:
            file.write(os.urandom(16).hex())
        os.chmod(self.secret, 0o600)
        self.init()

    def after_backup(self, name, out):
        """Told what a backup printed."""

    def verify(self):
        return None


class Holdfast(Peer):
    extra = ()

    def key(self):
        return ["--repo", self.store, "--key-file", os.path.join(self.place, "key"), "--json"]

    def init(self):
        self.points = {}
        self.call(self.program, "repo", "init", *self.key()[:4])

    def backup(self, name):
        return [self.program, "repo", "backup", *self.key(), *self.extra, "--item", name[0], self.image(name)]

    def told(self, name, parent, extents):
        return [*self.backup(name)[:-1], "--changed", extents, "--parent", self.points[parent], self.image(name)]

    def after_backup(self, name, out):
        self.points[name] = json.loads(out)["point"]

    def restore(self, name, goal):
        return [self.program, "repo", "restore", *self.key(), self.points[name], goal]

    def verify(self):
        return [self.program, "repo", "verify", *self.key(), "--read-data"]


class HoldfastTrusting(Holdfast):
    note = "verify-before-upload off"
    extra = ("--no-verify",)


class Restic(Peer):
    def env(self):
        cache = os.path.join(self.place, "cache")
        return {"RESTIC_REPOSITORY": self.store, "RESTIC_PASSWORD_FILE": self.secret, "RESTIC_CACHE_DIR": cache}

    def init(self):
        self.call(self.program, "-q", "init")

    def backup(self, name):
        return [self.program, "-q", "backup", "--host", "bench", "--tag", name, self.image(name)]

    def restore(self, name, goal):
        sparse = ["--sparse"] if "--sparse" in self.call(self.program, "restore", "--help") else []
        return [self.program, "-q", "restore", "latest", "--tag", name, *sparse, "--target", goal + ".d"]

    def verify(self):
        return [self.program, "-q", "check", "--read-data"]


class Rustic(Peer):
    def env(self):
        cache = os.path.join(self.place, "cache")
        return {
            "RUSTIC_REPOSITORY": self.store, "RUSTIC_PASSWORD_FILE": self.secret,
            "RUSTIC_CACHE_DIR": cache, "RUSTIC_NO_PROGRESS": "true",
        }

    def init(self):
        self.ids = {}
        self.call(self.program, "init")

    def backup(self, name):
        return [self.program, "backup", "--json", "--host", "bench", self.image(name)]

    def after_backup(self, name, out):
        self.ids[name] = json.loads(out[out.index("{"):])["id"]

    def restore(self, name, goal):
        return [self.program, "restore", self.ids[name], goal + ".d"]

    def verify(self):
        return [self.program, "check", "--read-data"]


class Borg(Peer):
    chunker = ()

    def env(self):
        return {"BORG_REPO": self.store, "BORG_PASSCOMMAND": f"cat {self.secret}", "BORG_BASE_DIR": os.path.join(self.place, "base")}

    def init(self):
        self.call(self.program, "init", "-e", "repokey")

    def backup(self, name):
        return [self.program, "create", "--sparse", *self.chunker, "-C", "zstd,1", f"::{name}", self.image(name)]

    def restore(self, name, goal):
        os.makedirs(goal + ".d", exist_ok=True)
        return ["sh", "-c", 'cd "$0" && exec "$@"', goal + ".d", self.program, "extract", "--sparse", f"::{name}"]

    def verify(self):
        return [self.program, "check", "--verify-data"]


class BorgFixed(Borg):
    note = "fixed chunks of 1 MiB: the base of the ratios"
    chunker = ("--chunker-params", "fixed,1048576")


class Bupstash(Peer):
    note = "has no verify"

    def env(self):
        return {
            "BUPSTASH_REPOSITORY": self.store, "BUPSTASH_KEY": os.path.join(self.place, "key"),
            "BUPSTASH_QUERY_CACHE": os.path.join(self.place, "queries"),
        }

    def init(self):
        self.call(self.program, "new-key", "-o", os.path.join(self.place, "key"))
        self.call(self.program, "init")

    def backup(self, name):
        return [self.program, "put", "-q", "--no-send-log", "--compression", "zstd:1", f"name={name}", self.image(name)]

    def restore(self, name, goal):
        return ["sh", "-c", 'exec "$0" get -q "name=$1" > "$2"', self.program, name, goal]


class Casync(Peer):
    note = "no encryption, no verify"

    def index(self, name):
        return os.path.join(self.store, f"{name}.caibx")

    def init(self):
        os.makedirs(os.path.join(self.store, "chunks"))

    def backup(self, name):
        chunks = os.path.join(self.store, "chunks")
        return [self.program, "make", f"--store={chunks}", "--compression=zstd", self.index(name), self.image(name)]

    def restore(self, name, goal):
        return [self.program, "extract", f"--store={os.path.join(self.store, 'chunks')}", self.index(name), goal]


class QemuImg(Peer):
    note = "no encryption, no deduplication, no verify"

    def target(self, name):
        return os.path.join(self.store, f"{name}.qcow2")

    def init(self):
        os.makedirs(self.store)

    def backup(self, name):
        return [self.program, "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd", self.image(name), self.target(name)]

    def restore(self, name, goal):
        return [self.program, "convert", "-f", "qcow2", "-O", "raw", self.target(name), goal]


class Floor(Peer):
    note = "the same stages alone: no deduplication, no index"
    steps = ("full", "told", "restore", "verify")

    def pack(self, name):
        return os.path.join(self.store, f"{name}.floor")

    def init(self):
        os.makedirs(self.store)

    def backup(self, name):
        return [self.program, "store", self.image(name), self.pack(name)]

    def told(self, name, _parent, extents):
        return [self.program, "store", self.image(name), self.pack(name), extents]

    def restore(self, name, goal):
        return [self.program, "restore", self.pack("a1"), goal]

    def verify(self):
        return [self.program, "verify", self.pack("a1")]


ALL = {
    "holdfast": (Holdfast, "holdfast"),
    "holdfast-no-verify": (HoldfastTrusting, "holdfast"),
    "floor": (Floor, "floor"),
    "borg-fixed": (BorgFixed, "borg"),
    "borg": (Borg, "borg"),
    "restic": (Restic, "restic"),
    "rustic": (Rustic, "rustic"),
    "bupstash": (Bupstash, "bupstash"),
    "casync": (Casync, "casync"),
    "qemu-img": (QemuImg, "qemu-img"),
}


def find(program, target):
    """The newest of what bench/install-peers made and what the machine has."""
    own = [f"{target}/release/{program}", f"{target}/bench-peers/bin/{program}", f"{target}/bench-peers/borg/bin/{program}"]
    own = [path for path in own if os.access(path, os.X_OK)]
    return own[0] if own else shutil.which(program)


def can(name, path):
    """Whether this build has what the rows of this name need."""
    if name != "holdfast-no-verify":
        return True
    return "--no-verify" in subprocess.run([path, "repo", "backup", "--help"], capture_output=True, text=True).stdout


def version(program):
    for flag in ("--version", "version"):
        done = subprocess.run([program, flag], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip().splitlines()[0]
    return "version not known"
