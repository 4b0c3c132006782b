//! The life of a protected item: which operation is allowed in which state, and what it leaves.
//!
//! ```text
//!                 protect                     backup                protect: stays
//! (no item) ───────────────► IRPending ─────────────────► Protected ◄─┐
//!                              │  ▲ protect                  │  ▲ ────┘
//!                  stop,       │  │ (no point)      stop,    │  │ protect (it has points)
//!                  suspend     ▼  │                 suspend  ▼  │
//!                           ProtectionStopped, BackupsSuspended
//!                                     │  ▲
//!      delete, from every state ──────┘  └── undelete: ProtectionStopped, with its data
//!                                     ▼
//!                       soft-deleted (ProtectionStopped, with a date)
//!                                     │ purge, from its date on; where soft delete is off,
//!                                     ▼ delete comes here at once
//!                                  purging ──► (no item): its machine may be protected anew
//! ```
//!
//! | | protect | stop | suspend | delete | undelete | purge | backup | restore |
//! |---|---|---|---|---|---|---|---|---|
//! | IRPending, Protected | yes | yes | immutable vaults only | yes | no | no | yes | yes |
//! | BackupsSuspended | yes | yes | yes | yes | no | no | no | yes |
//! | ProtectionStopped | yes | yes | no: no policy to keep points by | yes | no | no | no | yes |
//! | soft-deleted | no: undelete first | no | no | no | yes | from its date on | no | no |
//! | purging | no | no | no | no | no: some of it may be gone | yes | no | no |
//!
//! Nobody asks for a purge but the passing of time. It goes on wherever it was cut off, so that
//! what is *purging* ends as nothing, and never as an item with some of its points.
//!
//! An immutable vault gives no item with recovery points up to deletion. While a backup runs,
//! everything that ends protection is refused, for the backup would bring a point to an item that
//! says it has no more of them coming; the ledger sees to that, in the change's own transaction.
//!
//! Source: Azure's rules for soft delete and immutable vaults, as of 2025.

use jiff::{SignedDuration, Timestamp};
use model::fault::{Code, Fault};
use model::item::{Deletion, DiskSelection, Item, ProtectionState};
use model::job::Operation;

/// What is asked of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Back it up under this policy from now on.
    Protect {
        /// The policy's name.
        policy: String,
        /// The disks to back up; `None` leaves them as they are.
        disks: Option<DiskSelection>,
    },
    /// Back it up no more, and keep its points until somebody deletes them.
    Stop,
    /// Back it up no more, and keep its points as its policy says.
    Suspend,
    /// Back it up no more, and delete its points once they cannot be brought back any longer.
    Delete,
    /// Bring it back after it was deleted.
    Undelete,
    /// Delete its data for good, for its date has come.
    Purge,
}

/// What else counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// How many recovery points the item has.
    pub points: u64,
    /// Whether its vault keeps points from being deleted before their time.
    pub immutable: bool,
    /// For how many days its vault lets it be brought back; `None` where soft delete is off.
    pub soft_delete_days: Option<u16>,
    /// The time.
    pub now: Timestamp,
}

/// What an operation leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The item from then on.
    pub after: Item,
    /// The operation that its job tells.
    pub operation: Operation,
    /// Whether no backup may run meanwhile.
    pub idle: bool,
}

/// Decides what `wish` makes of `item`.
///
/// # Errors
///
/// `ItemSoftDeleted` for everything but undeleting a deleted item, or purging it from its date on;
/// `DeniedOnImmutableItem`; `ItemClosed` for suspending what is stopped;
/// `InvalidConfigureProtection` for undeleting or purging what is not deleted.
pub fn change(item: &Item, wish: &Wish, facts: Facts) -> Result<Change, Fault> {
    match (&item.deletion, wish) {
        (Some(deletion), Wish::Purge) if may_purge(*deletion, facts.now) => {
            let deletion = Some(Deletion { purging: true, ..*deletion });
            let after = Item { deletion, ..item.clone() };
            Ok(Change { after, operation: Operation::DeleteBackupData, idle: true })
        }
        (Some(deletion), Wish::Undelete) if !deletion.purging => {
            let after = Item { deletion: None, ..stopped(item) };
            Ok(Change { after, operation: Operation::Undelete, idle: true })
        }
        (Some(deletion), _) => Err(is_deleted(item, *deletion)),
        (None, Wish::Undelete | Wish::Purge) => {
            let message =
                format!("Virtual machine '{}' is not deleted in this vault.", item.vm_name);
            Err(Fault::new(Code::InvalidConfigureProtection, message))
        }
        (None, Wish::Protect { policy, disks }) => {
            let state = match item.state {
                active @ (ProtectionState::IrPending | ProtectionState::Protected) => active,
                _ if facts.points > 0 => ProtectionState::Protected,
                _ => ProtectionState::IrPending,
            };
            let disks = disks.clone().unwrap_or_else(|| item.disks.clone());
            let after = Item { state, policy: Some(policy.clone()), disks, ..item.clone() };
            Ok(Change { after, operation: Operation::ConfigureBackup, idle: false })
        }
        (None, Wish::Stop) => {
            Ok(Change { after: stopped(item), operation: Operation::DisableBackup, idle: true })
        }
        (None, Wish::Suspend) => suspend(item, facts),
        (None, Wish::Delete) => delete(item, facts),
    }
}

/// The item without a policy. What it would read its next backup from is given up: a record of
/// changes that nobody will read costs the guest.
fn stopped(item: &Item) -> Item {
    let state = ProtectionState::ProtectionStopped;
    Item { state, policy: None, chain: None, ..item.clone() }
}

fn suspend(item: &Item, facts: Facts) -> Result<Change, Fault> {
    if item.state == ProtectionState::ProtectionStopped {
        let message = format!(
            "The protection of virtual machine '{}' is stopped, so no policy says for how long its \
             recovery points are kept. Resume it first.",
            item.vm_name
        );
        return Err(Fault::new(Code::ItemClosed, message));
    }
    if !facts.immutable {
        let message = format!(
            "Backups of virtual machine '{}' can be suspended only in an immutable vault. Stop its \
             protection and keep its data instead.",
            item.vm_name
        );
        return Err(Fault::new(Code::DeniedOnImmutableItem, message));
    }
    let after = Item { state: ProtectionState::BackupsSuspended, chain: None, ..item.clone() };
    Ok(Change { after, operation: Operation::DisableBackup, idle: true })
}

fn delete(item: &Item, facts: Facts) -> Result<Change, Fault> {
    if facts.immutable && facts.points > 0 {
        let message = format!(
            "Virtual machine '{}' has {} recovery points in an immutable vault; they cannot be \
             deleted before their time.",
            item.vm_name, facts.points
        );
        return Err(Fault::new(Code::DeniedOnImmutableItem, message));
    }
    let days = facts.soft_delete_days;
    let kept = SignedDuration::from_hours(24 * i64::from(days.unwrap_or(0)));
    let deletion = Deletion {
        at: facts.now,
        until: facts.now.checked_add(kept).unwrap_or(Timestamp::MAX),
        purging: days.is_none(),
    };
    let after = Item { deletion: Some(deletion), ..stopped(item) };
    Ok(Change { after, operation: Operation::DeleteBackupData, idle: true })
}

/// Whether the data of what was deleted may go for good: from its date on, or because some of it
/// went before.
pub fn may_purge(deletion: Deletion, now: Timestamp) -> bool {
    deletion.purging || deletion.until <= now
}

/// Whether the item may be backed up now.
///
/// # Errors
///
/// `ItemSoftDeleted`; `ItemClosed` while its protection is stopped or suspended.
pub fn may_back_up(item: &Item) -> Result<(), Fault> {
    if let Some(deletion) = item.deletion {
        return Err(is_deleted(item, deletion));
    }
    match item.state {
        ProtectionState::IrPending | ProtectionState::Protected => Ok(()),
        ProtectionState::ProtectionStopped | ProtectionState::BackupsSuspended => {
            let message = format!(
                "Virtual machine '{}' is not backed up: its state is {}. Resume its protection with \
                 a policy first.",
                item.vm_name,
                item.state.azure_name()
            );
            Err(Fault::new(Code::ItemClosed, message))
        }
    }
}

/// Whether a recovery point of the item may be restored now.
///
/// # Errors
///
/// `ItemSoftDeleted`.
pub fn may_restore(item: &Item) -> Result<(), Fault> {
    item.deletion.map_or(Ok(()), |deletion| Err(is_deleted(item, deletion)))
}

fn is_deleted(item: &Item, deletion: Deletion) -> Fault {
    if deletion.purging {
        let message = format!(
            "The data of virtual machine '{}' is being deleted for good in this vault and cannot be \
             brought back. Wait until that has ended.",
            item.vm_name
        );
        return Fault::new(Code::ItemSoftDeleted, message);
    }
    let message = format!(
        "Virtual machine '{}' was deleted in this vault at {:.0}. Undelete it first; it can be \
         brought back until {:.0}.",
        item.vm_name, deletion.at, deletion.until
    );
    Fault::new(Code::ItemSoftDeleted, message)
}

#[cfg(test)]
mod tests;
