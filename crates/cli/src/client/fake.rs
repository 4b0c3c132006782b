//! A service for tests: a script of requests that it expects, in order, and their answers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::Value;

use super::{Client, Method, Request, Response, Transport};
use crate::failure::{Failure, SERVICE_UNREACHABLE};

/// The subscription of the scripted service.
pub const SUBSCRIPTION: &str = "S";

/// What is expected, and what was sent as a body.
pub struct Script(Rc<State>);

struct State {
    expected: RefCell<VecDeque<(String, Response)>>,
    bodies: RefCell<Vec<Value>>,
}

/// An answer.
pub fn answer(status: u16, body: Value) -> Response {
    Response { status, body, ..Response::default() }
}

/// No answer: the service is away.
pub fn away() -> Response {
    Response::default()
}

/// An answer that names an operation to follow.
pub fn pending(operation: &str) -> Response {
    Response { status: 202, operation: Some(operation.to_owned()), ..Response::default() }
}

impl Script {
    /// The service that answers these requests, given as method and path.
    pub fn new<'a>(expected: impl IntoIterator<Item = (&'a str, Response)>) -> Self {
        let expected = expected.into_iter().map(|(line, answer)| (line.to_owned(), answer));
        Self(Rc::new(State {
            expected: RefCell::new(expected.collect()),
            bodies: RefCell::default(),
        }))
    }

    /// A client of this service. It never waits.
    pub fn client(&self) -> Client {
        Client::new(self.transport(), SUBSCRIPTION.to_owned(), |_| ())
    }

    /// A connection to this service.
    pub fn transport(&self) -> Box<dyn Transport> {
        Box::new(Scripted(Rc::clone(&self.0)))
    }

    /// The bodies that were sent.
    pub fn bodies(&self) -> Vec<Value> {
        self.0.bodies.borrow().clone()
    }

    /// The requests that were expected but did not come.
    pub fn left_over(&self) -> Vec<String> {
        self.0.expected.borrow().iter().map(|(line, _)| line.clone()).collect()
    }
}

struct Scripted(Rc<State>);

impl Transport for Scripted {
    fn send(&self, request: &Request) -> Result<Response, Failure> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Post => "POST",
        };
        let line = format!("{method} {}", request.path);
        let (expected, answer) = self
            .0
            .expected
            .borrow_mut()
            .pop_front()
            .unwrap_or_else(|| panic!("not expected: {line}"));
        assert!(line.starts_with(&expected), "expected {expected}, got {line}");
        self.0.bodies.borrow_mut().extend(request.body.clone());
        if answer.status == 0 {
            return Err(Failure::new(SERVICE_UNREACHABLE, "It is away.", "", ""));
        }
        Ok(answer)
    }
}
