//! Service principals: the first one with its `credentials.json`, and the check of client secrets.
//!
//! A secret is 256 random bits, shown once in `credentials.json` and otherwise known only by its
//! Argon2id hash in the ledger.

use std::path::{Path, PathBuf};

use api::credentials::{self, Credentials};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use engine::{Engine, NewAssignment};
use model::fault::Fault;
use model::principal::Principal;
use model::role::{Scope, built_in};
use model::seed::new_uuid;
use uuid::Uuid;

use crate::files::{self, FileError};

/// The name of the principal that the first start makes.
const FIRST_OWNER: &str = "holdfast-owner";
/// Bytes of a client secret.
const SECRET_BYTES: usize = 32;
/// Bytes of a hash's salt.
const SALT_BYTES: usize = 16;

/// Why the first principal could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PrincipalError {
    /// `credentials.json` failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The ledger failed.
    #[error("the ledger failed while the first principal was made")]
    Ledger(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The secret could not be hashed.
    #[error("the first principal's secret could not be hashed: {reason}")]
    Hash {
        /// Why, in the library's words.
        reason: String,
    },
}

/// Makes sure that `credentials.json` lets its reader in: it names a principal of this ledger, and
/// the place where the service is now. Where the file is lost or useless, a new Owner is made.
///
/// # Errors
///
/// See [`PrincipalError`].
pub(crate) fn ensure_credentials(
    engine: &Engine,
    data_dir: &Path,
    endpoint: &str,
) -> Result<(), PrincipalError> {
    let path = data_dir.join(credentials::FILE_NAME);
    let found = files::read(&path)?.and_then(|bytes| Credentials::decode(&bytes).ok());
    let (client_id, client_secret) = match &found {
        Some(found) if is_known(engine, found)? => {
            (found.client_id.clone(), found.client_secret.clone())
        }
        _ => new_owner(engine)?,
    };
    let tenancy = engine.tenancy();
    let wanted = Credentials {
        tenant_id: tenancy.tenant.to_string(),
        subscription_id: tenancy.subscription.to_string(),
        client_id,
        client_secret,
        endpoint: endpoint.to_owned(),
        ca_file: absolute(data_dir).join("ca.pem").display().to_string(),
    };
    if found.as_ref() != Some(&wanted) {
        files::write(&path, &wanted.encode())?;
    }
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn is_known(engine: &Engine, credentials: &Credentials) -> Result<bool, PrincipalError> {
    let Ok(client_id) = Uuid::parse_str(&credentials.client_id) else {
        return Ok(false);
    };
    let principal = engine.ledger().principal(client_id);
    let principal = principal.map_err(|error| PrincipalError::Ledger(error.into()))?;
    Ok(principal.is_some_and(|principal| proves(&principal, &credentials.client_secret)))
}

/// Makes an Owner of the subscription; returns its client id and secret.
fn new_owner(engine: &Engine) -> Result<(String, String), PrincipalError> {
    let fault = |fault: Fault| PrincipalError::Ledger(fault.into());
    let (secret, hash) = new_secret(engine)?;
    // An earlier one, whose secret was lost, keeps its name.
    let suffix = new_uuid(engine.seed()).simple().to_string();
    let taken = engine.principal(FIRST_OWNER).is_ok();
    let name = if taken { format!("{FIRST_OWNER}-{}", &suffix[..8]) } else { FIRST_OWNER.into() };
    let principal = engine.create_principal(&name, hash).map_err(fault)?;
    let owner = NewAssignment {
        name: new_uuid(engine.seed()),
        principal: principal.object_id,
        role: &built_in::OWNER,
        scope: Scope::Subscription,
    };
    engine.assign(owner).map_err(fault)?;
    Ok((principal.client_id.to_string(), secret))
}

/// A new client secret, and its hash for the ledger.
///
/// # Errors
///
/// It cannot be hashed.
pub(crate) fn new_secret(engine: &Engine) -> Result<(String, String), PrincipalError> {
    let seed = engine.seed();
    let (mut secret, mut salt) = ([0; SECRET_BYTES], [0; SALT_BYTES]);
    seed.fill(&mut secret);
    seed.fill(&mut salt);
    // One that began with '-' would be an option to the programs that it is given to, az first.
    let secret = format!("hf-{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
    let hash = hash(&secret, &salt)?;
    Ok((secret, hash))
}

fn hash(secret: &str, salt: &[u8]) -> Result<String, PrincipalError> {
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(secret.as_bytes(), salt)
        .map_err(|error| PrincipalError::Hash { reason: error.to_string() })?;
    Ok(hash.to_string())
}

/// Whether this is the principal's secret. Takes some ten milliseconds and 19 MiB, on purpose: who
/// calls it on behalf of strangers must bound how many of them at once.
pub(crate) fn proves(principal: &Principal, secret: &str) -> bool {
    let hash = principal.secret_hash.as_str();
    Argon2::default().verify_password(secret.as_bytes(), hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_itself_proves_a_principal() {
        let mut principal = Principal {
            client_id: Uuid::from_u128(1),
            object_id: Uuid::from_u128(2),
            name: "test".to_owned(),
            secret_hash: hash("right", &[7; SALT_BYTES]).expect("hashable"),
        };
        assert!(principal.secret_hash.starts_with("$argon2id$"), "{}", principal.secret_hash);
        assert!(proves(&principal, "right"));
        for wrong in ["", "wrong", "right ", "Right"] {
            assert!(!proves(&principal, wrong), "{wrong:?}");
        }
        for broken in ["", "right", "$argon2id$v=19$m=8", "$plain$right"] {
            principal.secret_hash = broken.to_owned();
            assert!(!proves(&principal, "right"), "{broken:?}");
        }
    }
}
