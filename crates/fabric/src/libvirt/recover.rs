//! Left-overs of an earlier process: found by what carries our instance's name, and ended.
//!
//! A job is ours if its socket lies in our socket directory. A guest may be frozen by us only
//! where a job or a scratch directory of ours is left. Other instances' jobs, and other domains'
//! checkpoints, are not touched.

use std::collections::BTreeSet;
use std::fs;

use api::helper::{Answer, Call, DomainState};
use uuid::Uuid;

use super::helper::unexpected;
use super::scratch::left_overs;
use super::{LIMIT, Shared};
use crate::error::FabricError;
use crate::host::{CHECKPOINT_PREFIX, RecoverScope};

pub(super) fn recover(shared: &Shared, scope: &RecoverScope) -> Result<Vec<String>, FabricError> {
    let domains = match shared.helper.call(Call::ListDomains, LIMIT)? {
        Answer::Domains { domains } => domains,
        other => return Err(unexpected(&other)),
    };
    let left = left_overs(&scope.scratch_dir, &scope.socket_dir);
    let marker = format!("{}/", scope.socket_dir.display());
    let mut words = Vec::new();
    for info in &domains {
        let Ok(uuid) = Uuid::parse_str(&info.uuid) else { continue };
        let mut tell = |what: String| words.push(format!("{}: {what}", info.name));
        let traces = left.iter().any(|(_, domain)| *domain == Some(uuid));
        if info.state != DomainState::Off {
            match end_left_over(shared, uuid, &marker, traces) {
                Ok(done) => done.into_iter().for_each(&mut tell),
                Err(error) => tell(format!("left-overs not ended: {error}")),
            }
        }
        if let Some(known) = scope.known.get(&uuid) {
            match delete_unknown(shared, uuid, known) {
                Ok(done) => done.into_iter().for_each(&mut tell),
                Err(error) => tell(format!("its checkpoints could not be looked at: {error}")),
            }
        }
    }
    for (dir, _) in left {
        match fs::remove_dir_all(&dir) {
            Ok(()) => words.push(format!("removed {}", dir.display())),
            Err(error) => words.push(format!("{} stays: {error}", dir.display())),
        }
    }
    remove_sockets(scope);
    Ok(words)
}

fn end_left_over(
    shared: &Shared,
    uuid: Uuid,
    marker: &str,
    traces: bool,
) -> Result<Vec<String>, FabricError> {
    let ours = shared.job_xml(uuid)?.is_some_and(|xml| xml.contains(marker));
    let mut words = Vec::new();
    if ours || traces {
        // First the guest: it may be standing still.
        words.extend(thaw(shared, uuid));
    }
    if ours {
        let (_, resumed) = shared.end_job(uuid, marker)?;
        words.push("ended a left-over backup job".to_owned());
        if resumed {
            words.push("resumed the guest, which an I/O error had paused".to_owned());
        }
    } else if traces && shared.info(uuid)?.state == DomainState::PausedByIoError {
        shared.done(Call::Resume { domain: uuid.to_string() }, LIMIT)?;
        words.push("resumed the guest, which an I/O error had paused".to_owned());
    }
    Ok(words)
}

fn thaw(shared: &Shared, uuid: Uuid) -> Option<String> {
    let status = r#"{"execute":"guest-fsfreeze-status"}"#;
    let answer = shared.ask_agent(uuid, status, std::time::Duration::from_secs(5)).ok()?;
    if !answer.contains("\"frozen\"") {
        return None;
    }
    Some(match shared.done(Call::Thaw { domain: uuid.to_string() }, LIMIT) {
        Ok(()) => "thawed the guest".to_owned(),
        Err(error) => format!("the guest is frozen and cannot be thawed: {error}"),
    })
}

fn delete_unknown(
    shared: &Shared,
    uuid: Uuid,
    known: &BTreeSet<String>,
) -> Result<Vec<String>, FabricError> {
    let mut words = Vec::new();
    // Children before parents, so that each is merged into one that still exists.
    for (name, _) in shared.checkpoints(uuid)?.iter().rev() {
        if !name.starts_with(CHECKPOINT_PREFIX) || known.contains(name) {
            continue;
        }
        match shared.delete_checkpoint(uuid, name, false) {
            Ok(()) => words.push(format!("deleted checkpoint {name}, whose point is unknown")),
            // It may stay: the chain it is part of works with it.
            Err(error) => words.push(format!("checkpoint {name} stays: {error}")),
        }
    }
    Ok(words)
}

/// Directories of sockets that nobody listens on any more.
fn remove_sockets(scope: &RecoverScope) {
    for entry in fs::read_dir(&scope.socket_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.bytes().all(|byte| byte.is_ascii_digit())
            || (name.starts_with('q') && name.contains('-'));
        if ours && entry.path().is_dir() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
