//! Method: the transport is a script of requests and answers; a request that the script does not
//! expect fails the test.

use serde_json::json;

use super::fake::{Script, answer, pending};
use super::*;
use crate::failure::Exit;

fn status(status: &str, more: Value) -> Response {
    let mut body =
        json!({"id": "op", "name": "op", "status": status, "startTime": "", "endTime": ""});
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().cloned().unwrap_or_default());
    answer(200, body)
}

#[test]
fn a_list_is_read_over_all_its_pages() {
    let next = "https://elsewhere/list?page=2&api-version=2020-01-01";
    let script = Script::new([
        (
            "GET /list?$filter=x&api-version=2026-08-01",
            answer(200, json!({"value": [1, 2], "nextLink": next})),
        ),
        ("GET /list?page=2&api-version=2020-01-01", answer(200, json!({"value": [3]}))),
    ]);
    let entries = script.client().list::<u8>("/list?$filter=x").expect("lists");
    assert_eq!(documents(&entries), json!([1, 2, 3]));
}

#[test]
fn an_operation_is_followed_to_its_end_on_our_own_host() {
    let job = json!({"properties": {"objectType": "", "jobId": "J"}});
    let operation = "/op/1?api-version=2026-01-01";
    let follow = format!("GET {operation}");
    let script = Script::new([
        ("PUT /item?api-version=2026-08-01", pending(&format!("https://elsewhere{operation}"))),
        (&follow, status("InProgress", json!({}))),
        (&follow, status("Succeeded", job)),
    ]);
    let job = script.client().operate(Method::Put, "/item", &json!({})).expect("succeeds");
    assert_eq!(job.as_deref(), Some("J"));
    assert_eq!(script.left_over(), [""; 0]);
}

#[test]
fn an_operation_that_fails_is_a_failure() {
    let error = json!({"error": {"code": "UserErrorX", "message": "m"}});
    let script = Script::new([
        ("POST /do?api-version=2026-08-01", pending("/op")),
        ("GET /op?api-version=2026-08-01", status("Failed", error)),
    ]);
    let failure = script.client().operate(Method::Post, "/do", &json!({})).expect_err("failed");
    assert_eq!((failure.code.as_str(), failure.exit), ("UserErrorX", Exit::Failed));
}

#[test]
fn an_answer_of_another_shape_is_told() {
    let script = Script::new([("GET /number", answer(200, json!("text")))]);
    let failure = script.client().get::<u8>("/number").expect_err("no number");
    assert_eq!(failure.code, "UnexpectedAnswer");
}

#[test]
fn names_are_one_segment_whatever_is_in_them() {
    assert_eq!(segment("a/b?c#d %"), "a%2Fb%3Fc%23d%20%25");
    assert_eq!(segment("VM;iaasvmcontainerv2;rg;web-1_(x)"), "VM;iaasvmcontainerv2;rg;web-1_(x)");
    assert_eq!(segment("é"), "%C3%A9");
}
