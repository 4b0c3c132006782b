//! The contract of the ledger port's lists: filters, order, pages. Method as in `contract.rs`:
//! every example is a function over `&dyn Ledger`; lists are read page by page.

use jiff::Timestamp;
use ledger::port::{ItemQuery, JobQuery, PointQuery};
use ledger::{Ledger, LedgerError};
use model::item::{Deletion, Item, ProtectionState};
use model::job::{Job, JobId, Operation, Status};
use model::policy::Policy;
use uuid::Uuid;

mod ledgers;
mod nouns;

use ledgers::on_each;
use nouns::{item, job, point, point_id, vault};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// A ledger's vault 1 with two policies and these items.
fn with_items(ledger: &dyn Ledger, items: &[Item]) {
    let vault = vault(1);
    let other =
        Policy { name: "Other".to_owned(), ..Policy::default_of(vault.id, vault.created_at) };
    ledger
        .create_vault(&vault, &[Policy::default_of(vault.id, vault.created_at), other])
        .expect("vault");
    for item in items {
        ledger.create_item(item).expect("item");
    }
}

fn named(number: u128, name: &str, policy: Option<&str>) -> Item {
    let policy = policy.map(str::to_owned);
    Item { vm_name: name.to_owned(), policy, ..item(number, &vault(1)) }
}

#[test]
fn a_vault_is_found_by_its_group_and_name_in_any_case_of_letters() {
    on_each(|ledger| {
        let vault = vault(1);
        ledger.create_vault(&vault, &[]).expect("creates");
        assert_eq!(ledger.vault_named("GROUP", "Vault-1").expect("reads"), Some(vault));
        assert_eq!(ledger.vault_named("other", "vault-1").expect("reads"), None);
        assert_eq!(ledger.vault_named("group", "vault-2").expect("reads"), None);
    });
}

#[test]
fn items_are_found_by_name_and_policy_page_by_page() {
    on_each(|ledger| {
        with_items(
            ledger,
            &[
                named(1, "b", Some("DefaultPolicy")),
                named(2, "A", Some("Other")),
                named(3, "c", None),
                named(4, "B", Some("Other")),
            ],
        );
        let check = |vm_name: Option<&str>, policy: Option<&str>, expected: &[u128]| {
            for limit in [1, 2, 9] {
                let mut query = ItemQuery {
                    vault: vault(1).id,
                    vm_name: vm_name.map(str::to_owned),
                    policy: policy.map(str::to_owned),
                    after: None,
                    limit: Some(limit),
                };
                let mut found = Vec::new();
                loop {
                    let page = ledger.find_items(&query).expect("reads");
                    assert!(page.len() <= limit);
                    let Some(last) = page.last() else { break };
                    query.after = Some((last.vm_name.clone(), last.id));
                    found.extend(page.iter().map(|item| item.id.as_u128()));
                }
                assert_eq!(found, expected, "{vm_name:?} {policy:?} by {limit}");
            }
        };
        check(None, None, &[2, 1, 4, 3]);
        check(Some("B"), None, &[1, 4]);
        check(None, Some("other"), &[2, 4]);
        check(Some("b"), Some("Other"), &[4]);
        check(Some("d"), None, &[]);
        let found = ledger.item_named(vault(1).id, "MACHINES", "C").expect("reads");
        assert_eq!(found, Some(named(3, "c", None)));
        assert_eq!(ledger.item_named(vault(1).id, "other", "c").expect("reads"), None);
        let mut vms = ledger.protected_vms().expect("reads");
        vms.sort();
        assert_eq!(vms, [1_001, 1_002, 1_003, 1_004].map(Uuid::from_u128));
    });
}

#[test]
fn jobs_are_filtered_page_by_page() {
    on_each(|ledger| {
        let held = item(1, &vault(1));
        with_items(ledger, std::slice::from_ref(&held));
        for (number, operation, status, second) in [
            (1, Operation::ConfigureBackup, Status::Completed, 10),
            (2, Operation::Backup, Status::Failed, 20),
            (3, Operation::Restore, Status::Failed, 20),
            (4, Operation::Backup, Status::Completed, 30),
            (5, Operation::Restore, Status::InProgress, 30),
        ] {
            let started_at = at(second);
            let job = Job { operation, status, started_at, ..job(number, &held) };
            ledger.create_job(&job).expect("creates");
        }
        let all = JobQuery { vault: Some(held.vault), ..JobQuery::default() };
        for (query, expected) in [
            (all, &[5, 4, 3, 2, 1][..]),
            (JobQuery { status: Some(Status::Failed), ..all }, &[3, 2]),
            (JobQuery { operation: Some(Operation::Backup), ..all }, &[4, 2]),
            (
                JobQuery {
                    operation: Some(Operation::Backup),
                    status: Some(Status::Failed),
                    ..all
                },
                &[2],
            ),
            (JobQuery { unfinished: true, ..all }, &[5]),
            (JobQuery { from: Some(at(20)), ..all }, &[5, 4, 3, 2]),
            (JobQuery { from: Some(at(20)), to: Some(at(20)), ..all }, &[3, 2]),
            (JobQuery { to: Some(at(9)), ..all }, &[]),
        ] {
            for limit in [1, 2, 9] {
                let mut query = JobQuery { limit: Some(limit), ..query };
                let mut found = Vec::new();
                loop {
                    let page = ledger.jobs(query).expect("reads");
                    assert!(page.len() <= limit);
                    let Some(last) = page.last() else { break };
                    query.after = Some(last.id);
                    found.extend(page.iter().map(|job| job.id.0.as_u128()));
                }
                assert_eq!(found, expected, "{query:?}");
            }
        }
        let unknown = JobQuery { after: Some(JobId(Uuid::from_u128(99))), ..all };
        assert_eq!(ledger.jobs(unknown).expect("reads"), []);
    });
}

#[test]
fn points_are_found_by_time_page_by_page_and_the_newest_alone() {
    on_each(|ledger| {
        let (held, bare) = (item(1, &vault(1)), item(2, &vault(1)));
        with_items(ledger, &[held.clone(), bare.clone()]);
        for (number, second) in [(1, 10), (2, 20), (3, 20), (4, 30)] {
            let point = model::point::Point { taken_at: at(second), ..point(number, &held) };
            ledger.put_point(&point).expect("adds");
        }
        let all = PointQuery { item: held.id, ..PointQuery::default() };
        for (query, expected) in [
            (all, &[4, 3, 2, 1][..]),
            (PointQuery { from: Some(at(20)), ..all }, &[4, 3, 2]),
            (PointQuery { from: Some(at(11)), to: Some(at(29)), ..all }, &[3, 2]),
            (PointQuery { to: Some(at(9)), ..all }, &[]),
        ] {
            for limit in [1, 3, 9] {
                let mut query = PointQuery { limit: Some(limit), ..query };
                let mut found = Vec::new();
                loop {
                    let page = ledger.points(query).expect("reads");
                    assert!(page.len() <= limit);
                    let Some(last) = page.last() else { break };
                    query.after = Some((last.taken_at, last.id));
                    found.extend(page.iter().map(|point| point.id.get()));
                }
                assert_eq!(found, expected, "{query:?}");
            }
        }
        let newest = ledger.newest_points(&[bare.id, held.id]).expect("reads");
        assert_eq!(newest, [None, Some(at(30))]);
        assert_eq!(ledger.count_points(held.id).expect("reads"), 4);
        assert_eq!(ledger.point(point_id(4)).expect("reads").map(|it| it.taken_at), Some(at(30)));
    });
}

#[test]
fn an_item_changes_only_from_what_it_was_and_never_under_a_backup() {
    on_each(|ledger| {
        let before = item(1, &vault(1));
        with_items(ledger, std::slice::from_ref(&before));
        let state = ProtectionState::ProtectionStopped;
        let after = Item { state, policy: None, ..before.clone() };
        let done = |number, operation| Job {
            status: Status::Completed,
            operation,
            ..job(number, &before)
        };
        let stop = done(1, Operation::DisableBackup);

        let backup = job(2, &before);
        ledger.create_job(&backup).expect("begins");
        let busy = ledger.change_item(&before, &after, &stop, true);
        assert!(matches!(busy, Err(LedgerError::ItemBusy { job }) if job == backup.id), "{busy:?}");
        ledger.update_job(&Job { status: Status::Failed, ..backup }).expect("ends");
        assert_eq!(ledger.job(stop.id).expect("reads"), None, "nothing of it happened");

        ledger.change_item(&before, &after, &stop, true).expect("changes");
        assert_eq!(ledger.item(before.id).expect("reads"), Some(after.clone()));
        assert_eq!(ledger.job(stop.id).expect("reads"), Some(stop));
        let again = ledger.change_item(&before, &after, &done(3, Operation::Undelete), true);
        assert!(matches!(again, Err(LedgerError::ItemChanged)), "{again:?}");

        let deletion = Some(Deletion { at: at(1), until: at(2), purging: false });
        for closed in [after.clone(), Item { deletion, ..before.clone() }] {
            ledger.update_item(&closed).expect("updates");
            let refused = ledger.create_job(&job(4, &before));
            assert!(matches!(refused, Err(LedgerError::ItemClosed)), "{refused:?}");
        }
    });
}
