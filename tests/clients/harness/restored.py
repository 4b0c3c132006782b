"""What a restore left in its staging store."""

import json
from pathlib import Path
from urllib.parse import unquote, urlparse

from .lab import run


def file_of(uri):
    """The file that a job's URI names."""
    url = urlparse(uri)
    assert url.scheme == "file", uri
    return Path(unquote(url.path))


def restored_disks(bag):
    """The disks that a restore job tells in its property bag, the operating system's first."""
    told = json.loads(file_of(bag["Config Blob Uri"]).read_text())
    assert file_of(bag["Template Blob Uri"]).is_file(), bag
    assert all(Path(disk["path"]).is_file() for disk in told["disks"]), told
    return told["disks"]


def as_raw(disk, to):
    """Writes a restored disk as a raw image."""
    run("qemu-img", "convert", "-q", "-f", disk["format"], "-O", "raw", disk["path"], to)
