"""Runs schemathesis against a service of its own, and counts what it reached.

The service has what requests can be about: a powered-off virtual machine with a small disk, backed
up for real, and a second one that may be stopped and deleted. The contract's examples name things
that exist nowhere; here the seeded ones take their place (`Seed.in_place_of_examples`), and the
hooks put them into most of the random requests.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

from harness.arm import Arm
from harness.lab import REPOSITORY, Lab, run, until, virsh
from harness.service import Service

HERE = Path(__file__).resolve().parent
GROUP, REGION = "holdfast", "local"
# What the two runs together have to send at least, and what one run may leave without a success.
REQUESTS = 5_000
# Nobody gives the fuzzer a client's secret, so it gets no token.
NO_SUCCESS = {"Token_"}
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
]


class Seed:
    """What is in the service before the first random request."""

    def __init__(self, lab, arm):
        self.lab, self.arm = lab, arm
        self.vms = [self.define("main"), self.define("spare")]
        for vault in ("contract", "spare"):
            path = arm.vault(GROUP, vault)
            answer = arm.call("PUT", path, {"location": REGION, "properties": {}})
            assert answer.status_code in (200, 201, 202), answer.text
        for vm in self.vms:
            arm.wait_for_vm(GROUP, vm)
            self.protect(vm)
        item = self.item(self.vms[0])
        self.job = arm.ended(arm.call("POST", f"{item}/backup", {"properties": {}}))
        self.job = self.job["properties"]["jobId"]
        job = arm.vault(GROUP, "contract", f"/backupJobs/{self.job}")
        ended = until("a backup", 120, lambda: self.job_ended(job))
        assert ended["status"].startswith("Completed"), json.dumps(ended, indent=1)
        self.point = arm.entries(f"{item}/recoveryPoints")[0]["name"]
        self.restored = lab.directory("restored")

    def define(self, name):
        """A virtual machine that is off, with a disk of 8 MiB."""
        domain, disk = self.lab.domain(name), self.lab.path(f"{name}.qcow2")
        run("qemu-img", "create", "-q", "-f", "qcow2", disk, "8M")
        run("qemu-io", "-f", "qcow2", "-c", "write -q -P 7 1M 2M", disk)
        virsh("define", "/dev/stdin", stdin=f"""
          <domain type='qemu'>
            <name>{domain}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
            <os><type arch='x86_64'>hvm</type></os>
            <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
              <source file='{disk}'/><target dev='vda' bus='virtio'/></disk></devices>
          </domain>""")
        return domain

    def item(self, vm):
        return self.arm.item(GROUP, "contract", GROUP, vm)

    def protect(self, vm):
        answer = self.arm.call("PUT", self.item(vm), {"properties": {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "sourceResourceId": self.arm.vm(GROUP, vm),
            "policyId": self.arm.vault(GROUP, "contract", "/backupPolicies/DefaultPolicy"),
        }})
        assert self.arm.ended(answer)["status"] == "Succeeded"

    def job_ended(self, path):
        job = self.arm.get(path)["properties"]
        return job if job["status"] not in ("InProgress", "Cancelling") else None

    def is_whole(self):
        """Whether a run left what it was to spare."""
        item = self.item(self.vms[0])
        for path in (item, f"{item}/recoveryPoints/{self.point}"):
            self.arm.get(path)

    def in_place_of_examples(self):
        """What the contract's examples are replaced by; the order matters."""
        return [
            ("00000000-0000-0000-0000-0000000000aa", self.arm.tenant),
            ("00000000-0000-0000-0000-0000000000bb", self.arm.subscription),
            ("00000000-0000-0000-0000-0000000000dd", self.job),
            ("4611686018427387904", self.point),
            ("example-vault", "contract"),
            ("example-vm", self.vms[0]),
            ("/srv/restored", str(self.restored)),
        ]

    def clean(self):
        """Removes domains that restores made: those with a disk in the lab."""
        for domain in virsh("list", "--all", "--name", check=False).split():
            if str(self.lab.place) in virsh("dumpxml", domain, check=False):
                virsh("undefine", "--checkpoints-metadata", domain, check=False)


def reader(service, owner):
    """A client that may read everything and change nothing."""
    subscription = f"/subscriptions/{owner.subscription}"
    path = f"{subscription}/providers/Holdfast.Fabric/principals/contract-reader"
    made = owner.call("PUT", path, {})
    assert made.status_code == 201, made.text
    told = made.json()["properties"]
    roles = f"{subscription}/providers/Microsoft.Authorization"
    role = owner.entries(f"{roles}/roleDefinitions", **{"$filter": "roleName eq 'Reader'"})[0]
    given = owner.call("PUT", f"{roles}/roleAssignments/{uuid.uuid4()}", {"properties": {
        "roleDefinitionId": role["id"],
        "principalId": told["objectId"],
        "principalType": "ServicePrincipal",
    }})
    assert given.status_code == 201, given.text
    return Arm(service, (told["clientId"], told["clientSecret"]))


def concrete(seed):
    """The contract, with the seeded names in its examples; returns its path."""
    text = (REPOSITORY / "api/openapi.json").read_text()
    for example, real in seed.in_place_of_examples():
        text = text.replace(example, real)
    path = seed.lab.path("openapi.json")
    path.write_text(text)
    return path


def fuzz(role, arm, seed, contract, options):
    """One run as this role; whether all answers conformed, and the counts."""
    told = seed.lab.path(f"{role}.json")
    counts = seed.lab.path(f"{role}-counts.json")
    told.touch(0o600)
    told.write_text(json.dumps({
        "token": arm.token(),
        "counts": str(counts),
        "lab": str(seed.lab.place),
        "vms": seed.vms,
        "others": virsh("list", "--all", "--name").split(),
    }))
    words = [Path(sys.executable).with_name("st"), "run", contract, "--url", arm.endpoint]
    words += ["--tls-verify", seed.lab.path("data") / "ca.pem", "--checks", ",".join(CHECKS)]
    words += ["--phases", "examples,coverage,fuzzing", "--max-time", options.seconds]
    words += ["--seed", options.seed, "--continue-on-failure", "--warnings", "off"]
    words += ["--generation-database", "none", "--request-timeout", 30]
    words += ["--suppress-health-check", "all", "--no-color"]
    if options.only:
        words += ["--include-operation-id", options.only]
    environment = dict(os.environ, SCHEMATHESIS_HOOKS="hooks", HOLDFAST_CONTRACT=str(told))
    environment["PYTHONPATH"] = str(HERE)
    done = subprocess.run([str(word) for word in words], env=environment, cwd=seed.lab.place)
    return done.returncode == 0, json.loads(counts.read_text())


def told(role, conforms, counts, operations):
    """Prints what a run reached; returns the number of requests and what had no success."""
    statuses, succeeded, reached = Counter(), set(), set()
    for operation, of_operation in counts.items():
        for status, count in of_operation.items():
            statuses[status] += count
            reached.add(operation)
            if status.startswith("2"):
                succeeded.add(operation)
    total = sum(statuses.values())
    spread = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    print(f"\n{role}: {total} requests, {len(reached & operations)} of {len(operations)} "
          f"operations reached, {len(succeeded)} with success; {spread}")
    excused = tuple(NO_SUCCESS)
    lacking = {name for name in operations - succeeded if not name.startswith(excused)}
    if lacking:
        print(f"{role}: without success: {', '.join(sorted(lacking))}")
    return total, operations - reached, lacking


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=70)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    options = parser.parse_args()
    lab = Lab("hf-contract-")
    service = Service(lab)
    results = {}
    begun = time.monotonic()
    try:
        owner = Arm(service)
        seed = Seed(lab, owner)
        contract = concrete(seed)
        document = json.loads(contract.read_text())
        operations = {
            operation["operationId"]
            for methods in document["paths"].values()
            for operation in methods.values()
        }
        if options.only:
            operations = {options.only}
        total = 0
        # The Owner comes last: it destroys some of what the others read.
        for role, arm in (("Reader", reader(service, owner)), ("Owner", owner)):
            conforms, counts = fuzz(role, arm, seed, contract, options)
            requests, unreached, lacking = told(role, conforms, counts, operations)
            total += requests
            results[f"as {role}, every answer is what the contract says"] = conforms
            results[f"as {role}, every operation is reached"] = not unreached
            seed.is_whole()
        if not options.only:
            results[f"at least {REQUESTS} requests are sent"] = total >= REQUESTS
        print(f"{total} requests in {time.monotonic() - begun:.0f} s")
        seed.clean()
    finally:
        service.stop()
        if "panicked" in service.log.read_text():
            results["nothing panics"] = False
            print(service.log_end())
        lab.close()
    for what, held in results.items():
        print(f"test {what} ... {'ok' if held else 'FAILED'}")
    failed = sum(not held for held in results.values())
    verdict = "FAILED" if failed else "ok"
    print(f"test result: {verdict}. {len(results) - failed} passed; {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
