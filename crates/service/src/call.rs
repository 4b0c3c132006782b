//! What a handler gets and gives: a request with its names and body, an answer with its headers.

use std::sync::Arc;

use api::arm::error::ErrorBody;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::access::Reach;
use engine::{Access, Engine};
use jiff::Timestamp;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::Item;
use model::vault::Vault;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::access;
use crate::filter::Filter;
use crate::front::Service;
use crate::status;

/// How deep a body's JSON may be nested.
const MAX_DEPTH: usize = 32;

/// A request that has found its route and may run.
pub(crate) struct Call {
    pub(crate) service: Arc<Service>,
    /// Where the client found the API, such as `https://localhost:8443`.
    pub(crate) base: String,
    /// The path as it was asked for, decoded, without doubled slashes.
    pub(crate) path: String,
    /// The values of the route's names, in the letters the client sent.
    pub(crate) names: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The request's own id, which the answer carries.
    pub(crate) request_id: String,
    /// Who asks, and what it may do; nobody, where the route is open.
    pub(crate) caller: Option<Access>,
}

/// A handler: parses, calls the engine, renders. It may block.
pub(crate) type Handler = fn(&Call) -> Result<Reply, Fault>;

impl Call {
    pub(crate) fn engine(&self) -> &Engine {
        &self.service.engine
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.service.now()
    }

    /// The subscription's id, as it is written in ids.
    pub(crate) fn subscription(&self) -> String {
        self.engine().tenancy().subscription.to_string()
    }

    /// The value of one of the route's names.
    pub(crate) fn name(&self, key: &str) -> &str {
        let found = self.names.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| value.as_str()).expect("a handler asks for names of its own route")
    }

    /// The value of this query parameter, whose name may have any case of letters.
    pub(crate) fn query(&self, key: &str) -> Option<&str> {
        let found = self.query.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_str())
    }

    /// The value of this header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The request's `$filter`.
    pub(crate) fn filter(&self) -> Result<Filter, Fault> {
        Filter::parse(self.query("$filter").unwrap_or_default())
    }

    /// The request's body.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let bad = |message: String| Fault::new(Code::BadRequest, message);
        if depth(&self.body) > MAX_DEPTH {
            return Err(bad(format!("The body is nested deeper than {MAX_DEPTH} levels.")));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| bad(format!("The body is not what is expected here: {error}.")))
    }

    /// Fails where the caller may not do this to the resource with this ARM id: for ids inside
    /// bodies. The URL's own resource has been looked at before.
    ///
    /// # Errors
    ///
    /// `SubscriptionNotFound` where the id is in another subscription, `BadRequest` where it is no
    /// id, `AuthorizationFailed`.
    pub(crate) fn require(&self, action: &str, id: &str) -> Result<(), Fault> {
        let place = access::place(self.engine().tenancy(), id)?;
        access::judged(self.caller()?, action, id, |caller| caller.judge(action, &place))
    }

    /// Where the caller may do this: lists show only what it holds.
    pub(crate) fn reach(&self, action: &str) -> Result<Reach<'_>, Fault> {
        Ok(self.caller()?.reach(action))
    }

    /// Who asks. Routes that need a right have a caller.
    pub(crate) fn caller(&self) -> Result<&Access, Fault> {
        let nobody = || Fault::new(Code::AuthenticationFailed, "The request names no principal.");
        self.caller.as_ref().ok_or_else(nobody)
    }

    /// The vault that the URL names.
    pub(crate) fn vault(&self) -> Result<Vault, Fault> {
        self.engine().vault(self.name("group"), self.name("vault"))
    }

    /// The resource group and name of the VM that the URL's container and item name.
    pub(crate) fn item_vm(&self) -> Result<(&str, &str), Fault> {
        let (container, item) = (self.name("container"), self.name("item"));
        match (arm_id::parse_vm_tail(container), arm_id::parse_vm_tail(item)) {
            (Some(outer), Some(inner)) if same_vm(outer, inner) => Ok(inner),
            _ => {
                let message = format!(
                    "'{container}' and '{item}' are not the container and the item of a virtual \
                     machine."
                );
                Err(Fault::new(Code::ItemNotFound, message))
            }
        }
    }

    /// The protected item that the URL names, and its vault.
    pub(crate) fn item(&self) -> Result<(Vault, Item), Fault> {
        let vault = self.vault()?;
        let (group, vm) = self.item_vm()?;
        let item = self.engine().item(&vault, group, vm)?;
        Ok((vault, item))
    }
}

/// Whether two pairs of resource group and name mean one virtual machine.
pub(crate) fn same_vm(one: (&str, &str), other: (&str, &str)) -> bool {
    one.0.eq_ignore_ascii_case(other.0) && one.1.eq_ignore_ascii_case(other.1)
}

/// How deep this JSON is nested. Text that is no JSON has some depth too: it is refused elsewhere.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// An answer with this body.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("our types have only text keys");
        Self { status, headers: Vec::new(), body }
    }

    /// 200 with this text, of this media type.
    pub(crate) fn text(media_type: &'static str, text: String) -> Self {
        let headers = vec![("content-type", media_type.to_owned())];
        Self { status: StatusCode::OK, headers, body: text.into_bytes() }
    }

    /// 200 without a body: it is done.
    pub(crate) fn done() -> Self {
        Self::empty(StatusCode::OK)
    }

    /// 200 with this body.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// The answer for a fault.
    pub(crate) fn fault(fault: &Fault) -> Self {
        Self::json(status::of(fault.code), &ErrorBody::of(fault))
    }

    /// The same answer with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let has_body = !self.body.is_empty();
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        if has_body {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(header::CONTENT_TYPE, json);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_of_json_counts_no_brackets_in_text() {
        for (json, expected) in [
            ("", 0),
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{"b":1}],"c":[]}"#, 3),
            (r#"["[[[[", "\"[[", "\\"]"#, 1),
            ("]]][", 1),
            ("[[[", 3),
        ] {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }
}
