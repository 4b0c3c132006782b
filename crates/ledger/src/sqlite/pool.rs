//! Connections: one that writes, a few that read, all to the same file.
//!
//! SQLite takes one writer at a time and, in WAL mode, any number of readers beside it. A
//! connection is used by one thread at a time; hence the two mutexes, and nothing else is locked.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{failed, migrate};
use crate::port::LedgerError;

/// How many connections read at once. Reads take well under a millisecond and the machine's cores
/// are few; each idle connection holds up to 2 MiB of page cache.
const READERS_MAX: usize = 4;

/// How long a statement waits for another process that holds the file (a backup tool, a shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many statements a connection keeps prepared, at a few KiB each: about as many as a minute's
/// work uses.
const STATEMENTS_MAX: usize = 64;

/// To how many bytes the write-ahead log is cut back once a burst of writes is in the main file.
const WAL_KEPT_BYTES: i64 = 16 * 1024 * 1024;

/// Only the owner may read the ledger: it holds the hashes of client secrets.
const FILE_MODE: u32 = 0o600;

/// The connections to one ledger.
pub(super) struct Pool {
    /// Behind a mutex because SQLite has one writer: waiting here is fair and cheap, waiting for
    /// the file's lock is neither.
    writer: Mutex<Connection>,
    readers: Option<Readers>,
}

/// The reading connections. A ledger in memory has none, its one connection does both.
struct Readers {
    path: PathBuf,
    /// Behind a mutex because any thread may take one out and put it back; held for no longer.
    state: Mutex<Idle>,
    returned: Condvar,
}

struct Idle {
    connections: Vec<Connection>,
    opened: usize,
}

impl Pool {
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        create_private(path).map_err(|error| LedgerError::Database(Box::new(error)))?;
        let mut writer = connect(path)?;
        writer.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        writer.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES).map_err(failed)?;
        migrate::up_to_date(&mut writer)?;
        let readers = Readers {
            path: path.to_owned(),
            state: Mutex::new(Idle { connections: Vec::new(), opened: 0 }),
            returned: Condvar::new(),
        };
        Ok(Self { writer: Mutex::new(writer), readers: Some(readers) })
    }

    pub(super) fn in_memory() -> Result<Self, LedgerError> {
        let mut writer = Connection::open_in_memory().map_err(failed)?;
        prepare(&writer)?;
        migrate::up_to_date(&mut writer)?;
        Ok(Self { writer: Mutex::new(writer), readers: None })
    }

    /// Runs `work` in one write transaction: all of it is durable when this returns `Ok`, and
    /// nothing of it happened when it returns an error or panics.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut writer = unpoisoned(self.writer.lock());
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let value = work(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(value)
    }

    /// Runs `work`, which only reads, on one state of the ledger.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        match &self.readers {
            None => work(&unpoisoned(self.writer.lock())),
            Some(readers) => {
                let lease = readers.take()?;
                work(lease.connection())
            }
        }
    }
}

impl Readers {
    fn take(&self) -> Result<Lease<'_>, LedgerError> {
        let mut state = unpoisoned(self.state.lock());
        loop {
            if let Some(connection) = state.connections.pop() {
                return Ok(Lease { connection: Some(connection), readers: self });
            }
            if state.opened < READERS_MAX {
                let connection = connect(&self.path)?;
                connection.pragma_update(None, "query_only", true).map_err(failed)?;
                state.opened += 1;
                return Ok(Lease { connection: Some(connection), readers: self });
            }
            state = unpoisoned(self.returned.wait(state));
        }
    }
}

/// A reading connection that goes back when it is dropped, also by a panic.
struct Lease<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
}

impl Lease<'_> {
    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("taken out only by drop")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        unpoisoned(self.readers.state.lock()).connections.extend(self.connection.take());
        self.readers.returned.notify_one();
    }
}

/// The lock, whether or not another thread panicked with it: a transaction that a panic left was
/// rolled back, so the connection is as it was before.
fn unpoisoned<'a, T>(
    lock: Result<MutexGuard<'a, T>, PoisonError<MutexGuard<'a, T>>>,
) -> MutexGuard<'a, T> {
    lock.unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    // No SQLITE_OPEN_URI: a path is a path, whatever it looks like.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    prepare(&connection)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), LedgerError> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Else a statement is prepared anew for other parameters, whether its plan depends on them or
    // not.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    for (pragma, value) in [("synchronous", "FULL"), ("foreign_keys", "ON")] {
        connection.pragma_update(None, pragma, value).map_err(failed)?;
    }
    connection.pragma_update(None, "trusted_schema", false).map_err(failed)
}

/// Makes sure that the file is there and nobody but its owner may open it. It never is open to
/// others, not even for a moment; SQLite gives its `-wal` and `-shm` files the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(file) => {
            file.sync_all()?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = File::open(path)?;
            if file.metadata()?.permissions().mode() & 0o077 != 0 {
                file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}
