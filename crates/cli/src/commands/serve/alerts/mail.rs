//! Alerts by mail, over SMTP.

use std::time::Duration;

use engine::Notify;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};
use model::alert::{Event, Kind, Notice};

use super::Security;
use crate::text::printable;

/// How long a server may take for each step.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many alerts are told in one mail.
const AT_ONCE: usize = 100;

/// Mailboxes, and the server that takes mail for them.
pub struct Mail {
    name: String,
    kinds: Vec<Kind>,
    source: String,
    from: Mailbox,
    to: Vec<Mailbox>,
    transport: SmtpTransport,
}

/// What a target of mail is made of.
pub struct New {
    /// Its name among the targets.
    pub name: String,
    /// The kinds that it hears of; all, where there are none.
    pub kinds: Vec<Kind>,
    /// The name of the installation.
    pub source: String,
    /// The server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// The user and its password.
    pub credentials: Option<(String, String)>,
    /// The authority that the server is trusted by, instead of those of the machine.
    pub ca: Option<Vec<u8>>,
    /// Who writes.
    pub from: Mailbox,
    /// Who is written to.
    pub to: Vec<Mailbox>,
}

impl Mail {
    /// A target of mail.
    ///
    /// # Errors
    ///
    /// The certificates cannot be read, in a sentence without its end.
    pub fn new(new: New) -> Result<Self, String> {
        let mut transport = SmtpTransport::builder_dangerous(&new.server)
            .port(new.port)
            .tls(tls(&new)?)
            .timeout(Some(TIMEOUT));
        if let Some((user, password)) = new.credentials {
            transport = transport.credentials(Credentials::new(user, password));
        }
        Ok(Self {
            name: new.name,
            kinds: new.kinds,
            source: new.source,
            from: new.from,
            to: new.to,
            transport: transport.build(),
        })
    }

    fn message(&self, notices: &[Notice]) -> Result<Message, String> {
        let (first, others) = notices.split_first().ok_or("there is nothing to tell")?;
        let more = match others.len() {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        let subject = format!("[{}] {}{more}", self.source, headline(first));
        // A message that comes twice is the same one, and a mail reader shows its end beneath it.
        let id = |event: Event| format!("<{}.{}@holdfast>", first.alert.id, event.name());
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(printable(&subject))
            .message_id(Some(id(first.event)));
        if first.event == Event::Resolved {
            builder = builder.in_reply_to(id(Event::Raised)).references(id(Event::Raised));
        }
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let mut texts: Vec<String> = notices.iter().map(text).collect();
        texts.push(format!("Installation: {}\r\n", self.source));
        let body = builder.header(ContentType::TEXT_PLAIN).body(texts.join("\r\n"));
        body.map_err(|error| error.to_string())
    }
}

fn headline(notice: &Notice) -> String {
    let title = &notice.alert.condition.title;
    match notice.event {
        Event::Raised => title.clone(),
        Event::Resolved => format!("Over: {title}"),
    }
}

fn tls(new: &New) -> Result<Tls, String> {
    if new.security == Security::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(new.server.clone());
    if let Some(ca) = &new.ca {
        let certificate = Certificate::from_pem(ca).map_err(|error| error.to_string())?;
        parameters =
            parameters.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    let parameters = parameters.build_rustls().map_err(|error| error.to_string())?;
    Ok(match new.security {
        Security::Tls => Tls::Wrapper(parameters),
        Security::Starttls | Security::None => Tls::Required(parameters),
    })
}

/// What a notice tells, in lines.
fn text(notice: &Notice) -> String {
    let (alert, condition) = (&notice.alert, &notice.alert.condition);
    let mut lines = vec![format!("{}.", headline(notice))];
    match (notice.event, alert.resolved_at) {
        (Event::Resolved, Some(at)) => lines.push(format!("This is over since {at:.0}.")),
        _ => {
            lines.push(condition.text.clone());
            lines.push(format!("What to do: {}", condition.action));
        }
    }
    for (name, value) in [
        ("Kind", condition.kind.name()),
        ("Vault", &condition.vault),
        ("Resource group", &condition.resource_group),
        ("Virtual machine", &condition.item),
    ] {
        if !value.is_empty() {
            lines.push(format!("{name}: {value}"));
        }
    }
    lines.push(format!("Found at: {:.0}", alert.raised_at));
    lines.join("\r\n") + "\r\n"
}

impl Notify for Mail {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn send(&self, notices: &[Notice]) -> Result<(), String> {
        let message = self.message(notices)?;
        self.transport.send(&message).map(drop).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
