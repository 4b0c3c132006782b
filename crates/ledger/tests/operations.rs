//! The contract of what the ledger port keeps for whoever watches the installation. Method as in
//! `contract.rs`: every example is a function over `&dyn Ledger`.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use ledger::port::NewNotice;
use model::alert::{Alert, Condition, Event, Kind, Told};
use model::space::SpaceSample;
use model::vault::DeletedVault;
use model::verification::Verification;
use uuid::Uuid;

mod ledgers;
mod nouns;

use ledgers::on_each;
use nouns::vault;

const OLDEST: Date = date(2026, 1, 1);

fn sample(number: u128, day: Date, stored_bytes: u64) -> SpaceSample {
    let vault = vault(number);
    SpaceSample {
        vault: vault.id,
        day,
        measured_at: vault.created_at,
        points: 3,
        logical_bytes: i64::MAX as u64,
        stored_bytes,
    }
}

#[test]
fn a_vault_has_one_sample_of_a_day_and_forgets_old_ones() {
    on_each(|ledger| {
        ledger.create_vault(&vault(1), &[]).expect("creates");
        let (first, second) = (date(2026, 3, 1), date(2026, 3, 2));
        for taken in [sample(1, second, 7), sample(1, first, 5), sample(1, second, 9)] {
            ledger.put_space(&taken, OLDEST).expect("written");
        }
        let both = [sample(1, first, 5), sample(1, second, 9)];
        assert_eq!(ledger.space(vault(1).id, OLDEST).expect("reads"), both);
        assert_eq!(ledger.space(vault(1).id, second).expect("reads"), both[1..]);

        let third = sample(1, date(2026, 3, 3), 1);
        ledger.put_space(&third, second).expect("written");
        assert_eq!(ledger.space(vault(1).id, OLDEST).expect("reads"), [both[1], third]);
    });
}

#[test]
fn samples_go_with_their_vault_and_none_comes_after_it() {
    on_each(|ledger| {
        let first = vault(1);
        ledger.create_vault(&first, &[]).expect("creates");
        let taken = sample(1, date(2026, 3, 1), 5);
        ledger.put_space(&taken, OLDEST).expect("written");
        let deleted = DeletedVault {
            id: first.id,
            name: first.name,
            resource_group: first.resource_group,
            region: first.region,
            deleted_at: first.changed_at,
            cleared_at: None,
        };
        ledger.delete_vault(&deleted).expect("deletes");
        ledger.put_space(&taken, OLDEST).expect("nothing to write");
        assert_eq!(ledger.space(taken.vault, OLDEST).expect("reads"), []);
        assert_eq!(ledger.space(Uuid::nil(), OLDEST).expect("reads"), []);
    });
}

fn alert(number: u128, key: &str, told: Told, resolved_at: Option<i64>) -> Alert {
    let condition = Condition {
        key: key.to_owned(),
        kind: Kind::ObjectiveMissed,
        vault: "v1".to_owned(),
        resource_group: "group".to_owned(),
        item: "web".to_owned(),
        title: "title".to_owned(),
        text: "text \"quoted\"".to_owned(),
        action: "action".to_owned(),
    };
    let (id, resolved_at) = (Uuid::from_u128(number), resolved_at.map(at));
    Alert { id, condition, raised_at: at(1), resolved_at, told }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn of(alert: &Alert, target: &str) -> NewNotice {
    NewNotice { alert: alert.id, event: Event::Raised, target: target.to_owned(), at: at(1) }
}

#[test]
fn alerts_and_their_notices_are_written_together_and_kept_until_they_are_done() {
    on_each(|ledger| {
        let mut first = alert(1, "a", Told::Raised, None);
        let new = [of(&first, "ops"), of(&first, "mail")];
        ledger.change_alerts(std::slice::from_ref(&first), &new, at(0)).expect("written");
        assert_eq!(ledger.open_alerts().expect("read"), [first.clone()]);
        let notices = ledger.notices().expect("read");
        let told: Vec<_> = notices.iter().map(|it| (it.target.as_str(), it.tries)).collect();
        assert_eq!(told, [("ops", 0), ("mail", 0)]);
        assert_eq!(notices[0].alert, first);

        ledger.drop_notice(notices[0].number).expect("dropped");
        ledger.drop_notice(notices[0].number).expect("nothing to drop");
        ledger.try_notice_again(notices[1].number, 3, at(50)).expect("written");
        let left = ledger.notices().expect("read");
        let told: Vec<_> = left.iter().map(|it| (it.tries, it.next_at)).collect();
        assert_eq!(told, [(3, at(50))]);

        (first.told, first.resolved_at) = (Told::Resolved, Some(at(9)));
        ledger.change_alerts(std::slice::from_ref(&first), &[], at(100)).expect("written");
        assert_eq!(ledger.open_alerts().expect("read"), []);
        assert_eq!(ledger.notices().expect("read").len(), 1, "one is still to be told");
        ledger.drop_notice(left[0].number).expect("dropped");
        ledger.change_alerts(&[], &[], at(100)).expect("forgets it");
        let again = alert(2, "a", Told::Nothing, None);
        ledger
            .change_alerts(std::slice::from_ref(&again), &[], at(0))
            .expect("the condition is back");
        assert_eq!(ledger.open_alerts().expect("read"), [again]);
    });
}

#[test]
fn a_condition_has_one_standing_alert_and_all_or_nothing_is_written() {
    on_each(|ledger| {
        let first = alert(1, "a", Told::Nothing, None);
        ledger.change_alerts(std::slice::from_ref(&first), &[], at(0)).expect("written");
        let second = [alert(3, "b", Told::Nothing, None), alert(2, "a", Told::Nothing, None)];
        let refused = ledger.change_alerts(&second, &[of(&second[0], "ops")], at(0));
        assert!(refused.is_err());
        assert_eq!(ledger.open_alerts().expect("read"), [first]);
        assert_eq!(ledger.notices().expect("read"), []);
    });
}

#[test]
fn an_end_that_was_not_told_yet_stays_open() {
    on_each(|ledger| {
        let silent = alert(1, "a", Told::Raised, Some(5));
        ledger.change_alerts(std::slice::from_ref(&silent), &[], at(100)).expect("written");
        assert_eq!(ledger.open_alerts().expect("read"), [silent]);
    });
}

#[test]
fn a_vault_has_one_last_verification_and_takes_it_along() {
    on_each(|ledger| {
        ledger.create_vault(&vault(1), &[]).expect("creates");
        let of = |number, percent| Verification {
            vault: vault(number).id,
            at: vault(number).created_at,
            percent,
            read_bytes: i64::MAX as u64,
            damaged_objects: 1,
            points_hit: 2,
        };
        assert_eq!(ledger.verifications().expect("read"), []);
        for done in [of(1, 5), of(1, 7), of(2, 1)] {
            ledger.put_verification(&done).expect("written");
        }
        assert_eq!(ledger.verifications().expect("read"), [of(1, 7)], "vault 2 is not there");
    });
}
