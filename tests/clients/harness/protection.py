"""A virtual machine's life in a vault, by az; each step reads back what it did."""

from .expect import JOB_ENDED, holds, job, short
from .lab import until


class Protection:
    """One VM in one vault, and az at work on it."""

    def __init__(self, az, arm, group, vault, vm_group, vm):
        self.az, self.arm, self.vm, self.vault = az, arm, vm, vault
        self.in_vault = {"v": vault, "g": group}
        self.of_item = {**self.in_vault, "c": vm, "i": vm}
        # Commands that look for items by their friendly names want to know what kind they are.
        kind = {"backup_management_type": "AzureIaasVM"}
        self.named = {**self.of_item, **kind}
        self.shown = {**self.in_vault, "c": vm, "n": vm, **kind}
        self.vm_id = arm.vm(vm_group, vm)
        self.path = arm.item(group, vault, vm_group, vm)
        self.vault_path = arm.vault(group, vault)

    def enable(self, policy="DefaultPolicy", **options):
        told = self.az.ok(
            "backup protection enable-for-vm",
            **self.in_vault,
            vm=self.vm_id,
            policy_name=policy,
            **options,
        )
        job(told, "ConfigureBackup", vm=self.vm)
        assert self.item()["policyName"] == policy
        return told

    def item(self):
        """The item's properties, by a GET."""
        return self.arm.get(self.path)["properties"]

    def expect(self, **expected):
        holds(self.item(), expected)

    def job(self, name):
        return self.arm.get(f"{self.vault_path}/backupJobs/{short(name)}")

    def ended(self, name, status="Completed", seconds=180):
        """The job's properties once it has ended, in the way that is expected."""

        def ended():
            properties = self.job(name)["properties"]
            return properties["status"] in JOB_ENDED and properties

        properties = until(f"job {name} ends", seconds, ended)
        assert properties["status"] == status, properties
        return properties

    def back_up(self, status="Completed", **options):
        """Backs up and waits; the ended job's properties."""
        begun = self.az.ok("backup protection backup-now", **self.named, **options)
        job(begun, "Backup", begun["properties"]["status"], self.vm)
        return self.ended(begun["name"], status)

    def points(self):
        """The item's points, newest first, by a GET."""
        return self.arm.entries(f"{self.path}/recoveryPoints")

    def disable(self, **options):
        return self.az.ok("backup protection disable", "--yes", **self.named, **options)

    def delete(self):
        """Deletes the backup data; how that ends depends on the vault's soft delete."""
        told = self.disable(delete_backup_data="true")
        return job(told, "DeleteBackupData", vm=self.vm)
