//! The contract of the ledger port's ends: items that are purged, vaults that are soft-deleted.
//! Method as in `contract.rs`: every example is a function over `&dyn Ledger`.

use jiff::Timestamp;
use ledger::port::{JobQuery, PointQuery};
use ledger::{Ledger, LedgerError};
use model::item::{Deletion, Item};
use model::job::{Job, Operation, Status};
use model::policy::Policy;
use model::principal::ResourceGroup;
use model::tags::Tags;
use model::vault::{DeletedVault, Vault};
use uuid::Uuid;

mod ledgers;
mod nouns;

use ledgers::on_each;
use nouns::{item, job, point, vault};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Gives the ledger vault 1 with its default policy, and item 1 in it with two points.
fn with_points(ledger: &dyn Ledger) -> Item {
    let vault = vault(1);
    ledger.create_vault(&vault, &[Policy::default_of(vault.id, vault.created_at)]).expect("vault");
    let item = item(1, &vault);
    ledger.create_item(&item).expect("item");
    for number in [1, 2] {
        ledger.put_point(&point(number, &item)).expect("point");
    }
    item
}

fn deleted(item: &Item, purging: bool) -> Item {
    let deletion = Some(Deletion { at: NOW, until: NOW, purging });
    Item { deletion, policy: None, ..item.clone() }
}

/// A job that deletes the item's data, as it begins.
fn deleting(number: u128, item: &Item) -> Job {
    let (operation, status) = (Operation::DeleteBackupData, Status::InProgress);
    Job { operation, status, ended_at: None, point: None, ..job(number, item) }
}

fn ended(job: &Job) -> Job {
    Job { status: Status::Completed, ended_at: Some(NOW), ..job.clone() }
}

#[test]
fn an_item_that_is_purged_goes_with_its_points_and_leaves_its_jobs() {
    on_each(|ledger| {
        let item = with_points(ledger);
        ledger.settle_runs(&[item.id], NOW).expect("settles");
        let purging = deleted(&item, true);
        let job = deleting(1, &item);
        ledger.change_item(&item, &purging, &job, true).expect("marked");
        assert_eq!(ledger.item(item.id).expect("reads"), Some(purging));

        ledger.remove_item(item.id, &ended(&job)).expect("removed");
        assert_eq!(ledger.item(item.id).expect("reads"), None);
        assert_eq!(ledger.points(PointQuery::of(item.id)).expect("reads"), []);
        assert_eq!(ledger.settled_runs().expect("reads"), []);
        assert_eq!(ledger.jobs(JobQuery::default()).expect("reads"), [ended(&job)]);
        ledger.remove_item(item.id, &ended(&job)).expect("a second time changes nothing");

        // Its machine is free, also for another vault.
        let other = vault(2);
        ledger.create_vault(&other, &[Policy::default_of(other.id, NOW)]).expect("vault");
        let next = Item { id: Uuid::from_u128(9), vault: other.id, ..item };
        ledger.create_item(&next).expect("protected again");
    });
}

#[test]
fn an_item_that_is_not_purged_stays_with_its_points() {
    on_each(|ledger| {
        let item = with_points(ledger);
        let job = job(1, &item);
        ledger.create_job(&job).expect("job");
        for kept in [item.clone(), deleted(&item, false)] {
            ledger.update_item(&kept).expect("updates");
            let refused = ledger.remove_item(item.id, &ended(&job));
            assert!(matches!(refused, Err(LedgerError::ItemChanged)), "{refused:?}");
            assert_eq!(ledger.item(item.id).expect("reads"), Some(kept));
            assert_eq!(ledger.count_points(item.id).expect("reads"), 2);
        }
    });
}

#[test]
fn nothing_begins_for_an_item_that_is_gone() {
    on_each(|ledger| {
        let vault = vault(1);
        ledger.create_vault(&vault, &[]).expect("vault");
        let missing = ledger.create_job(&job(1, &item(1, &vault)));
        assert!(matches!(missing, Err(LedgerError::Missing)), "{missing:?}");
    });
}

#[test]
fn a_vault_with_only_soft_deleted_items_goes_out_of_sight_and_comes_back() {
    on_each(|ledger| {
        let item = with_points(ledger);
        let vault = vault(1);
        let lives = ledger.soft_delete_vault(vault.id, NOW);
        assert!(matches!(lives, Err(LedgerError::InUse)), "{lives:?}");
        ledger.update_item(&deleted(&item, false)).expect("updates");
        let running = deleting(1, &item);
        ledger.create_job(&running).expect("job");
        let works = ledger.soft_delete_vault(vault.id, NOW);
        assert!(matches!(works, Err(LedgerError::InUse)), "{works:?}");
        ledger.update_job(&ended(&running)).expect("ends");

        ledger.soft_delete_vault(vault.id, NOW).expect("soft-deleted");
        assert_eq!(ledger.vaults().expect("reads"), []);
        assert_eq!(ledger.vault_named("group", "vault-1").expect("reads"), None);
        assert_eq!(ledger.vault(vault.id).expect("reads"), Some(vault.clone()));
        let gone = ledger.soft_deleted_vaults().expect("reads");
        let told: Vec<_> = gone.iter().map(|it| (&it.vault, it.deleted_at)).collect();
        assert_eq!(told, [(&vault, NOW)]);
        let again = ledger.soft_delete_vault(vault.id, NOW);
        assert!(matches!(again, Err(LedgerError::Missing)), "{again:?}");

        ledger.undelete_vault(vault.id, "group").expect("back");
        assert_eq!(ledger.vaults().expect("reads"), std::slice::from_ref(&vault));
        assert_eq!(ledger.soft_deleted_vaults().expect("reads"), []);
        let again = ledger.undelete_vault(vault.id, "group");
        assert!(matches!(again, Err(LedgerError::Missing)), "{again:?}");
        assert_eq!(ledger.count_points(item.id).expect("reads"), 2);
    });
}

#[test]
fn a_vault_out_of_sight_leaves_its_name_to_another_and_comes_back_elsewhere() {
    on_each(|ledger| {
        let item = with_points(ledger);
        let first = vault(1);
        ledger.update_item(&deleted(&item, false)).expect("updates");
        ledger.soft_delete_vault(first.id, NOW).expect("soft-deleted");
        let second = Vault { id: vault(2).id, ..first.clone() };
        ledger.create_vault(&second, &[]).expect("the name is free");
        let taken = ledger.undelete_vault(first.id, "GROUP");
        assert!(matches!(taken, Err(LedgerError::VaultNameTaken)), "{taken:?}");
        ledger.undelete_vault(first.id, "other").expect("back");
        let back = ledger.vault_named("other", "vault-1").expect("reads").expect("there");
        assert_eq!(back.id, first.id);
        assert_eq!(ledger.vaults().expect("reads").len(), 2);
    });
}

#[test]
fn what_is_in_a_vault_out_of_sight_stays_as_it_is() {
    on_each(|ledger| {
        let item = with_points(ledger);
        let before = deleted(&item, false);
        ledger.update_item(&before).expect("updates");
        ledger.soft_delete_vault(item.vault, NOW).expect("soft-deleted");
        let back = Item { deletion: None, ..before.clone() };
        let undeleted = ledger.change_item(&before, &back, &job(1, &item), true);
        assert!(matches!(undeleted, Err(LedgerError::Missing)), "{undeleted:?}");
        let new = ledger.create_item(&nouns::item(2, &vault(1)));
        assert!(matches!(new, Err(LedgerError::Missing)), "{new:?}");
        assert_eq!(ledger.items(None).expect("reads"), [before]);
    });
}

#[test]
fn a_resource_group_goes_although_a_vault_out_of_sight_was_in_it() {
    on_each(|ledger| {
        let (name, region) = ("group".to_owned(), "north".to_owned());
        let group = ResourceGroup { name, region, tags: Tags::new() };
        ledger.put_resource_group(&group).expect("puts");
        let item = with_points(ledger);
        ledger.update_item(&deleted(&item, false)).expect("updates");
        ledger.soft_delete_vault(item.vault, NOW).expect("soft-deleted");
        ledger.delete_resource_group("group").expect("deletes");
        assert_eq!(ledger.soft_deleted_vaults().expect("reads").len(), 1);
    });
}

#[test]
fn a_vault_out_of_sight_goes_for_good_once_nothing_is_in_it() {
    on_each(|ledger| {
        let item = with_points(ledger);
        let vault = vault(1);
        let record = DeletedVault {
            id: vault.id,
            name: vault.name,
            resource_group: vault.resource_group,
            region: vault.region,
            deleted_at: NOW,
            cleared_at: None,
        };
        ledger.update_item(&deleted(&item, true)).expect("updates");
        ledger.soft_delete_vault(vault.id, NOW).expect("soft-deleted");
        let held = ledger.delete_vault(&record);
        assert!(matches!(held, Err(LedgerError::InUse)), "{held:?}");
        let job = ended(&deleting(1, &item));
        ledger.create_job(&job).expect("job");
        ledger.remove_item(item.id, &job).expect("removed");
        ledger.delete_vault(&record).expect("deleted");
        assert_eq!(ledger.soft_deleted_vaults().expect("reads"), []);
        assert_eq!(ledger.uncleared_vaults().expect("reads"), [record]);
    });
}
