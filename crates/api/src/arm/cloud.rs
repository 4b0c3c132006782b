//! What a client asks before it has a token: where things are, and the token itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer of `/metadata/endpoints`, by which clients register a cloud.
///
/// The mix is deliberate. A login endpoint that ends in `/adfs` makes Azure's login library trust
/// it without asking Microsoft first; `AAD` and `common` tell Terraform that it is no Azure Stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The cloud's name.
    pub name: String,
    /// Where and how to log in.
    pub authentication: Authentication,
    /// Where the API is.
    pub resource_manager: String,
    /// Where the portal is.
    pub portal: String,
    /// Where the directory would be.
    pub graph: String,
    /// The audience of tokens for the directory.
    pub graph_audience: String,
    /// The same for its newer interface.
    pub microsoft_graph_resource_id: String,
    /// Not served; clients want the field.
    pub gallery: String,
    /// Not served; clients want the field.
    pub batch: String,
    /// Not served; clients want the field.
    pub media: String,
    /// The DNS suffixes of services that do not exist here.
    pub suffixes: Suffixes,
}

/// Where and how to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// The authority that gives out tokens.
    pub login_endpoint: String,
    /// The audiences of tokens for the API.
    pub audiences: Vec<String>,
    /// The tenant to log in to: `common`.
    pub tenant: String,
    /// The kind of authority: `AAD`.
    pub identity_provider: String,
}

/// DNS suffixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suffixes {
    /// Of storage accounts.
    pub storage: String,
    /// Of key vaults.
    pub key_vault_dns: String,
}

/// What `/metadata/endpoints` answered in 2015, and some clients still ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OldMetadata {
    /// Not served; clients want the field.
    pub gallery_endpoint: String,
    /// Where the directory would be.
    pub graph_endpoint: String,
    /// Where the portal is.
    pub portal_endpoint: String,
    /// Where to log in.
    pub authentication: OldAuthentication,
}

/// Where to log in, as of 2015.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OldAuthentication {
    /// The authority that gives out tokens.
    pub login_endpoint: String,
    /// The audiences of tokens for the API.
    pub audiences: Vec<String>,
}

impl Metadata {
    /// The metadata of the cloud whose API is at `base`, such as `https://localhost:8443`.
    pub fn at(base: &str) -> Self {
        let graph = format!("{base}/graph");
        Self {
            name: "Holdfast".to_owned(),
            authentication: Authentication {
                login_endpoint: format!("{base}/adfs"),
                audiences: vec![format!("{base}/")],
                tenant: "common".to_owned(),
                identity_provider: "AAD".to_owned(),
            },
            resource_manager: base.to_owned(),
            portal: format!("{base}/portal"),
            graph: graph.clone(),
            graph_audience: graph.clone(),
            microsoft_graph_resource_id: graph,
            gallery: format!("{base}/gallery"),
            batch: format!("{base}/batch"),
            media: format!("{base}/media"),
            suffixes: Suffixes {
                storage: "storage.local".to_owned(),
                key_vault_dns: "vault.local".to_owned(),
            },
        }
    }

    /// The same, as it was asked for in 2015.
    pub fn into_old(self) -> OldMetadata {
        let Authentication { login_endpoint, audiences, .. } = self.authentication;
        OldMetadata {
            gallery_endpoint: self.gallery,
            graph_endpoint: self.graph,
            portal_endpoint: self.portal,
            authentication: OldAuthentication { login_endpoint, audiences },
        }
    }
}

/// The OpenID configuration: how to get and check tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenIdConfig {
    /// Who issues the tokens.
    pub issuer: String,
    /// Where people would log in; not served yet.
    pub authorization_endpoint: String,
    /// Where programs get tokens.
    pub token_endpoint: String,
    /// Where the public keys are.
    pub jwks_uri: String,
    /// What the authorization endpoint would answer.
    pub response_types_supported: Vec<String>,
    /// How subjects are named.
    pub subject_types_supported: Vec<String>,
    /// How tokens are signed.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// How clients prove themselves at the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<String>,
}

impl OpenIdConfig {
    /// The configuration of the authority at `base`, whose tokens are signed with `algorithm`.
    pub fn at(base: &str, algorithm: &str) -> Self {
        let list = |entries: &[&str]| entries.iter().map(|&entry| entry.to_owned()).collect();
        Self {
            issuer: format!("{base}/adfs"),
            authorization_endpoint: format!("{base}/adfs/oauth2/authorize"),
            token_endpoint: format!("{base}/adfs/oauth2/token"),
            jwks_uri: format!("{base}/adfs/discovery/keys"),
            response_types_supported: list(&["code", "id_token"]),
            subject_types_supported: list(&["pairwise"]),
            id_token_signing_alg_values_supported: list(&[algorithm]),
            token_endpoint_auth_methods_supported: list(&["client_secret_post"]),
        }
    }
}

/// The public keys that tokens can be checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<Key>,
}

/// A public key on an elliptic curve, as a JSON Web Key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// The kind of key: `EC`.
    pub kty: String,
    /// What it is for: `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The algorithm.
    pub alg: String,
    /// The key's id, which tokens name in their header.
    pub kid: String,
    /// The curve.
    pub crv: String,
    /// The first coordinate, base64url without padding.
    pub x: String,
    /// The second coordinate, base64url without padding.
    pub y: String,
}

/// A token, as the token endpoint gives it.
///
/// It is a secret while it lasts, so it cannot be printed.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// How to show it: `Bearer`.
    pub token_type: String,
    /// For how many seconds from now it is good.
    pub expires_in: u32,
    /// The same; clients want the field.
    pub ext_expires_in: u32,
    /// The token.
    pub access_token: String,
}

/// The form by which a program asks for a token. Fields that are not listed are ignored.
///
/// It holds a secret, so it cannot be printed.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenForm {
    /// `client_credentials`.
    pub grant_type: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// What the token is for, such as `https://localhost:8443/.default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Why there is no token. This is OAuth's error body, not ARM's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenError {
    /// OAuth's code, such as `invalid_client`.
    pub error: String,
    /// What happened, beginning with Azure's own code.
    pub error_description: String,
    /// The number in that code.
    pub error_codes: Vec<u32>,
    /// When.
    pub timestamp: String,
    /// The request's id.
    pub trace_id: String,
    /// The same; clients want the field.
    pub correlation_id: String,
}
