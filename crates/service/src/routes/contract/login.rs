//! The way to a token.

use api::arm::cloud::{KeySet, Metadata, OldMetadata, OpenIdConfig, Token, TokenError, TokenForm};
use api::openapi::{Operation, Parameter};
use serde_json::json;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        open("Cloud_Metadata", "/metadata/endpoints", "Where the cloud's endpoints are.")
            .query(VERSION)
            .gives::<Metadata>(200)
            .gives::<Vec<Metadata>>(200)
            .gives::<OldMetadata>(200),
        openid("OpenId_Adfs", "/adfs/.well-known/openid-configuration"),
        openid("OpenId_AdfsTenant", "/adfs/{tenant}/.well-known/openid-configuration"),
        openid("OpenId_TenantV2", "/{tenant}/v2.0/.well-known/openid-configuration"),
        openid("OpenId_Tenant", "/{tenant}/.well-known/openid-configuration"),
        keys("Keys_Adfs", "/adfs/discovery/keys"),
        keys("Keys_TenantV2", "/{tenant}/discovery/v2.0/keys"),
        token("Token_Adfs", "/adfs/oauth2/token"),
        token("Token_AdfsV2", "/adfs/oauth2/v2.0/token"),
        token("Token_AdfsTenant", "/adfs/{tenant}/oauth2/token"),
        token("Token_AdfsTenantV2", "/adfs/{tenant}/oauth2/v2.0/token"),
        token("Token_TenantV2", "/{tenant}/oauth2/v2.0/token"),
        token("Token_Tenant", "/{tenant}/oauth2/token"),
    ]
}

const VERSION: Parameter = Parameter {
    name: "api-version",
    meaning: "Decides which of three shapes the answer has: before 2019, of 2019, since.",
    pattern: "",
    example: "2022-09-01",
};

fn open(id: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation::open(id, "GET", path, summary)
}

fn openid(id: &'static str, path: &'static str) -> Operation {
    open(id, path, "The OpenID configuration.").gives::<OpenIdConfig>(200)
}

fn keys(id: &'static str, path: &'static str) -> Operation {
    open(id, path, "The keys that tokens can be checked with.").gives::<KeySet>(200)
}

fn token(id: &'static str, path: &'static str) -> Operation {
    Operation::open(id, "POST", path, "A token for a client's id and secret.")
        .takes_form::<TokenForm>(json!({
            "grant_type": "client_credentials",
            "client_id": super::ID,
            "client_secret": "secret",
            "scope": "https://localhost:8443/.default",
        }))
        .gives::<Token>(200)
        .refuses(&[401])
        .errs_with::<TokenError>()
}
