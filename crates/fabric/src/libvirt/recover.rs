//! Left-overs of an earlier process: found by what carries our instance's name, and ended.
//!
//! A job is ours if its socket lies in our socket directory. A guest may be frozen by us only
//! where a job or a scratch directory of ours is left. Other instances' jobs, and other domains'
//! checkpoints, are not touched.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

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
    let mut unsettled = BTreeSet::new();
    for info in &domains {
        let Ok(uuid) = Uuid::parse_str(&info.uuid) else { continue };
        let mut tell = |what: String| words.push(format!("{}: {what}", info.name));
        let traces = left.iter().any(|(_, domain)| *domain == Some(uuid));
        if info.state != DomainState::Off {
            match end_left_over(shared, uuid, &marker, traces) {
                Ok(done) => done.into_iter().for_each(&mut tell),
                Err(error) => {
                    unsettled.insert(uuid);
                    tell(format!("left-overs not ended: {error}"));
                }
            }
        }
        if let Some(known) = scope.known.get(&uuid) {
            match delete_unknown(shared, uuid, known) {
                Ok(done) => done.into_iter().for_each(&mut tell),
                Err(error) => tell(format!("its checkpoints could not be looked at: {error}")),
            }
        }
    }
    // What a domain still needs to be recovered by stays for the next look.
    let settled = |domain: &Option<Uuid>| domain.is_none_or(|uuid| !unsettled.contains(&uuid));
    for (dir, _) in left.into_iter().filter(|(_, domain)| settled(domain)) {
        match fs::remove_dir_all(&dir) {
            Ok(()) => words.push(format!("removed {}", dir.display())),
            Err(error) => words.push(format!("{} stays: {error}", dir.display())),
        }
    }
    if unsettled.is_empty() {
        remove_sockets(scope);
    }
    Ok(words)
}

/// Ends the left-over job of one domain, if it has one of ours.
pub(super) fn one(
    shared: &Shared,
    uuid: Uuid,
    scope: &RecoverScope,
) -> Result<Vec<String>, FabricError> {
    let Some(xml) = shared.job_xml(uuid)? else { return Ok(Vec::new()) };
    let Some(point) = own_point(&xml, &scope.socket_dir) else { return Ok(Vec::new()) };
    let socket = scope.socket_dir.join(&point);
    let marker = socket.join("nbd").to_string_lossy().into_owned();
    // Looked at behind the XML: a live capture is in the list from before its job begins.
    let live = shared.live.lock().unwrap_or_else(PoisonError::into_inner);
    if live.iter().any(|(_, it)| *it == marker) {
        let message = "a capture of this process is open".to_owned();
        return Err(FabricError::JobRunning { message });
    }
    drop(live);
    let words = end_left_over(shared, uuid, &marker, false)?;
    let scratch = left_overs(&scope.scratch_dir, &scope.socket_dir);
    let scratch = scratch.into_iter().map(|(dir, _)| dir);
    let ours = |dir: &PathBuf| dir.to_string_lossy().ends_with(&format!("-{point}"));
    for dir in scratch.filter(ours).chain([socket]) {
        let _ = fs::remove_dir_all(dir);
    }
    Ok(words)
}

/// The point whose capture a job's XML belongs to, if the job's socket lies in our directory.
fn own_point(xml: &str, socket_dir: &Path) -> Option<String> {
    let (_, behind) = xml.split_once(&format!("{}/", socket_dir.display()))?;
    let (point, _) = behind.split_once("/nbd")?;
    let is_point = (1..=20).contains(&point.len()) && point.bytes().all(|it| it.is_ascii_digit());
    is_point.then(|| point.to_owned())
}

fn end_left_over(
    shared: &Shared,
    uuid: Uuid,
    marker: &str,
    traces: bool,
) -> Result<Vec<String>, FabricError> {
    let ours = shared.job_xml(uuid)?.is_some_and(|xml| xml.contains(marker));
    let mut words = Vec::new();
    // First the guest: it may be standing still.
    let thawed = if ours || traces { thaw(shared, uuid) } else { Ok(None) };
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
    words.extend(thawed?);
    Ok(words)
}

/// Thaws the guest if its agent says that it is frozen. One that does not say is taken for thawed:
/// an agent that is not there has frozen nothing that a restart of it would not thaw.
fn thaw(shared: &Shared, uuid: Uuid) -> Result<Option<String>, FabricError> {
    let status = r#"{"execute":"guest-fsfreeze-status"}"#;
    let answer = shared.ask_agent(uuid, status, std::time::Duration::from_secs(5));
    if !answer.is_ok_and(|answer| answer.contains("\"frozen\"")) {
        return Ok(None);
    }
    shared.done(Call::Thaw { domain: uuid.to_string() }, LIMIT)?;
    Ok(Some("thawed the guest".to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(socket: &str, expect: Option<&str>) {
        let xml = format!("<domainbackup><server transport='unix' socket='{socket}'/>");
        let dir = Path::new("/run/holdfast/1a2b3c4d");
        assert_eq!(own_point(&xml, dir).as_deref(), expect, "{socket}");
    }

    #[test]
    fn a_job_is_ours_only_by_a_socket_of_ours() {
        check("/run/holdfast/1a2b3c4d/4711/nbd", Some("4711"));
        check("/run/holdfast/ffffffff/4711/nbd", None);
        check("/run/holdfast/1a2b3c4d/../4711/nbd", None);
        check("/run/holdfast/1a2b3c4d/4711", None);
        check("/run/holdfast/1a2b3c4d//nbd", None);
    }
}
