"""Makes the benchmark's disk images: real ext4 file systems, the same ones for the same seed and machine."""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys

MIB = 1 << 20
BLOCK = 4096
GRID = 65536
IMAGES = ("a1", "a2", "b1", "c1")
# Sizes at --scale 1.
IMAGE = 4096 * MIB
SHARED = 1270 * MIB
OWN_A = 500 * MIB
OWN_C = 790 * MIB
LOGS = 72 * MIB
PAGES = 128 * MIB
NOISE = 512 * MIB
PRIVATE_NOISE = 345 * MIB
FILE_MAX = 200 * MIB


def chance(seed, *names):
    return random.Random(f"{seed}/" + "/".join(map(str, names)))


def log_text(rng, size):
    """Log lines: they shrink to about a tenth, and no two blocks are the same."""
    parts, have, now = [], 0, 1_700_000_000
    while have < size:
        now += rng.randrange(4)
        line = (
            f"{now} web{rng.randrange(8)} nginx[{rng.randrange(400, 9000)}]: 10.{rng.randrange(256)}.{rng.randrange(256)}.7 "
            f'"GET /api/v1/orders/{rng.getrandbits(40):x} HTTP/1.1" {rng.choice((200, 200, 200, 304, 404))} {rng.randrange(90000)}\n'
        )
        parts.append(line)
        have += len(line)
    return "".join(parts).encode()[:size]


def pages(rng, size):
    """Database pages of 8 KiB: a header, rows with names and numbers, free space in the middle."""
    out = bytearray()
    while len(out) < size:
        rows = b"".join(
            rng.randbytes(34) + f"|customer-{rng.randrange(99999):06}|open|EUR|2026-{rng.randrange(1, 13):02}|".encode()
            for _ in range(rng.randrange(60, 110))
        )
        head = rng.randbytes(12) + len(rows).to_bytes(4, "little") + bytes(8)
        out += head + bytes(max(0, 8192 - len(head) - len(rows))) + rows[: 8192 - len(head)]
    return bytes(out[:size])


def noise(rng, size):
    return rng.randbytes(size)


def write_stream(path, make, rng, size):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        while size > 0:
            part = min(size, 8 * MIB)
            file.write(make(rng, part))
            size -= part


def candidates(roots):
    """Regular files below the roots, once each, with their sizes."""
    seen = set()
    for root in roots:
        for where, below, names in os.walk(root):
            below.sort()
            for name in names:
                path = os.path.join(where, name)
                try:
                    stat = os.lstat(path)
                except OSError:
                    continue
                key = (stat.st_dev, stat.st_ino)
                regular = (stat.st_mode & 0o170000) == 0o100000
                if regular and 0 < stat.st_size <= FILE_MAX and key not in seen:
                    seen.add(key)
                    yield path, stat.st_size


def share_out(roots, seed, sizes):
    """Deals files to sets of the given sizes, in an order that only the seed and the paths decide."""
    order = sorted(candidates(roots), key=lambda file: hashlib.sha256(f"{seed}/{file[0]}".encode()).digest())
    sets, at = [], 0
    for size in sizes:
        taken, have = [], 0
        while at < len(order) and have < size:
            path, length = order[at]
            at += 1
            if have + length > size + MIB:
                continue
            taken.append(path)
            have += -(-length // BLOCK) * BLOCK
        if have < size * 0.9:
            print(f"only {have // MIB} MiB of files for a set of {size // MIB} MiB: the image will be smaller", file=sys.stderr)
        sets.append(taken)
    return sets


def plant(paths, tree):
    for path in paths:
        goal = tree + path
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        try:
            os.link(path, goal)
        except OSError:
            shutil.copyfile(path, goal)


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {done.stderr}")
    return done.stdout


def file_system(image, tree, size, seed):
    with open(image, "wb") as file:
        file.truncate(size)
    uuid = hashlib.md5(f"{seed}/{os.path.basename(image)}".encode()).hexdigest()
    uuid = f"{uuid[:8]}-{uuid[8:12]}-4{uuid[13:16]}-8{uuid[17:20]}-{uuid[20:]}"
    env = {**os.environ, "E2FSPROGS_FAKE_TIME": "1700000000"}
    options = f"lazy_itable_init=0,lazy_journal_init=0,hash_seed={uuid}"
    run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-U", uuid, "-E", options, "-d", tree, image, env=env)


class Disk:
    """An image whose files' blocks are looked up without mounting it."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "r+b", buffering=0)

    def extents(self, names):
        """Where the files lie: a list of (offset, length) in bytes for each."""
        script = "".join(f'dump_extents -l "{name}"\n' for name in names)
        text = subprocess.run(["debugfs", "-f", "-", self.path], input=script, capture_output=True, text=True).stdout
        found, at = {name: [] for name in names}, None
        for line in text.splitlines():
            if line.startswith("debugfs: "):
                at = line.split('"')[1] if '"' in line else None
                continue
            row = re.match(r"\s*\d+/\s*\d+\s+\d+/\s*\d+\s+\d+ -\s*\d+\s+(\d+) -\s*(\d+)\s+\d+(.*)", line)
            if row and at in found and "Uninit" not in row[3]:
                first, last = int(row[1]), int(row[2])
                found[at].append((first * BLOCK, (last - first + 1) * BLOCK))
        return found

    def read(self, offset, length):
        return os.pread(self.file.fileno(), length, offset)

    def write(self, offset, data):
        os.pwrite(self.file.fileno(), data, offset)


def copy(source, goal):
    run("cp", "--sparse=always", "--reflink=auto", source, goal)


class Maker:
    def __init__(self, options):
        self.out, self.seed, self.scale = options.out, options.seed, options.scale
        self.roots = options.roots
        self.tree = os.path.join(self.out, "tree")

    def size(self, full):
        return max(BLOCK, int(full * self.scale) // BLOCK * BLOCK)

    def image(self, name):
        return os.path.join(self.out, f"{name}.raw")

    def private(self, who):
        """Data no other machine has. Several files of each kind, as a server has them."""
        for index in range(4):
            rng = chance(self.seed, who, index)
            write_stream(f"{self.tree}/var/log/app/{index}.log", log_text, rng, self.size(LOGS // 4))
            write_stream(f"{self.tree}/var/lib/db/{index}.pages", pages, rng, self.size(PAGES // 4))
        for index in range(8):
            rng = chance(self.seed, who, "noise", index)
            write_stream(f"{self.tree}/srv/media/{index}.bin", noise, rng, self.size(NOISE // 8))
        # The file that day 2 deletes.
        write_stream(f"{self.tree}/srv/old.bin", log_text, chance(self.seed, who, "old"), self.size(MIB))

    def install(self, name, sets):
        shutil.rmtree(self.tree, ignore_errors=True)
        for files in sets:
            plant(files, self.tree)
        self.private(name[0])
        file_system(self.image(name) + ".new", self.tree, max(self.size(IMAGE), 64 * MIB), self.seed)
        shutil.rmtree(self.tree)
        os.rename(self.image(name) + ".new", self.image(name))

    def clone(self):
        """a1's disk with other private data at the same places."""
        goal = self.image("b1") + ".new"
        copy(self.image("a1"), goal)
        disk, rng = Disk(goal), chance(self.seed, "b")
        kinds = [(f"/var/log/app/{i}.log", log_text) for i in range(4)] + [(f"/var/lib/db/{i}.pages", pages) for i in range(4)]
        kinds += [(f"/srv/media/{i}.bin", noise) for i in range(8)]
        left = self.size(LOGS + PAGES + PRIVATE_NOISE)
        places = disk.extents([name for name, _ in kinds])
        for name, make in kinds:
            for offset, length in places[name]:
                while length > 0 and left > 0:
                    part = min(length, 8 * MIB, left)
                    disk.write(offset, make(rng, part))
                    offset, length, left = offset + part, length - part, left - part
        os.rename(goal, self.image("b1"))

    def next_day(self, binaries):
        """a1 a day later: 3 % of its used blocks rewritten, some files new, one gone."""
        goal = self.image("a2") + ".new"
        copy(self.image("a1"), goal)
        disk, rng = Disk(goal), chance(self.seed, "day 2")
        busy = [(f"/var/log/app/{i}.log", log_text) for i in range(4)] + [(f"/var/lib/db/{i}.pages", pages) for i in range(4)]
        binaries = [name for name in rng.sample(binaries, min(600, len(binaries))) if '"' not in name]
        media = [f"/srv/media/{i}.bin" for i in range(8)]
        places = disk.extents([name for name, _ in busy] + binaries + media)
        makers = dict(busy)
        busy_runs = [(at, makers[name]) for name, _ in busy for at in places[name]]
        binary_runs = [(at, None) for name in binaries for at in places[name]]
        all_runs = busy_runs + binary_runs + [(at, noise) for name in media for at in places[name]]
        total = used(self.image("a1")) * 3 // 100
        for part, runs in ((55, busy_runs), (30, binary_runs), (15, all_runs)):
            self.rewrite(disk, rng, runs, total * part // 100)
        disk.file.close()
        self.new_files(goal, rng)
        os.rename(goal, self.image("a2"))

    def rewrite(self, disk, rng, runs, budget):
        weights = [at[1] for at, _ in runs]
        while budget > 0 and runs:
            ((offset, length), make), = rng.choices(runs, weights)
            want = min(BLOCK << rng.randrange(9), length, max(budget, BLOCK))
            want = want // BLOCK * BLOCK
            at = offset + rng.randrange((length - want) // BLOCK + 1) * BLOCK
            if make is None:
                # Program text: other program text, at another place.
                data = disk.read(offset, length)
                turn = rng.randrange(1, length)
                data = (data[turn:] + data[:turn])[:want]
            else:
                data = make(rng, want)
            disk.write(at, data)
            budget -= want

    def new_files(self, image, rng):
        folder = os.path.join(self.out, "new")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        script = ["mkdir /var/new"]
        sizes = [self.size(3 * MIB)] * 8 + [rng.randrange(200, 9000) for _ in range(max(4, int(200 * self.scale)))]
        for index, size in enumerate(sizes):
            with open(f"{folder}/{index}", "wb") as file:
                file.write(rng.choice((log_text, pages))(rng, size))
            script.append(f"write {folder}/{index} /var/new/{index}")
        script.append("rm /srv/old.bin")
        done = subprocess.run(["debugfs", "-w", "-f", "-", image], input="\n".join(script) + "\n", capture_output=True, text=True)
        shutil.rmtree(folder)
        if done.returncode != 0:
            sys.exit(f"debugfs could not write to {image}: {done.stderr}")


def blocks(path):
    """The 4 KiB blocks that are not zero, as (number, block)."""
    zero = bytes(BLOCK)
    with open(path, "rb", buffering=0) as file:
        end, at = os.fstat(file.fileno()).st_size, 0
        while at < end:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            stop = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            start = start // BLOCK * BLOCK
            for place in range(start, stop, MIB):
                data = os.pread(file.fileno(), min(MIB, stop - place), place)
                for inner in range(0, len(data), BLOCK):
                    block = data[inner : inner + BLOCK]
                    if block != zero:
                        yield (place + inner) // BLOCK, block
            at = stop


def used(path):
    return sum(BLOCK for _ in blocks(path))


def dirty(first, second):
    """Where two images differ, in steps of 64 KiB, neighbours joined."""
    out = []
    with open(first, "rb") as one, open(second, "rb") as two:
        at = 0
        while True:
            left, right = one.read(4 * MIB), two.read(4 * MIB)
            if not right:
                return out
            if left != right:
                for inner in range(0, len(right), GRID):
                    if left[inner : inner + GRID] != right[inner : inner + GRID]:
                        start = at + inner
                        if out and out[-1]["start"] + out[-1]["length"] == start:
                            out[-1]["length"] += GRID
                        else:
                            out.append({"start": start, "length": GRID})
            at += len(right)


def report(maker):
    """Says what the images hold, and keeps it beside them."""
    figures, sets = {}, {}
    for name in IMAGES:
        hashes = [hashlib.blake2b(block, digest_size=8).digest() for _, block in blocks(maker.image(name))]
        figures[name] = {"data": len(hashes) * BLOCK}
        if name in ("a1", "c1"):
            sets[name] = hashes
        print(f"{name}: {len(hashes) * BLOCK / 1e6:.0f} MB in 4 KiB blocks that are not zero")
    known = set(sets["a1"])
    shared = sum(1 for hash in sets["c1"] if hash in known)
    figures["shared_blocks"] = shared
    print(f"c1 shares {shared} blocks ({shared * BLOCK / 1e6:.0f} MB) with a1")
    extents = json.load(open(os.path.join(maker.out, "dirty.json")))
    figures["dirty"] = sum(extent["length"] for extent in extents)
    figures["extents"] = len(extents)
    figures["scale"] = maker.scale
    print(f"day 2: {figures['dirty'] / 1e6:.1f} MB in {len(extents)} extents")
    with open(os.path.join(maker.out, "workload.json"), "w") as file:
        json.dump(figures, file, indent=1)


def sysroot():
    try:
        return [subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()]
    except (OSError, subprocess.CalledProcessError):
        return []


def main():
    parser = argparse.ArgumentParser(prog="bench/workload", description=__doc__)
    parser.add_argument("--out", required=True, help="directory for a1.raw, a2.raw, b1.raw, c1.raw, dirty.json")
    parser.add_argument("--scale", type=float, default=1.0, help="1: images of 4 GiB")
    parser.add_argument("--seed", default="holdfast")
    parser.add_argument("--root", dest="roots", action="append", help="take files from below here (default: /usr and the Rust toolchain)")
    options = parser.parse_args()
    options.roots = options.roots or ["/usr/bin", "/usr/lib", "/usr/share", "/usr/sbin", *sysroot()]
    maker = Maker(options)
    os.makedirs(options.out, exist_ok=True)
    sizes = [maker.size(size) for size in (SHARED, OWN_A, OWN_C)]
    shared, own_a, own_c = share_out(options.roots, options.seed, sizes)
    maker.install("a1", [shared, own_a])
    programs = [path for path in shared + own_a if os.path.exists(path) and os.path.getsize(path) >= 16 * BLOCK]
    maker.next_day(programs)
    with open(os.path.join(options.out, "dirty.json"), "w") as file:
        json.dump(dirty(maker.image("a1"), maker.image("a2")), file)
    maker.clone()
    maker.install("c1", [shared, own_c])
    report(maker)


main()
