//! When a vault may be deleted: when nothing that anybody could want back is in it.

use model::fault::{Code, Fault};
use model::item::Item;
use model::vault::Vault;

/// How many items a refusal names.
const NAMED_MAX: usize = 5;

/// What is in a vault.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// Its items, soft-deleted ones included.
    pub items: &'a [Item],
    /// How many of its jobs have not ended.
    pub unended_jobs: usize,
    /// How many recovery points its repository's own log tells of, and not the ledger: a ledger may
    /// have been lost or put back from a copy.
    pub points: usize,
}

/// Whether the vault may be deleted for good, with its policies and ended jobs.
///
/// The phrase `cannot be deleted as there are existing resources within the vault` is what makes
/// Azure's CLI delete the items itself where it was told to (`--force`). Where only soft-deleted
/// items are left it must not be there, because nobody can delete those.
///
/// # Errors
///
/// `VaultNotEmpty` for items and running jobs, `VaultHoldsData` for soft-deleted items and for
/// points of nobody's items.
pub fn may_delete(vault: &Vault, contents: Contents<'_>) -> Result<(), Fault> {
    let live: Vec<&Item> = contents.items.iter().filter(|item| item.deletion.is_none()).collect();
    if !live.is_empty() {
        return Err(Fault::new(Code::VaultNotEmpty, existing(vault, &items(&live))));
    }
    if contents.unended_jobs > 0 {
        let jobs = format!("{} of its jobs have not ended", contents.unended_jobs);
        return Err(Fault::new(Code::VaultNotEmpty, existing(vault, &jobs)));
    }
    if !contents.items.is_empty() {
        let message = format!(
            "Recovery Services vault '{}' cannot be deleted as there are backup items in soft \
             deleted state in the vault. The soft deleted items are permanently deleted after {} \
             days of delete operation. Please try vault deletion after the backup items are \
             permanently deleted and there is no item in soft deleted state left in the vault.",
            vault.name, vault.settings.soft_delete.days
        );
        return Err(Fault::new(Code::VaultHoldsData, message));
    }
    if contents.points > 0 {
        let immutable = if vault.settings.immutability.is_on() {
            " The vault is immutable: they stay until their time."
        } else {
            ""
        };
        let message = format!(
            "Vault '{}' has no backup items, but its repository holds {} recovery points that are \
             theirs: the ledger may have been lost. Nothing was deleted.{immutable}",
            vault.name, contents.points
        );
        return Err(Fault::new(Code::VaultHoldsData, message));
    }
    Ok(())
}

fn existing(vault: &Vault, what: &str) -> String {
    format!(
        "Vault '{}' cannot be deleted as there are existing resources within the vault: {what}. \
         Please stop the protection of all items with deletion of their backup data, and try \
         again.",
        vault.name
    )
}

fn items(live: &[&Item]) -> String {
    let mut names: Vec<String> = live
        .iter()
        .take(NAMED_MAX)
        .map(|item| format!("virtual machine '{}'", item.vm_name))
        .collect();
    if live.len() > NAMED_MAX {
        names.push(format!("{} more", live.len() - NAMED_MAX));
    }
    names.join(", ")
}
