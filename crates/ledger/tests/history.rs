//! How backups end in the ledger, and how old jobs leave it. Method as in `contract.rs`.

use ledger::Ledger;
use ledger::LedgerError;
use ledger::port::{JobQuery, PointQuery};
use model::fault::{Code, Fault};
use model::item::{Item, LastBackup, ProtectionState};
use model::job::{Job, Status};
use model::policy::Policy;
use uuid::Uuid;

mod ledgers;
mod nouns;

use ledgers::on_each;
use nouns::{item, job, point, point_id, vault};

/// Gives the ledger vault 1 with its default policy, and item 1 in it, for VM 1.
fn with_item(ledger: &dyn Ledger) -> Item {
    let vault = vault(1);
    ledger.create_vault(&vault, &[Policy::default_of(vault.id, vault.created_at)]).expect("vault");
    let item = item(1, &vault);
    ledger.create_item(&item).expect("item");
    item
}

#[test]
fn a_finished_backup_is_recorded_whole_and_twice_without_harm() {
    on_each(|ledger| {
        let mut held = with_item(ledger);
        let mut done = job(1, &held);
        ledger.create_job(&done).expect("creates");
        done.status = Status::Completed;
        held.state = ProtectionState::Protected;
        held.chain = Some(nouns::chain(1));
        for _ in 0..2 {
            ledger.record_backup(&point(1, &held), &held, &done).expect("records");
            assert_eq!(ledger.points(PointQuery::of(held.id)).expect("reads"), [point(1, &held)]);
            assert_eq!(ledger.point(point_id(1)).expect("reads"), Some(point(1, &held)));
            assert_eq!(ledger.item(held.id).expect("reads").as_ref(), Some(&held));
            assert_eq!(ledger.job(done.id).expect("reads").as_ref(), Some(&done));
        }
        assert_eq!(ledger.point(point_id(2)).expect("reads"), None);
    });
}

#[test]
fn a_finished_backup_undoes_no_change_that_somebody_made_to_its_item_meanwhile() {
    on_each(|ledger| {
        let held = with_item(ledger);
        let done = job(1, &held);
        ledger.create_job(&done).expect("creates");
        let chain = Some(nouns::chain(1));
        let backed_up = Item { state: ProtectionState::Protected, chain, ..held.clone() };
        let stopped =
            Item { state: ProtectionState::ProtectionStopped, policy: None, ..held.clone() };
        ledger.update_item(&stopped).expect("changes");
        let done = Job { status: Status::Completed, ..done };
        ledger.record_backup(&point(1, &held), &backed_up, &done).expect("records");
        let expected =
            Item { chain: backed_up.chain, last_backup: backed_up.last_backup, ..stopped };
        assert_eq!(ledger.item(held.id).expect("reads"), Some(expected));
    });
}

#[test]
fn a_backup_that_failed_is_its_items_last_one_and_changes_nothing_else_of_it() {
    on_each(|ledger| {
        let held = with_item(ledger);
        ledger.create_job(&job(1, &held)).expect("creates");
        let fault = Fault::new(Code::StoreFull, "no space left");
        let failed = Job { status: Status::Failed, error: Some(fault.clone()), ..job(1, &held) };
        let at = failed.started_at;
        let last = LastBackup { status: Status::Failed, at, error: Some(fault) };
        ledger.end_backup(&failed, &last).expect("records");
        assert_eq!(ledger.job(failed.id).expect("reads"), Some(failed));
        let expected = Item { last_backup: Some(last.clone()), ..held.clone() };
        assert_eq!(ledger.item(held.id).expect("reads"), Some(expected));
        let missing = ledger.end_backup(&job(2, &held), &last).expect_err("no such job");
        assert!(matches!(missing, LedgerError::Missing), "{missing}");
    });
}

#[test]
fn old_jobs_are_pruned_in_batches_but_no_running_one_and_no_items_newest() {
    on_each(|ledger| {
        let first = with_item(ledger);
        let second = Item { vm: Uuid::from_u128(77), ..item(2, &vault(1)) };
        ledger.create_item(&second).expect("item");
        let ended = |number, item: &Item| Job {
            status: Status::Completed,
            ended_at: Some(nouns::moment(number)),
            ..job(number, item)
        };
        let running = job(1, &first);
        let olds = [ended(2, &first), ended(3, &first), ended(4, &first), ended(5, &second)];
        let young = ended(20, &first);
        for job in [&running, &olds[0], &olds[1], &olds[2], &olds[3], &young] {
            ledger.create_job(job).expect("creates");
        }
        let prune = |limit| ledger.prune_jobs(nouns::moment(10), limit).expect("prunes");
        let left = || {
            let jobs = ledger.jobs(JobQuery::default()).expect("reads");
            jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
        };
        assert_eq!(prune(2), 2);
        let [.., third, newest_of_second] = &olds;
        assert_eq!(left(), [young.id, newest_of_second.id, third.id, running.id]);
        assert_eq!(prune(2), 1);
        assert_eq!(left(), [young.id, newest_of_second.id, running.id]);
        assert_eq!(prune(2), 0);
    });
}
