"""Runs every step for holdfast and its peers, round after round, and keeps the figures."""

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import time

import peers
import tables

STEPS = ("full", "told", "not-told", "clone", "install", "restore", "verify")
IMAGES = {"full": "a1", "told": "a2", "not-told": "a2", "clone": "b1", "install": "c1"}
SUBREAPER = 36


class Failed(Exception):
    pass


def measured(command, env, cwd):
    """Runs a command. Its orphans come to this process, so that their time counts as well."""
    out_path, err_path = os.path.join(cwd, "out"), os.path.join(cwd, "err")
    with open(out_path, "wb") as out, open(err_path, "wb") as err:
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=cwd)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
    while True:
        try:
            _, _, orphan = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu, peak = cpu + orphan.ru_utime + orphan.ru_stime, max(peak, orphan.ru_maxrss)
    if child.returncode != 0:
        with open(err_path, errors="replace") as err:
            raise Failed(f"exit code {child.returncode}: {err.read()[-600:]}")
    with open(out_path, errors="replace") as out:
        return {"wall": wall, "cpu": cpu, "peak": peak * 1024}, out.read()


def stored(path):
    return sum(os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(path) for name in names)


def equal(one, two):
    with open(one, "rb") as left, open(two, "rb") as right:
        while True:
            a, b = left.read(4 << 20), right.read(4 << 20)
            if a != b:
                return False
            if not a:
                return True


def warm(images):
    for name in ("a1", "a2", "b1", "c1"):
        with open(os.path.join(images, f"{name}.raw"), "rb", buffering=0) as file:
            while file.read(4 << 20):
                pass


class Sequence:
    """All steps of one peer in one round, in a store of its own that is gone afterwards."""

    def __init__(self, peer, options, number):
        self.peer, self.options, self.number, self.rows = peer, options, number, []
        self.inside = []
        # No name twice: where a directory goes on the disk depends on it.
        self.peer.settle(os.path.join(options.run, f"{peer.name}-{number}"))

    def run(self):
        os.makedirs(self.peer.place)
        try:
            self.peer.prepare()
            for step in STEPS:
                if step in getattr(self.peer, "steps", STEPS):
                    self.step(step)
        except (Failed, subprocess.CalledProcessError, OSError, ValueError, KeyError) as error:
            detail = getattr(error, "stderr", None) or error
            print(f"  {self.peer.name}: stopped: {detail}", flush=True)
            self.rows.append({"round": self.number, "peer": self.peer.name, "step": "error", "error": str(detail)})
        finally:
            shutil.rmtree(self.peer.place, ignore_errors=True)
        return self.rows

    def wanted(self, step):
        # Later steps build on the full backup, and restore on day 2.
        needed = {"full"} | ({"not-told"} if "restore" in self.options.only else set())
        return step in self.options.only or step in needed

    def step(self, step):
        if not self.wanted(step):
            return
        if step == "told":
            self.told()
        elif step == "restore":
            self.restore()
        elif step == "verify":
            command = self.peer.verify()
            if command:
                self.row(step, command, images=list(self.inside))
        else:
            name = IMAGES[step]
            out = self.row(step, self.peer.backup(name))
            self.peer.after_backup(name, out)
            self.inside.append(name)

    def told(self):
        """Into a copy of the store that holds the first image only."""
        if self.peer.told is None:
            return
        kept, store = self.peer.store + ".kept", self.peer.store
        points = dict(getattr(self.peer, "points", {}))
        shutil.copytree(store, kept, symlinks=True)
        extents = os.path.join(self.options.images, "dirty.json")
        self.row("told", self.peer.told("a2", "a1", extents))
        os.rename(store, store + ".told")
        os.rename(kept, store)
        if points:
            self.peer.points = points

    def restore(self):
        goal = os.path.join(self.peer.place, "restored.raw")
        source = self.peer.image("a1" if self.peer.name == "floor" else "a2")
        os.sync()
        self.row("restore", self.peer.restore("a2", goal))
        if os.path.isdir(goal + ".d"):
            found = [os.path.join(where, name) for where, _, names in os.walk(goal + ".d") for name in names]
            if len(found) != 1:
                raise Failed(f"restored {len(found)} files")
            os.rename(found[0], goal)
        if not equal(goal, source):
            raise Failed("the restored image differs from its source")
        self.rows[-1]["allocated"] = os.stat(goal).st_blocks * 512 / (os.stat(source).st_blocks * 512)
        os.unlink(goal)
        shutil.rmtree(goal + ".d", ignore_errors=True)

    def row(self, step, command, **more):
        before = stored(self.peer.store)
        env = {**os.environ, **self.peer.env(), "HOME": self.peer.place}
        figures, out = measured(command, env, self.peer.place)
        row = {"round": self.number, "peer": self.peer.name, "step": step, "load": os.getloadavg()[0], **figures, **more}
        row["added"] = stored(self.peer.store) - before
        self.rows.append(row)
        print(
            f"  {self.peer.name:18} {step:9} wall {row['wall']:6.1f} s  CPU {row['cpu']:6.2f} s  peak {row['peak'] / 2**20:4.0f} MiB"
            f"  +{row['added'] / 1e6:6.0f} MB  load {row['load']:.1f}", flush=True)
        return out


def options():
    parser = argparse.ArgumentParser(prog="bench/repository", description=__doc__)
    parser.add_argument("--dir", default="bench-data", help="images and stores; needs 20 GB (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="below 1: a small workload, to try this out")
    parser.add_argument("--peers", help=f"comma-separated: {','.join(peers.ALL)} (default: all that are installed)")
    parser.add_argument("--only", default=",".join(STEPS), help="comma-separated steps (default: %(default)s)")
    parser.add_argument("--json", help="keep the raw figures in this file")
    parser.add_argument("--markdown", help="write the tables to this file")
    parser.add_argument("--from-json", help="measure nothing: make the tables of these raw figures")
    parser.add_argument("--target", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.only = given.only.split(",")
    for step in given.only:
        if step not in STEPS:
            parser.error(f"no such step: {step}")
    for peer in (given.peers or "").split(","):
        if peer and peer not in peers.ALL:
            parser.error(f"no such peer: {peer}")
    given.run = os.path.abspath(os.path.join(given.dir, "run"))
    given.images = os.path.abspath(os.path.join(given.dir, "images" if given.scale == 1 else f"images-{given.scale}"))
    return given


def installed(given):
    """The peers to run, and the names of those that are not there."""
    found, missing = [], []
    for name in given.peers.split(",") if given.peers else peers.ALL:
        kind, program = peers.ALL[name]
        path = peers.find(program, given.target)
        if path is None or not peers.can(name, path):
            missing.append(name)
        else:
            found.append(kind(name, path, given.images))
    return found, missing


def make_run(given):
    """The directory of all stores, with their directories far apart on the disk: ext4 without a
    journal passes over every inode that was freed in the last minutes, one by one, so that whoever
    makes files where others were deleted would be charged for those."""
    shutil.rmtree(given.run, ignore_errors=True)
    os.makedirs(given.run)
    subprocess.run(["chattr", "+T", given.run], check=False, capture_output=True)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory), "date": time.strftime("%Y-%m-%d"), "load_before": os.getloadavg()}


def measure(given):
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    if not os.path.exists(os.path.join(given.images, "workload.json")):
        workload = os.path.join(os.path.dirname(__file__), "..", "workload")
        subprocess.run([workload, "--out", given.images, "--scale", str(given.scale)], check=True)
    found, missing = installed(given)
    results = {"machine": machine(), "missing": missing, "rounds": given.rounds, "rows": []}
    results["versions"] = {peer.name: peers.version(peer.program) for peer in found if peer.name != "floor"}
    results["notes"] = {peer.name: peer.note for peer in found if peer.note}
    with open(os.path.join(given.images, "workload.json")) as file:
        results["workload"] = json.load(file)
    make_run(given)
    for number in range(given.rounds):
        turn = number % len(found)
        print(f"round {number + 1} of {given.rounds}", flush=True)
        for peer in found[turn:] + found[:turn]:
            warm(given.images)
            results["rows"] += Sequence(peer, given, number).run()
            results["machine"]["load_after"] = os.getloadavg()
            if given.json:
                with open(given.json, "w") as file:
                    json.dump(results, file, indent=1)
    shutil.rmtree(given.run, ignore_errors=True)
    return results


def main():
    given = options()
    if given.from_json:
        with open(given.from_json) as file:
            results = json.load(file)
    else:
        results = measure(given)
    text = tables.markdown(results)
    print(text)
    if given.markdown:
        with open(given.markdown, "w") as file:
            file.write(text)
    return 1 if any(row["step"] == "error" for row in results["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
