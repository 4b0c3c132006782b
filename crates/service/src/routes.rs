//! The route table: every path the service answers to, by which method, with which right, by which
//! handler. It is data, so that what is not in it does not exist. Each family of nouns
//! has a module.
//!
//! Names in braces are matched by position. Of two routes that match, the first one counts.

use axum::http::Method;

use crate::call::Handler;
use crate::path;

/// One route.
pub(crate) struct Route {
    method: Method,
    pattern: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: Handler,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody: it is how one gets a token.
    Open,
    /// Everybody, but only a few at once: it checks a client secret, which costs memory.
    Login,
    /// Whoever has a token: what it shows depends on what its holder may do.
    Token,
    /// Whoever holds a role anywhere in the subscription.
    Member(&'static str),
    /// Whoever may do this on the URL's resource, by Azure's name of the action.
    Needs(&'static str),
    /// Whoever may do this on the whole installation. The route is not one of Azure's, and takes no
    /// api-version.
    Plain(&'static str),
    /// Whoever may do this on anything under the URL's scope. The handler shows only those entries
    /// on which the caller may: see `Call::reach`.
    Sees(&'static str),
}

impl Access {
    /// Whether no token is needed.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Login)
    }

    /// Whether the request says by which version of Azure's API it is meant.
    pub(crate) const fn has_version(self) -> bool {
        !matches!(self, Self::Open | Self::Login | Self::Plain(_))
    }
}

macro_rules! subscription {
    ($rest:literal) => {
        concat!("/subscriptions/{subscription}", $rest)
    };
}

macro_rules! group {
    ($rest:literal) => {
        concat!("/subscriptions/{subscription}/resourceGroups/{group}", $rest)
    };
}

macro_rules! location {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}",
            "/providers/Microsoft.RecoveryServices/locations/{location}",
            $rest
        )
    };
}

macro_rules! vault {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}/resourceGroups/{group}",
            "/providers/Microsoft.RecoveryServices/vaults/{vault}",
            $rest
        )
    };
}

macro_rules! item {
    ($rest:literal) => {
        concat!(
            "/subscriptions/{subscription}/resourceGroups/{group}",
            "/providers/Microsoft.RecoveryServices/vaults/{vault}",
            "/backupFabrics/Azure/protectionContainers/{container}/protectedItems/{item}",
            $rest
        )
    };
}

mod authorization;
pub(crate) mod compute;
#[cfg(test)]
mod contract;
pub(crate) mod fabric;
pub(crate) mod items;
mod jobs;
mod login;
pub(crate) mod network;
mod points;
mod policies;
pub(crate) mod resources;
pub(crate) mod storage;
pub(crate) mod tenancy;
pub(crate) mod vaults;

/// The table, by families.
const FAMILIES: &[&[Route]] = &[
    login::ROUTES,
    tenancy::ROUTES,
    authorization::ROUTES,
    compute::ROUTES,
    network::ROUTES,
    storage::ROUTES,
    fabric::ROUTES,
    vaults::ROUTES,
    policies::ROUTES,
    items::ROUTES,
    points::ROUTES,
    jobs::ROUTES,
    resources::ROUTES,
];

/// Every route, in the order in which they are tried.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    FAMILIES.iter().copied().flatten()
}

const fn route(method: Method, pattern: &'static str, access: Access, handler: Handler) -> Route {
    Route { method, pattern, access, handler }
}

const fn open(method: Method, pattern: &'static str, handler: Handler) -> Route {
    route(method, pattern, Access::Open, handler)
}

const fn for_any_token(pattern: &'static str, handler: Handler) -> Route {
    route(Method::GET, pattern, Access::Token, handler)
}

const fn for_members(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::GET, pattern, Access::Member(action), handler)
}

/// A list that spans what several scopes hold: of a subscription or a resource group.
const fn list(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::GET, pattern, Access::Sees(action), handler)
}

const fn token(pattern: &'static str) -> Route {
    route(Method::POST, pattern, Access::Login, crate::login::token)
}

const fn get(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::GET, pattern, Access::Needs(action), handler)
}

const fn plain(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::GET, pattern, Access::Plain(action), handler)
}

const fn head(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::HEAD, pattern, Access::Needs(action), handler)
}

const fn put(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::PUT, pattern, Access::Needs(action), handler)
}

const fn patch(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::PATCH, pattern, Access::Needs(action), handler)
}

const fn delete(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::DELETE, pattern, Access::Needs(action), handler)
}

const fn post(pattern: &'static str, action: &'static str, handler: Handler) -> Route {
    route(Method::POST, pattern, Access::Needs(action), handler)
}

/// What the table has for a request.
pub(crate) enum Found {
    /// A route, and the values of its names.
    Route(&'static Route, Vec<(&'static str, String)>),
    /// Routes for this path, but by these methods.
    OtherMethods(Vec<&'static str>),
    /// No route for this path.
    Nothing,
}

/// Looks a request up.
pub(crate) fn find(method: &Method, segments: &[String]) -> Found {
    let mut others = Vec::new();
    for route in all() {
        let Some(names) = path::captures(route.pattern, segments) else {
            continue;
        };
        if route.method == method {
            return Found::Route(route, names);
        }
        others.push(route.method.as_str());
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

#[cfg(test)]
mod matrix;

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_up(method: Method, path: &str) -> Option<&'static str> {
        let segments = path::segments(path).expect("readable");
        match find(&method, &segments) {
            Found::Route(route, _) => Some(route.pattern),
            _ => None,
        }
    }

    #[test]
    fn every_route_is_found_by_its_own_pattern() {
        for route in all() {
            let path = route.pattern.replace(['{', '}'], "");
            let found = looked_up(route.method.clone(), &path);
            assert_eq!(found, Some(route.pattern), "hidden behind an earlier route");
        }
    }

    #[test]
    fn only_the_way_to_a_token_is_open() {
        for route in all().filter(|route| route.access.is_open()) {
            let pattern = route.pattern;
            let allowed = ["/metadata/endpoints", "openid-configuration", "/keys", "/token"];
            assert!(allowed.iter().any(|end| pattern.ends_with(end)), "{pattern}");
        }
    }

    #[test]
    fn a_path_by_another_method_names_the_methods_there_are() {
        let segments = path::segments("/subscriptions/s/resourceGroups/g").expect("readable");
        let Found::OtherMethods(methods) = find(&Method::POST, &segments) else {
            panic!("there is no POST");
        };
        assert_eq!(methods, ["GET", "HEAD", "PUT", "PATCH", "DELETE"]);
    }
}
