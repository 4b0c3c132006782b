//! Alerts to a webhook: a POST of JSON, signed, so that its receiver knows who sent it and when.
//!
//! `Holdfast-Signature: t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256, under the secret, of
//! SECONDS, a full stop and the body. Redirects are not followed: the secret's holder is the one
//! that the operator named.

use std::time::Duration;

use aws_lc_rs::hmac;
use engine::Notify;
use jiff::Timestamp;
use model::alert::{Kind, Notice};
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A webhook.
pub struct Webhook {
    name: String,
    kinds: Vec<Kind>,
    source: String,
    url: Url,
    secret: Option<hmac::Key>,
    client: Client,
}

/// What a webhook is made of.
pub struct New {
    /// Its name among the targets.
    pub name: String,
    /// The kinds that it hears of; all, where there are none.
    pub kinds: Vec<Kind>,
    /// The name of the installation.
    pub source: String,
    /// Where it is.
    pub url: Url,
    /// What messages are signed with.
    pub secret: Option<Vec<u8>>,
    /// The authorities that it is trusted by, instead of those of the machine.
    pub ca: Option<Vec<u8>>,
}

impl Webhook {
    /// A webhook.
    ///
    /// # Errors
    ///
    /// The certificates cannot be read, in a sentence without its end.
    pub fn new(new: New) -> Result<Self, String> {
        let mut client = Client::builder().timeout(TIMEOUT).redirect(Policy::none());
        if let Some(ca) = &new.ca {
            let certificates =
                Certificate::from_pem_bundle(ca).map_err(|error| error.to_string())?;
            client = client.tls_certs_only(certificates);
        }
        Ok(Self {
            name: new.name,
            kinds: new.kinds,
            source: new.source,
            url: new.url,
            secret: new.secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, &secret)),
            client: client.build().map_err(|error| error.to_string())?,
        })
    }

    fn signature(&self, body: &[u8], at: Timestamp) -> Option<String> {
        let seconds = at.as_second();
        let mut signed = hmac::Context::with_key(self.secret.as_ref()?);
        signed.update(format!("{seconds}.").as_bytes());
        signed.update(body);
        let tag = signed.sign();
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("t={seconds},v1={hex}"))
    }
}

impl Notify for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    fn at_once(&self) -> usize {
        1
    }

    fn send(&self, notices: &[Notice]) -> Result<(), String> {
        notices.iter().try_for_each(|notice| self.post(notice))
    }
}

impl Webhook {
    fn post(&self, notice: &Notice) -> Result<(), String> {
        let message = api::alert::render(&self.source, notice);
        let body = serde_json::to_vec(&message).map_err(|error| error.to_string())?;
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("user-agent", concat!("holdfast/", env!("CARGO_PKG_VERSION")));
        if let Some(signature) = self.signature(&body, Timestamp::now()) {
            request = request.header("holdfast-signature", signature);
        }
        // The URL may hold a secret, and errors go to the log.
        let answer = request.body(body).send().map_err(|error| told(&error.without_url()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
