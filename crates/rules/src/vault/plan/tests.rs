//! Method: a vault, what is in it, and its plan as lines: each blocker, and what removes it.

use model::item::{DiskSelection, ProtectionState};
use model::tags::Tags;
use model::vault::{Redundancy, SoftDeleteState, VaultName, VaultSettings};

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn vault(soft_delete: SoftDeleteState, immutability: Immutability) -> Vault {
    let mut settings = VaultSettings { immutability, ..VaultSettings::default() };
    settings.soft_delete.state = soft_delete;
    Vault {
        id: Uuid::from_u128(1),
        name: VaultName::new("v1").expect("valid"),
        resource_group: "rg".to_owned(),
        region: "north".to_owned(),
        redundancy: Redundancy::LocallyRedundant,
        settings,
        tags: Tags::new(),
        created_at: NOW,
        changed_at: NOW,
    }
}

fn item(number: u128, deletion: Option<Deletion>) -> Item {
    Item {
        id: Uuid::from_u128(number),
        vault: Uuid::from_u128(1),
        vm: Uuid::from_u128(number),
        vm_name: format!("web{number}"),
        vm_resource_group: "vms".to_owned(),
        policy: None,
        state: ProtectionState::ProtectionStopped,
        deletion,
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: NOW,
    }
}

fn until(second: i64, purging: bool) -> Option<Deletion> {
    let until = Timestamp::from_second(second).expect("in range");
    Some(Deletion { at: NOW, until, purging })
}

fn nothing<'a>() -> PlanFacts<'a> {
    PlanFacts {
        items: &[],
        with_points: &[],
        jobs: &[],
        strays: &[],
        writers: &[],
        unreadable: None,
        repository: "/r",
        key_file: "/k",
        now: NOW,
    }
}

#[track_caller]
fn check(vault: &Vault, facts: PlanFacts<'_>, expected: &[&str], ending: Ending) {
    let plan = plan(vault, facts);
    let lines: Vec<String> = plan
        .blockers
        .iter()
        .flat_map(|blocker| {
            let name = format!("{} {}", blocker.kind.name(), blocker.name);
            std::iter::once(name).chain(blocker.commands.iter().map(|words| words.join(" ")))
        })
        .collect();
    assert_eq!(lines, expected);
    assert_eq!(plan.command.join(" "), "vault delete v1 --resource-group rg");
    assert_eq!(plan.ending, ending);
}

const ON: SoftDeleteState = SoftDeleteState::AlwaysOn;
const OFF: SoftDeleteState = SoftDeleteState::Disabled;
const IN_VAULT: &str = "--vault v1 --resource-group rg";
const WEB1: &str = "--vault v1 --resource-group rg --item web1 --vm-resource-group vms";

#[test]
fn nothing_is_in_the_way_of_an_empty_vault() {
    let vault = vault(ON, Immutability::Locked);
    check(&vault, nothing(), &[], Ending::ForGood);
    assert_eq!(plan(&vault, nothing()).gone_at, NOW);
}

#[test]
fn jobs_come_first_and_are_cancelled_where_they_can_be() {
    let job = |number, cancellable| {
        let id = JobId(Uuid::from_u128(number));
        RunningJob { id, operation: Operation::Backup, cancellable }
    };
    let jobs = [job(1, true), job(2, false)];
    let (first, second) = (jobs[0].id, jobs[1].id);
    let items = [item(1, None)];
    let facts = PlanFacts { jobs: &jobs, items: &items, ..nothing() };
    let expected = [
        &format!("Job {first}"),
        &format!("job cancel {first} {IN_VAULT}"),
        &format!("Job {second}"),
        &format!("job wait {second} {IN_VAULT}"),
        "ProtectedItem web1",
        &format!("item delete {WEB1}"),
    ];
    check(&vault(ON, Immutability::Disabled), facts, &expected, Ending::SoftDeleted);
}

#[test]
fn soft_deleted_items_go_out_of_sight_with_their_vault_or_at_once_without_soft_delete() {
    let items = [item(1, until(50, false)), item(2, until(90, false)), item(3, until(10, true))];
    let facts = PlanFacts { items: &items, ..nothing() };
    let kept = vault(ON, Immutability::Disabled);
    check(&kept, facts, &[], Ending::SoftDeleted);
    assert_eq!(plan(&kept, facts).gone_at.as_second(), 90);

    let expected = [
        "SoftDeletedItem web1",
        &format!("item undelete {WEB1}"),
        &format!("item delete {WEB1}"),
        "SoftDeletedItem web2",
        &format!("item undelete {}", WEB1.replace("web1", "web2")),
        &format!("item delete {}", WEB1.replace("web1", "web2")),
        "SoftDeletedItem web3",
    ];
    check(&vault(OFF, Immutability::Disabled), facts, &expected, Ending::ForGood);
}

#[test]
fn an_item_that_is_deleted_now_is_gone_after_the_vaults_period() {
    let items = [item(1, None), item(2, until(90, false))];
    let facts = PlanFacts { items: &items, ..nothing() };
    let gone_at = plan(&vault(ON, Immutability::Disabled), facts).gone_at;
    assert_eq!(gone_at.to_string(), "1970-01-15T00:00:00Z");
    let off = plan(&vault(OFF, Immutability::Disabled), facts);
    assert_eq!((off.ending, off.gone_at), (Ending::ForGood, NOW));
}

#[test]
fn immutability_is_switched_off_first_unless_it_is_locked_and_keeps_only_points() {
    let items = [item(1, None), item(2, None)];
    let delete = format!("item delete {WEB1}");
    let second = format!("item delete {}", WEB1.replace("web1", "web2"));
    let with_points = [items[0].id];
    let facts = PlanFacts { items: &items, with_points: &with_points, ..nothing() };
    let unlocked = [
        "Immutability Unlocked",
        "vault update v1 --resource-group rg --immutability Disabled",
        "ProtectedItem web1",
        &delete,
        "ProtectedItem web2",
        &second,
    ];
    check(&vault(OFF, Immutability::Unlocked), facts, &unlocked, Ending::ForGood);
    let locked = ["Immutability Locked", "ProtectedItem web1", "ProtectedItem web2", &second];
    check(&vault(OFF, Immutability::Locked), facts, &locked, Ending::ForGood);
    let empty = PlanFacts { with_points: &[], ..facts };
    let both = ["ProtectedItem web1", &delete, "ProtectedItem web2", &second];
    check(&vault(OFF, Immutability::Locked), empty, &both, Ending::ForGood);
}

#[test]
fn what_only_the_repository_knows_is_named_with_the_command_that_works_on_it() {
    let point = PointId::new(7).expect("not zero");
    let writers = [("ab".to_owned(), "holdfast repo, process 9".to_owned())];
    let facts = PlanFacts { strays: &[point], writers: &writers, ..nothing() };
    let expected = [
        "RecoveryPoint 7",
        "repo forget 7 --repo /r --key-file /k",
        "Writer ab",
        "repo collect --dead-session ab --repo /r --key-file /k",
    ];
    check(&vault(ON, Immutability::Disabled), facts, &expected, Ending::ForGood);

    let fault = Fault::new(model::fault::Code::WrongKey, "The key does not open it.");
    let facts = PlanFacts { unreadable: Some(&fault), ..nothing() };
    let name = format!("Repository {}", Uuid::from_u128(1));
    check(&vault(ON, Immutability::Disabled), facts, &[&name], Ending::ForGood);
}
