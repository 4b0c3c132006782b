//! Access tokens: made and checked here, with the keys of this data directory.
//!
//! A token is a JWT signed with ES256 by a key of [`ring`]. Checking pins everything: the algorithm
//! (never what the token's own header would like), the key id, the audience, the tenant, and the
//! time by the engine's clock. What a token lets its holder do is looked up at each request, not
//! read from the token, so a principal that is gone has no access at once.

use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation};
use model::principal::{Principal, Tenancy};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use api::arm::cloud::KeySet;

use crate::tls::TlsError;

mod ring;

use ring::Ring;

/// How tokens are signed.
const ALGORITHM: Algorithm = Algorithm::ES256;
/// The same, by its name.
pub(crate) const ALGORITHM_NAME: &str = "ES256";
/// For how many seconds a token is good.
pub(crate) const LIFETIME_S: u32 = 60 * 60;
/// The longest token that is looked at, in bytes. Ours have about 600.
const MAX_BYTES: usize = 4096;

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// What it is good for.
    pub(crate) aud: String,
    iss: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// The principal's client id.
    pub(crate) appid: String,
    /// The principal's object id.
    pub(crate) oid: String,
    tid: String,
    ver: String,
}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The API.
    Arm,
    /// The directory, which does not exist here: clients get such a token only to read its claims.
    Graph,
}

impl Audience {
    /// What clients mean by this scope or resource, such as `https://HOST//.default`. Everything
    /// that is not the directory is the API: the same installation goes by many names.
    pub(crate) fn named(scope: &str) -> Self {
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let last = resource.trim_end_matches('/').rsplit('/').next();
        if last.is_some_and(|last| last.eq_ignore_ascii_case("graph")) {
            Self::Graph
        } else {
            Self::Arm
        }
    }

    /// The claim: the same whatever name the client reached the installation by, and another one
    /// for every installation.
    fn claim(self, tenancy: Tenancy) -> String {
        let name = match self {
            Self::Arm => "arm",
            Self::Graph => "graph",
        };
        format!("urn:holdfast:{}:{name}", tenancy.tenant)
    }
}

/// Makes and checks tokens.
pub(crate) struct Tokens {
    tenancy: Tenancy,
    /// Behind a lock because the keys change while tokens are made and checked; held for as long as
    /// one signature takes.
    ring: RwLock<Ring>,
}

/// The token gives no access. Which check failed is nobody's business but ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) &'static str);

impl Tokens {
    /// Opens the keys of this data directory, or makes the first one.
    pub(crate) fn open(
        data_dir: &Path,
        tenancy: Tenancy,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        Ok(Self { tenancy, ring: RwLock::new(Ring::open(data_dir, now)?) })
    }

    /// The public keys, for those who want to check tokens themselves.
    pub(crate) fn public(&self) -> KeySet {
        KeySet { keys: self.ring().public() }
    }

    /// Lets a new key sign where the current one has done so for its time; to be called now and
    /// then.
    ///
    /// # Errors
    ///
    /// The file of the keys could not be written; the current key goes on.
    pub(crate) fn rotate(&self, now: Timestamp) -> Result<(), TlsError> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner).rotate(now).map(drop)
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token for this principal, issued by `issuer` now.
    pub(crate) fn issue(
        &self,
        principal: &Principal,
        audience: Audience,
        issuer: String,
        now: Timestamp,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let seconds = now.as_second();
        let claims = Claims {
            aud: audience.claim(self.tenancy),
            iss: issuer,
            iat: seconds,
            nbf: seconds,
            exp: seconds + i64::from(LIFETIME_S),
            appid: principal.client_id.to_string(),
            oid: principal.object_id.to_string(),
            tid: self.tenancy.tenant.to_string(),
            ver: "1.0".to_owned(),
        };
        let ring = self.ring();
        let (key, kid) = ring.signing();
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(ALGORITHM) };
        jsonwebtoken::encode(&header, &claims, key)
    }

    /// The client id and object id of the principal whose token for the API this is.
    pub(crate) fn check(&self, token: &str, now: Timestamp) -> Result<(Uuid, Uuid), Refused> {
        if token.len() > MAX_BYTES {
            return Err(Refused("too long"));
        }
        let mut validation = Validation::new(ALGORITHM);
        // The time is checked below, by the engine's clock instead of the library's.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "nbf", "aud"]);
        validation.set_audience(&[Audience::Arm.claim(self.tenancy)]);
        // Of the header only the key's id counts, and only as a name among those of our own keys.
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused("malformed"))?;
        if header.typ.is_some_and(|kind| !kind.eq_ignore_ascii_case("JWT")) {
            return Err(Refused("no access token"));
        }
        let ring = self.ring();
        let key = header.kid.as_deref().and_then(|kid| ring.named(kid));
        let key = key.ok_or(Refused("unknown key id"))?;
        let token = jsonwebtoken::decode::<Claims>(token, key, &validation)
            .map_err(|_| Refused("malformed, unsigned, or signed by another key"))?;
        let Claims { appid, oid, tid, iat, nbf, exp, .. } = token.claims;
        let seconds = now.as_second();
        if tid != self.tenancy.tenant.to_string() {
            return Err(Refused("another tenant"));
        }
        if seconds < nbf || seconds >= exp || exp.saturating_sub(iat) > i64::from(LIFETIME_S) {
            return Err(Refused("outside its time"));
        }
        let id = |text: &str| Uuid::parse_str(text).map_err(|_| Refused("malformed id"));
        Ok((id(&appid)?, id(&oid)?))
    }
}

#[cfg(test)]
mod tests;
