//! What an operator decides about the service: from options, from a file, or as it usually is.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Alerting, Config};
use serde::Deserialize;

use super::Args;
use super::alerts::AlertsFile;
use crate::failure::Failure;

/// Where the service listens unless told otherwise: this machine only.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// Seconds of a minute and of a day.
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// How long guests may be frozen, in seconds: what an operator may set. Longer than a minute, and
/// programs in the guest give up; Windows ends a freeze by itself after 10 s.
const FREEZE_SECONDS: RangeInclusive<u64> = 1..=60;

/// How many scheduled backups of one host may run at once: each reads and compresses as fast as
/// it can, so more than a machine has cores is no gain.
const BACKUPS_PER_HOST: RangeInclusive<usize> = 1..=64;

/// How many backups may write to one region's store at once.
const BACKUPS_PER_STORE: RangeInclusive<usize> = 1..=256;

/// Over how many seconds backups start that are due at the same moment. Azure starts them within
/// two hours.
const START_WINDOW_SECONDS: RangeInclusive<u64> = 0..=2 * 60 * 60;

/// The same for those that were missed.
const CATCH_UP_WINDOW_SECONDS: RangeInclusive<u64> = 0..=24 * 60 * 60;

/// How often a scheduled backup is tried again.
const RETRIES: RangeInclusive<u32> = 0..=10;

/// After how many minutes it is tried again the first time.
const RETRY_MINUTES: RangeInclusive<u64> = 1..=60;

/// For how many days ended jobs are kept.
const JOB_HISTORY_DAYS: RangeInclusive<u64> = 1..=9999;

/// Every how many days vaults are verified unless told otherwise.
const VERIFY_DAYS: u64 = 7;

/// Every how many days vaults may be verified; 0 is never.
const VERIFY_DAYS_ALLOWED: RangeInclusive<u64> = 0..=9999;

/// How much of their data a verification may read.
const VERIFY_PERCENT: RangeInclusive<u8> = 0..=100;

/// How the service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    scratch: Option<PathBuf>,
    images: Option<PathBuf>,
    restore_roots: Vec<PathBuf>,
    local_host: bool,
    file: File,
    config: Option<PathBuf>,
}

/// A file of settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    listen: Option<SocketAddr>,
    scratch: Option<PathBuf>,
    images: Option<PathBuf>,
    restore_roots: Vec<PathBuf>,
    local_host: Option<bool>,
    freeze_seconds: Option<u64>,
    backups_per_host: Option<usize>,
    backups_per_store: Option<usize>,
    start_window_seconds: Option<u64>,
    catch_up_window_seconds: Option<u64>,
    retries: Option<u32>,
    retry_minutes: Option<u64>,
    job_history_days: Option<u64>,
    verify_days: Option<u64>,
    verify_percent: Option<u8>,
    alerts: AlertsFile,
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
            scratch: args.scratch.clone().or_else(|| file.scratch.clone()),
            images: args.images.clone().or_else(|| file.images.clone()),
            restore_roots: [args.restore_root.clone(), file.restore_roots.clone()].concat(),
            local_host: !args.no_local_host && file.local_host.unwrap_or(true),
            file,
            config: args.config.clone(),
        })
    }

    /// Who is told of alerts.
    ///
    /// # Errors
    ///
    /// The file says what cannot be used, or names a file that cannot be read.
    pub fn alerting(&self) -> Result<Alerting, Failure> {
        let path = self.config.as_deref().unwrap_or(Path::new("-"));
        self.file.alerts.alerting().map_err(|what| wrong(path, what))
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
        self.file.tell(&mut config);
        config
    }
}

impl File {
    /// Tells the engine what there are no options for.
    fn tell(&self, config: &mut Config) {
        let seconds = |value: Option<u64>, unit| Some(Duration::from_secs(value? * unit));
        let set = |place: &mut Duration, value: Option<Duration>| {
            *place = value.unwrap_or(*place);
        };
        set(&mut config.freeze_budget, seconds(self.freeze_seconds, 1));
        set(&mut config.start_window, seconds(self.start_window_seconds, 1));
        set(&mut config.catch_up_window, seconds(self.catch_up_window_seconds, 1));
        set(&mut config.retry_after, seconds(self.retry_minutes, MINUTE));
        set(&mut config.job_history, seconds(self.job_history_days, DAY));
        config.backups_per_host = self.backups_per_host.unwrap_or(config.backups_per_host);
        config.backups_per_store = self.backups_per_store.unwrap_or(config.backups_per_store);
        config.retries = self.retries.unwrap_or(config.retries);
        let every = seconds(Some(self.verify_days.unwrap_or(VERIFY_DAYS)), DAY);
        config.verify_every = every.filter(|every| !every.is_zero());
        config.verify_percent = self.verify_percent.unwrap_or(config.verify_percent);
    }

    /// What is wrong with a number, if one is out of its range.
    fn out_of_range(&self) -> Result<(), String> {
        within("freeze-seconds", self.freeze_seconds, &FREEZE_SECONDS)?;
        within("backups-per-host", self.backups_per_host, &BACKUPS_PER_HOST)?;
        within("backups-per-store", self.backups_per_store, &BACKUPS_PER_STORE)?;
        within("start-window-seconds", self.start_window_seconds, &START_WINDOW_SECONDS)?;
        within("catch-up-window-seconds", self.catch_up_window_seconds, &CATCH_UP_WINDOW_SECONDS)?;
        within("retries", self.retries, &RETRIES)?;
        within("retry-minutes", self.retry_minutes, &RETRY_MINUTES)?;
        within("job-history-days", self.job_history_days, &JOB_HISTORY_DAYS)?;
        within("verify-days", self.verify_days, &VERIFY_DAYS_ALLOWED)?;
        within("verify-percent", self.verify_percent, &VERIFY_PERCENT)
    }
}

fn within<T: PartialOrd + Display>(
    name: &str,
    value: Option<T>,
    range: &RangeInclusive<T>,
) -> Result<(), String> {
    match value {
        Some(value) if !range.contains(&value) => {
            let (low, high) = (range.start(), range.end());
            Err(format!("{name} must be from {low} to {high}, not {value}."))
        }
        _ => Ok(()),
    }
}

fn wrong(path: &Path, what: String) -> Failure {
    Failure::new(
        "SettingsInvalid",
        format!("The settings in {} cannot be used: {what}", path.display()),
        "The file is no TOML, names an unknown setting, or gives it a wrong value.",
        "Correct the file; `holdfast serve --help` lists the settings.",
    )
}

fn read(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::file("Cannot read the settings", path, &error))?;
    let wrong = |what: String| wrong(path, what);
    let file: File = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
    file.out_of_range().map_err(wrong)?;
    Ok(file)
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
    fn a_file_says_when_backups_start_and_are_tried_again() {
        let text = "backups-per-store = 16\nstart-window-seconds = 0\nretries = 0\n\
                    catch-up-window-seconds = 600\nretry-minutes = 15\njob-history-days = 30";
        let config = gather(Some(text), nothing()).expect("valid").engine(Path::new("/d"));
        assert_eq!((config.backups_per_store, config.retries), (16, 0));
        assert_eq!(config.start_window, Duration::ZERO);
        assert_eq!(config.catch_up_window, Duration::from_secs(600));
        assert_eq!(config.retry_after, Duration::from_secs(900));
        assert_eq!(config.job_history, Duration::from_secs(30 * DAY));
    }

    #[test]
    fn vaults_are_verified_unless_that_is_switched_off() {
        let every = |text| {
            let settings = gather(text, nothing()).expect("valid");
            settings.engine(Path::new("/data")).verify_every.map(|every| every.as_secs() / DAY)
        };
        assert_eq!(every(None), Some(7));
        assert_eq!(every(Some("verify-days = 30")), Some(30));
        assert_eq!(every(Some("verify-days = 0")), None);
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
        for text in [
            "lisen = \"[::1]:1\"",
            "listen = 8443",
            "listen",
            "freeze-seconds = 0",
            "backups-per-store = 0",
            "start-window-seconds = 7201",
            "catch-up-window-seconds = 86401",
            "retries = 11",
            "retry-minutes = 0",
            "job-history-days = 0",
        ] {
            let failure = gather(Some(text), nothing()).expect_err(text);
            assert_eq!(failure.code, "SettingsInvalid");
        }
    }
}
