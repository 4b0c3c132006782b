//! Where a repository and its key are.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use engine::clock::SystemClock;
use engine::seed::SystemSeed;
use model::fault::{Code, Fault};
use repo::keys::{Key, KeyFileError, Secret, read_key_file};
use repo::objects::{Cloud, CloudKind, CloudPlace, LocalDir, ObjectStore, Patience, Retrying};
use repo::{Environment, Kek, Repository};

use super::faults::{OrFailure, of_opening, wrong_recovery_key};
use super::secrets;
use crate::failure::{Failure, sentence};

/// Names a repository and its key.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The repository: a path, file:///PATH, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX
    ///
    /// Credentials, region and endpoint of a cloud store come from the environment, as the SDKs
    /// name them: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, ...;
    /// AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_KEY, AZURE_CLIENT_ID, ... Plain HTTP needs
    /// AWS_ALLOW_HTTP=true or AZURE_ALLOW_HTTP=true.
    ///
    /// The index of a large repository is cached below $XDG_CACHE_HOME/holdfast or
    /// ~/.cache/holdfast; HOLDFAST_CACHE_DIR names another directory, or none if it is empty.
    #[arg(long, value_name = "URL")]
    pub repo: Location,
    /// The key file [default: a directory's path with .key at its end]
    #[arg(long, value_name = "FILE", group = "opens")]
    pub key_file: Option<PathBuf>,
    /// Ask for the passphrase on the terminal, instead of using a key file
    #[arg(long, group = "opens")]
    pub passphrase: bool,
    /// Read the passphrase from this file
    #[arg(long, value_name = "FILE", group = "opens")]
    pub passphrase_file: Option<PathBuf>,
    /// Ask for the recovery key on the terminal
    #[arg(long, group = "opens")]
    pub recovery_key: bool,
    /// Read the recovery key from this file
    #[arg(long, value_name = "FILE", group = "opens")]
    pub recovery_key_file: Option<PathBuf>,
}

/// The location of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory.
    Directory(PathBuf),
    /// A bucket or a container in the cloud, and a prefix in it.
    Cloud(CloudPlace),
}

/// Why a location cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing.
    #[error("the repository's location is empty")]
    Empty,
    /// A store that is not.
    #[error("{scheme}:// is no kind of store: name a directory, file://, s3:// or az://")]
    Unknown {
        /// The URL's scheme.
        scheme: String,
    },
    /// A file URL of another machine, or without an absolute path.
    #[error("a file URL has the form file:///path")]
    File,
    /// A cloud URL that names no bucket and prefix. Credentials have no place in it.
    #[error(
        "such a URL has the form {scheme}://NAME/PREFIX: the name of a bucket or container, of \
         3 to 63 small letters, digits, dots and hyphens, and a prefix of letters, digits, . _ - /"
    )]
    Cloud {
        /// The URL's scheme.
        scheme: String,
    },
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        match text.split_once("://") {
            None if text.is_empty() => Err(LocationError::Empty),
            None => Ok(Self::Directory(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Directory(path.into())),
            Some(("file", _)) => Err(LocationError::File),
            Some(("s3", place)) => cloud(CloudKind::S3, place),
            Some(("az", place)) => cloud(CloudKind::Azure, place),
            Some((scheme, _)) => Err(LocationError::Unknown { scheme: scheme.to_owned() }),
        }
    }
}

fn cloud(kind: CloudKind, place: &str) -> Result<Location, LocationError> {
    let (container, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good_name = (3..=63).contains(&container.len())
        && container.bytes().all(|byte| small(byte) || matches!(byte, b'.' | b'-'));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let good_part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed);
    if good_name && (prefix.is_empty() || prefix.split('/').all(good_part)) {
        let (container, prefix) = (container.to_owned(), prefix.to_owned());
        Ok(Location::Cloud(CloudPlace { kind, container, prefix }))
    } else {
        Err(LocationError::Cloud { scheme: scheme(kind).to_owned() })
    }
}

const fn scheme(kind: CloudKind) -> &'static str {
    match kind {
        CloudKind::S3 => "s3",
        CloudKind::Azure => "az",
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Cloud(place) => {
                write!(f, "{}://{}/{}", scheme(place.kind), place.container, place.prefix)
            }
        }
    }
}

impl Location {
    /// The store. A directory is made if it is missing, a bucket or container is not.
    pub fn store(&self) -> Result<Arc<dyn ObjectStore>, Failure> {
        Ok(match self {
            Location::Directory(path) => Arc::new(LocalDir::open(path).or_failure()?),
            Location::Cloud(place) => {
                // Credentials and endpoints: never from the command line, which others can read.
                let text = |value: OsString| value.into_string().ok();
                let environment = std::env::vars_os()
                    .filter_map(|(name, value)| Some((text(name)?, text(value)?)));
                let cloud = Cloud::new(place, environment).or_failure()?;
                Arc::new(Retrying::new(cloud, Patience::default(), Arc::new(SystemSeed)))
            }
        })
    }

    /// The store, which must be there.
    pub fn existing_store(&self) -> Result<Arc<dyn ObjectStore>, Failure> {
        self.must_be_there()?;
        self.store()
    }

    fn must_be_there(&self) -> Result<(), Failure> {
        if let Self::Directory(path) = self
            && !path.is_dir()
        {
            let message = format!("There is no directory {}.", path.display());
            return Err(Failure::not_found(message));
        }
        Ok(())
    }
}

impl Place {
    /// The key file: beside the repository, never in it, unless one is named. Whoever copies or
    /// loses the store must not copy or lose the key with it.
    pub fn key_path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.key_file {
            return Ok(path.clone());
        }
        let Location::Directory(path) = &self.repo else {
            return Err(Failure::usage("Name the key file with --key-file."));
        };
        let path =
            std::path::absolute(path).map_err(|error| Failure::file("Cannot use", path, &error))?;
        let Some(name) = path.file_name() else {
            return Err(Failure::usage("Name the key file with --key-file."));
        };
        let mut name = OsString::from(name);
        name.push(".key");
        Ok(path.with_file_name(name))
    }

    /// The key in the key file.
    pub fn file_key(&self) -> Result<Kek, Failure> {
        read_key_file(&self.key_path()?).map_err(|error| of_key_file(&error))
    }

    /// Whether something else than a key file opens the repository.
    pub const fn is_without_file(&self) -> bool {
        self.passphrase
            || self.passphrase_file.is_some()
            || self.recovery_key
            || self.recovery_key_file.is_some()
    }

    /// What opens the repository.
    pub fn key(&self) -> Result<Key, Failure> {
        let recovery = |text: Secret| {
            let kek = Kek::from_recovery_text(&text);
            kek.map(Key::Recovery).map_err(|error| wrong_recovery_key(sentence(&error)))
        };
        match (&self.passphrase_file, &self.recovery_key_file) {
            (Some(path), _) => secrets::from_file(path).map(Key::Passphrase),
            (_, Some(path)) => secrets::from_file(path).and_then(recovery),
            _ if self.passphrase => secrets::ask("Passphrase").map(Key::Passphrase),
            _ if self.recovery_key => secrets::ask("Recovery key").and_then(recovery),
            _ => self.file_key().map(Key::File),
        }
    }

    /// The store. A directory is made if it is missing, a bucket or container is not.
    pub fn store(&self) -> Result<Arc<dyn ObjectStore>, Failure> {
        self.repo.store()
    }

    /// The repository, which must be there.
    pub fn open(&self) -> Result<Repository, Failure> {
        self.must_be_there()?;
        let key = self.key()?;
        Repository::open_with(self.store()?, &key, environment())
            .map_err(|error| of_opening(&error, key.kind()))
    }

    /// Refuses a directory that is not there: opening the store would make it.
    pub fn must_be_there(&self) -> Result<(), Failure> {
        self.repo.must_be_there()
    }
}

/// What repositories take from outside.
pub fn environment() -> Environment {
    Environment {
        seed: Arc::new(SystemSeed),
        clock: Arc::new(SystemClock),
        actor: format!("holdfast repo, process {}", std::process::id()),
        caches: caches(|name| std::env::var_os(name)),
    }
}

/// Where indexes are kept between runs: where `HOLDFAST_CACHE_DIR` says, nowhere if it is empty,
/// and below the user's cache directory if it is not set.
fn caches(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name| variable(name).map(PathBuf::from);
    if let Some(directory) = named("HOLDFAST_CACHE_DIR") {
        return Some(directory).filter(|directory| !directory.as_os_str().is_empty());
    }
    // A relative one is to be ignored, says the XDG Base Directory Specification.
    let user = named("XDG_CACHE_HOME").filter(|directory| directory.is_absolute());
    let user = user.or_else(|| named("HOME").map(|home| home.join(".cache")));
    user.map(|directory| directory.join("holdfast")).filter(|directory| directory.is_absolute())
}

/// The failure for a key file's error.
pub fn of_key_file(error: &KeyFileError) -> Failure {
    Fault::new(Code::WrongKey, sentence(error)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_path_or_a_file_url() {
        for (text, path) in [
            ("/srv/repo", "/srv/repo"),
            ("repo", "repo"),
            ("file:///srv/repo", "/srv/repo"),
            ("a:b", "a:b"),
        ] {
            assert_eq!(text.parse(), Ok(Location::Directory(path.into())), "{text}");
        }
        for text in ["", "file://host/x", "ftp://x", "file://", "gs://bucket"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_location_in_the_cloud_is_a_name_and_a_prefix() {
        let place = |kind, container: &str, prefix: &str| {
            let (container, prefix) = (container.to_owned(), prefix.to_owned());
            Ok(Location::Cloud(CloudPlace { kind, container, prefix }))
        };
        for (text, expected) in [
            ("s3://bucket/a/b", place(CloudKind::S3, "bucket", "a/b")),
            ("s3://my.bucket-1", place(CloudKind::S3, "my.bucket-1", "")),
            ("az://container/vault_1/", place(CloudKind::Azure, "container", "vault_1")),
        ] {
            assert_eq!(text.parse::<Location>(), expected, "{text}");
        }
        for text in [
            "s3://",
            "s3:///prefix",
            "az://c/p",
            "s3://bucket//b",
            "s3://bucket/../b",
            "s3://bucket/a b",
            "s3://key:secret@bucket/a",
            "az://container/a?sig=x",
        ] {
            assert!(matches!(text.parse::<Location>(), Err(LocationError::Cloud { .. })), "{text}");
        }
        let back: Location = "az://container/a".parse().expect("valid");
        assert_eq!(back.to_string(), "az://container/a");
    }

    #[test]
    fn caches_lie_where_the_environment_says() {
        let place = |variables: &[(&str, &str)]| {
            let find = |name: &str| variables.iter().find(|(other, _)| *other == name);
            caches(|name| find(name).map(|(_, value)| OsString::from(value)))
        };
        let (home, xdg) = (("HOME", "/root"), ("XDG_CACHE_HOME", "/x"));
        for (variables, expected) in [
            (vec![home], Some("/root/.cache/holdfast")),
            (vec![home, xdg], Some("/x/holdfast")),
            (vec![home, ("XDG_CACHE_HOME", "x")], Some("/root/.cache/holdfast")),
            (vec![home, xdg, ("HOLDFAST_CACHE_DIR", "/c")], Some("/c")),
            (vec![home, xdg, ("HOLDFAST_CACHE_DIR", "")], None),
            (vec![], None),
        ] {
            assert_eq!(place(&variables), expected.map(PathBuf::from), "{variables:?}");
        }
    }

    #[test]
    fn the_key_lies_beside_the_repository() {
        let place = |repo: &str, key: Option<&str>| Place {
            repo: repo.parse().expect("valid"),
            key_file: key.map(PathBuf::from),
            passphrase: false,
            passphrase_file: None,
            recovery_key: false,
            recovery_key_file: None,
        };
        let path = |place: Place| place.key_path().map_err(|failure| failure.exit);
        assert_eq!(path(place("/srv/repo/", None)), Ok("/srv/repo.key".into()));
        assert_eq!(path(place("/srv/a.b", None)), Ok("/srv/a.b.key".into()));
        assert_eq!(path(place("/srv/repo", Some("k"))), Ok("k".into()));
        for nameless in ["/", "s3://bucket/a", "az://container"] {
            assert_eq!(path(place(nameless, None)), Err(crate::failure::Exit::Usage), "{nameless}");
        }
        assert_eq!(path(place("s3://bucket/a", Some("k"))), Ok("k".into()));
    }
}
