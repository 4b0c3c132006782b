//! The contract of what the ledger port keeps for whoever watches the installation. Method as in
//! `contract.rs`: every example is a function over `&dyn Ledger`.

use jiff::civil::{Date, date};
use ledger::Ledger;
use model::space::SpaceSample;
use model::vault::DeletedVault;
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
