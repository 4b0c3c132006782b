use jiff::Timestamp;
use model::role::built_in::{BACKUP_OPERATOR, BACKUP_READER, CONTRIBUTOR, OWNER, READER};
use uuid::Uuid;

use super::*;

#[test]
fn patterns_mean_what_azure_means_by_them() {
    for (pattern, action, expected) in [
        ("*", "Microsoft.Compute/virtualMachines/read", true),
        ("*/read", "Microsoft.Compute/virtualMachines/read", true),
        ("*/read", "Microsoft.Compute/virtualMachines/write", false),
        ("*/read", "read", false),
        ("a/b/read", "A/B/Read", true),
        ("a/b/read", "a/b/read/action", false),
        ("a/b/read", "x/a/b/read", false),
        ("a/b/*", "a/b/c/d/delete", true),
        ("a/b/*", "a/bc/delete", false),
        ("a/b/*", "a/b", false),
        ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true),
        ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/write", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*c", "a-c-b-c", true),
        ("a*b*c", "a-c-b-", false),
        ("", "a", false),
    ] {
        assert_eq!(matches(pattern, action), expected, "{pattern} on {action}");
    }
}

fn group(name: &str) -> Scope {
    Scope::Group(name.to_owned())
}

fn vault(group: &str, name: &str) -> Scope {
    Scope::Vault { group: group.to_owned(), vault: name.to_owned() }
}

fn held(role: &'static Role, scope: Scope) -> Assignment {
    let (name, principal) = (Uuid::from_u128(1), Uuid::from_u128(2));
    Assignment { name, principal, role, scope, created_at: Timestamp::UNIX_EPOCH }
}

const READ: &str = "Microsoft.RecoveryServices/Vaults/read";
const ASSIGN: &str = "Microsoft.Authorization/roleAssignments/write";
const BACKUP: &str = "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/\
                      protectedItems/backup/action";

#[track_caller]
fn check(held: &[Assignment], action: &str, place: &Scope, expected: Result<&str, Denied>) {
    let verdict = judge(held, action, place).map(|assignment| assignment.role.name);
    assert_eq!(verdict, expected, "{action} on {place:?}");
}

#[test]
fn who_holds_nothing_may_do_nothing() {
    check(&[], READ, &Scope::Subscription, Err(Denied::NoRoleHere));
    check(&[], "", &vault("g", "v"), Err(Denied::NoRoleHere));
}

#[test]
fn a_role_holds_on_its_scope_and_under_it_only() {
    let reader = [held(&READER, group("g"))];
    check(&reader, READ, &group("G"), Ok("Reader"));
    check(&reader, READ, &vault("g", "v"), Ok("Reader"));
    check(&reader, READ, &vault("h", "v"), Err(Denied::NoRoleHere));
    check(&reader, READ, &Scope::Subscription, Err(Denied::NoRoleHere));
    let operator = [held(&BACKUP_OPERATOR, vault("g", "v"))];
    check(&operator, BACKUP, &vault("g", "v"), Ok("Backup Operator"));
    check(&operator, BACKUP, &vault("g", "w"), Err(Denied::NoRoleHere));
    check(&operator, READ, &group("g"), Err(Denied::NoRoleHere));
}

#[test]
fn roles_add_up_and_a_not_action_takes_from_its_own_role_only() {
    let all = Scope::Subscription;
    let contributor = held(&CONTRIBUTOR, all.clone());
    check(std::slice::from_ref(&contributor), ASSIGN, &all, Err(Denied::NotInRoles));
    check(&[contributor, held(&OWNER, all.clone())], ASSIGN, &all, Ok("Owner"));
    let readers = [held(&BACKUP_READER, all.clone()), held(&BACKUP_OPERATOR, group("g"))];
    check(&readers, BACKUP, &vault("g", "v"), Ok("Backup Operator"));
    check(&readers, BACKUP, &vault("h", "v"), Err(Denied::NotInRoles));
}

#[test]
fn a_list_may_be_asked_for_where_anything_under_it_may_be_seen() {
    let reader = [held(&READER, vault("g", "v"))];
    let verdict = |place: &Scope, action| judge_list(&reader, action, place).map(|_| ());
    assert_eq!(verdict(&Scope::Subscription, READ), Ok(()));
    assert_eq!(verdict(&group("g"), READ), Ok(()));
    assert_eq!(verdict(&group("h"), READ), Err(Denied::NoRoleHere));
    assert_eq!(verdict(&group("g"), ASSIGN), Err(Denied::NotInRoles));
}

#[test]
fn entries_of_a_list_are_judged_as_the_places_they_are() {
    let held = [held(&READER, vault("g", "v")), held(&BACKUP_READER, group("h"))];
    let reach = reach(&held, READ);
    for (place, expected) in [
        (vault("G", "V"), true),
        (vault("g", "w"), false),
        (group("g"), false),
        (vault("h", "v"), true),
        (Scope::Subscription, false),
    ] {
        assert_eq!(reach.holds(&place), expected, "{place:?}");
        assert_eq!(judge(&held, READ, &place).is_ok(), expected, "{place:?}");
    }
}
