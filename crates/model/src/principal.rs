//! Who may use the API: the tenancy and its service principals.

use uuid::Uuid;

use crate::tags::Tags;

/// The names under which this installation is one tenant with one subscription of Azure's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenancy {
    /// The tenant.
    pub tenant: Uuid,
    /// The subscription.
    pub subscription: Uuid,
}

/// A program that may get access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Its client id.
    pub client_id: Uuid,
    /// Its object id, which role assignments name.
    pub object_id: Uuid,
    /// What it is called.
    pub name: String,
    /// The Argon2id hash of its client secret, in the PHC string format. The secret itself is
    /// nowhere in the ledger.
    pub secret_hash: String,
}

/// A resource group: a name under which hosts, virtual machines and vaults are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceGroup {
    /// Its name, unique without regard to case.
    pub name: String,
    /// The region it was created in; says nothing about what it holds.
    pub region: String,
    /// What its operator marked it with.
    pub tags: Tags,
}
