//! Ledgers to test: a fresh one of every implementation of the port.

use ledger::Ledger;
use ledger::sqlite::SqliteLedger;
use tempfile::TempDir;

/// A ledger, and what has to outlive it.
pub struct Fresh {
    ledger: Box<dyn Ledger>,
    _dir: Option<TempDir>,
}

/// Makes a new, empty ledger.
pub type Open = fn() -> Fresh;

/// Every implementation of the port.
pub const IMPLEMENTATIONS: &[(&str, Open)] =
    &[("sqlite in a file", sqlite_file), ("sqlite in memory", sqlite_in_memory)];

fn sqlite_file() -> Fresh {
    let dir = TempDir::new().expect("temporary directory");
    let ledger = SqliteLedger::open(&dir.path().join("ledger.db")).expect("opens");
    Fresh { ledger: Box::new(ledger), _dir: Some(dir) }
}

fn sqlite_in_memory() -> Fresh {
    Fresh { ledger: Box::new(SqliteLedger::in_memory().expect("opens")), _dir: None }
}

/// Runs an example on a fresh ledger of each implementation.
pub fn on_each(example: fn(&dyn Ledger)) {
    for (name, open) in IMPLEMENTATIONS {
        println!("{name}");
        example(&*open().ledger);
    }
}
