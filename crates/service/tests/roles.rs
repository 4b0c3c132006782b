//! What a role shows and hides: lists, places, ids in bodies.

use model::role::Scope;
use reqwest::{Method, StatusCode};
use serde_json::json;

mod house;

use house::{House, VERSION, answer, check_error};

fn group(name: &str) -> Scope {
    Scope::Group(name.to_owned())
}

fn vault(group: &str, name: &str) -> Scope {
    Scope::Vault { group: group.to_owned(), vault: name.to_owned() }
}

/// A house with the groups `holdfast` and `other`, each with a vault `v1`.
fn two_groups() -> House {
    let house = House::new();
    let location = json!({"location": "local"});
    house.make_vault("v1");
    assert_eq!(house.put(&house.sub("/resourceGroups/other"), &location).0, StatusCode::CREATED);
    assert_eq!(house.put(&other_vault(&house, ""), &location).0, StatusCode::CREATED);
    house
}

fn other_vault(house: &House, rest: &str) -> String {
    house
        .sub(&format!("/resourceGroups/other/providers/Microsoft.RecoveryServices/vaults/v1{rest}"))
}

#[test]
fn who_holds_no_role_sees_no_subscription_and_may_nothing() {
    let house = two_groups();
    let nobody = house.principal("nobody", &[]);
    let (status, list) = nobody.get("/subscriptions");
    assert_eq!((status, &list["value"]), (StatusCode::OK, &json!([])));
    for path in [house.sub(""), house.sub("/resourceGroups"), house.vault("v1", "")] {
        let answer = nobody.get(&path);
        check_error(&answer, StatusCode::FORBIDDEN, "AuthorizationFailed");
        let message = answer.1["error"]["message"].as_str().expect("text").to_owned();
        let action = if path.contains("vaults") {
            "Microsoft.RecoveryServices/Vaults/read"
        } else if path.contains("resourceGroups") {
            "Microsoft.Resources/subscriptions/resourceGroups/read"
        } else {
            "Microsoft.Resources/subscriptions/read"
        };
        let expected = format!(
            "The client '{}' with object id '{}' does not have authorization to perform action \
             '{action}' over scope '{path}' or the scope is invalid. If access was recently \
             granted, please refresh your credentials.",
            nobody.client_id, nobody.object_id
        );
        assert_eq!(message, expected);
    }
}

#[test]
fn lists_show_what_the_caller_may_read() {
    let house = two_groups();
    let vaults = house.sub("/providers/Microsoft.RecoveryServices/vaults");
    let names = |asked: &house::Visitor, path: &str| {
        let (status, list) = asked.get(path);
        assert_eq!(status, StatusCode::OK, "{list}");
        let ids = list["value"].as_array().expect("a list").iter();
        ids.map(|one| one["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let of_group = house.principal("of-group", &[("Reader", group("OTHER"))]);
    let of_vault = house.principal("of-vault", &[("Backup Reader", vault("other", "V1"))]);
    let of_all = house.principal("of-all", &[("Reader", Scope::Subscription)]);
    assert_eq!(names(&of_group, &vaults), [other_vault(&house, "")]);
    assert_eq!(names(&of_vault, &vaults), [other_vault(&house, "")]);
    assert_eq!(names(&of_all, &vaults).len(), 2);

    let groups = house.sub("/resourceGroups");
    assert_eq!(names(&of_group, &groups), [house.sub("/resourceGroups/other")]);
    assert_eq!(names(&of_all, &groups).len(), 2);
    check_error(&of_vault.get(&groups), StatusCode::FORBIDDEN, "AuthorizationFailed");
    for visitor in [&of_group, &of_vault, &of_all] {
        assert_eq!(names(visitor, "/subscriptions"), [house.sub("")]);
        assert_eq!(visitor.get(&house.sub("")).0, StatusCode::OK);
    }
    let hosts = house.sub("/providers/Holdfast.Fabric/hosts");
    assert_eq!(names(&of_group, &hosts).len(), 0);
    let vms = house.sub("/providers/Microsoft.Compute/virtualMachines");
    assert_eq!(names(&of_group, &vms).len(), 0);
    check_error(&of_vault.get(&vms), StatusCode::FORBIDDEN, "AuthorizationFailed");
}

#[test]
fn a_role_reaches_no_further_than_its_scope() {
    let house = two_groups();
    let (own, other) = (other_vault(&house, ""), house.vault("v1", ""));
    let visitor = house.principal("v", &[("Backup Contributor", vault("other", "v1"))]);
    assert_eq!(visitor.get(&own).0, StatusCode::OK);
    assert_eq!(visitor.get(&format!("{own}/backupPolicies")).0, StatusCode::OK);
    let spelt = own.to_uppercase().replace("/VAULTS/", "//vaults//");
    assert_eq!(visitor.get(&spelt).0, StatusCode::OK, "{spelt}");
    for path in [
        other.clone(),
        format!("{other}/backupPolicies"),
        house.sub("/resourceGroups/other"),
        house.sub("/locations"),
        house.sub("/resourceGroups/other/providers/Microsoft.Compute/virtualMachines/x"),
        format!("{other}/x/../../v1"),
    ] {
        let (status, body) = visitor.get(&path);
        assert!(!status.is_success(), "{path}: {body}");
    }
    check_error(&visitor.get(&other), StatusCode::FORBIDDEN, "AuthorizationFailed");
}

#[test]
fn another_subscription_is_not_found_whoever_asks() {
    let house = two_groups();
    let elsewhere = |path: String| {
        path.replace(&house.credentials().subscription_id, "00000000-0000-4000-8000-000000000001")
    };
    let nobody = house.principal("nobody", &[]);
    for path in [house.sub(""), house.vault("v1", ""), house.sub("/resourceGroups/x")] {
        let path = elsewhere(path);
        for answer in [house.get(&path), nobody.get(&path)] {
            check_error(&answer, StatusCode::NOT_FOUND, "SubscriptionNotFound");
        }
    }
}

#[test]
fn ids_in_bodies_are_looked_at_as_well_as_the_url() {
    let house = two_groups();
    let vm = |group: &str| {
        house.sub(&format!("/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/w"))
    };
    let held = [("Backup Operator", Scope::Subscription), ("Contributor", group("other"))];
    let operator = house.principal("operator", &held);
    let enable = |of: &str| {
        let tail = format!("iaasvmcontainerv2;{of};w");
        let item = other_vault(
            &house,
            &format!(
                "/backupFabrics/Azure/protectionContainers/IaasVMContainer;{tail}/protectedItems\
                 /VM;{tail}"
            ),
        );
        let policy = other_vault(&house, "/backupPolicies/DefaultPolicy");
        let body = json!({"properties": {"protectedItemType":
            "Microsoft.Compute/virtualMachines", "sourceResourceId": vm(of), "policyId": policy}});
        answer(operator.request(Method::PUT, &item).json(&body))
    };
    check_error(&enable("holdfast"), StatusCode::FORBIDDEN, "AuthorizationFailed");
    let allowed = enable("other");
    assert_eq!(allowed.0, StatusCode::NOT_FOUND, "there is no such VM: {}", allowed.1);

    let check = house.sub("/providers/Microsoft.RecoveryServices/locations/local/backupStatus");
    let outside = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/g/providers\
                   /Microsoft.Compute/virtualMachines/w";
    let body = json!({"resourceType": "VM", "resourceId": outside});
    let answer = answer(operator.request(Method::POST, &check).json(&body));
    assert!(answer.0.is_client_error(), "{}", answer.1);
}

#[test]
fn a_principal_that_is_gone_is_refused_at_once() {
    let house = two_groups();
    let reader = house.principal("reader", &[("Reader", Scope::Subscription)]);
    assert_eq!(reader.get("/subscriptions").0, StatusCode::OK);
    house.engine.delete_principal("reader").expect("deleted");
    check_error(&reader.get("/subscriptions"), StatusCode::UNAUTHORIZED, "AuthenticationFailed");
    let url = house.url(&format!("/subscriptions?api-version={VERSION}"));
    assert_eq!(house.client.get(url).send().expect("sent").status(), StatusCode::UNAUTHORIZED);
}
