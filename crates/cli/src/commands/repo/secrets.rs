//! Passphrases and recovery keys: from a file or from the terminal, without echo. Never from the
//! command line or the environment, which other users and child processes can read.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use console::Term;
use repo::keys::Secret;

use crate::failure::Failure;

/// The longest passphrase, in bytes.
const LENGTH_MAX: u64 = 4096;
/// The shortest new passphrase, in signs. Whoever has the store can try in peace.
const LENGTH_MIN: usize = 12;

/// The one line in a file.
pub fn from_file(path: &Path) -> Result<Secret, Failure> {
    let mut text = Secret::new(String::new());
    File::open(path)
        .and_then(|file| file.take(LENGTH_MAX + 1).read_to_string(&mut text))
        .map_err(|error| Failure::file("Cannot read the secret in", path, &error))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.contains('\n') || text.len() as u64 > LENGTH_MAX {
        return Err(unusable(format!("{} does not hold one line.", path.display())));
    }
    Ok(Secret::new(line.to_owned()))
}

/// Asks on the terminal, which shows nothing of the answer.
pub fn ask(what: &str) -> Result<Secret, Failure> {
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err(unusable("There is no terminal to ask on: name a file instead.".to_owned()));
    }
    match write!(&terminal, "{what}: ").and_then(|()| terminal.read_secure_line()) {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
        Ok(_) => Err(unusable("Nothing was typed.".to_owned())),
        Err(error) => Err(unusable(format!("The terminal cannot be asked: {error}."))),
    }
}

/// Asks for a new passphrase, twice.
pub fn ask_twice() -> Result<Secret, Failure> {
    let first = ask("New passphrase")?;
    if ask("Once more")? == first {
        Ok(first)
    } else {
        Err(unusable("The two passphrases differ.".to_owned()))
    }
}

/// Refuses a passphrase that is guessed in no time.
pub fn check_new(passphrase: &str) -> Result<(), Failure> {
    if passphrase.chars().count() < LENGTH_MIN {
        return Err(unusable(format!("A passphrase has at least {LENGTH_MIN} signs.")));
    }
    Ok(())
}

fn unusable(message: String) -> Failure {
    Failure::new(
        "SecretUnusable",
        message,
        "Secrets come from a file with one line, or from a terminal.",
        "Check the file, or run the command on a terminal.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_line() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("writes");
            from_file(file.path()).map(|secret| secret.to_string())
        };
        for text in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            assert_eq!(read(text), Ok("correct horse".to_owned()), "{text:?}");
        }
        assert_eq!(read(" spaces stay \n"), Ok(" spaces stay ".to_owned()));
        for text in ["", "\n", "one\ntwo\n", &"x".repeat(5000)] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(from_file(Path::new("/nonexistent/file")).is_err());
    }

    #[test]
    fn short_passphrases_are_refused() {
        assert!(check_new("elevensigns").is_err());
        assert!(check_new("twelve signs").is_ok());
        assert!(check_new("zwölf Zeichn").is_ok());
    }
}
