//! How what was deleted goes for good, and what a killed engine leaves of it.
//!
//! Method: a clock of the test's own is set forward by days, with a turn of the engine on each of
//! them, as a service would have that runs. What was killed between two steps is made by hand.

mod house;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::SystemClock;
use engine::seed::SystemSeed;
use engine::{JobQuery, NewVault, Strictness, VaultChange, VaultEnd, Wish};
use jiff::SignedDuration;
use ledger::Ledger;
use model::fault::Code;
use model::item::{Deletion, Item, ProtectionState};
use model::job::{Job, JobId, Operation, Status};
use model::point::PointId;
use model::vault::{SoftDeleteState, Vault};
use repo::objects::LocalDir;
use repo::{Environment, Repository};
use uuid::Uuid;

use house::{House, NAME, ledger};

/// Lets the service run for so many days.
#[track_caller]
fn days_pass(house: &House, days: i64) {
    for _ in 0..days {
        let next = house.engine.clock().now() + SignedDuration::from_hours(24);
        house.set_clock(&next.to_string());
        turn(house);
    }
}

/// Lets the engine begin what is due, and end it.
#[track_caller]
fn turn(house: &House) {
    house.engine.turn();
    for _ in 0..4000 {
        if house.engine.is_idle() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("a job does not end");
}

/// The vault's items once none of them is being purged.
#[track_caller]
fn settled_items(house: &House, vault: &Vault) -> Vec<Item> {
    for _ in 0..2000 {
        let items = house.engine.items(vault).expect("listed");
        if !items.iter().any(|item| item.deletion.is_some_and(|deletion| deletion.purging)) {
            return items;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it is purged for ever");
}

fn delete(house: &House, vault: &Vault) -> Job {
    let id = house.engine.change(vault, house.item(vault), &Wish::Delete).expect("deleted");
    house.ended(vault, id)
}

/// A vault in which what is deleted is gone at once.
fn without_soft_delete(house: &House, name: &str) -> Vault {
    let new = NewVault {
        name: name.to_owned(),
        resource_group: "holdfast".to_owned(),
        region: "local".to_owned(),
        wanted: VaultChange { soft_delete: Some(SoftDeleteState::Disabled), ..Default::default() },
    };
    house.engine.create_vault(new).expect("created").0
}

/// The vault's repository, opened beside the engine.
fn repository(house: &House, vault: &Vault) -> Repository {
    let data = house.data();
    let store = LocalDir::open(data.join("stores/local").join(vault.id.to_string()));
    let key = repo::keys::read_key_file(&data.join(format!("keys/{}.key", vault.id)));
    let environment = Environment {
        seed: Arc::new(SystemSeed),
        clock: Arc::new(SystemClock),
        actor: "a test".to_owned(),
        caches: None,
    };
    let store = Arc::new(store.expect("there"));
    Repository::open(store, &key.expect("readable"), environment).expect("opens")
}

fn points_in_the_log(house: &House, vault: &Vault) -> Vec<PointId> {
    let points = repository(house, vault).points().expect("readable");
    points.into_iter().map(|point| point.id).collect()
}

fn deletions(house: &House, vault: &Vault) -> Vec<(Status, Option<Code>)> {
    let operation = Some(Operation::DeleteBackupData);
    let query = JobQuery { vault: Some(vault.id), operation, ..JobQuery::default() };
    let jobs = house.engine.jobs(query).expect("listed");
    jobs.iter().map(|job| (job.status, job.error.as_ref().map(|fault| fault.code))).collect()
}

#[test]
fn a_deleted_item_is_gone_from_its_date_on_and_its_machine_is_free() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    house.backup(&vault);
    delete(&house, &vault);
    days_pass(&house, 13);
    assert_eq!(settled_items(&house, &vault).len(), 1, "it can still be brought back");
    assert_eq!(points_in_the_log(&house, &vault).len(), 2);
    let other = house.vault("v2", "local");
    let enable = |vault: &Vault| house.engine.enable(vault, "holdfast", NAME, "DefaultPolicy");
    let held = enable(&other).expect_err("not gone yet");
    assert_eq!(held.code, Code::ProtectedInAnotherVault);
    assert!(held.message.contains("in the way until"), "{held}");

    days_pass(&house, 2);
    assert_eq!(settled_items(&house, &vault), []);
    assert_eq!(points_in_the_log(&house, &vault), []);
    let completed = (Status::Completed, None);
    assert_eq!(deletions(&house, &vault), [completed, completed], "the deletion, and the purge");
    let (item, _) = enable(&other).expect("its machine is free");
    assert_eq!(item.state, ProtectionState::IrPending);
    assert_eq!(house.backup(&other).status, Status::Completed);
    let end = house.engine.delete_vault(&vault).expect("nothing is in it");
    assert!(matches!(end, VaultEnd::ForGood(_)), "{end:?}");
}

#[test]
fn the_period_in_force_at_the_deletion_counts_whatever_the_vault_says_later() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    delete(&house, &vault);
    let longer = VaultChange { soft_delete_days: Some(180), ..VaultChange::default() };
    house.engine.change_vault(&vault, None, &longer, Strictness::Any).expect("changed");
    days_pass(&house, 15);
    assert_eq!(settled_items(&house, &vault), []);
}

#[test]
fn an_undeleted_item_stays_past_its_date_with_all_its_points() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    delete(&house, &vault);
    days_pass(&house, 13);
    house.engine.change(&vault, house.item(&vault), &Wish::Undelete).expect("back");
    days_pass(&house, 5);
    assert_eq!(settled_items(&house, &vault).len(), 1);
    assert_eq!(points_in_the_log(&house, &vault).len(), 1);
}

#[test]
fn a_date_that_came_while_the_service_was_down_is_made_up_for() {
    let mut house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    delete(&house, &vault);
    for _ in 0..3 {
        let set_clock = house.clock_setter();
        let next = house.engine.clock().now() + SignedDuration::from_hours(5 * 24);
        house = house.restart(|_| set_clock(&next.to_string()));
        turn(&house);
    }
    assert_eq!(settled_items(&house, &vault), []);
    assert_eq!(points_in_the_log(&house, &vault), []);
}

#[test]
fn a_clock_that_ran_ahead_purges_nothing_until_it_is_confirmed() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    delete(&house, &vault);
    days_pass(&house, 1);
    let ahead = house.engine.clock().now() + SignedDuration::from_hours(20 * 24);
    house.set_clock(&ahead.to_string());
    for _ in 0..2 {
        turn(&house);
        assert_eq!(settled_items(&house, &vault).len(), 1, "nobody knows that it is so late");
        assert_eq!(points_in_the_log(&house, &vault).len(), 1);
    }
    house.engine.confirm_clock().expect("it is right");
    turn(&house);
    assert_eq!(settled_items(&house, &vault), []);
}

#[test]
fn without_soft_delete_the_data_is_gone_at_once_and_the_job_tells() {
    let house = House::with_one_disk();
    let vault = without_soft_delete(&house, "v1");
    house.engine.enable(&vault, "holdfast", NAME, "DefaultPolicy").expect("enabled");
    house.backup(&vault);
    let job = delete(&house, &vault);
    assert_eq!((job.operation, job.status), (Operation::DeleteBackupData, Status::Completed));
    let told = job.properties.iter().find(|(name, _)| name == "Number of Recovery Points");
    assert_eq!(told.map(|(_, number)| number.as_str()), Some("1"));
    assert_eq!(settled_items(&house, &vault), []);
    assert_eq!(points_in_the_log(&house, &vault), []);
    let gone = house.engine.item(&vault, "holdfast", NAME).expect_err("gone");
    assert_eq!(gone.code, Code::ItemNotFound);
    house.engine.enable(&vault, "holdfast", NAME, "DefaultPolicy").expect("a new item");
    assert_eq!(house.points(&vault), []);
}

#[test]
fn what_was_purged_is_collected_within_hours_not_within_a_day() {
    let house = House::with_one_disk();
    let vault = without_soft_delete(&house, "v1");
    house.engine.enable(&vault, "holdfast", NAME, "DefaultPolicy").expect("enabled");
    house.backup(&vault);
    let upkeep = || house.engine.retention_status(&vault).expect("read").upkeep;
    let hours_pass = |hours: i64| {
        let next = house.engine.clock().now() + SignedDuration::from_hours(hours);
        house.set_clock(&next.to_string());
        turn(&house);
        upkeep()
    };
    house.engine.run_retention(&vault);
    let first = upkeep().collected_at.expect("collected");
    assert_eq!(hours_pass(7).collected_at, Some(first), "nothing has gone");
    delete(&house, &vault);
    assert_eq!(settled_items(&house, &vault), []);
    let second = hours_pass(7);
    assert!(second.collected_at > Some(first), "{second:?}");
    assert!(second.collection.later_bytes > 0, "{second:?}");
    assert_eq!(hours_pass(7).collected_at, second.collected_at, "once for what has gone");
}

#[test]
fn data_that_is_being_restored_is_not_deleted_for_good() {
    let house = House::with_one_disk();
    let vault = without_soft_delete(&house, "v1");
    house.engine.enable(&vault, "holdfast", NAME, "DefaultPolicy").expect("enabled");
    let done = house.backup(&vault);
    let (id, operation) = (JobId(Uuid::from_u128(7)), Operation::Restore);
    let restore = Job { id, operation, status: Status::InProgress, ended_at: None, ..done };
    house.engine.ledger().create_job(&restore).expect("recorded");
    let refused = house.engine.change(&vault, house.item(&vault), &Wish::Delete);
    assert_eq!(refused.expect_err("a restore reads it").code, Code::BackupInProgress);
    assert_eq!(house.item(&vault).deletion, None);
    assert_eq!(points_in_the_log(&house, &vault).len(), 1);
}

/// What is done by hand to a vault's repository, as if the process had died there.
type Killed = fn(&Repository, &[PointId]);

/// Every place between two steps of a purge.
const KILLED: &[(&str, Killed)] = &[
    ("after the ledger's mark", |_, _| ()),
    ("after some points were forgotten", |repository, points| {
        repository.forget(points[0]).expect("forgotten");
    }),
    ("after all points were forgotten", |repository, points| {
        points.iter().for_each(|point| repository.forget(*point).expect("forgotten"));
    }),
];

#[test]
fn the_next_start_goes_on_wherever_a_purge_was_killed() {
    for (place, killed) in KILLED {
        let house = House::with_one_disk();
        let (vault, _) = house.protected();
        let done = house.backup(&vault);
        house.backup(&vault);
        let points = points_in_the_log(&house, &vault);
        let open = repository(&house, &vault);
        let item = house.item(&vault);
        let now = house.engine.clock().now();
        let house = house.restart(|data| {
            // Although its date is far away: what has begun goes on.
            let until = now + SignedDuration::from_hours(24 * 99);
            let deletion = Some(Deletion { at: now, until, purging: true });
            let state = ProtectionState::ProtectionStopped;
            let purging = Item { deletion, state, policy: None, chain: None, ..item.clone() };
            let job = Job {
                id: JobId(Uuid::from_u128(7)),
                operation: Operation::DeleteBackupData,
                status: Status::InProgress,
                started_at: now,
                ended_at: None,
                ..done
            };
            ledger(data).change_item(&item, &purging, &job, true).expect("marked");
            killed(&open, &points);
        });
        let undelete = house
            .engine
            .item(&vault, "holdfast", NAME)
            .and_then(|item| house.engine.change(&vault, item, &Wish::Undelete));
        let code = undelete.expect_err(place).code;
        assert!(matches!(code, Code::ItemSoftDeleted | Code::ItemNotFound), "{place}: {code:?}");
        turn(&house);
        assert_eq!(settled_items(&house, &vault), [], "{place}");
        assert_eq!(points_in_the_log(&house, &vault), [], "{place}");
        let told = [(Status::Completed, None), (Status::Failed, Some(Code::Interrupted))];
        assert_eq!(deletions(&house, &vault), told, "{place}");
    }
}

#[test]
fn a_purge_that_fails_says_so_and_is_tried_again_later() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    house.backup(&vault);
    let key = house.data().join(format!("keys/{}.key", vault.id));
    let aside = house.dir().join("key");
    delete(&house, &vault);
    let house = house.restart(|_| ());
    fs::rename(&key, &aside).expect("away");
    // The repository was opened by the restart; it is opened anew once its key does not fit.
    let house = house.restart(|_| ());
    days_pass(&house, 15);
    let failed = || deletions(&house, &vault).into_iter().filter(|it| it.0 == Status::Failed);
    assert_eq!(failed().next(), Some((Status::Failed, Some(Code::WrongKey))));
    let count = failed().count();
    turn(&house);
    assert_eq!(failed().count(), count, "not at once");

    fs::rename(&aside, &key).expect("back");
    days_pass(&house, 1);
    assert_eq!(settled_items(&house, &vault), []);
    assert_eq!(points_in_the_log(&house, &vault), []);
}

/// A vault with one soft-deleted item, deleted itself.
fn out_of_sight(house: &House) -> Vault {
    let (vault, _) = house.protected();
    house.backup(&vault);
    delete(house, &vault);
    let end = house.engine.delete_vault(&vault).expect("soft-deleted");
    assert!(matches!(end, VaultEnd::SoftDeleted(_)), "{end:?}");
    vault
}

#[test]
fn a_vault_with_only_soft_deleted_items_goes_out_of_sight_and_comes_back_whole() {
    let house = House::with_one_disk();
    let vault = out_of_sight(&house);
    let engine = &house.engine;
    assert_eq!(engine.vaults().expect("listed"), []);
    let missing = engine.vault("holdfast", "v1").expect_err("out of sight");
    assert_eq!(missing.code, Code::ResourceNotFound);
    let found = engine.vault_out_of_sight("LOCAL", "V1").expect("there");
    assert_eq!(found.vault.id, vault.id);
    let kept = found.purge_at.duration_since(found.deleted_at).as_hours();
    assert!((14 * 24 - 1..=14 * 24).contains(&kept), "{kept}");
    let purged = engine.purge_vault(&found).expect_err("its item is not gone");
    assert_eq!(purged.code, Code::VaultHoldsData);
    assert!(purged.message.contains("backup items in soft deleted state"), "{purged}");

    let house = house.restart(|_| ());
    days_pass(&house, 13);
    let engine = &house.engine;
    let found = engine.vault_out_of_sight("local", "v1").expect("still there");
    assert_eq!(engine.undelete_vault(&found, "holdfast").expect("back"), vault);
    assert_eq!(engine.vaults_out_of_sight().expect("listed"), []);
    engine.change(&vault, house.item(&vault), &Wish::Undelete).expect("its item too");
    engine.enable(&vault, "holdfast", NAME, "DefaultPolicy").expect("resumed");
    assert_eq!(house.points(&vault).len(), 1);
    assert_eq!(house.backup(&vault).status, Status::Completed);
}

#[test]
fn a_vault_out_of_sight_leaves_its_name_to_another_and_comes_back_beside_it() {
    let house = House::with_one_disk();
    let first = out_of_sight(&house);
    let second = house.vault("v1", "local");
    assert_ne!(first.id, second.id);
    let found = house.engine.vault_out_of_sight("local", "v1").expect("there");
    let taken = house.engine.undelete_vault(&found, "holdfast").expect_err("taken");
    assert_eq!(taken.code, Code::VaultNameTaken);
    let nowhere = house.engine.undelete_vault(&found, "nowhere").expect_err("no such group");
    assert_eq!(nowhere.code, Code::ResourceGroupNotFound);
    house.engine.create_resource_group("Back", "local", None).expect("made");
    let back = house.engine.undelete_vault(&found, "back").expect("elsewhere");
    assert_eq!((back.id, back.resource_group.as_str()), (first.id, "Back"));
    assert_eq!(house.engine.vaults().expect("listed").len(), 2);
}

#[test]
fn a_vault_out_of_sight_is_gone_with_the_last_of_its_items() {
    let house = House::with_one_disk();
    let vault = out_of_sight(&house);
    let store = house.data().join("stores/local").join(vault.id.to_string());
    days_pass(&house, 13);
    assert!(store.exists());
    days_pass(&house, 2);
    for _ in 0..2000 {
        turn(&house);
        let deleted = house.engine.deleted_vault(vault.id).expect("read");
        if deleted.is_some_and(|deleted| deleted.cleared_at.is_some()) {
            assert_eq!(house.engine.vaults_out_of_sight().expect("listed"), []);
            assert!(!store.exists());
            let key = house.data().join(format!("keys/{}.key.deleted", vault.id));
            assert!(key.exists(), "its key stays");
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it is still there");
}

#[test]
fn without_soft_delete_a_soft_deleted_item_keeps_its_vault_until_it_is_deleted_again() {
    let house = House::with_one_disk();
    let vault = without_soft_delete(&house, "v1");
    let switch = |state| {
        let wanted = VaultChange { soft_delete: Some(state), ..VaultChange::default() };
        house.engine.change_vault(&vault, None, &wanted, Strictness::Any).expect("changed")
    };
    let on = switch(SoftDeleteState::Enabled);
    house.engine.enable(&on, "holdfast", NAME, "DefaultPolicy").expect("enabled");
    house.backup(&on);
    delete(&house, &on);
    let off = switch(SoftDeleteState::Disabled);
    let refused = house.engine.delete_vault(&off).expect_err("it holds data");
    assert_eq!(refused.code, Code::VaultHoldsData);
    house.engine.change(&off, house.item(&off), &Wish::Undelete).expect("back");
    delete(&house, &off);
    let end = house.engine.delete_vault(&off).expect("empty");
    assert!(matches!(end, VaultEnd::ForGood(_)), "{end:?}");
}

#[test]
fn a_group_goes_although_its_vault_holds_soft_deleted_items() {
    let house = House::with_one_disk();
    let engine = &house.engine;
    engine.create_resource_group("prod", "local", None).expect("made");
    let new = NewVault {
        name: "v1".to_owned(),
        resource_group: "prod".to_owned(),
        region: "local".to_owned(),
        wanted: VaultChange::default(),
    };
    let (vault, _) = engine.create_vault(new).expect("made");
    engine.enable(&vault, "holdfast", NAME, "DefaultPolicy").expect("enabled");
    house.backup(&vault);
    delete(&house, &vault);
    engine.delete_resource_group("prod").expect("deleted");
    let found = engine.vault_out_of_sight("local", "v1").expect("kept");
    assert_eq!(found.vault.id, vault.id);
    engine.undelete_vault(&found, "holdfast").expect("back, in another group");
    assert_eq!(house.points(&engine.vault("holdfast", "v1").expect("there")).len(), 1);
}
