//! What keeps a vault from being deleted, each thing with the commands that remove it: a plan that
//! an operator can follow, made of the same rules that refuse the deletion.
//!
//! Policies are no blockers: they go with their vault. Neither are soft-deleted items where soft
//! delete is on: the vault goes out of sight with them.

use jiff::{SignedDuration, Timestamp};
use model::fault::Fault;
use model::item::{Deletion, Item};
use model::job::{JobId, Operation};
use model::point::PointId;
use model::vault::{Immutability, Vault};
use uuid::Uuid;

use super::delete::Ending;
/// A command of the `holdfast` program: its words, without the program's own name.
pub type Command = Vec<String>;

/// One thing that keeps a vault from being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// What kind of thing.
    pub kind: BlockerKind,
    /// Its name: of the virtual machine, or the id.
    pub name: String,
    /// Why it keeps the vault, in a sentence.
    pub reason: String,
    /// What removes it, in this order; nothing, where only time does or somebody has to look.
    pub commands: Vec<Command>,
}

/// A kind of things that keep a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockerKind {
    /// A job that has not ended.
    Job,
    /// An immutable vault gives no points up.
    Immutability,
    /// An item that is not deleted.
    ProtectedItem,
    /// An item that is deleted, but not gone.
    SoftDeletedItem,
    /// A recovery point that no item accounts for.
    RecoveryPoint,
    /// Somebody beside the service who may be writing into the repository.
    Writer,
    /// A repository of which nobody can tell what is in it.
    Repository,
}

impl BlockerKind {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::Immutability => "Immutability",
            Self::ProtectedItem => "ProtectedItem",
            Self::SoftDeletedItem => "SoftDeletedItem",
            Self::RecoveryPoint => "RecoveryPoint",
            Self::Writer => "Writer",
            Self::Repository => "Repository",
        }
    }
}

/// A job that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningJob {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub operation: Operation,
    /// Whether it would stop if it were asked to.
    pub cancellable: bool,
}

/// What is known of a vault that is to go.
#[derive(Debug, Clone, Copy)]
pub struct PlanFacts<'a> {
    /// Its items, soft-deleted ones included.
    pub items: &'a [Item],
    /// Those of its items that have recovery points.
    pub with_points: &'a [Uuid],
    /// Its jobs that have not ended.
    pub jobs: &'a [RunningJob],
    /// Where it has no item: the points in its repository's own log.
    pub strays: &'a [PointId],
    /// Where it has no item: sessions of others in its repository, with their actors.
    pub writers: &'a [(String, String)],
    /// Why it cannot be told what is in its repository, where it cannot.
    pub unreadable: Option<&'a Fault>,
    /// The repository, as `--repo` takes it.
    pub repository: &'a str,
    /// Its key file, as `--key-file` takes it.
    pub key_file: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// How to delete a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is in the way, in the order in which it is to be removed.
    pub blockers: Vec<Blocker>,
    /// What deletes the vault when nothing is.
    pub command: Command,
    /// What that makes of it.
    pub ending: Ending,
    /// When it is gone, if everything is done now.
    pub gone_at: Timestamp,
}

/// What keeps this vault from being deleted, and what to do about it.
pub fn plan(vault: &Vault, facts: PlanFacts<'_>) -> Plan {
    let mut blockers: Vec<Blocker> = facts.jobs.iter().map(|it| job(vault, it)).collect();
    let holds = |item: &&Item| item.deletion.is_none() && facts.with_points.contains(&item.id);
    if facts.items.iter().any(|item| holds(&item)) {
        blockers.extend(immutability(vault));
    }
    blockers.extend(facts.items.iter().filter_map(|item| match item.deletion {
        None => Some(protected(vault, item, holds(&item))),
        Some(deletion) => deleted(vault, item, deletion),
    }));
    blockers.extend(facts.strays.iter().map(|point| stray(*point, &facts)));
    blockers.extend(facts.writers.iter().map(|it| writer(it, &facts)));
    blockers.extend(facts.unreadable.map(|fault| unreadable(vault, fault)));
    let kept = !facts.items.is_empty() && vault.settings.soft_delete.is_on();
    Plan {
        blockers,
        command: of_vault("delete", vault, &[]),
        ending: if kept { Ending::SoftDeleted } else { Ending::ForGood },
        gone_at: if kept { gone_at(vault, facts) } else { facts.now },
    }
}

/// When the last item is gone, if those that live are deleted now.
fn gone_at(vault: &Vault, facts: PlanFacts<'_>) -> Timestamp {
    let days = SignedDuration::from_hours(24 * i64::from(vault.settings.soft_delete.days));
    let from_now = facts.now.checked_add(days).unwrap_or(Timestamp::MAX);
    let date = |item: &Item| item.deletion.map_or(from_now, |deletion| deletion.until);
    facts.items.iter().map(date).max().unwrap_or(facts.now)
}

fn job(vault: &Vault, job: &RunningJob) -> Blocker {
    let (verb, id) = (if job.cancellable { "cancel" } else { "wait" }, job.id.to_string());
    Blocker {
        kind: BlockerKind::Job,
        reason: format!("A job of the vault runs: {}.", job.operation.azure_name()),
        commands: vec![words(&["job", verb, &id], &in_vault(vault))],
        name: id,
    }
}

/// Immutability, where it keeps what has points.
fn immutability(vault: &Vault) -> Option<Blocker> {
    let state = vault.settings.immutability;
    let (reason, commands) = match state {
        Immutability::Disabled => return None,
        Immutability::Locked => (
            "The vault is immutable for ever: its recovery points stay until their time, and so \
             does the newest of each virtual machine. No command changes that.",
            Vec::new(),
        ),
        Immutability::Unlocked => (
            "The vault is immutable: its recovery points cannot be deleted before their time.",
            vec![of_vault("update", vault, &["--immutability", "Disabled"])],
        ),
    };
    let (kind, name) = (BlockerKind::Immutability, state.azure_name().to_owned());
    Some(Blocker { kind, name, reason: reason.to_owned(), commands })
}

fn protected(vault: &Vault, item: &Item, has_points: bool) -> Blocker {
    let locked = vault.settings.immutability == Immutability::Locked && has_points;
    let delete = of_item("delete", vault, item);
    Blocker {
        kind: BlockerKind::ProtectedItem,
        name: item.vm_name.clone(),
        reason: format!(
            "Virtual machine '{}' is an item of the vault: {}.",
            item.vm_name,
            item.state.azure_name()
        ),
        commands: if locked { Vec::new() } else { vec![delete] },
    }
}

fn deleted(vault: &Vault, item: &Item, deletion: Deletion) -> Option<Blocker> {
    if vault.settings.soft_delete.is_on() {
        return None;
    }
    let name = item.vm_name.clone();
    let (reason, verbs): (_, &[&str]) = if deletion.purging {
        (format!("The data of virtual machine '{name}' is being deleted, and goes by itself."), &[])
    } else {
        let until = deletion.until;
        let reason = format!(
            "Virtual machine '{name}' is soft-deleted, until {until:.0}. As soft delete is off now, \
             its data goes at once if it is deleted again."
        );
        (reason, &["undelete", "delete"])
    };
    let commands = verbs.iter().map(|verb| of_item(verb, vault, item)).collect();
    Some(Blocker { kind: BlockerKind::SoftDeletedItem, name, reason, commands })
}

fn stray(point: PointId, facts: &PlanFacts<'_>) -> Blocker {
    let id = point.to_string();
    Blocker {
        kind: BlockerKind::RecoveryPoint,
        reason: "The repository holds a recovery point that no item accounts for: the ledger may \
                 have been lost. Look at it before you give it up."
            .to_owned(),
        commands: vec![words(&["repo", "forget", &id], &in_repository(facts))],
        name: id,
    }
}

fn writer((session, actor): &(String, String), facts: &PlanFacts<'_>) -> Blocker {
    Blocker {
        kind: BlockerKind::Writer,
        name: session.clone(),
        reason: format!(
            "'{actor}' may be writing into the repository. Only if it is dead, say so."
        ),
        commands: vec![words(
            &["repo", "collect", "--dead-session", session],
            &in_repository(facts),
        )],
    }
}

fn unreadable(vault: &Vault, fault: &Fault) -> Blocker {
    Blocker {
        kind: BlockerKind::Repository,
        name: vault.id.to_string(),
        reason: format!("It cannot be told what the repository holds. {}", fault.message),
        commands: Vec::new(),
    }
}

fn words(first: &[&str], then: &[&str]) -> Command {
    first.iter().chain(then).map(|word| (*word).to_owned()).collect()
}

fn in_vault(vault: &Vault) -> [&str; 4] {
    ["--vault", vault.name.as_str(), "--resource-group", &vault.resource_group]
}

fn in_repository<'a>(facts: &PlanFacts<'a>) -> [&'a str; 4] {
    ["--repo", facts.repository, "--key-file", facts.key_file]
}

fn of_vault(verb: &str, vault: &Vault, then: &[&str]) -> Command {
    let name = vault.name.as_str();
    words(&["vault", verb, name, "--resource-group", &vault.resource_group], then)
}

fn of_item(verb: &str, vault: &Vault, item: &Item) -> Command {
    let mut command = words(&["item", verb], &in_vault(vault));
    let of = ["--item", &item.vm_name, "--vm-resource-group", &item.vm_resource_group];
    command.extend(of.map(str::to_owned));
    command
}

#[cfg(test)]
mod tests;
