use super::*;

const SUBSCRIPTION: Uuid = Uuid::from_u128(7);

fn group(name: &str) -> Scope {
    Scope::Group(name.to_owned())
}

fn vault(group: &str, name: &str) -> Scope {
    Scope::Vault { group: group.to_owned(), vault: name.to_owned() }
}

#[track_caller]
fn check(rest: &str, holding: Option<Scope>, is_its_id: bool) {
    let id = format!("/subscriptions/{SUBSCRIPTION}{rest}");
    assert_eq!(Scope::holding(&id, SUBSCRIPTION), holding, "{id}");
    let own = if is_its_id { holding } else { None };
    assert_eq!(Scope::of_id(&id, SUBSCRIPTION), own, "{id}");
}

#[test]
fn an_id_lies_in_the_smallest_scope_that_its_beginning_names() {
    let vaults = "/providers/Microsoft.RecoveryServices/vaults";
    check("", Some(Scope::Subscription), true);
    check("/", Some(Scope::Subscription), true);
    check("/locations", Some(Scope::Subscription), false);
    check("/resourceGroups", Some(Scope::Subscription), false);
    check("/RESOURCEgroups/G", Some(group("G")), true);
    check(
        "/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/v",
        Some(group("G")),
        false,
    );
    check(&format!("/resourceGroups/G{vaults}"), Some(group("G")), false);
    check(&format!("/resourceGroups/G{vaults}/V"), Some(vault("G", "V")), true);
    check(&format!("/resourceGroups/G{vaults}/V/backupJobs/j"), Some(vault("G", "V")), false);
    check(&format!("//resourceGroups//G{vaults}//V//"), Some(vault("G", "V")), true);
}

#[test]
fn names_further_behind_move_nothing() {
    let twice = "/resourceGroups/G/providers/x/resourceGroups/H/providers/y/vaults/V";
    check(twice, Some(group("G")), false);
    check("/x/resourceGroups/G", Some(Scope::Subscription), false);
    check("/resourceGroups/resourceGroups/G", Some(group("resourceGroups")), false);
    check("/providers/Microsoft.RecoveryServices/vaults/V", Some(Scope::Subscription), false);
}

#[test]
fn what_is_in_another_subscription_or_in_none_lies_nowhere() {
    let other = format!("/subscriptions/{}/resourceGroups/g", Uuid::from_u128(8));
    for id in ["", "/", "x", "/providers/x", "/subscriptions", "/subscriptions/x", &other] {
        assert_eq!(Scope::holding(id, SUBSCRIPTION), None, "{id}");
    }
    let behind = format!("/x/subscriptions/{SUBSCRIPTION}/resourceGroups/g");
    assert_eq!(Scope::holding(&behind, SUBSCRIPTION), None);
}

#[test]
fn a_scope_holds_itself_and_what_lies_under_it() {
    let scopes = [
        Scope::Subscription,
        group("g"),
        vault("g", "v"),
        vault("g", "w"),
        group("h"),
        vault("h", "v"),
    ];
    let held = |outer: &Scope| scopes.iter().map(|inner| outer.holds(inner)).collect::<Vec<_>>();
    assert_eq!(held(&scopes[0]), [true; 6]);
    assert_eq!(held(&group("G")), [false, true, true, true, false, false]);
    assert_eq!(held(&vault("G", "V")), [false, false, true, false, false, false]);
}

#[test]
fn an_id_reads_back_as_the_scope_it_is_of() {
    for scope in [Scope::Subscription, group("Group"), vault("Group", "Vault")] {
        assert_eq!(Scope::of_id(&scope.id(&SUBSCRIPTION.to_string()), SUBSCRIPTION), Some(scope));
    }
}

#[test]
fn roles_are_found_by_name_in_any_case_and_by_id() {
    for role in Role::ALL {
        assert_eq!(Role::by_name(&role.name.to_uppercase()), Some(role));
        assert_eq!(Role::by_id(role.id), Some(role));
    }
    assert_eq!(Role::by_name("User Access Administrator"), None);
    assert_eq!(Role::by_id(SUBSCRIPTION), None);
}
