//! The part of the contract that tells who holds which role where.

use jiff::Timestamp;
use ledger::{Ledger, LedgerError};
use model::principal::Principal;
use model::role::built_in::{BACKUP_OPERATOR, OWNER, READER};
use model::role::{Assignment, Role, Scope};
use uuid::Uuid;

use super::on_each;

fn principal(number: u128) -> Principal {
    Principal {
        client_id: Uuid::from_u128(number),
        object_id: Uuid::from_u128(100 + number),
        name: format!("principal-{number}"),
        secret_hash: "$argon2id$v=19$…".to_owned(),
    }
}

fn assignment(number: u128, role: &'static Role, scope: Scope) -> Assignment {
    Assignment {
        name: Uuid::from_u128(1_000 + number),
        principal: principal(1).object_id,
        role,
        scope,
        created_at: Timestamp::from_second(number as i64).expect("in range"),
    }
}

fn group(name: &str) -> Scope {
    Scope::Group(name.to_owned())
}

fn vault(group: &str, name: &str) -> Scope {
    Scope::Vault { group: group.to_owned(), vault: name.to_owned() }
}

/// Gives the ledger principals 1 and 2.
fn with_principals(ledger: &dyn Ledger) {
    for number in [2, 1] {
        ledger.create_principal(&principal(number)).expect("creates");
    }
}

#[test]
fn principals_are_listed_by_name_and_a_name_is_taken_once() {
    on_each(|ledger| {
        with_principals(ledger);
        assert_eq!(ledger.principals().expect("reads"), [principal(1), principal(2)]);
        let mut third = principal(3);
        third.name = "PRINCIPAL-1".to_owned();
        let refused = ledger.create_principal(&third);
        assert!(matches!(refused, Err(LedgerError::PrincipalNameTaken)), "{refused:?}");
        assert_eq!(ledger.principals().expect("reads").len(), 2);
    });
}

#[test]
fn assignments_are_read_back_as_they_were_written() {
    on_each(|ledger| {
        with_principals(ledger);
        let all = [
            assignment(1, &OWNER, Scope::Subscription),
            assignment(2, &READER, group("Group")),
            assignment(3, &BACKUP_OPERATOR, vault("Group", "Vault")),
        ];
        for new in all.iter().rev() {
            ledger.create_assignment(new).expect("creates");
        }
        assert_eq!(ledger.assignments().expect("reads"), all, "oldest first");
        assert_eq!(ledger.assignment(all[2].name).expect("reads").as_ref(), Some(&all[2]));
        assert_eq!(ledger.assignment(Uuid::from_u128(9)).expect("reads"), None);

        let (who, mut held) =
            ledger.access(principal(1).client_id).expect("reads").expect("it is there");
        held.sort_by_key(|assignment| assignment.created_at);
        assert_eq!((who, held.as_slice()), (principal(1), all.as_slice()));
        let other = ledger.access(principal(2).client_id).expect("reads");
        assert_eq!(other, Some((principal(2), Vec::new())));
        assert_eq!(ledger.access(Uuid::from_u128(9)).expect("reads"), None);
    });
}

#[test]
fn a_role_is_held_once_on_a_scope_in_any_case_of_letters() {
    on_each(|ledger| {
        with_principals(ledger);
        let first = assignment(1, &READER, vault("Group", "Vault"));
        ledger.create_assignment(&first).expect("creates");
        let again = ledger.create_assignment(&assignment(2, &READER, vault("GROUP", "vault")));
        let by = first.name;
        assert!(matches!(again, Err(LedgerError::AssignmentExists { name }) if name == by));
        let mut taken = assignment(3, &READER, group("Group"));
        taken.name = first.name;
        let taken = ledger.create_assignment(&taken);
        assert!(matches!(taken, Err(LedgerError::AssignmentNameTaken)), "{taken:?}");
        let mut stranger = assignment(4, &READER, group("Group"));
        stranger.principal = Uuid::from_u128(9);
        let stranger = ledger.create_assignment(&stranger);
        assert!(matches!(stranger, Err(LedgerError::Missing)), "{stranger:?}");
        assert_eq!(ledger.assignments().expect("reads"), [first]);
    });
}

#[test]
fn a_principal_that_is_deleted_takes_its_assignments_along() {
    on_each(|ledger| {
        with_principals(ledger);
        ledger.create_assignment(&assignment(1, &READER, Scope::Subscription)).expect("creates");
        ledger.delete_principal(principal(1).client_id).expect("deletes");
        assert_eq!(ledger.assignments().expect("reads"), []);
        assert_eq!(ledger.access(principal(1).client_id).expect("reads"), None);
        let again = ledger.delete_principal(principal(1).client_id);
        assert!(matches!(again, Err(LedgerError::Missing)), "{again:?}");
    });
}

#[test]
fn the_last_owner_of_the_subscription_stays() {
    on_each(|ledger| {
        with_principals(ledger);
        let owner = assignment(1, &OWNER, Scope::Subscription);
        for new in [&owner, &assignment(2, &OWNER, group("g")), &assignment(3, &READER, group("g"))]
        {
            ledger.create_assignment(new).expect("creates");
        }
        for refused in
            [ledger.delete_assignment(owner.name), ledger.delete_principal(principal(1).client_id)]
        {
            assert!(matches!(refused, Err(LedgerError::LastOwner)), "{refused:?}");
        }
        assert_eq!(ledger.assignments().expect("reads").len(), 3, "nothing of it happened");

        let mut second = assignment(4, &OWNER, Scope::Subscription);
        second.principal = principal(2).object_id;
        ledger.create_assignment(&second).expect("creates");
        ledger.delete_assignment(owner.name).expect("there is another");
        ledger.delete_principal(principal(1).client_id).expect("there is another");
        assert_eq!(ledger.assignments().expect("reads"), [second]);
        let missing = ledger.delete_assignment(owner.name);
        assert!(matches!(missing, Err(LedgerError::Missing)), "{missing:?}");
    });
}
