//! The commands, a module per noun. Each has its arguments and what it does with them: it asks the
//! service, and returns a [`Reply`](crate::output::Reply). Nothing is decided here that another
//! client of the API could not do as well.

use crate::client::Client;

pub mod az_login;
pub mod backup_now;
pub mod group;
pub mod host;
pub mod item;
pub mod job;
pub mod network;
pub mod point;
pub mod policy;
pub mod principal;
pub mod repo;
pub mod restore;
pub mod retention;
pub mod role;
pub mod serve;
pub mod status;
pub mod store;
pub mod vault;
pub mod vm;

/// What the commands that talk to the service work with.
pub struct Service {
    /// The service.
    pub client: Client,
    /// Whether a person watches: progress is drawn on stderr.
    pub watched: bool,
}

#[cfg(test)]
mod tests;
