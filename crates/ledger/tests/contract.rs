//! The contract of the ledger port. Method: every example is a function over `&dyn Ledger` and runs
//! on a fresh ledger of every implementation in [`ledgers::IMPLEMENTATIONS`]; a new implementation
//! joins by one line there.

use std::sync::Barrier;

use jiff::Timestamp;
use ledger::port::{JobQuery, PointQuery};
use ledger::{Ledger, LedgerError};
use model::fault::{Code, Fault};
use model::host::Host;
use model::item::{Item, LastBackup, ProtectionState};
use model::job::{Job, JobId, Operation, Status};
use model::policy::Policy;
use model::principal::{Principal, ResourceGroup, Tenancy};
use model::store::Store;
use model::tags::Tags;
use model::vault::{DeletedVault, Redundancy, Vault, VaultName};
use uuid::Uuid;

mod ledgers;
mod nouns;
mod roles;

use ledgers::on_each;
use nouns::{host, item, job, point, vault};

/// Gives the ledger vault 1 with its default policy, and item 1 in it, for VM 1.
fn with_item(ledger: &dyn Ledger) -> Item {
    let vault = vault(1);
    ledger.create_vault(&vault, &[Policy::default_of(vault.id, vault.created_at)]).expect("vault");
    let item = item(1, &vault);
    ledger.create_item(&item).expect("item");
    item
}

fn unfinished(item: Uuid) -> JobQuery {
    JobQuery { item: Some(item), unfinished: true, ..JobQuery::default() }
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

#[test]
fn the_first_tenancy_stays() {
    on_each(|ledger| {
        let first = Tenancy { tenant: Uuid::from_u128(1), subscription: Uuid::from_u128(2) };
        let second = Tenancy { tenant: Uuid::from_u128(3), subscription: Uuid::from_u128(4) };
        assert_eq!(ledger.tenancy().expect("reads"), None);
        assert_eq!(ledger.set_tenancy(first).expect("sets"), first);
        assert_eq!(ledger.set_tenancy(second).expect("sets"), first);
        assert_eq!(ledger.tenancy().expect("reads"), Some(first));
    });
}

#[test]
fn a_principal_is_replaced_by_its_client_id() {
    on_each(|ledger| {
        let mut principal = Principal {
            client_id: Uuid::from_u128(1),
            object_id: Uuid::from_u128(2),
            name: "first".to_owned(),
            secret_hash: "$argon2id$v=19$…".to_owned(),
        };
        ledger.put_principal(&principal).expect("puts");
        principal.name = "renamed".to_owned();
        ledger.put_principal(&principal).expect("puts");
        assert_eq!(ledger.principal(principal.client_id).expect("reads"), Some(principal));
        assert_eq!(ledger.principal(Uuid::from_u128(9)).expect("reads"), None);
    });
}

#[test]
fn a_resource_group_stays_as_it_was_first_written() {
    on_each(|ledger| {
        let group = |name: &str, region: &str| ResourceGroup {
            name: name.to_owned(),
            region: region.to_owned(),
            tags: Tags::new(),
        };
        for new in [group("web", "north"), group("Db", "north"), group("WEB", "south")] {
            ledger.put_resource_group(&new).expect("puts");
        }
        let all = ledger.resource_groups().expect("reads");
        assert_eq!(all, [group("Db", "north"), group("web", "north")]);
    });
}

#[test]
fn a_host_is_registered_once_per_uri() {
    on_each(|ledger| {
        let (first, second) = (host(1, "qemu+ssh://b/system"), host(2, "qemu:///system"));
        ledger.create_host(&first).expect("adds");
        ledger.create_host(&second).expect("adds");
        let again = ledger.create_host(&host(3, "qemu:///system"));
        assert!(matches!(again, Err(LedgerError::HostTaken)), "{again:?}");
        assert_eq!(ledger.hosts().expect("reads"), [first, second]);
    });
}

#[test]
fn a_store_has_its_name_in_its_group_and_its_directory_for_itself() {
    on_each(|ledger| {
        let store = |name: &str, group: &str, directory: &str, builtin| Store {
            name: name.to_owned(),
            resource_group: group.to_owned(),
            region: "north".to_owned(),
            directory: directory.into(),
            builtin,
        };
        let (first, second) =
            (store("staging", "group", "/a", true), store("staging", "another", "/b", false));
        ledger.create_store(&first).expect("adds");
        ledger.create_store(&second).expect("adds");
        for taken in [store("STAGING", "Group", "/c", false), store("other", "group", "/a", false)]
        {
            let refused = ledger.create_store(&taken);
            assert!(matches!(refused, Err(LedgerError::StoreTaken)), "{refused:?}");
        }
        assert_eq!(ledger.stores().expect("reads"), [second, first.clone()]);
        ledger.delete_store("ANOTHER", "Staging").expect("removes");
        let gone = ledger.delete_store("another", "staging");
        assert!(matches!(gone, Err(LedgerError::Missing)), "{gone:?}");
        assert_eq!(ledger.stores().expect("reads"), [first]);
    });
}

#[test]
fn a_vaults_name_is_unique_in_its_group_in_any_case_of_letters() {
    on_each(|ledger| {
        ledger.create_vault(&vault(1), &[]).expect("creates");
        let mut same_name = vault(2);
        same_name.name = VaultName::new("VAULT-1").expect("valid");
        same_name.resource_group = "Group".to_owned();
        let policy = Policy::default_of(same_name.id, same_name.created_at);
        let refused = ledger.create_vault(&same_name, std::slice::from_ref(&policy));
        assert!(matches!(refused, Err(LedgerError::VaultNameTaken)), "{refused:?}");
        assert_eq!(ledger.policies(same_name.id).expect("reads"), [], "nothing of it happened");
        same_name.resource_group = "other".to_owned();
        ledger.create_vault(&same_name, &[policy]).expect("another group's names are free");
        assert_eq!(ledger.vaults().expect("reads").len(), 2);
    });
}

#[test]
fn a_vault_is_read_back_as_it_was_written() {
    on_each(|ledger| {
        let mut written = vault(1);
        ledger.create_vault(&written, &[]).expect("creates");
        assert_eq!(ledger.vault(written.id).expect("reads"), Some(written.clone()));
        let since = written.changed_at;
        written.redundancy = Redundancy::ZoneRedundant;
        written.settings = nouns::other_settings();
        written.tags = Tags::from([("a".to_owned(), String::new())]);
        written.changed_at = vault(5).changed_at;
        ledger.update_vault(&written, since).expect("updates");
        assert_eq!(ledger.vaults().expect("reads"), [written]);
        let missing = ledger.update_vault(&vault(2), since);
        assert!(matches!(missing, Err(LedgerError::Missing)), "{missing:?}");
        assert_eq!(ledger.vault(vault(2).id).expect("reads"), None);
    });
}

#[test]
fn a_vault_that_somebody_else_changed_is_left_as_it_is() {
    on_each(|ledger| {
        let first = vault(1);
        ledger.create_vault(&first, &[]).expect("creates");
        let theirs = Vault { changed_at: vault(2).changed_at, ..first.clone() };
        ledger.update_vault(&theirs, first.changed_at).expect("updates");
        let mine = Vault { redundancy: Redundancy::ZoneRedundant, ..theirs.clone() };
        let refused = ledger.update_vault(&mine, first.changed_at);
        assert!(matches!(refused, Err(LedgerError::Changed)), "{refused:?}");
        assert_eq!(ledger.vault(first.id).expect("reads"), Some(theirs));
    });
}

fn deleted(vault: &Vault) -> DeletedVault {
    DeletedVault {
        id: vault.id,
        name: vault.name.clone(),
        resource_group: vault.resource_group.clone(),
        region: vault.region.clone(),
        deleted_at: vault.changed_at,
        cleared_at: None,
    }
}

#[test]
fn a_deleted_vault_is_remembered_until_nothing_is_left_of_it_and_after() {
    on_each(|ledger| {
        let first = vault(1);
        ledger
            .create_vault(&first, &[Policy::default_of(first.id, first.created_at)])
            .expect("creates");
        ledger.delete_vault(&deleted(&first)).expect("deletes");
        assert_eq!(ledger.vaults().expect("reads"), []);
        assert_eq!(ledger.policies(first.id).expect("reads"), []);
        assert_eq!(ledger.uncleared_vaults().expect("reads"), [deleted(&first)]);
        let again = ledger.delete_vault(&deleted(&first));
        assert!(matches!(again, Err(LedgerError::Missing)), "{again:?}");

        let at = vault(9).changed_at;
        ledger.vault_cleared(first.id, at).expect("noted");
        assert_eq!(ledger.uncleared_vaults().expect("reads"), []);
        let cleared = DeletedVault { cleared_at: Some(at), ..deleted(&first) };
        assert_eq!(ledger.deleted_vault(first.id).expect("reads"), Some(cleared));
        assert_eq!(ledger.deleted_vault(vault(2).id).expect("reads"), None);
        // Its name is free again.
        let second = Vault { id: vault(2).id, ..first };
        ledger.create_vault(&second, &[]).expect("creates");
    });
}

#[test]
fn a_vault_with_anything_in_it_is_not_deleted() {
    on_each(|ledger| {
        let held = with_item(ledger);
        let refused = ledger.delete_vault(&deleted(&vault(1)));
        assert!(matches!(refused, Err(LedgerError::InUse)), "{refused:?}");
        assert_eq!(ledger.policies(held.vault).expect("reads").len(), 1, "nothing of it happened");
        assert_eq!(ledger.uncleared_vaults().expect("reads"), []);
    });
}

#[test]
fn a_resource_group_is_tagged_and_goes_when_nothing_is_in_it() {
    on_each(|ledger| {
        for name in ["Group", "other"] {
            let (name, region) = (name.to_owned(), "north".to_owned());
            let new = ResourceGroup { name, region, tags: Tags::new() };
            ledger.put_resource_group(&new).expect("puts");
        }
        let tags = Tags::from([("env".to_owned(), "prod".to_owned())]);
        ledger.tag_resource_group("GROUP", &tags).expect("tags");
        assert_eq!(ledger.resource_groups().expect("reads")[0].tags, tags);
        let missing = ledger.tag_resource_group("nobody", &tags);
        assert!(matches!(missing, Err(LedgerError::Missing)), "{missing:?}");

        ledger.create_vault(&vault(1), &[]).expect("creates");
        ledger
            .create_host(&Host { resource_group: "Other".to_owned(), ..host(1, "uri") })
            .expect("adds");
        for group in ["group", "other"] {
            let refused = ledger.delete_resource_group(group);
            assert!(matches!(refused, Err(LedgerError::InUse)), "{group}: {refused:?}");
        }
        ledger.delete_vault(&deleted(&vault(1))).expect("deletes");
        ledger.delete_resource_group("GROUP").expect("deletes");
        let missing = ledger.delete_resource_group("group");
        assert!(matches!(missing, Err(LedgerError::Missing)), "{missing:?}");
    });
}

#[test]
fn policies_are_replaced_by_name_in_any_case_of_letters() {
    on_each(|ledger| {
        let vault = vault(1);
        ledger
            .create_vault(&vault, &[Policy::default_of(vault.id, vault.created_at)])
            .expect("creates");
        let mut weekly = nouns::weekly_policy(&vault);
        ledger.put_policy(&weekly).expect("adds");
        weekly.time_zone = "UTC".to_owned();
        ledger.put_policy(&Policy { name: "WEEKLY".to_owned(), ..weekly.clone() }).expect("puts");
        let all = ledger.policies(vault.id).expect("reads");
        assert_eq!(all, [Policy::default_of(vault.id, vault.created_at), weekly.clone()]);
        assert_eq!(ledger.policy(vault.id, "Weekly").expect("reads"), Some(weekly));
        assert_eq!(ledger.policy(vault.id, "daily").expect("reads"), None);
        assert_eq!(ledger.policy(Uuid::nil(), "weekly").expect("reads"), None);
    });
}

#[test]
fn a_policy_of_any_kind_is_read_back_as_it_was_written() {
    on_each(|ledger| {
        let vault = vault(1);
        ledger.create_vault(&vault, &Policy::first_of(&vault)).expect("creates");
        let mut all = Policy::first_of(&vault).to_vec();
        all.push(nouns::weekly_policy(&vault));
        all.push(nouns::odd_policy(&vault));
        for policy in &all[2..] {
            ledger.put_policy(policy).expect("adds");
        }
        all.sort_by_key(|policy| policy.name.to_lowercase());
        assert_eq!(ledger.policies(vault.id).expect("reads"), all);
    });
}

#[test]
fn a_policy_goes_once_nobody_follows_it() {
    on_each(|ledger| {
        let mut item = with_item(ledger);
        let (vault, name) = (item.vault, "defaultpolicy");
        assert_eq!(ledger.policy_users(vault, name).expect("counts"), 1);
        let refused = ledger.delete_policy(vault, name);
        assert!(matches!(refused, Err(LedgerError::PolicyInUse { items: 1 })), "{refused:?}");
        item.policy = None;
        ledger.update_item(&item).expect("updates");
        assert_eq!(ledger.policy_users(vault, name).expect("counts"), 0);
        assert!(ledger.delete_policy(vault, name).expect("deletes"));
        assert!(!ledger.delete_policy(vault, name).expect("it is gone"));
        assert_eq!(ledger.policies(vault).expect("reads"), []);
    });
}

#[test]
fn runs_are_settled_with_their_job_or_without() {
    on_each(|ledger| {
        let item = with_item(ledger);
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert_eq!(ledger.settled_runs().expect("reads"), []);
        ledger.settle_runs(&[Uuid::from_u128(99), item.id], at(10)).expect("settles");
        assert_eq!(ledger.settled_runs().expect("reads"), [(item.id, at(10))]);
        ledger.create_run(&job(1, &item), at(20)).expect("creates");
        assert_eq!(ledger.settled_runs().expect("reads"), [(item.id, at(20))]);
        let refused = ledger.create_run(&job(2, &item), at(30));
        assert!(matches!(refused, Err(LedgerError::ItemBusy { .. })), "{refused:?}");
        assert_eq!(ledger.settled_runs().expect("reads"), [(item.id, at(20))]);
        assert_eq!(ledger.runs_count_from().expect("reads"), [(item.id, at(10))]);
        ledger.settle_runs(&[item.id], at(40)).expect("settles");
        assert_eq!(ledger.runs_count_from().expect("reads"), [(item.id, at(40))]);
    });
}

#[test]
fn a_virtual_machine_has_one_item_in_all_vaults() {
    on_each(|ledger| {
        let held = with_item(ledger);
        let other_vault = vault(2);
        let policies = [Policy::default_of(other_vault.id, other_vault.created_at)];
        ledger.create_vault(&other_vault, &policies).expect("creates");
        let mut second = item(2, &other_vault);
        second.vm = held.vm;
        let refused = ledger.create_item(&second);
        let by = held.vault;
        assert!(matches!(refused, Err(LedgerError::VmTaken { vault }) if vault == by));
        assert_eq!(ledger.item_of_vm(held.vm).expect("reads"), Some(held.clone()));
        assert_eq!(ledger.item(held.id).expect("reads"), Some(held));
        assert_eq!(ledger.item(second.id).expect("reads"), None);
    });
}

#[test]
fn an_item_is_read_back_as_it_was_written() {
    on_each(|ledger| {
        let mut item = with_item(ledger);
        item.state = ProtectionState::Protected;
        item.last_backup = Some(LastBackup {
            status: Status::Failed,
            at: Timestamp::from_second(1_700_000_000).expect("in range"),
            error: Some(Fault::new(Code::StoreFull, "no space left")),
        });
        item.chain = Some(nouns::chain(7));
        ledger.update_item(&item).expect("updates");
        assert_eq!(ledger.items(Some(item.vault)).expect("reads"), [item.clone()]);
        item.chain = None;
        ledger.update_item(&item).expect("updates");
        assert_eq!(ledger.items(None).expect("reads"), [item]);
        assert_eq!(ledger.items(Some(Uuid::from_u128(99))).expect("reads"), []);
    });
}

#[test]
fn what_is_not_there_is_missing() {
    on_each(|ledger| {
        let held = with_item(ledger);
        let stranger = item(2, &vault(9));
        for (what, answer) in [
            ("an item of no vault", ledger.create_item(&stranger)),
            ("an unknown item", ledger.update_item(&stranger)),
            ("a job of no item", ledger.create_job(&job(1, &stranger))),
            ("an unknown job", ledger.update_job(&job(1, &held))),
            ("a backup of no job", ledger.record_backup(&point(1, &held), &held, &job(1, &held))),
        ] {
            assert!(matches!(answer, Err(LedgerError::Missing)), "{what}: {answer:?}");
        }
        assert_eq!(
            ledger.points(PointQuery::of(held.id)).expect("reads"),
            [],
            "nothing of it happened"
        );
    });
}

#[test]
fn an_item_has_one_unended_backup_job() {
    on_each(|ledger| {
        let held = with_item(ledger);
        let mut first = job(1, &held);
        ledger.create_job(&first).expect("creates");
        for status in Status::ALL {
            first.status = status;
            ledger.update_job(&first).expect("updates");
            let mut second = job(2, &held);
            second.id = JobId(Uuid::from_u128(1_000 + status as u128));
            let answer = ledger.create_job(&second);
            if status.has_ended() {
                answer.expect("the first has ended");
                assert_eq!(ids(&ledger.jobs(unfinished(held.id)).expect("reads")), [second.id]);
                second.status = Status::Cancelled;
                ledger.update_job(&second).expect("updates");
            } else {
                let busy = first.id;
                assert!(matches!(answer, Err(LedgerError::ItemBusy { job }) if job == busy));
            }
        }
    });
}

#[test]
fn other_jobs_run_beside_a_backup() {
    on_each(|ledger| {
        let held = with_item(ledger);
        for (number, operation) in
            [Operation::Backup, Operation::Restore, Operation::Restore].into_iter().enumerate()
        {
            let new = Job { operation, ..job(number as u128, &held) };
            ledger.create_job(&new).expect("creates");
        }
        assert_eq!(ledger.jobs(unfinished(held.id)).expect("reads").len(), 3);
    });
}

#[test]
fn jobs_are_listed_newest_first_and_as_they_were_written() {
    on_each(|ledger| {
        let held = with_item(ledger);
        let jobs: Vec<Job> = (0..4)
            .map(|number| Job {
                status: Status::ALL[3 + number],
                started_at: Timestamp::from_second([50, 60, 60, 40][number]).expect("in range"),
                ..nouns::full_job(number as u128, &held)
            })
            .collect();
        for job in &jobs {
            ledger.create_job(job).expect("creates");
        }
        let newest_first = [&jobs[2], &jobs[1], &jobs[0], &jobs[3]];
        for query in [
            JobQuery::default(),
            JobQuery { vault: Some(held.vault), ..JobQuery::default() },
            JobQuery { item: Some(held.id), ..JobQuery::default() },
            JobQuery { vault: Some(held.vault), item: Some(held.id), ..JobQuery::default() },
        ] {
            let listed = ledger.jobs(query).expect("reads");
            assert!(listed.iter().eq(newest_first), "{query:?}");
        }
        let elsewhere = JobQuery { vault: Some(Uuid::from_u128(9)), ..JobQuery::default() };
        assert_eq!(ledger.jobs(elsewhere).expect("reads"), []);
        assert_eq!(ledger.job(jobs[3].id).expect("reads").as_ref(), Some(&jobs[3]));
        assert_eq!(ledger.job(JobId(Uuid::from_u128(9))).expect("reads"), None);
    });
}

#[test]
fn a_point_is_never_taken_over_by_another_item() {
    on_each(|ledger| {
        let first = with_item(ledger);
        let second = Item { vm: Uuid::from_u128(77), ..item(2, &vault(1)) };
        ledger.create_item(&second).expect("item");
        for (number, item) in [(1, &first), (2, &second)] {
            ledger.create_job(&job(number, item)).expect("job");
        }
        ledger.record_backup(&point(1, &first), &first, &job(1, &first)).expect("records");
        ledger
            .record_backup(&point(1, &second), &second, &job(2, &second))
            .expect_err("the id is another item's");
        assert_eq!(ledger.points(PointQuery::of(first.id)).expect("reads"), [point(1, &first)]);
        assert_eq!(ledger.points(PointQuery::of(second.id)).expect("reads"), []);
    });
}

#[test]
fn a_point_that_no_job_recorded_is_added_and_adding_it_again_is_harmless() {
    on_each(|ledger| {
        let held = with_item(ledger);
        for _ in 0..2 {
            ledger.put_point(&point(1, &held)).expect("adds");
        }
        assert_eq!(ledger.points(PointQuery::of(held.id)).expect("reads"), [point(1, &held)]);
    });
}

#[test]
fn points_are_listed_newest_first() {
    on_each(|ledger| {
        let held = with_item(ledger);
        let done = Job { status: Status::Completed, ..job(1, &held) };
        ledger.create_job(&done).expect("creates");
        for number in [2, 3, 1] {
            ledger.record_backup(&point(number, &held), &held, &done).expect("records");
        }
        let listed = ledger.points(PointQuery::of(held.id)).expect("reads");
        assert_eq!(listed, [3, 2, 1].map(|number| point(number, &held)));
    });
}

#[test]
fn of_a_hundred_that_race_for_a_virtual_machine_one_wins() {
    on_each(|ledger| {
        let vault = vault(1);
        ledger
            .create_vault(&vault, &[Policy::default_of(vault.id, vault.created_at)])
            .expect("creates");
        let start = Barrier::new(100);
        let outcomes: Vec<Result<(), LedgerError>> = std::thread::scope(|scope| {
            let racer = |number| {
                let item = Item { vm: Uuid::from_u128(5), ..item(number, &vault) };
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    ledger.create_item(&item)
                })
            };
            let racers: Vec<_> = (1..=100).map(racer).collect();
            racers.into_iter().map(|racer| racer.join().expect("no panic")).collect()
        });
        let lost = |outcome: &&Result<(), LedgerError>| match outcome {
            Err(LedgerError::VmTaken { vault: by }) => *by == vault.id,
            _ => false,
        };
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(outcomes.iter().filter(lost).count(), 99);
        assert_eq!(ledger.items(None).expect("reads").len(), 1);
    });
}
