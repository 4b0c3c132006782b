//! `holdfast repo init`: a repository and its first keys.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use engine::seed::SystemSeed;
use model::seed::new_uuid;
use repo::keys::{Key, generate, write_key_file};
use repo::{RepoError, Repository};
use serde_json::json;

use super::faults::OrFailure;
use super::key::cost;
use super::place::{Place, environment, of_key_file};
use super::secrets;
use crate::failure::Failure;
use crate::output::Reply;

/// Which repository to make, and what opens it: a key file, which is made unless it is there, or a
/// new passphrase; and a recovery key beside it, if one is wanted.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// Make a recovery key too and show it once, to be written on paper
    #[arg(long)]
    new_recovery_key: bool,
    /// Make a recovery key too and write it to this file, which must not be there yet
    #[arg(long, value_name = "FILE", conflicts_with = "new_recovery_key")]
    recovery_key_out: Option<PathBuf>,
}

/// The first key, and its file.
struct First {
    key: Key,
    file: Option<PathBuf>,
    is_new: bool,
}

impl Init {
    /// Carries the command out.
    pub fn run(self) -> Result<Reply, Failure> {
        if self.place.recovery_key || self.place.recovery_key_file.is_some() {
            let message = "A recovery key is made, not chosen: see --new-recovery-key.";
            return Err(Failure::usage(message));
        }
        // Written before anything else: what cannot be kept must not be needed.
        let recovery = (self.new_recovery_key || self.recovery_key_out.is_some())
            .then(|| generate(&SystemSeed));
        let written = match (&self.recovery_key_out, &recovery) {
            (Some(path), Some(kek)) => write_once(path, &kek.to_recovery_text()),
            _ => Ok(()),
        };
        written?;
        let recovery = recovery.map(Key::Recovery);
        let made = self.make(recovery.as_ref());
        if let (Err(_), Some(path)) = (&made, &self.recovery_key_out) {
            // Should its slot have been stored nevertheless, another recovery key can be added.
            let _ = std::fs::remove_file(path);
        }
        let (first, vault) = made?;
        let shown = match recovery {
            Some(Key::Recovery(kek)) if self.new_recovery_key => Some(kek.to_recovery_text()),
            _ => None,
        };
        let mut human = format!("The repository {} is made. {}", self.place.repo, first.told());
        if let Some(path) = &self.recovery_key_out {
            human += &format!(" A recovery key is in {}.", path.display());
        }
        if let Some(text) = &shown {
            human = format!(
                "{}\n\n{human} The recovery key above opens it too. It is shown only now: write it \
                 down, and keep it in another place than the store.",
                text.as_str()
            );
        }
        let mut document = json!({
            "vault": vault,
            "repo": self.place.repo.to_string(),
            "keyFile": first.file,
            "keyIsNew": first.is_new,
        });
        if let Some(text) = &shown {
            document["recoveryKey"] = json!(text.as_str());
        }
        Ok(Reply::done(document, human))
    }

    /// Makes the repository; its first key and its vault.
    fn make(&self, recovery: Option<&Key>) -> Result<(First, String), Failure> {
        let first = self.first()?;
        let store = self.place.store()?;
        let vault = new_uuid(&SystemSeed);
        // Whatever interrupts this, there is a repository that all of them open, or none.
        let keys: Vec<Key> = std::iter::once(&first.key).chain(recovery).cloned().collect();
        let made = Repository::init_with(store, vault, &keys, &cost(), environment());
        if let (true, Some(path), Err(RepoError::AlreadyARepository)) =
            (first.is_new, &first.file, &made)
        {
            // It opens nothing: the repository has another key.
            let _ = std::fs::remove_file(path);
        }
        let vault = made.or_failure()?.vault().to_string();
        Ok((first, vault))
    }

    fn first(&self) -> Result<First, Failure> {
        let passphrase = match &self.place.passphrase_file {
            Some(path) => Some(secrets::from_file(path)?),
            None if self.place.passphrase => Some(secrets::ask_twice()?),
            None => None,
        };
        if let Some(passphrase) = passphrase {
            secrets::check_new(&passphrase)?;
            return Ok(First { key: Key::Passphrase(passphrase), file: None, is_new: true });
        }
        let path = self.place.key_path()?;
        let is_new = !path.exists();
        let key = if is_new {
            let key = generate(&SystemSeed);
            write_key_file(&path, &key).map_err(|error| of_key_file(&error))?;
            key
        } else {
            self.place.file_key()?
        };
        Ok(First { key: Key::File(key), file: Some(path), is_new })
    }
}

impl First {
    fn told(&self) -> String {
        let Some(path) = &self.file else {
            return "The passphrase opens it. Without it, or another key, nobody can read what is \
                    stored."
                .to_owned();
        };
        format!(
            "Its key is in {} ({}): keep a copy of it elsewhere. Without it nobody can read what \
             is stored.",
            path.display(),
            if self.is_new { "new" } else { "as it was" }
        )
    }
}

/// Writes a secret to a new file, mode 0600, durably.
fn write_once(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n"));
        if let Err(error) = written.and_then(|()| file.sync_all()) {
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| Failure::file("Cannot write the recovery key to", path, &error))
}
