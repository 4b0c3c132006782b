//! The schema and its versions.
//!
//! Migration n brings a ledger from version n-1 to n; `user_version` in the file's header says
//! where it is. A migration and its new version are one transaction, so a killed upgrade either
//! happened or did not. Migrations that have been released never change; a new one is added behind
//! them. A ledger of a newer version is refused: what an old program does not know, it would lose.

use rusqlite::{Connection, TransactionBehavior};

use super::failed;
use crate::port::LedgerError;

/// The migrations, oldest first; the first one makes version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_item_lifecycle.sql"),
    include_str!("../../migrations/0003_vault_settings.sql"),
    include_str!("../../migrations/0004_roles.sql"),
    include_str!("../../migrations/0005_policies.sql"),
    include_str!("../../migrations/0006_lists.sql"),
    include_str!("../../migrations/0007_stores.sql"),
    include_str!("../../migrations/0008_daylight_saving.sql"),
    include_str!("../../migrations/0009_operations.sql"),
    include_str!("../../migrations/0010_alerts.sql"),
    include_str!("../../migrations/0011_verification.sql"),
    include_str!("../../migrations/0012_lifecycle.sql"),
    include_str!("../../migrations/0013_retention.sql"),
];

/// Marks the file as a ledger of ours in its header: `HfLd`.
const APPLICATION_ID: i64 = 0x4866_4c64;

/// The file is a database of some other program.
#[derive(Debug, thiserror::Error)]
#[error("the file is an SQLite database, but no ledger of Holdfast")]
struct NotALedger;

/// A migration left a reference to a record that is not there.
#[derive(Debug, thiserror::Error)]
#[error("a migration broke {count} references between records; nothing was changed")]
struct BrokenReferences {
    count: i64,
}

/// Applies the migrations that the ledger lacks.
///
/// References are not checked while a migration makes a table anew, and all of them before the
/// change is committed: SQLite's own procedure, which it has no other for.
pub(super) fn up_to_date(connection: &mut Connection) -> Result<(), LedgerError> {
    connection.pragma_update(None, "foreign_keys", false).map_err(failed)?;
    let applied = apply(connection, MIGRATIONS);
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    applied
}

fn apply(connection: &mut Connection, migrations: &[&str]) -> Result<(), LedgerError> {
    let known = i64::try_from(migrations.len()).expect("a handful of migrations");
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = number(&transaction, "PRAGMA user_version")?;
    let application = number(&transaction, "PRAGMA application_id")?;
    let is_empty = number(&transaction, "SELECT count(*) FROM sqlite_schema")? == 0;
    if application != APPLICATION_ID && !(is_empty && found == 0) {
        return Err(LedgerError::Database(Box::new(NotALedger)));
    }
    if found > known {
        return Err(LedgerError::NewerSchema { found, known });
    }
    let lacking = usize::try_from(found).map_or(migrations, |done| &migrations[done..]);
    if lacking.is_empty() {
        return Ok(());
    }
    for migration in lacking {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    let count = number(&transaction, "SELECT count(*) FROM pragma_foreign_key_check")?;
    if count > 0 {
        return Err(LedgerError::Database(Box::new(BrokenReferences { count })));
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn number(connection: &Connection, sql: &str) -> Result<i64, LedgerError> {
    connection.query_row(sql, [], |row| row.get(0)).map_err(failed)
}

#[cfg(test)]
mod tests;
