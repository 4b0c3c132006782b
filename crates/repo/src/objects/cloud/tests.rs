//! The adapter against a server that answers what the test says. What real servers do is in
//! `tests/stores.rs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::objects::{Patience, Retrying};

/// Draws nothing.
struct Zeros;

impl model::seed::Seed for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// A server that gives the same answer to every request, or these in turn and then the last for
/// ever, and counts requests.
struct Server {
    address: String,
    requests: Arc<AtomicU64>,
    seen: Arc<Mutex<String>>,
}

impl Server {
    /// `answer` is what goes over the wire; the connection closes behind it.
    fn new(answer: impl Into<Vec<u8>>) -> Self {
        Self::in_turn(vec![answer.into()])
    }

    fn in_turn(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(AtomicU64::new(0));
        let seen = Arc::new(Mutex::new(String::new()));
        let (count, head) = (Arc::clone(&requests), Arc::clone(&seen));
        // It ends with the test's process; nothing waits for it.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = read_request(&stream) {
                    let number = count.fetch_add(1, Ordering::SeqCst) as usize;
                    *head.lock().expect("no panic") = request;
                    let _ = (&stream).write_all(&answers[number.min(answers.len() - 1)]);
                }
            }
        });
        Self { address, requests, seen }
    }

    fn status(status: &str, body: &str) -> Self {
        Self::new(format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"x\"\r\nConnection: close\r\n\
             Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n{body}",
            body.len()
        ))
    }

    fn store(&self, kind: CloudKind) -> Cloud {
        let place = CloudPlace { kind, container: "bucket".to_owned(), prefix: "a/b".to_owned() };
        let environment = [
            ("AWS_ENDPOINT_URL", self.address.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "eu-central-1"),
            ("AZURE_STORAGE_ENDPOINT", &self.address),
            ("AZURE_ALLOW_HTTP", "true"),
            ("AZURE_STORAGE_ACCOUNT", "account"),
            ("AZURE_STORAGE_KEY", "c2VjcmV0"),
        ];
        Cloud::new(&place, environment.map(|(name, value)| (name.to_owned(), value.to_owned())))
            .expect("a store")
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads a request to its end; its first line and headers.
fn read_request(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    Some(head)
}

const BOTH: [CloudKind; 2] = [CloudKind::S3, CloudKind::Azure];

fn code(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>")
}

/// The error's name, without what is in it.
fn name(error: &StoreError) -> String {
    let text = format!("{error:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

#[test]
fn statuses_and_codes_are_understood_at_the_first_try() {
    for (status, body, put, get) in [
        ("404 Not Found", code("NoSuchKey"), "NotFound", "NotFound"),
        ("404 Not Found", code("NoSuchBucket"), "Io", "Io"),
        ("404 Not Found", code("ContainerNotFound"), "Io", "Io"),
        ("409 Conflict", code("BlobAlreadyExists"), "AlreadyExists", "Io"),
        ("409 Conflict", code("ConditionalRequestConflict"), "Unavailable", "Unavailable"),
        ("412 Precondition Failed", code("PreconditionFailed"), "AlreadyExists", "Io"),
        ("403 Forbidden", code("AccessDenied"), "Io", "Io"),
        ("401 Unauthorized", code("NoAuthenticationInformation"), "Io", "Io"),
        ("429 Too Many Requests", String::new(), "Unavailable", "Unavailable"),
        ("503 Slow Down", code("SlowDown"), "Unavailable", "Unavailable"),
        ("503 Server Busy", code("ServerBusy"), "Unavailable", "Unavailable"),
        ("500 Oops", code("InternalError"), "Unavailable", "Unavailable"),
        ("408 Request Timeout", String::new(), "Unavailable", "Unavailable"),
        ("400 Bad Request", code("RequestTimeout"), "Unavailable", "Unavailable"),
        ("400 Bad Request", code("InvalidArgument"), "Io", "Io"),
        ("507 Insufficient Storage", code("XMinioStorageFull"), "Full", "Full"),
        ("403 Forbidden", code("QuotaExceeded"), "Full", "Io"),
        ("501 Not Implemented", code("NotImplemented"), "Io", "Io"),
        ("301 Moved Permanently", code("PermanentRedirect"), "Io", "Io"),
    ] {
        let server = Server::status(status, &body);
        for kind in BOTH {
            let store = server.store(kind);
            let before = server.requests();
            let error = store.put("x", b"bytes").expect_err(status);
            assert_eq!(name(&error), put, "put, {kind:?}, {status} {body}: {error:?}");
            let error = store.get("x").expect_err(status);
            assert_eq!(name(&error), get, "get, {kind:?}, {status} {body}: {error:?}");
            assert_eq!(server.requests(), before + 2, "{kind:?}, {status}: asked again");
        }
    }
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let busy = |status: &str| {
        let head = "Retry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n";
        format!("HTTP/1.1 {status}\r\n{head}\r\n").into_bytes()
    };
    let done = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nETag: \"x\"\r\nConnection: close\r\n\
                Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n";
    let put = |kind| {
        let answers = vec![busy("503 Slow Down"), busy("429 Too Many"), done.into()];
        let server = Server::in_turn(answers);
        let patience = Patience { longest: Duration::from_millis(10), ..Patience::default() };
        let store = Retrying::new(server.store(kind), patience, Arc::new(Zeros));
        let start = std::time::Instant::now();
        store.put("x", b"bytes").expect("it has time now");
        assert_eq!(server.requests(), 3, "{kind:?}: it was not asked before");
        start.elapsed()
    };
    thread::scope(|scope| {
        for kind in BOTH {
            scope.spawn(move || {
                let took = put(kind);
                assert!(took >= Duration::from_secs(4), "{kind:?}: after {took:?}");
            });
        }
    });
}

#[test]
fn a_put_whose_answer_does_not_come_is_not_sent_again_unasked() {
    // The request arrived whole; whether it was done, nobody knows.
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let server = Server::new(answer);
        for kind in BOTH {
            let before = server.requests();
            let error = server.store(kind).put("x", b"bytes").expect_err("no answer");
            assert_eq!(name(&error), "Unavailable", "{kind:?}: {error:?}");
            assert_eq!(server.requests(), before + 1, "{kind:?}");
        }
    }
}

#[test]
fn puts_only_create() {
    let server = Server::status("201 Created", "");
    for kind in BOTH {
        server.store(kind).put("x", b"bytes").expect("created");
        let head = server.seen.lock().expect("no panic").to_ascii_lowercase();
        assert!(head.contains("if-none-match: *"), "{head}");
        assert!(head.starts_with("put /bucket/a/b/x"), "{head}");
    }
}

#[test]
fn what_is_too_large_or_cut_short_is_refused() {
    let large = OBJECT_MAX + 1;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {large}\r\nETag: \"x\"\r\n\
         Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n"
    );
    let server = Server::new(head);
    for kind in BOTH {
        let error = server.store(kind).get("x").expect_err("too large");
        assert!(matches!(error, StoreError::TooLarge { size, .. } if size == large), "{error:?}");
    }
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"x\"\r\n\
               Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\nhalf";
    let server = Server::new(cut);
    for kind in BOTH {
        let error = server.store(kind).get("x").expect_err("cut short");
        assert_eq!(name(&error), "Unavailable", "{error:?}");
    }
}

#[test]
fn a_server_that_gives_another_range_is_not_believed() {
    let wrong = "HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nETag: \"x\"\r\n\
                 Content-Range: bytes 0-3/100\r\n\
                 Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nConnection: close\r\n\r\nabcd";
    let server = Server::new(wrong);
    for kind in BOTH {
        server.store(kind).get_range("x", 10, 4).expect_err("bytes of another place");
    }
}

#[test]
fn nobody_there_is_unavailable_and_plain_http_needs_a_word() {
    let server = Server::status("200 OK", "");
    let (container, prefix) = ("bucket".to_owned(), String::new());
    let place = CloudPlace { kind: CloudKind::S3, container, prefix };
    let with = |endpoint: &str, plain: &str| {
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ALLOW_HTTP", plain),
            ("AWS_ALLOW_INVALID_CERTIFICATES", "true"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        Cloud::new(&place, environment.map(|(name, value)| (name.to_owned(), value.to_owned())))
    };
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", closed.local_addr().expect("bound"));
    drop(closed);
    let error = with(&address, "true").expect("a store").get("x").expect_err("nobody there");
    assert_eq!(name(&error), "Unavailable", "{error:?}");
    for plain in ["", "false", "no"] {
        if let Ok(store) = with(&server.address, plain) {
            store.get("x").expect_err("plain HTTP was not allowed");
        }
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn secrets_are_in_no_text() {
    let server = Server::status("403 Forbidden", &code("AccessDenied"));
    for kind in BOTH {
        let store = server.store(kind);
        let error = store.get("x").expect_err("denied");
        let told = format!("{store:?} {error:?} {error}");
        assert!(!told.contains("secret") && !told.contains("c2VjcmV0"), "{told}");
    }
}

#[test]
fn the_time_is_the_servers_and_one_that_tells_none_fails_nothing() {
    for kind in BOTH {
        let time = Server::status("200 OK", "").store(kind).time();
        let told: Timestamp = "2015-10-21T07:28:00Z".parse().expect("a timestamp");
        assert_eq!(time.expect("asked"), Some(told), "{kind:?}");
        // Another process has taken the object away, or there is no room for it.
        for (status, body) in [("404 Not Found", code("NoSuchKey")), ("507 Full", String::new())] {
            let time = Server::status(status, &body).store(kind).time();
            assert_eq!(time.expect("asked"), None, "{kind:?}, {status}");
        }
        let refused = Server::status("403 Forbidden", &code("AccessDenied")).store(kind).time();
        assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    }
}
