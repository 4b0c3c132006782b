//! Access tokens: made and checked here, with the one key of this data directory.
//!
//! A token is a JWT signed with ES256 by `token.key`. Checking pins everything: the algorithm
//! (never what the token's own header would like), the key id, the audience, the tenant, and the
//! time by the engine's clock. What a token lets its holder do is looked up at each request, not
//! read from the token, so a principal that is gone has no access at once.

use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::principal::{Principal, Tenancy};
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use api::arm::cloud::{Key, KeySet};

use crate::files::{self, FileError};
use crate::tls::TlsError;

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
    signing: EncodingKey,
    checking: DecodingKey,
    public: Key,
}

/// The token gives no access. Which check failed is nobody's business but ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) &'static str);

impl Tokens {
    /// Opens the signing key of this data directory, or makes one.
    pub(crate) fn open(data_dir: &Path, tenancy: Tenancy) -> Result<Self, TlsError> {
        let path = data_dir.join("token.key");
        let key = match files::read(&path)? {
            Some(bytes) => {
                let unusable = || FileError::Unusable {
                    path: path.clone(),
                    expected: "the key that signs access tokens",
                };
                let text = String::from_utf8(bytes).map_err(|_| unusable())?;
                let key = KeyPair::from_pem(&text).map_err(|_| unusable())?;
                let is_ours = key.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256);
                if is_ours { key } else { return Err(unusable().into()) }
            }
            None => {
                let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
                files::write(&path, key.serialize_pem().as_bytes())?;
                key
            }
        };
        Ok(Self::with(&key, tenancy))
    }

    fn with(key: &KeyPair, tenancy: Tenancy) -> Self {
        let point = key.public_key_raw();
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        // An uncompressed point of the curve: a byte that says so, then both coordinates.
        let (x, y) = point[1..].split_at(32);
        let public = Key {
            kty: "EC".to_owned(),
            usage: "sig".to_owned(),
            alg: ALGORITHM_NAME.to_owned(),
            kid: text(&digest::digest(&digest::SHA256, point).as_ref()[..16]),
            crv: "P-256".to_owned(),
            x: text(x),
            y: text(y),
        };
        Self {
            tenancy,
            signing: EncodingKey::from_ec_der(&key.serialize_der()),
            checking: DecodingKey::from_ec_der(point),
            public,
        }
    }

    /// The public key, for those who want to check tokens themselves.
    pub(crate) fn public(&self) -> KeySet {
        KeySet { keys: vec![self.public.clone()] }
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
        let header = Header { kid: Some(self.public.kid.clone()), ..Header::new(ALGORITHM) };
        jsonwebtoken::encode(&header, &claims, &self.signing)
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
        let token = jsonwebtoken::decode::<Claims>(token, &self.checking, &validation)
            .map_err(|_| Refused("malformed, unsigned, or signed by another key"))?;
        if token.header.kid.as_deref() != Some(&self.public.kid) {
            return Err(Refused("unknown key id"));
        }
        let Claims { appid, oid, tid, nbf, exp, .. } = token.claims;
        let seconds = now.as_second();
        if tid != self.tenancy.tenant.to_string() {
            return Err(Refused("another tenant"));
        }
        if seconds < nbf || seconds >= exp {
            return Err(Refused("outside its time"));
        }
        let id = |text: &str| Uuid::parse_str(text).map_err(|_| Refused("malformed id"));
        Ok((id(&appid)?, id(&oid)?))
    }
}

#[cfg(test)]
mod tests;
