//! The ledger: durable records of vaults, policies, items, jobs, points, hosts and principals.
//!
//! [`Ledger`] is the port; [`sqlite`] is the embedded implementation, [`Faulty`] a decorator for
//! tests. The ledger stores and finds records and keeps the few promises that only a database can
//! keep under concurrency (one vault per virtual machine, one backup job per item). What the
//! records mean is decided above it.

#![warn(missing_docs)]

mod faulty;
pub mod port;
pub mod sqlite;

pub use faulty::Faulty;
pub use port::{Ledger, LedgerError};
