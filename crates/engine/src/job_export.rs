//! Exports of a vault's jobs: files in a directory of the vault's own, one per export.
//!
//! A file has its name only once it is whole. The last few of a vault are kept; older ones go when
//! a new one is made.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ledger::port::JobQuery;
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::Job;
use model::vault::Vault;
use uuid::Uuid;

use crate::Engine;
use crate::data_dir::private_dir;
use crate::faults::chain_text;

/// How many exports of a vault are kept.
const KEPT: usize = 20;
/// How many jobs are in memory at once.
const BATCH: usize = 500;

impl Engine {
    /// Writes the vault's jobs that match into a file: `header`, and what `line` makes of each job
    /// and its item. Gives the export's name.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` or `StoreFull` where the file cannot be written; the ledger failed.
    pub fn export_jobs(
        &self,
        vault: &Vault,
        query: JobQuery,
        header: &str,
        line: &dyn Fn(&Job, Option<&Item>) -> String,
    ) -> Result<Uuid, Fault> {
        let id = model::seed::new_uuid(self.world.seed.as_ref());
        let path = self.export_file(vault, id);
        let directory = path.parent().unwrap_or(Path::new("."));
        private_dir(directory).map_err(|error| {
            Fault::new(Code::StoreUnavailable, format!("{}.", chain_text(&error)))
        })?;
        let partial = path.with_extension("partial");
        let written = self
            .write_jobs(&partial, vault, query, header, line)
            .and_then(|()| fs::rename(&partial, &path).map_err(|error| unwritable(&path, &error)));
        if let Err(fault) = written {
            // What is not whole is of no use; that it may stay is told by the fault.
            let _ = fs::remove_file(&partial);
            return Err(fault);
        }
        remove_old(directory);
        Ok(id)
    }

    /// The file of an export of this vault's jobs, if there is one of this name.
    pub fn exported_jobs(&self, vault: &Vault, id: Uuid) -> Option<PathBuf> {
        Some(self.export_file(vault, id)).filter(|path| path.is_file())
    }

    fn export_file(&self, vault: &Vault, id: Uuid) -> PathBuf {
        self.world.config.exports_dir(vault.id).join(format!("jobs-{id}.csv"))
    }

    fn write_jobs(
        &self,
        path: &Path,
        vault: &Vault,
        query: JobQuery,
        header: &str,
        line: &dyn Fn(&Job, Option<&Item>) -> String,
    ) -> Result<(), Fault> {
        let failed = |error: io::Error| unwritable(path, &error);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = BufWriter::new(file.map_err(failed)?);
        writeln!(file, "{header}").map_err(failed)?;
        let mut query = JobQuery { vault: Some(vault.id), limit: Some(BATCH), ..query };
        loop {
            let jobs = self.jobs(query)?;
            let Some(last) = jobs.last() else { break };
            let after = Some(last.id);
            let items = self.items_of_jobs(&jobs)?;
            for job in &jobs {
                writeln!(file, "{}", line(job, items.get(&job.item))).map_err(failed)?;
            }
            query = JobQuery { after, ..query };
        }
        let file: File = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Fault {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::StoreFull,
        _ => Code::StoreUnavailable,
    };
    Fault::new(code, format!("The export {} cannot be written: {error}.", path.display()))
}

/// Removes all but the last few exports.
fn remove_old(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut exports: Vec<_> = entries
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    exports.sort();
    let old = exports.len().saturating_sub(KEPT);
    for (_, path) in &exports[..old] {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "an old export stays");
        }
    }
}
