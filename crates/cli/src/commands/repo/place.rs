//! Where a repository and its key are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use engine::clock::SystemClock;
use engine::seed::SystemSeed;
use model::fault::{Code, Fault};
use repo::keys::{KeyFileError, read_key_file};
use repo::objects::{LocalDir, ObjectStore};
use repo::{Environment, Kek, Repository};

use super::faults::OrFailure;
use crate::failure::{Failure, sentence};

/// Names a repository and its key.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The repository: a path or a file:// URL
    #[arg(long, value_name = "URL")]
    pub repo: Location,
    /// The key file [default: the repository's path with .key at its end]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// The location of a repository: for now, a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location(PathBuf);

/// Why a location cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing.
    #[error("the repository's location is empty")]
    Empty,
    /// A store that is planned.
    #[error("{scheme}:// stores are not supported yet: name a directory")]
    NotYet {
        /// The URL's scheme.
        scheme: String,
    },
    /// A store that is not.
    #[error("{scheme}:// is no kind of store: name a directory, or file:///path")]
    Unknown {
        /// The URL's scheme.
        scheme: String,
    },
    /// A file URL of another machine, or without an absolute path.
    #[error("a file URL has the form file:///path")]
    File,
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        match text.split_once("://") {
            None if text.is_empty() => Err(LocationError::Empty),
            None => Ok(Self(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self(path.into())),
            Some(("file", _)) => Err(LocationError::File),
            Some((scheme @ ("s3" | "az"), _)) => {
                Err(LocationError::NotYet { scheme: scheme.to_owned() })
            }
            Some((scheme, _)) => Err(LocationError::Unknown { scheme: scheme.to_owned() }),
        }
    }
}

impl Location {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Place {
    /// The key file: beside the repository, never in it, unless one is named. Whoever copies or
    /// loses the store must not copy or lose the key with it.
    pub fn key_path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.key_file {
            return Ok(path.clone());
        }
        let path = std::path::absolute(self.repo.path())
            .map_err(|error| Failure::file("Cannot use", self.repo.path(), &error))?;
        let Some(name) = path.file_name() else {
            return Err(Failure::usage("Name the key file with --key-file."));
        };
        let mut name = OsString::from(name);
        name.push(".key");
        Ok(path.with_file_name(name))
    }

    /// The key in the key file.
    pub fn key(&self) -> Result<Kek, Failure> {
        read_key_file(&self.key_path()?).map_err(|error| of_key_file(&error))
    }

    /// The store, which is made if it is missing.
    pub fn store(&self) -> Result<Arc<dyn ObjectStore>, Failure> {
        Ok(Arc::new(LocalDir::open(self.repo.path()).or_failure()?))
    }

    /// The repository, which must be there.
    pub fn open(&self) -> Result<Repository, Failure> {
        let path = self.repo.path();
        if !path.is_dir() {
            let message = format!("There is no directory {}.", path.display());
            return Err(Failure::not_found(message));
        }
        let key = self.key()?;
        Repository::open(self.store()?, &key, environment()).or_failure()
    }
}

/// What repositories take from outside.
pub fn environment() -> Environment {
    Environment {
        seed: Arc::new(SystemSeed),
        clock: Arc::new(SystemClock),
        actor: format!("holdfast repo, process {}", std::process::id()),
    }
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
            assert_eq!(text.parse(), Ok(Location(path.into())), "{text}");
        }
        for text in ["", "s3://bucket/prefix", "az://c/p", "file://host/x", "ftp://x", "file://"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_key_lies_beside_the_repository() {
        let place = |repo: &str, key: Option<&str>| Place {
            repo: repo.parse().expect("valid"),
            key_file: key.map(PathBuf::from),
        };
        let path = |place: Place| place.key_path().map_err(|failure| failure.exit);
        assert_eq!(path(place("/srv/repo/", None)), Ok("/srv/repo.key".into()));
        assert_eq!(path(place("/srv/a.b", None)), Ok("/srv/a.b.key".into()));
        assert_eq!(path(place("/srv/repo", Some("k"))), Ok("k".into()));
        assert_eq!(path(place("/", None)), Err(crate::failure::Exit::Usage));
    }
}
