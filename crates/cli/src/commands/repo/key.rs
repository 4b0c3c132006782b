//! `holdfast repo key`: who may open a repository.
//!
//! Secrets come from files or from the terminal, never from the command line. A recovery key is
//! shown once, when it is made, and is kept nowhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use engine::seed::SystemSeed;
use model::seed::Seed;
use repo::keys::{
    Key, KeyRing, KeySlot, RotateError, Stretch, generate, rotate_key_file, stretch, write_key_file,
};
use serde_json::{Value, json};

use super::faults::{OrFailure, of_opening, of_repository};
use super::place::{Place, of_key_file};
use super::secrets;
use crate::failure::Failure;
use crate::output::{Column, Reply, table};

/// What can be done with the keys of a repository.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the key slots
    List(List),
    /// Add a key: a new key file, a passphrase or a recovery key
    Add(Add),
    /// Remove a key slot. It needs the key of another one, so the last key stays
    Remove(Remove),
    /// Put a new key file in the place of the key that opens the repository now
    ///
    /// Without --new-key-file the key file that opens the repository is replaced under its own
    /// name, such as a vault's DIR/keys/VAULT.key, so that the service finds the new one at its
    /// next start. Whatever interrupts that, the key file opens; run it again, and all slots that
    /// it has replaced are gone.
    Rotate(Rotate),
}

impl Command {
    /// Carries the command out.
    pub fn run(self) -> Result<Reply, Failure> {
        match self {
            Self::List(args) => args.run(),
            Self::Add(args) => args.run(),
            Self::Remove(args) => args.run(),
            Self::Rotate(args) => args.run(),
        }
    }
}

fn open(place: &Place) -> Result<KeyRing, Failure> {
    place.must_be_there()?;
    let key = place.key()?;
    KeyRing::open(place.store()?, &key, Arc::new(SystemSeed))
        .map_err(|error| of_opening(&error, key.kind()))
}

/// What a passphrase costs; the salt is drawn when it is stored.
pub(super) const fn cost() -> Stretch {
    stretch([0; 16])
}

/// Which repository.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The repository.
    #[command(flatten)]
    place: Place,
}

impl List {
    fn run(self) -> Result<Reply, Failure> {
        let slots = open(&self.place)?.slots().or_failure()?;
        let kind = |slot: &KeySlot| match slot.kind {
            Some(kind) => kind.to_string(),
            None => "damaged".to_owned(),
        };
        let own = |slot: &KeySlot| if slot.is_own { "yes" } else { "" }.to_owned();
        let row = |slot: &KeySlot| vec![slot.id.clone(), kind(slot), own(slot)];
        let columns = [Column::Text("Slot"), Column::Text("Kind"), Column::Text("Opened now")];
        let human = table(&columns, slots.iter().map(row).collect(), "There is no key slot.");
        let document: Value = slots
            .iter()
            .map(|slot| json!({"slot": slot.id, "kind": kind(slot), "openedNow": slot.is_own}))
            .collect();
        Ok(Reply::done(document, human))
    }
}

/// Which key to add.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// The key.
    #[command(flatten)]
    new: NewKey,
}

/// A new key: exactly one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct NewKey {
    /// Make this key file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// Ask for a new passphrase on the terminal
    #[arg(long)]
    new_passphrase: bool,
    /// Read the new passphrase from this file
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// Make a recovery key and show it once, to be written on paper
    #[arg(long)]
    new_recovery_key: bool,
}

impl Add {
    fn run(self) -> Result<Reply, Failure> {
        let ring = open(&self.place)?;
        if let Some(path) = &self.new.new_key_file {
            let slot = with_key_file(path, |key| ring.add(key, &cost()).or_failure())?;
            let human = format!(
                "The key file {} opens the repository (slot {slot}). Keep it in another place \
                 than the store.",
                path.display()
            );
            return Ok(Reply::done(json!({"slot": slot, "keyFile": path}), human));
        }
        if self.new.new_recovery_key {
            let kek = generate(&SystemSeed);
            let text = kek.to_recovery_text();
            let slot = ring.add(&Key::Recovery(kek), &cost()).or_failure()?;
            let human = format!(
                "{}\n\nThis recovery key opens the repository (slot {slot}). It is shown only now: \
                 write it down, and keep it in another place than the store.",
                text.as_str()
            );
            return Ok(Reply::done(json!({"slot": slot, "recoveryKey": text.as_str()}), human));
        }
        let passphrase = match &self.new.new_passphrase_file {
            Some(path) => secrets::from_file(path)?,
            None => secrets::ask_twice()?,
        };
        secrets::check_new(&passphrase)?;
        let slot = ring.add(&Key::Passphrase(passphrase), &cost()).or_failure()?;
        let human = format!("The passphrase opens the repository (slot {slot}).");
        Ok(Reply::done(json!({"slot": slot}), human))
    }
}

/// Makes a key file, and takes it away again if what is to be done with its key fails.
fn with_key_file<T>(
    path: &Path,
    act: impl FnOnce(&Key) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let kek = generate(&SystemSeed);
    write_key_file(path, &kek).map_err(|error| of_key_file(&error))?;
    match act(&Key::File(kek)) {
        Ok(done) => Ok(done),
        Err(failure) => {
            // Should its slot have been stored nevertheless, nobody ever opens that one.
            let _ = std::fs::remove_file(path);
            Err(failure)
        }
    }
}

/// Which slot to remove.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// The slot, as `list` shows it
    slot: String,
}

impl Remove {
    fn run(self) -> Result<Reply, Failure> {
        open(&self.place)?.remove(&self.slot).or_failure()?;
        let human = format!(
            "The key slot {} is removed. Who has opened it before may have kept the master key.",
            self.slot
        );
        Ok(Reply::done(json!({"removed": self.slot}), human))
    }
}

/// Which key file to make.
#[derive(Debug, clap::Args)]
pub struct Rotate {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// The new key file, which must not be there yet [default: the one in use is replaced]
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

impl Rotate {
    fn run(self) -> Result<Reply, Failure> {
        let (ring, path) = match &self.new_key_file {
            Some(path) => {
                let ring = open(&self.place)?;
                let kek = generate(&SystemSeed);
                write_key_file(path, &kek).map_err(|error| of_key_file(&error))?;
                // If this fails half-way the new key may be the only one: its file stays.
                (ring.replace_own(&Key::File(kek), &cost()).or_failure()?, path.clone())
            }
            None => self.in_place()?,
        };
        let others = ring.slots().or_failure()?.len().saturating_sub(1);
        let slot = ring.own();
        let human = format!(
            "The key file {} opens the repository, and the key used until now does not any more. \
             {others} other slots are left as they are. Nothing stored was changed. Who had the \
             old key and the store can have kept the master key: only a new repository shuts them \
             out of new backups.",
            path.display()
        );
        Ok(Reply::done(json!({"slot": slot, "keyFile": path, "otherSlots": others}), human))
    }

    fn in_place(&self) -> Result<(KeyRing, PathBuf), Failure> {
        if self.place.is_without_file() {
            let message = "Only a key file is replaced in its place. Name a new one with \
                           --new-key-file; or add another passphrase or recovery key with \
                           `key add`, and remove the old slot with it.";
            return Err(Failure::usage(message));
        }
        self.place.must_be_there()?;
        let path = self.place.key_path()?;
        let seed: Arc<dyn Seed> = Arc::new(SystemSeed);
        let ring = rotate_key_file(&self.place.store()?, &path, &seed);
        let ring = ring.map_err(|error| match error {
            RotateError::File(error) => of_key_file(&error),
            RotateError::Repo(error) => of_repository(&error),
        })?;
        Ok((ring, path))
    }
}
