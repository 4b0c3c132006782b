"""Virtual machines that are never switched on: a small disk, and what a backup may fail for."""

import shutil

from harness.lab import run, virsh

XML = """<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>"""


class Machine:
    def __init__(self, lab, name):
        self.name, self.disk = lab.domain(name), lab.path(f"{name}.raw")
        content = lab.directory(f"{name}.content")
        (content / "note").write_text(f"the disk of {name}\n" * 1000)
        run("truncate", "-s", "16M", self.disk)
        run("mke2fs", "-q", "-t", "ext4", "-d", content, self.disk)
        definition = lab.path(f"{name}.xml")
        definition.write_text(XML.format(name=self.name, disk=self.disk))
        virsh("define", definition)

    def lose_disk(self):
        shutil.move(self.disk, f"{self.disk}.lost")

    def find_disk(self):
        shutil.move(f"{self.disk}.lost", self.disk)
