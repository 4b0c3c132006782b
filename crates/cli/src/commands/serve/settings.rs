//! What an operator decides about the service: from options, from a file, or as it usually is.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::Config;
use serde::Deserialize;

use super::Args;
use crate::failure::Failure;

/// Where the service listens unless told otherwise: this machine only.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// How long guests may be frozen, in seconds: what an operator may set. Longer than a minute, and
/// programs in the guest give up; Windows ends a freeze by itself after 10 s.
const FREEZE_SECONDS: std::ops::RangeInclusive<u64> = 1..=60;

/// How many scheduled backups of one host may run at once: each reads and compresses as fast as
/// it can, so more than a machine has cores is no gain.
const BACKUPS_PER_HOST: std::ops::RangeInclusive<usize> = 1..=64;

/// How the service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    scratch: Option<PathBuf>,
    images: Option<PathBuf>,
    restore_roots: Vec<PathBuf>,
    local_host: bool,
    freeze: Option<Duration>,
    backups_per_host: Option<usize>,
}

/// A file of settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    listen: Option<SocketAddr>,
    scratch: Option<PathBuf>,
    images: Option<PathBuf>,
    restore_roots: Vec<PathBuf>,
    local_host: Option<bool>,
    freeze_seconds: Option<u64>,
    backups_per_host: Option<usize>,
}

impl Settings {
    /// The settings of a command line and the file that it names.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or says what it cannot say.
    pub fn gather(args: &Args) -> Result<Self, Failure> {
        let file = match &args.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        Ok(Self {
            listen: args.listen.or(file.listen).unwrap_or(LISTEN),
            scratch: args.scratch.clone().or(file.scratch),
            images: args.images.clone().or(file.images),
            restore_roots: [args.restore_root.clone(), file.restore_roots].concat(),
            local_host: !args.no_local_host && file.local_host.unwrap_or(true),
            freeze: file.freeze_seconds.map(Duration::from_secs),
            backups_per_host: file.backups_per_host,
        })
    }

    /// What the engine takes of them.
    pub fn engine(&self, data_dir: &Path) -> Config {
        let mut config = Config::new(data_dir);
        config.local_host = self.local_host;
        if let Some(scratch) = &self.scratch {
            config.scratch_dir.clone_from(scratch);
        }
        if let Some(images) = &self.images {
            config.image_dir.clone_from(images);
        }
        config.restore_roots.clone_from(&self.restore_roots);
        if let Some(freeze) = self.freeze {
            config.freeze_budget = freeze;
        }
        if let Some(backups) = self.backups_per_host {
            config.backups_per_host = backups;
        }
        config
    }
}

fn read(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::file("Cannot read the settings", path, &error))?;
    let wrong = |what: String| {
        Failure::new(
            "SettingsInvalid",
            format!("The settings in {} cannot be used: {what}", path.display()),
            "The file is no TOML, names an unknown setting, or gives it a wrong value.",
            "Correct the file; `holdfast serve --help` lists the settings.",
        )
    };
    let file: File = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
    if let Some(backups) = file.backups_per_host.filter(|count| !BACKUPS_PER_HOST.contains(count)) {
        let (low, high) = (BACKUPS_PER_HOST.start(), BACKUPS_PER_HOST.end());
        return Err(wrong(format!(
            "backups-per-host must be from {low} to {high}, not {backups}."
        )));
    }
    match file.freeze_seconds {
        Some(seconds) if !FREEZE_SECONDS.contains(&seconds) => {
            let (low, high) = (FREEZE_SECONDS.start(), FREEZE_SECONDS.end());
            Err(wrong(format!("freeze-seconds must be from {low} to {high}, not {seconds}.")))
        }
        _ => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(text: Option<&str>, args: Args) -> Result<Settings, Failure> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), text.unwrap_or_default()).expect("writes");
        let config = text.map(|_| file.path().to_owned());
        Settings::gather(&Args { config, ..args })
    }

    fn nothing() -> Args {
        Args {
            listen: None,
            scratch: None,
            images: None,
            restore_root: Vec::new(),
            no_local_host: false,
            config: None,
        }
    }

    #[test]
    fn nothing_said_is_the_usual() {
        let settings = gather(None, nothing()).expect("valid");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8443");
        let config = settings.engine(Path::new("/data"));
        let usual = Config::new("/data");
        assert_eq!((config.local_host, config.scratch_dir), (true, usual.scratch_dir));
        assert_eq!(config.freeze_budget, usual.freeze_budget);
    }

    #[test]
    fn options_go_before_the_file() {
        let text = "listen = \"[::1]:1\"\nscratch = \"/file\"\nfreeze-seconds = 5\n\
                    backups-per-host = 7";
        let listen = "127.0.0.1:2".parse().ok();
        let settings = gather(Some(text), Args { listen, ..nothing() }).expect("valid");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:2");
        let config = settings.engine(Path::new("/data"));
        assert_eq!(config.scratch_dir, Path::new("/file"));
        assert_eq!(config.freeze_budget, Duration::from_secs(5));
        assert_eq!(config.backups_per_host, 7);
    }

    #[test]
    fn what_restores_may_write_in_adds_up() {
        let text = "images = \"/i\"\nrestore-roots = [\"/a\", \"/b\"]";
        let args = Args { restore_root: vec!["/c".into()], ..nothing() };
        let config = gather(Some(text), args).expect("valid").engine(Path::new("/d"));
        assert_eq!(config.image_dir, Path::new("/i"));
        assert_eq!(config.restore_roots, ["/c", "/a", "/b"].map(PathBuf::from));
        let usual = gather(None, nothing()).expect("valid").engine(Path::new("/d"));
        assert_eq!(usual.image_dir, Path::new("/var/lib/libvirt/images"));
        assert!(usual.restore_roots.is_empty());
    }

    #[test]
    fn the_local_host_is_left_alone_where_either_says_so() {
        let off = || Args { no_local_host: true, ..nothing() };
        for (text, args, registered) in [
            (None, nothing(), true),
            (None, off(), false),
            (Some("local-host = false"), nothing(), false),
            (Some("local-host = true"), off(), false),
        ] {
            let settings = gather(text, args).expect("valid");
            assert_eq!(settings.engine(Path::new("/d")).local_host, registered, "{text:?}");
        }
    }

    #[test]
    fn what_a_file_cannot_say_is_refused() {
        for text in ["lisen = \"[::1]:1\"", "listen = 8443", "listen", "freeze-seconds = 0"] {
            let failure = gather(Some(text), nothing()).expect_err(text);
            assert_eq!(failure.code, "SettingsInvalid");
        }
    }
}
