//! The way to a token: the only routes that are open.

use axum::http::Method;

use super::{Route, open, token};
use crate::login;

pub(super) const ROUTES: &[Route] = &[
    open(Method::GET, "/metadata/endpoints", login::metadata),
    open(Method::GET, "/adfs/.well-known/openid-configuration", login::openid),
    open(Method::GET, "/adfs/{tenant}/.well-known/openid-configuration", login::openid),
    open(Method::GET, "/{tenant}/v2.0/.well-known/openid-configuration", login::openid),
    open(Method::GET, "/{tenant}/.well-known/openid-configuration", login::openid),
    open(Method::GET, "/adfs/discovery/keys", login::keys),
    open(Method::GET, "/{tenant}/discovery/v2.0/keys", login::keys),
    token("/adfs/oauth2/token"),
    token("/adfs/oauth2/v2.0/token"),
    token("/adfs/{tenant}/oauth2/token"),
    token("/adfs/{tenant}/oauth2/v2.0/token"),
    token("/{tenant}/oauth2/v2.0/token"),
    token("/{tenant}/oauth2/token"),
];
