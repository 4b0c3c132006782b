//! `credentials.json`: how the programs of this machine reach the service and prove themselves.
//!
//! The service writes it, with nobody but its owner allowed to read it; the CLI and people's
//! scripts read it.

use serde::{Deserialize, Serialize};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "credentials.json";

/// The longest file that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// What the file holds. It cannot be printed, because it holds a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The tenant.
    pub tenant_id: String,
    /// The subscription.
    pub subscription_id: String,
    /// The principal's client id.
    pub client_id: String,
    /// The principal's secret.
    pub client_secret: String,
    /// Where the API is, such as `https://localhost:8443`.
    pub endpoint: String,
    /// Path of the PEM file with the CA that signed the service's certificate.
    pub ca_file: String,
}

/// The bytes are not a credentials file.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file is longer than any credentials file.
    #[error("the file has {bytes} bytes; a credentials file has at most {MAX_BYTES}")]
    TooLong {
        /// Its length, in bytes.
        bytes: usize,
    },
    /// It is not the JSON of one. The source is left out: it may quote the secret.
    #[error("the file is not a credentials file (line {line}, column {column})")]
    Malformed {
        /// Where, counted from 1.
        line: usize,
        /// Where, counted from 1.
        column: usize,
    },
}

impl Credentials {
    /// Reads a credentials file's bytes.
    ///
    /// # Errors
    ///
    /// It is too long, or not a credentials file.
    pub fn decode(bytes: &[u8]) -> Result<Self, CredentialsError> {
        if bytes.len() > MAX_BYTES {
            return Err(CredentialsError::TooLong { bytes: bytes.len() });
        }
        serde_json::from_slice(bytes).map_err(|error| CredentialsError::Malformed {
            line: error.line(),
            column: error.column(),
        })
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("strings can be written as JSON");
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credentials_file_has_the_promised_fields_and_reads_back() {
        let text = r#"{
            "tenantId": "t", "subscriptionId": "s", "clientId": "c", "clientSecret": "x",
            "endpoint": "https://localhost:8443", "caFile": "/var/lib/holdfast/ca.pem"
        }"#;
        let read = Credentials::decode(text.as_bytes()).expect("well-formed");
        assert_eq!(read.client_secret, "x");
        assert!(Credentials::decode(&read.encode()).is_ok_and(|again| again == read));
    }

    #[test]
    fn a_broken_file_is_refused_without_quoting_it() {
        let error = Credentials::decode(br#"{"clientSecret": hunter2}"#).err().expect("broken");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let long = vec![b' '; MAX_BYTES + 1];
        assert!(matches!(Credentials::decode(&long), Err(CredentialsError::TooLong { .. })));
    }
}
