//! The contract of the ledger port, on: what retention reads and keeps. Method as in `contract.rs`.

use jiff::{SignedDuration, Timestamp};
use ledger::{Ledger, LedgerError};
use model::fault::{Code, Fault};
use model::item::Item;
use model::point::{Point, PointId};
use model::policy::Policy;
use model::retention::{ClockSight, Collection, Plan, PlanState, Step, Upkeep};
use model::vault::DeletedVault;
use uuid::Uuid;

mod ledgers;
mod nouns;

use ledgers::on_each;
use nouns::{item, point, point_id, vault};

fn with_item(ledger: &dyn Ledger, number: u128) -> Item {
    let vault = vault(number);
    ledger.create_vault(&vault, &[Policy::default_of(vault.id, vault.created_at)]).expect("vault");
    let item = item(number, &vault);
    ledger.create_item(&item).expect("item");
    item
}

fn with_points(ledger: &dyn Ledger, item: &Item, numbers: &[u64]) -> Vec<Point> {
    let put = |number: &u64| {
        let point = point(*number, item);
        ledger.put_point(&point).expect("point");
        point
    };
    numbers.iter().map(put).collect()
}

fn fault() -> Fault {
    Fault::new(Code::Internal, "something, and \"more\"")
}

fn plan(number: u128, item: &Item, state: PlanState) -> Plan {
    let step = |number: u64| Step {
        point: point_id(number),
        item: item.id,
        since: Timestamp::from_nanosecond(1_780_000_000_123_456_789).expect("in range"),
        rule: "daily, for 30 days".to_owned(),
    };
    Plan {
        id: Uuid::from_u128(number),
        vault: item.vault,
        made_at: item.created_at + SignedDuration::from_secs(number as i64),
        state,
        waits: (state != PlanState::Running).then(fault),
        steps: vec![step(1), step(2)],
    }
}

#[test]
fn times_of_points_come_by_item_and_time() {
    on_each(|ledger| {
        let (first, other) = (with_item(ledger, 1), with_item(ledger, 2));
        let mut points = with_points(ledger, &first, &[3, 1, 2]);
        with_points(ledger, &other, &[9]);
        points.sort_by_key(|point| (point.taken_at, point.id));
        let times = ledger.point_times(first.vault, None).expect("reads");
        assert_eq!(times.len(), 3);
        for (point, times) in points.iter().zip(&times) {
            assert_eq!((times.id, times.item), (point.id, point.item));
            assert_eq!((times.taken_at, times.retain_until), (point.taken_at, point.retain_until));
        }
        let of_item = |item| ledger.point_times(first.vault, Some(item)).expect("reads");
        assert_eq!(of_item(first.id), times);
        assert_eq!(of_item(other.id), [], "it is in another vault");
    });
}

#[test]
fn points_are_forgotten_once_and_only_in_their_vault() {
    on_each(|ledger| {
        let (first, other) = (with_item(ledger, 1), with_item(ledger, 2));
        with_points(ledger, &first, &[1, 2]);
        let theirs = with_points(ledger, &other, &[3]);
        let ids = [point_id(1), point_id(3), point_id(7)];
        assert_eq!(ledger.forget_points(first.vault, &ids).expect("forgets"), 1);
        assert_eq!(ledger.forget_points(first.vault, &ids).expect("again"), 0);
        assert_eq!(ledger.point(point_id(1)).expect("reads"), None);
        assert_eq!(ledger.point(point_id(3)).expect("reads").as_ref(), theirs.first());
        assert_eq!(ledger.count_points(first.id).expect("counts"), 1);
    });
}

#[test]
fn the_later_promise_holds_and_ends_with_its_point() {
    on_each(|ledger| {
        let item = with_item(ledger, 1);
        with_points(ledger, &item, &[1, 2]);
        let until = |seconds: i64| item.created_at + SignedDuration::from_secs(seconds);
        let promise = |seconds| ledger.promise(&[(point_id(1), until(seconds))]).expect("promises");
        promise(20);
        promise(10);
        // Of a point that is not there nothing is promised.
        ledger.promise(&[(point_id(9), until(5))]).expect("no harm");
        let kept: Vec<(PointId, Timestamp)> = ledger.promises(item.vault).expect("reads");
        assert_eq!(kept, [(point_id(1), until(20))]);
        promise(30);
        assert_eq!(ledger.promises(item.vault).expect("reads"), [(point_id(1), until(30))]);
        ledger.forget_points(item.vault, &[point_id(1)]).expect("forgets");
        assert_eq!(ledger.promises(item.vault).expect("reads"), []);
    });
}

#[test]
fn a_vault_has_one_plan_that_runs_and_one_that_waits() {
    on_each(|ledger| {
        let (item, other) = (with_item(ledger, 1), with_item(ledger, 2));
        let put = |plan: &Plan| ledger.put_retention_plan(plan).expect("puts");
        let (theirs, running) =
            (plan(9, &other, PlanState::Waiting), plan(1, &item, PlanState::Running));
        let (waiting, newer) =
            (plan(2, &item, PlanState::Waiting), plan(3, &item, PlanState::Waiting));
        [&theirs, &running, &waiting].into_iter().for_each(put);
        assert_eq!(
            ledger.retention_plans(item.vault).expect("reads"),
            [running.clone(), waiting.clone()]
        );
        put(&newer);
        assert_eq!(
            ledger.retention_plans(item.vault).expect("reads"),
            [running.clone(), newer.clone()]
        );
        let gone = ledger.confirm_retention_plan(waiting.id);
        assert!(matches!(gone, Err(LedgerError::Missing)), "{gone:?}");
        let runs = ledger.confirm_retention_plan(running.id);
        assert!(matches!(runs, Err(LedgerError::Missing)), "{runs:?}");
        ledger.confirm_retention_plan(newer.id).expect("confirms");
        ledger.confirm_retention_plan(newer.id).expect("twice is no harm");
        // A confirmed plan begins to run.
        put(&Plan { state: PlanState::Running, ..newer.clone() });
        let plans = ledger.retention_plans(item.vault).expect("reads");
        assert_eq!(plans, [Plan { state: PlanState::Running, ..newer.clone() }]);
        ledger.end_retention_plan(newer.id).expect("ends");
        ledger.end_retention_plan(newer.id).expect("twice is no harm");
        assert_eq!(ledger.retention_plans(item.vault).expect("reads"), []);
        assert_eq!(ledger.retention_plans(other.vault).expect("reads"), [theirs]);
    });
}

#[test]
fn upkeep_is_nothing_at_first_and_then_what_was_put_last() {
    on_each(|ledger| {
        let item = with_item(ledger, 1);
        assert_eq!(ledger.upkeep(item.vault).expect("reads"), Upkeep::default());
        let collection = Collection {
            freed_bytes: 1,
            later_bytes: 2,
            needed_bytes: 3,
            live_bytes: 4,
            repacked_bytes: 5,
        };
        let upkeep = Upkeep {
            judged_at: Some(item.created_at),
            forgot_at: Some(item.created_at),
            forgotten: 7,
            collected_at: Some(item.created_at),
            collection,
            freed_bytes: 8,
            to_collect: true,
            fault: Some(fault()),
        };
        for upkeep in [upkeep, Upkeep::default()] {
            ledger.put_upkeep(item.vault, &upkeep).expect("puts");
            assert_eq!(ledger.upkeep(item.vault).expect("reads"), upkeep);
        }
        let nowhere = ledger.put_upkeep(Uuid::from_u128(77), &Upkeep::default());
        assert!(matches!(nowhere, Err(LedgerError::Missing)), "{nowhere:?}");
    });
}

#[test]
fn what_was_seen_of_the_clock_is_kept() {
    on_each(|ledger| {
        assert_eq!(ledger.clock_sight().expect("reads"), ClockSight::default());
        let seen = Timestamp::from_nanosecond(1_780_000_000_123_456_789).ok();
        let accepted_offset = Some(SignedDuration::from_millis(-5_400_001));
        let sight = ClockSight { seen, accepted_offset, doubt: Some(fault()) };
        for sight in [sight, ClockSight { seen, ..ClockSight::default() }] {
            ledger.put_clock_sight(&sight).expect("puts");
            assert_eq!(ledger.clock_sight().expect("reads"), sight);
        }
    });
}

#[test]
fn what_retention_keeps_of_a_vault_goes_with_it() {
    on_each(|ledger| {
        let vault = vault(1);
        ledger.create_vault(&vault, &[]).expect("vault");
        let item = item(1, &vault);
        ledger.put_retention_plan(&plan(1, &item, PlanState::Waiting)).expect("puts");
        ledger.put_upkeep(vault.id, &Upkeep::default()).expect("puts");
        let deleted = DeletedVault {
            id: vault.id,
            name: vault.name.clone(),
            resource_group: vault.resource_group.clone(),
            region: vault.region.clone(),
            deleted_at: vault.created_at,
            cleared_at: None,
        };
        ledger.delete_vault(&deleted).expect("deletes");
        assert_eq!(ledger.retention_plans(vault.id).expect("reads"), []);
    });
}
