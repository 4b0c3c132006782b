//! The connection that everything uses, and a new one where the first is dead.
//!
//! Clean-up has to work when libvirt was restarted under a frozen guest: [`Hypervisor::get`]
//! then connects again. New work does not outlive the first connection: its loss ends the process.

use std::sync::{Arc, Mutex, PoisonError};

use crate::ffi::{Connection, Domain, LibvirtError, Result};

/// Where libvirt is.
pub struct Hypervisor {
    uri: String,
    connection: Mutex<Arc<Connection>>,
}

impl Hypervisor {
    /// Connects.
    pub fn open(uri: &str) -> Result<Self> {
        let connection = Mutex::new(Arc::new(Connection::open(uri)?));
        Ok(Self { uri: uri.to_owned(), connection })
    }

    /// A connection that lives.
    pub fn get(&self) -> Result<Arc<Connection>> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_alive() {
            *connection = Arc::new(Connection::open(&self.uri)?);
        }
        Ok(Arc::clone(&connection))
    }

    /// The domain with this UUID.
    pub fn domain(&self, uuid: &str) -> Result<Domain> {
        self.get()?.domain(uuid)
    }
}

/// Whether an error says that there is nothing left to look after.
pub fn is_gone(error: &LibvirtError) -> bool {
    error.kind() == api::helper::FailureKind::NoDomain
}
