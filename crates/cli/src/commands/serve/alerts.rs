//! Who is told of alerts, as the file of settings says it. Secrets are in files of their own.

use std::path::{Path, PathBuf};

use engine::{Alerting, Notify, Suppression, Window};
use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use lettre::message::Mailbox;
use model::alert::Kind;
use model::policy::{WEEKDAYS, named};
use reqwest::Url;
use serde::Deserialize;

mod mail;
mod webhook;

use mail::Mail;
use webhook::Webhook;

/// Secrets longer than that are no secrets but something else.
const SECRET_MAX: u64 = 64 * 1024;

/// The part of the file of settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AlertsFile {
    /// How messages call this installation.
    source: Option<String>,
    webhook: Vec<WebhookFile>,
    mail: Vec<MailFile>,
    suppress: Vec<SuppressFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WebhookFile {
    name: String,
    url: String,
    secret_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    kinds: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MailFile {
    name: String,
    server: String,
    port: Option<u16>,
    security: Security,
    user: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    from: String,
    to: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
}

/// How a connection to a mail server is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// TLS from the first byte on.
    Tls,
    /// TLS after a greeting; without it, nothing is sent.
    Starttls,
    /// None: for a server on this machine.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SuppressFile {
    from: String,
    until: String,
    #[serde(default)]
    days: Vec<String>,
    time_zone: Option<String>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    vaults: Vec<String>,
}

impl AlertsFile {
    /// What the engine takes of it.
    ///
    /// # Errors
    ///
    /// What cannot be used, as a sentence.
    pub fn alerting(&self) -> Result<Alerting, String> {
        let source = self.source.clone().unwrap_or_else(host_name);
        let mut targets: Vec<Box<dyn Notify>> = Vec::new();
        for webhook in &self.webhook {
            targets.push(Box::new(webhook.target(&source)?));
        }
        for mail in &self.mail {
            targets.push(Box::new(mail.target(&source)?));
        }
        for (at, target) in targets.iter().enumerate() {
            if targets[..at].iter().any(|earlier| earlier.name() == target.name()) {
                return Err(format!("two targets of alerts are called '{}'.", target.name()));
            }
        }
        let suppressions = self.suppress.iter().map(SuppressFile::suppression);
        Ok(Alerting { targets, suppressions: suppressions.collect::<Result<_, _>>()? })
    }
}

impl WebhookFile {
    fn target(&self, source: &str) -> Result<Webhook, String> {
        let wrong = |what: String| format!("the webhook '{}': {what}.", self.name);
        let url: Url = self.url.parse().map_err(|error| wrong(format!("its url: {error}")))?;
        let local = ["localhost", "127.0.0.1", "[::1]"];
        let is_local = url.host_str().is_some_and(|host| local.contains(&host));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err(wrong("its url must begin with https://".to_owned()));
        }
        Webhook::new(webhook::New {
            name: self.name.clone(),
            kinds: kinds(&self.kinds).map_err(wrong)?,
            source: source.to_owned(),
            url,
            secret: read(self.secret_file.as_deref()).map_err(wrong)?,
            ca: read(self.ca_file.as_deref()).map_err(wrong)?,
        })
        .map_err(wrong)
    }
}

impl MailFile {
    fn target(&self, source: &str) -> Result<Mail, String> {
        let wrong = |what: String| format!("the mail target '{}': {what}.", self.name);
        let mailbox = |text: &String| -> Result<Mailbox, String> {
            text.parse().map_err(|error| wrong(format!("the address '{text}': {error}")))
        };
        let password = read(self.password_file.as_deref()).map_err(wrong)?;
        let credentials = match (self.user.clone(), password) {
            (Some(user), Some(password)) => {
                let not_text = |_| wrong("its password is no text".to_owned());
                Some((user, String::from_utf8(password).map_err(not_text)?))
            }
            (None, None) => None,
            _ => return Err(wrong("user and password-file go together".to_owned())),
        };
        if credentials.is_some() && self.security == Security::None {
            return Err(wrong("a password needs security = \"tls\" or \"starttls\"".to_owned()));
        }
        if self.to.is_empty() {
            return Err(wrong("it goes to nobody".to_owned()));
        }
        let usual = match self.security {
            Security::Tls => 465,
            Security::Starttls => 587,
            Security::None => 25,
        };
        Mail::new(mail::New {
            name: self.name.clone(),
            kinds: kinds(&self.kinds).map_err(wrong)?,
            source: source.to_owned(),
            server: self.server.clone(),
            port: self.port.unwrap_or(usual),
            security: self.security,
            credentials,
            ca: read(self.ca_file.as_deref()).map_err(wrong)?,
            from: mailbox(&self.from)?,
            to: self.to.iter().map(mailbox).collect::<Result<_, _>>()?,
        })
        .map_err(wrong)
    }
}

impl SuppressFile {
    fn suppression(&self) -> Result<Suppression, String> {
        let wrong = |what: String| {
            format!("the suppression from {} until {}: {what}.", self.from, self.until)
        };
        Ok(Suppression {
            kinds: kinds(&self.kinds).map_err(wrong)?,
            vaults: self.vaults.clone(),
            window: self.window().map_err(wrong)?,
        })
    }

    /// A window between two moments is there once; one between two times of day, again and again.
    fn window(&self) -> Result<Window, String> {
        let once = (self.from.parse::<Timestamp>(), self.until.parse::<Timestamp>());
        if let (Ok(from), Ok(until)) = once {
            return match self.days.is_empty() && self.time_zone.is_none() && from < until {
                true => Ok(Window::Once { from, until }),
                false => Err("a window between two moments ends behind its begin, and has \
                              neither days nor a time-zone"
                    .to_owned()),
            };
        }
        let time = |text: &str| -> Result<Time, String> {
            text.parse().map_err(|_| {
                format!("'{text}' is neither a time such as 22:00 nor such as 2026-12-24T00:00:00Z")
            })
        };
        let (from, until) = (time(&self.from)?, time(&self.until)?);
        if from == until {
            return Err("it has no length".to_owned());
        }
        let name = self.time_zone.as_deref().unwrap_or("UTC");
        let zone = engine::time_zone(name).ok_or_else(|| format!("no time zone is '{name}'"))?;
        let days = self.days.iter().map(|name| day(name)).collect::<Result<_, _>>()?;
        Ok(Window::Weekly { days, from, until, zone })
    }
}

fn day(name: &str) -> Result<Weekday, String> {
    named(&WEEKDAYS, name).ok_or_else(|| format!("no day of the week is '{name}'"))
}

fn kinds(names: &[String]) -> Result<Vec<Kind>, String> {
    let kind = |name: &String| {
        let known = || Kind::ALL.map(Kind::name).join(", ");
        Kind::from_name(name).ok_or_else(|| format!("no kind is '{name}'; there are {}", known()))
    };
    names.iter().map(kind).collect()
}

/// What a file holds, without a line break at its end.
fn read(path: Option<&Path>) -> Result<Option<Vec<u8>>, String> {
    let Some(path) = path else {
        return Ok(None);
    };
    let wrong = |error: String| format!("{} cannot be used: {error}", path.display());
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > SECRET_MAX {
        return Err(wrong(format!("it has {length} bytes")));
    }
    let mut bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    while bytes.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    Ok(Some(bytes))
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
