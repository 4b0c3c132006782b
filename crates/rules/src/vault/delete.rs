//! When a vault may be deleted, and what is left of it: when nothing is in it that anybody could
//! want back, it goes for good; with soft-deleted items alone it goes out of sight, and is gone
//! when the last of them is.
//!
//! ```text
//!            delete, empty
//!   vault ─────────────────────────────────────────────► (no vault)
//!    ▲ │                                                     ▲
//!    │ │ delete, soft-deleted items only                     │ its last item is gone;
//!    │ ▼                                                     │ or purge, with nothing in it
//!   soft-deleted ────────────────────────────────────────────┘
//!    undelete, into a group where its name is free
//! ```
//!
//! Its name is free as soon as it is out of sight. Source: Azure's rules for soft delete of vaults,
//! as of 2025.

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::item::Item;
use model::vault::{SoftDeletedVault, Vault};

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

/// What deleting a vault makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is gone.
    ForGood,
    /// It can be brought back until the last of its items is gone; then it goes, too.
    SoftDeleted,
}

/// Whether the vault may be deleted, with its policies and ended jobs, and what that makes of it.
///
/// The texts are Azure's. The phrase `cannot be deleted as there are existing resources within the
/// vault` is what makes Azure's CLI delete the items itself where it was told to (`--force`).
///
/// # Errors
///
/// `VaultNotEmpty` for items and running jobs; `VaultHoldsData` for soft-deleted items where soft
/// delete is off by now, and for points of nobody's items.
pub fn may_delete(vault: &Vault, contents: Contents<'_>) -> Result<Ending, Fault> {
    let live: Vec<&Item> = contents.items.iter().filter(|item| item.deletion.is_none()).collect();
    if !live.is_empty() {
        return Err(Fault::new(Code::VaultNotEmpty, existing(&items(&live))));
    }
    if contents.unended_jobs > 0 {
        let jobs = format!("{} jobs that have not ended", contents.unended_jobs);
        return Err(Fault::new(Code::VaultNotEmpty, existing(&jobs)));
    }
    if contents.items.is_empty() {
        return no_stray_points(vault, contents.points).map(|()| Ending::ForGood);
    }
    if vault.settings.soft_delete.is_on() {
        Ok(Ending::SoftDeleted)
    } else {
        Err(holds_deleted_items(vault))
    }
}

/// Whether a soft-deleted vault may go for good before its time: when nothing is in it.
///
/// # Errors
///
/// `VaultHoldsData`.
pub fn may_purge(vault: &Vault, contents: Contents<'_>) -> Result<(), Fault> {
    if contents.items.is_empty() {
        no_stray_points(vault, contents.points)
    } else {
        Err(holds_deleted_items(vault))
    }
}

/// When a vault that holds nothing but these soft-deleted items is gone: with the last of them. At
/// once, where there is none.
pub fn purge_time(deleted_at: Timestamp, items: &[Item]) -> Timestamp {
    let dates = items.iter().filter_map(|item| item.deletion).map(|deletion| deletion.until);
    dates.max().unwrap_or(deleted_at)
}

/// What each of these soft-deleted vaults is called among them: by its own name, or, where several
/// of a region have that, with its id behind it. In their order.
pub fn names_out_of_sight(vaults: &[SoftDeletedVault]) -> Vec<String> {
    let same = |one: &Vault, other: &Vault| {
        one.region.eq_ignore_ascii_case(&other.region)
            && one.name.as_str().eq_ignore_ascii_case(other.name.as_str())
    };
    let name = |one: &SoftDeletedVault| {
        let vault = &one.vault;
        match vaults.iter().filter(|other| same(vault, &other.vault)).count() {
            1 => vault.name.to_string(),
            _ => format!("{}-{}", vault.name, vault.id),
        }
    };
    vaults.iter().map(name).collect()
}

fn holds_deleted_items(vault: &Vault) -> Fault {
    let message = format!(
        "Recovery Services vault cannot be deleted as there are backup items in soft deleted state \
         in the vault. The soft deleted items are permanently deleted after {} days of delete \
         operation. Please try vault deletion after the backup items are permanently deleted and \
         there is no item in soft deleted state left in the vault.",
        vault.settings.soft_delete.days
    );
    Fault::new(Code::VaultHoldsData, message)
}

fn no_stray_points(vault: &Vault, points: usize) -> Result<(), Fault> {
    if points == 0 {
        return Ok(());
    }
    let immutable = if vault.settings.immutability.is_on() {
        " The vault is immutable: they stay until their time."
    } else {
        ""
    };
    let message = format!(
        "Vault '{}' has no backup items, but its repository holds {points} recovery points that are \
         theirs: the ledger may have been lost. Nothing was deleted.{immutable}",
        vault.name
    );
    Err(Fault::new(Code::VaultHoldsData, message))
}

fn existing(what: &str) -> String {
    format!(
        "Vault cannot be deleted as there are existing resources within the vault. Please ensure \
         there are no backup items, protected servers, or backup management servers associated with \
         this vault. Unregister the following containers associated with this vault before \
         proceeding for deletion : {what}."
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
