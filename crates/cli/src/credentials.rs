//! Finding and reading `credentials.json`: where the service is, whom to trust, and who we are.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use api::credentials::{Credentials, FILE_NAME};

use crate::failure::Failure;

/// More than any credentials file has, in bytes; `api` refuses what reaches it.
const READ_MAX: u64 = 1024 * 1024;

/// The credentials file: the one that is named, else the one in the data directory.
pub fn path(named: Option<&Path>, data: &Path) -> PathBuf {
    named.map_or_else(|| data.join(FILE_NAME), Path::to_owned)
}

/// Reads a credentials file.
///
/// # Errors
///
/// The file is missing, or not what `holdfast serve` writes. What it says is not quoted.
pub fn read(path: &Path) -> Result<Credentials, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::new(
            "CredentialsUnreadable",
            format!("The credentials file {} cannot be read: {why}.", path.display()),
            "The service has not run on this directory, you may not read it, or it is cut off.",
            "Start `holdfast serve`, or name the right place with --data or --credentials.",
        )
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(READ_MAX).read_to_end(&mut bytes))
        .map_err(|error| unreadable(&error))?;
    let mut credentials = Credentials::decode(&bytes).map_err(|error| unreadable(&error))?;
    let length = credentials.endpoint.trim_end_matches('/').len();
    credentials.endpoint.truncate(length);
    // A relative path is taken from where the file lies, so that both can be copied together.
    let directory = path.parent().unwrap_or(Path::new("."));
    credentials.ca_file = directory.join(&credentials.ca_file).to_string_lossy().into_owned();
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"tenantId": "t", "subscriptionId": "s", "clientId": "c",
        "clientSecret": "hidden", "endpoint": "https://localhost:8443/", "caFile": "ca.pem"}"#;

    fn read_text(text: &str) -> Result<Credentials, Failure> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), text).expect("writes");
        read(file.path())
    }

    #[test]
    fn what_serve_writes_is_read() {
        let read = read_text(WHOLE).expect("valid");
        assert_eq!(read.endpoint, "https://localhost:8443");
        assert!(Path::new(&read.ca_file).is_absolute(), "beside the file: {}", read.ca_file);
    }

    #[test]
    fn a_file_that_is_none_is_refused_without_quoting_it() {
        for text in ["", "[]", "7", &WHOLE[..WHOLE.len() - 2], &WHOLE.replace("endpoint", "e")] {
            let failure = read_text(text).err().expect("refused");
            assert_eq!(failure.code, "CredentialsUnreadable", "{text}");
            assert!(!failure.to_text().contains("hidden"), "{failure:?}");
        }
        let failure = read(Path::new("/nowhere/credentials.json")).err().expect("refused");
        assert_eq!(failure.code, "CredentialsUnreadable");
    }

    #[test]
    fn a_named_file_goes_before_the_data_directory() {
        let data = Path::new("/data");
        assert_eq!(path(None, data), data.join("credentials.json"));
        assert_eq!(path(Some(Path::new("c.json")), data), Path::new("c.json"));
    }
}
