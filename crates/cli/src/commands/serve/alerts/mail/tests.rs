//! Method: a mail server on a real socket, for one message: what it heard is compared.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::super::tests::notice;
use super::*;

/// What a mail server heard, a line each; the lines of the message among them.
type Heard = Vec<String>;

/// How a conversation went on.
enum Next {
    Over,
    Starttls,
}

/// Talks as a mail server does, until the client says farewell or wants TLS.
fn converse(stream: impl Read + Write, extensions: &str, heard: &mut Heard) -> (Next, bool) {
    let mut reader = BufReader::new(stream);
    let mut in_data = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return (Next::Over, false);
        }
        let line = line.trim_end().to_owned();
        let answer = match line.split(' ').next().unwrap_or_default() {
            "." if in_data => {
                in_data = false;
                "250 taken\r\n".to_owned()
            }
            _ if in_data => String::new(),
            "EHLO" => format!("250-sink\r\n{extensions}250 8BITMIME\r\n"),
            "STARTTLS" => "220 go on\r\n".to_owned(),
            "AUTH" => "235 welcome\r\n".to_owned(),
            "DATA" => {
                in_data = true;
                "354 go on\r\n".to_owned()
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        };
        reader.get_mut().write_all(answer.as_bytes()).expect("answered");
        reader.get_mut().flush().expect("answered");
        let (is_over, is_tls) = (line == "QUIT", line == "STARTTLS");
        heard.push(line);
        if is_over || is_tls {
            return (if is_tls { Next::Starttls } else { Next::Over }, true);
        }
    }
}

/// A mail server for one connection; with `tls`, it offers STARTTLS.
fn sink(tls: Option<Arc<ServerConfig>>) -> (u16, JoinHandle<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serve = move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().expect("a connection");
        stream.write_all(b"220 sink\r\n").expect("greeted");
        let mut heard = Vec::new();
        let extensions = if tls.is_some() { "250-STARTTLS\r\n" } else { "" };
        let (next, _) = converse(&stream, extensions, &mut heard);
        if let (Next::Starttls, Some(tls)) = (next, tls) {
            let connection = ServerConnection::new(tls).expect("a connection");
            let secure = StreamOwned::new(connection, stream);
            converse(secure, "250-AUTH PLAIN\r\n", &mut heard);
        }
        heard
    };
    (port, thread::spawn(serve))
}

fn new(port: u16, security: Security) -> New {
    let mailbox = |text: &str| text.parse().expect("an address");
    New {
        name: "mail".to_owned(),
        kinds: Vec::new(),
        source: "kvm1".to_owned(),
        server: "localhost".to_owned(),
        port,
        security,
        credentials: None,
        ca: None,
        from: mailbox("Holdfast <holdfast@example.com>"),
        to: vec![mailbox("a@example.com"), mailbox("b@example.com")],
    }
}

fn position(heard: &Heard, wanted: &str) -> usize {
    let found = heard.iter().position(|line| line.starts_with(wanted));
    found.unwrap_or_else(|| panic!("{wanted} was not heard: {heard:#?}"))
}

#[test]
fn a_mail_tells_what_happened_and_what_to_do() {
    let (port, sink) = sink(None);
    Mail::new(new(port, Security::None)).expect("made").send(&[notice()]).expect("taken");
    let heard = sink.join().expect("no panic");
    for line in [
        "MAIL FROM:<holdfast@example.com>",
        "RCPT TO:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "Subject: [kvm1] Backup of 'web' failed",
        "Message-ID: <00000000-0000-0000-0000-000000000007.raised@holdfast>",
        "Backup of 'web' failed.",
        "UserErrorFsFreezeFailed: It did not freeze.",
        "What to do: Look into the guest.",
        "Virtual machine: web",
    ] {
        position(&heard, line);
    }
}

#[test]
fn the_end_of_an_alert_belongs_to_its_begin() {
    let (port, sink) = sink(None);
    let mut over = notice();
    over.event = Event::Resolved;
    over.alert.resolved_at = Some(over.alert.raised_at);
    Mail::new(new(port, Security::None)).expect("made").send(&[over]).expect("taken");
    let heard = sink.join().expect("no panic");
    position(&heard, "Subject: [kvm1] Over: Backup of 'web' failed");
    position(&heard, "In-Reply-To: <00000000-0000-0000-0000-000000000007.raised@holdfast>");
    position(&heard, "This is over since 2026-05-28T20:26:40Z.");
}

#[test]
fn many_alerts_are_one_mail() {
    let (port, sink) = sink(None);
    let mut other = notice();
    other.alert.condition.title = "'db' has no recovery point of its last run".to_owned();
    let mail = Mail::new(new(port, Security::None)).expect("made");
    mail.send(&[notice(), other]).expect("taken");
    let heard = sink.join().expect("no panic");
    assert_eq!(heard.iter().filter(|line| line.starts_with("MAIL FROM")).count(), 1);
    position(&heard, "Subject: [kvm1] Backup of 'web' failed, and 1 more");
    position(&heard, "Backup of 'web' failed.");
    position(&heard, "'db' has no recovery point of its last run.");
}

#[test]
fn nothing_but_a_greeting_is_heard_before_tls() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    let (port, sink) = sink(Some(Arc::new(config)));
    let mail = Mail::new(New {
        credentials: Some(("user".to_owned(), "password".to_owned())),
        ca: Some(made.cert.pem().into_bytes()),
        ..new(port, Security::Starttls)
    });
    mail.expect("made").send(&[notice()]).expect("taken");
    let heard = sink.join().expect("no panic");
    let secured = position(&heard, "STARTTLS");
    assert!(secured < position(&heard, "AUTH PLAIN"), "{heard:#?}");
    assert!(secured < position(&heard, "MAIL FROM"), "{heard:#?}");
}

#[test]
fn a_server_without_tls_gets_no_mail_that_needs_it() {
    let (port, sink) = sink(None);
    let why = Mail::new(new(port, Security::Starttls)).expect("made").send(&[notice()]);
    assert!(why.is_err());
    let heard = sink.join().expect("no panic");
    assert!(!heard.iter().any(|line| line.starts_with("MAIL")), "{heard:#?}");
}
