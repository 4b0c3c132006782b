//! Soft-deleted vaults, `Microsoft.RecoveryServices/locations/deletedVaults`; and what keeps a
//! vault from being deleted, `Holdfast.Fabric/deletionPlans`.

use jiff::Timestamp;
use model::arm_id;
use model::vault::Vault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resource, time, vault};

/// The resource type of soft-deleted vaults.
pub const KIND: &str = "Microsoft.RecoveryServices/locations/deletedVaults";

/// A soft-deleted vault.
pub type DeletedVault = Resource<DeletedVaultProperties>;

/// The properties of a soft-deleted vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedVaultProperties {
    /// The ARM id that it had.
    pub vault_id: String,
    /// When it was deleted.
    pub vault_deletion_time: String,
    /// When the last of its items is gone, and it with them.
    pub purge_at: String,
    /// What Azure has no word for.
    pub holdfast: DeletedVaultFacts,
}

/// What Azure has no word for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedVaultFacts {
    /// Names the vault's repository in the store, and its key file.
    pub vault_uuid: String,
}

/// What a client sends to bring a vault back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UndeleteRequest {
    /// The request.
    pub properties: UndeleteProperties,
}

/// Where a vault is to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UndeleteProperties {
    /// The ARM id of a resource group. Azure's CLI sends its name alone.
    pub recovery_resource_group_id: String,
}

impl UndeleteProperties {
    /// The resource group's name.
    pub fn group(&self) -> &str {
        let sent = &self.recovery_resource_group_id;
        arm_id::named(sent, "resourceGroups").unwrap_or(sent)
    }
}

/// The path of a region's soft-deleted vaults.
pub fn of_region(subscription: &str, region: &str) -> String {
    let subscription = arm_id::subscription(subscription);
    format!("{subscription}/providers/Microsoft.RecoveryServices/locations/{region}/deletedVaults")
}

/// Renders a soft-deleted vault, which is called so among those of its region.
pub fn render(
    subscription: &str,
    name: &str,
    vault: &Vault,
    deleted_at: Timestamp,
    purge_at: Timestamp,
) -> DeletedVault {
    let properties = DeletedVaultProperties {
        vault_id: vault::id(subscription, vault),
        vault_deletion_time: time::moment(deleted_at),
        purge_at: time::moment(purge_at),
        holdfast: DeletedVaultFacts { vault_uuid: vault.id.to_string() },
    };
    let id = format!("{}/{name}", of_region(subscription, &vault.region));
    Resource::new(id, name, KIND, properties)
}

/// The resource type of deletion plans.
pub const PLAN_KIND: &str = "Holdfast.Fabric/deletionPlans";

/// What keeps a vault from being deleted, and how to remove it.
pub type DeletionPlan = Resource<DeletionPlanProperties>;

/// The properties of a deletion plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionPlanProperties {
    /// What is in the way, in the order in which it is to be removed; nothing, where the vault can
    /// be deleted now.
    pub blockers: Vec<Blocker>,
    /// The command that deletes the vault when nothing is in the way.
    pub command: String,
    /// What that makes of it: `Deleted`, or `SoftDeleted` where it can be brought back for a while.
    pub outcome: String,
    /// When it is gone for good, if everything is done now.
    pub gone_at: String,
}

/// One thing that keeps a vault from being deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeletionBlocker")]
pub struct Blocker {
    /// `Job`, `Immutability`, `ProtectedItem`, `SoftDeletedItem`, `RecoveryPoint`, `Writer` or
    /// `Repository`.
    pub kind: String,
    /// The virtual machine, or the id.
    pub name: String,
    /// Why it keeps the vault.
    pub reason: String,
    /// The commands that remove it, in this order, for a shell; none where only time does, or
    /// somebody has to look.
    pub commands: Vec<String>,
}

/// The path of a vault's deletion plan.
pub fn plan_of(vault_id: &str) -> String {
    format!("{vault_id}/providers/{PLAN_KIND}/default")
}

/// Renders a deletion plan.
pub fn render_plan(vault_id: &str, properties: DeletionPlanProperties) -> DeletionPlan {
    Resource::new(plan_of(vault_id), "default", PLAN_KIND, properties)
}

/// A command of the `holdfast` program as a line for a shell.
pub fn command_line(words: &[String]) -> String {
    std::iter::once("holdfast".to_owned())
        .chain(words.iter().map(|word| quoted(word)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell reads it back, whatever is in it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_reads_back_as_its_words() {
        for (words, line) in [
            (vec!["vault", "delete", "v1"], "holdfast vault delete v1"),
            (vec!["--resource-group", "a(b)"], "holdfast --resource-group 'a(b)'"),
            (vec!["", "it's", "/a b/c"], r"holdfast '' 'it'\''s' '/a b/c'"),
        ] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(command_line(&words), line);
        }
    }

    #[test]
    fn a_group_to_come_back_into_is_an_id_or_a_name() {
        for sent in ["/subscriptions/s/resourceGroups/rg", "rg"] {
            let wanted = UndeleteProperties { recovery_resource_group_id: sent.to_owned() };
            assert_eq!(wanted.group(), "rg");
        }
    }
}
