//! What an operator decides about a running engine, and where its files lie.

use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

/// The region that the local host is in unless the operator registers it elsewhere.
pub const LOCAL_REGION: &str = "local";
/// The resource group that exists from the start, and that the local host is in.
pub const LOCAL_GROUP: &str = "holdfast";
/// The local host's libvirt connection.
pub const LOCAL_URI: &str = "qemu:///system";

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// How an engine is to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory: ledger, keys, local stores. Made if missing, mode 0700.
    pub data_dir: PathBuf,
    /// Where QEMU puts the blocks that running guests overwrite during their backup; one directory
    /// per job. QEMU's user must be able to get there.
    pub scratch_dir: PathBuf,
    /// Where sockets go; short, because a socket's path is limited to 107 bytes. `None`: a
    /// directory of its own under `/run/holdfast`.
    pub run_dir: Option<PathBuf>,
    /// Whether the local `qemu:///system` is registered by itself.
    pub local_host: bool,
    /// The `holdfast-libvirt` program. `None`: the one beside the running program.
    pub helper: Option<PathBuf>,
    /// How long a guest's file systems may stay frozen.
    pub freeze_budget: Duration,
    /// How many backups that policies ask for run at once on one host, with those that somebody
    /// asked for; the others wait for their turn. At least 1.
    pub backups_per_host: usize,
    /// How many backups of vaults of one region run at once: they write to one store. At least 1.
    pub backups_per_store: usize,
    /// Over how long the backups start that policies want at the same moment: each item has its own
    /// place in this window, the same at every run.
    pub start_window: Duration,
    /// As `start_window`, for runs that were missed, from the moment at which that was noticed.
    pub catch_up_window: Duration,
    /// How often a scheduled backup is tried again that failed for what may pass by itself.
    pub retries: u32,
    /// How long to wait before it is tried again the first time. Each further pause is twice as
    /// long, up to an hour.
    pub retry_after: Duration,
    /// How long the store is asked what became of a commit that it never answered, before the job
    /// fails.
    pub settle_patience: Duration,
    /// For how long the records of jobs are kept that have ended.
    pub job_history: Duration,
    /// How often each vault is verified by itself. `None`: never.
    pub verify_every: Option<Duration>,
    /// How many percent of a vault's packs a verification reads, chosen at random. 0: structure
    /// only.
    pub verify_percent: u8,
    /// Where the disks of restored virtual machines go unless somebody names another directory.
    /// QEMU's user must be able to get there.
    pub image_dir: PathBuf,
    /// Directories that restores may write in, beside staging stores and `image_dir`.
    pub restore_roots: Vec<PathBuf>,
}

impl Config {
    /// The usual configuration with this data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            scratch_dir: PathBuf::from("/var/lib/libvirt/holdfast"),
            run_dir: None,
            local_host: true,
            helper: None,
            freeze_budget: Duration::from_secs(10),
            backups_per_host: 2,
            backups_per_store: 8,
            start_window: Duration::from_secs(30),
            catch_up_window: Duration::from_secs(300),
            retries: 3,
            retry_after: Duration::from_secs(300),
            settle_patience: Duration::from_secs(120),
            job_history: Duration::from_secs(180 * DAY),
            verify_every: None,
            verify_percent: 2,
            image_dir: PathBuf::from("/var/lib/libvirt/images"),
            restore_roots: Vec::new(),
        }
    }

    /// The ledger's file.
    pub(crate) fn ledger_file(&self) -> PathBuf {
        self.data_dir.join("ledger.db")
    }

    /// The directory of the vaults' key files.
    pub(crate) fn keys_dir(&self) -> PathBuf {
        self.data_dir.join("keys")
    }

    /// The key file of a vault.
    pub(crate) fn key_file(&self, vault: Uuid) -> PathBuf {
        self.keys_dir().join(format!("{vault}.key"))
    }

    /// Where the key of a deleted vault stays. A copy of the vault's repository that somebody made
    /// elsewhere can be read with it, and with nothing else.
    pub(crate) fn retired_key_file(&self, vault: Uuid) -> PathBuf {
        self.keys_dir().join(format!("{vault}.key.deleted"))
    }

    /// Where a deleted vault's repository is put before it is removed: it is none any more.
    pub(crate) fn removed_repository_dir(&self, region: &str, vault: Uuid) -> PathBuf {
        self.data_dir.join("stores").join(region).join(format!("{vault}.deleted"))
    }

    /// The directory that staging stores of the data directory lie in.
    pub(crate) fn staging_dir(&self) -> PathBuf {
        self.data_dir.join("staging")
    }

    /// The directory of a vault's exports. Apart from the staging stores, which are named by their
    /// regions and which others may write in.
    pub(crate) fn exports_dir(&self, vault: Uuid) -> PathBuf {
        self.data_dir.join("exports").join(vault.to_string())
    }

    /// The directory of the vaults' local caches, each named by its vault's id.
    pub(crate) fn caches_dir(&self) -> PathBuf {
        self.data_dir.join("cache")
    }

    /// The directory of a vault's repository in the local store of its region.
    pub(crate) fn repository_dir(&self, region: &str, vault: Uuid) -> PathBuf {
        self.data_dir.join("stores").join(region).join(vault.to_string())
    }
}

/// The directory for sockets that belongs to a data directory: the same at every start, and
/// another for another data directory.
pub(crate) fn default_run_dir(data_dir: &Path) -> PathBuf {
    PathBuf::from(format!("/run/holdfast/{:08x}", hash(data_dir.as_os_str().as_encoded_bytes())))
}

/// The directory for the sockets of one host's captures. Its name tells the captures of one host
/// from another's, and ours from those of other installations: recovery goes by it.
pub(crate) fn host_run_dir(run_dir: &Path, uri: &str) -> PathBuf {
    if uri == LOCAL_URI {
        return run_dir.to_owned();
    }
    let name = run_dir.file_name().unwrap_or_default().to_string_lossy();
    run_dir.with_file_name(format!("{name}.{:08x}", hash(uri.as_bytes())))
}

/// FNV-1a: only to spread names, nothing rests on it.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Whether `uri` is a connection to libvirt on this machine: its driver and path, and nothing that
/// could start a program or lead elsewhere.
pub(crate) fn is_local_uri(uri: &str) -> bool {
    let socket = |query: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
        query
            .strip_prefix("socket=/")
            .is_some_and(|path| path.len() <= 107 && path.bytes().all(plain))
    };
    let (connection, query) = uri.split_once('?').map_or((uri, None), |(c, q)| (c, Some(q)));
    match connection {
        "qemu:///system" | "qemu:///session" | "test:///default" => query.is_none(),
        "qemu+unix:///system" | "qemu+unix:///session" => query.is_none_or(socket),
        _ => false,
    }
}

/// Why a region or resource group's name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' cannot be used as the name of a {what}: {rule}")]
pub struct InvalidName {
    name: String,
    what: &'static str,
    rule: &'static str,
}

/// Checks a region's name, which is also the name of a directory.
///
/// # Errors
///
/// The name breaks the rule in the message.
pub fn check_region(name: &str) -> Result<(), InvalidName> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if (1..=50).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let rule = "it takes 1 to 50 letters, digits and hyphens";
    Err(InvalidName { name: name.to_owned(), what: "region", rule })
}

/// Checks a resource group's name by Azure's rule.
///
/// # Errors
///
/// The name breaks the rule in the message.
pub fn check_group(name: &str) -> Result<(), InvalidName> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    let chars = name.chars().count();
    if (1..=90).contains(&chars) && name.chars().all(allowed) && !name.ends_with('.') {
        return Ok(());
    }
    let rule =
        "it takes 1 to 90 letters, digits, '-', '_', '.', '(' and ')', and no dot at the end";
    Err(InvalidName { name: name.to_owned(), what: "resource group", rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_a_safe_directory_name() {
        for bad in ["", ".", "..", "a/b", "a b", &"x".repeat(51)] {
            assert!(check_region(bad).is_err(), "{bad:?}");
        }
        assert!(check_region("north-1").is_ok());
    }

    #[test]
    fn a_resource_group_follows_azures_rule() {
        for bad in ["", "a/b", "rg.", "a;b", &"x".repeat(91)] {
            assert!(check_group(bad).is_err(), "{bad:?}");
        }
        assert!(check_group("Prod_(1).a-b").is_ok());
    }

    #[test]
    fn sockets_have_room_for_their_names() {
        let dir = default_run_dir(Path::new("/var/lib/holdfast/with/a/very/long/path"));
        assert_eq!(dir.to_string_lossy().len(), "/run/holdfast/12345678".len());
        assert_eq!(host_run_dir(&dir, LOCAL_URI), dir);
        let other = host_run_dir(&dir, "qemu:///session");
        let longest = other.join(u64::MAX.to_string()).join("nbd");
        assert!(other != dir && longest.to_string_lossy().len() <= 107, "{longest:?}");
    }

    #[test]
    fn only_connections_on_this_machine_are_local() {
        for good in [
            "qemu:///system",
            "qemu:///session",
            "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
        ] {
            assert!(is_local_uri(good), "{good}");
        }
        for bad in [
            "",
            "qemu://elsewhere/system",
            "qemu+ssh://elsewhere/system?x=:///",
            "qemu+ext:///system?command=/tmp/evil",
            "qemu+ssh:///system?command=/tmp/evil",
            "qemu+unix:///system?socket=/a&command=/tmp/evil",
            "qemu+unix:///system?socket=relative",
            "qemu:///system?socket=/a",
            "qemu:///system/",
            "qemu:///embed?root=/tmp",
            "test:///etc/passwd",
        ] {
            assert!(!is_local_uri(bad), "{bad}");
        }
    }
}
