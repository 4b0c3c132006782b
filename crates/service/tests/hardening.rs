//! What a client cannot make the service do, below the level of its API.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Method, StatusCode};

mod house;

use house::{House, answer, check_error};

const MIB: usize = 1024 * 1024;

#[test]
fn a_body_is_read_up_to_a_mebibyte() {
    let house = House::new();
    let path = house.sub("/resourceGroups/g");
    let send = |bytes: usize| {
        let text = r#"{"location": "local""#;
        let body = format!("{text}{}}}", " ".repeat(bytes - text.len() - 1));
        answer(house.request(Method::PUT, &path).body(body))
    };
    assert_eq!(send(MIB).0, StatusCode::CREATED);
    check_error(&send(MIB + 1), StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge");
}

#[test]
fn a_body_is_read_only_for_who_has_a_token() {
    let house = House::new();
    let url = house.url(&house.sub("/resourceGroups/g?api-version=2026-08-01"));
    let request = house.client.put(url).body(" ".repeat(2 * MIB));
    // The answer may come, and the connection end, while the client is still sending.
    if let Ok(response) = request.send() {
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn a_url_and_headers_have_their_limits() {
    let house = House::new();
    let long = |bytes: usize| format!("/subscriptions?x={}", "y".repeat(bytes));
    assert_eq!(house.get(&long(7_000)).0, StatusCode::OK);
    check_error(&house.get(&long(9_000)), StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge");

    let request = house.request(Method::GET, "/subscriptions");
    let response = request.header("x-padding", "z".repeat(70 * 1024)).send();
    // How they arrive decides who refuses them: the service, the server, or the connection's end.
    if let Ok(response) = response {
        let refused = [StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, StatusCode::PAYLOAD_TOO_LARGE];
        assert!(refused.contains(&response.status()), "{response:?}");
    }
    assert_eq!(house.get("/subscriptions").0, StatusCode::OK, "it goes on");
}

/// A ClientHello that offers this version of TLS at most, and ciphers of its time.
fn hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend([0, 6, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f]); // cipher suites
    body.extend([1, 0]); // no compression
    let mut message = vec![1, 0, 0, body.len() as u8];
    message.extend(body);
    let mut record = vec![22, 3, 1, 0, message.len() as u8];
    record.extend(message);
    record
}

#[test]
fn tls_older_than_1_2_is_refused() {
    let house = House::new();
    for minor in [0, 1, 2] {
        let mut stream = TcpStream::connect(house.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        stream.write_all(&hello(minor)).expect("sent");
        let mut told = Vec::new();
        // An alert, and the end; the end may be a reset.
        let _ = stream.read_to_end(&mut told);
        assert!(told.first().is_none_or(|kind| *kind == 21), "{minor}: {told:?}");
    }
}

#[test]
fn plain_http_is_not_answered() {
    let house = House::new();
    let mut stream = TcpStream::connect(house.address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    stream.write_all(b"GET /metadata/endpoints HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    assert!(!told.starts_with(b"HTTP"), "{told:?}");
}
