//! Method: a receiver on a real socket, for one request: what it got is compared.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use api::alert::AlertMessage;

use super::super::tests::notice;
use super::*;

/// What a receiver got.
struct Got {
    head: String,
    body: Vec<u8>,
}

/// A receiver that answers one request with this.
fn receiver(answer: &'static str) -> (Url, JoinHandle<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let serve = move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).expect("text") > 0, "it broke off");
        }
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.and_then(|text| text.parse().ok()).expect("a length")];
        reader.read_exact(&mut body).expect("a body");
        reader.get_mut().write_all(answer.as_bytes()).expect("answered");
        Got { head, body }
    };
    let url = format!("http://{address}/hook?token=hidden").parse().expect("a URL");
    (url, thread::spawn(serve))
}

fn webhook(url: Url) -> Webhook {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Webhook::new(New {
        name: "ops".to_owned(),
        kinds: vec![Kind::BackupFailed],
        source: "kvm1".to_owned(),
        url,
        secret: Some(b"secret".to_vec()),
        ca: None,
    })
    .expect("made")
}

const OK: &str = "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[test]
fn a_receiver_gets_the_alert_and_can_tell_who_sent_it() {
    let (url, receiver) = receiver(OK);
    webhook(url).send(&[notice()]).expect("taken");
    let got = receiver.join().expect("no panic");
    assert!(got.head.starts_with("POST /hook?token=hidden HTTP/1.1\r\n"), "{}", got.head);
    assert!(got.head.contains("content-type: application/json\r\n"), "{}", got.head);
    let message: AlertMessage = serde_json::from_slice(&got.body).expect("a message");
    assert_eq!((message.schema.as_str(), message.event.as_str()), ("holdfast.alert/1", "raised"));
    assert_eq!((message.kind.as_str(), message.item.as_str()), ("BackupFailed", "web"));
    assert_eq!(message.source, "kvm1");

    let signature = got.head.lines().find_map(|line| line.strip_prefix("holdfast-signature: t="));
    let (seconds, hex) = signature.and_then(|text| text.split_once(",v1=")).expect("signed");
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    let signed = [seconds.as_bytes(), b".", &got.body].concat();
    let expected: String =
        hmac::sign(&key, &signed).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

/// The tag is what Python's hmac says.
#[test]
fn a_signature_is_an_hmac_of_the_time_and_the_body() {
    let webhook = webhook("http://localhost/".parse().expect("a URL"));
    let at = Timestamp::from_second(1_780_000_000).expect("in range");
    assert_eq!(
        webhook.signature(b"{\"a\":1}", at).as_deref(),
        Some("t=1780000000,v1=beb6c645b997ab516be5a8e5e2215a3394f24755b01119bf1d4cb6f7d7cf71da")
    );
}

#[test]
fn an_answer_that_is_no_success_is_not_taken() {
    for (answer, told) in [
        ("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", "it answered 500"),
        ("HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n", "it answered 302"),
    ] {
        let (url, receiver) = receiver(answer);
        let why = webhook(url).send(&[notice()]).expect_err("not taken");
        assert!(why.starts_with(told), "{why}");
        receiver.join().expect("no panic");
    }
}

#[test]
fn a_receiver_that_is_not_there_is_told_without_its_secrets() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let url = format!("http://{address}/hook?token=hidden").parse().expect("a URL");
    let why = webhook(url).send(&[notice()]).expect_err("nobody is there");
    assert!(!why.contains("hidden") && why.contains("refused"), "{why}");
}

#[test]
fn it_hears_of_the_kinds_that_were_asked_for() {
    let webhook = webhook("http://localhost/".parse().expect("a URL"));
    assert!(webhook.wants(Kind::BackupFailed) && !webhook.wants(Kind::JobFailed));
}
