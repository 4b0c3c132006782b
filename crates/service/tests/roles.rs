//! What a role shows and hides: lists, places, ids in bodies.

use model::role::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

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

const BACKUP_READER: &str = "a795c7a0-d4a2-40c1-ae25-d81f01202912";

/// The path of a role assignment on this scope.
fn assignment(scope: &str, number: u128) -> String {
    let name = Uuid::from_u128(number);
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
}

/// What a client sends to give a role to somebody.
fn giving(house: &House, role: &str, to: &str) -> Value {
    let role = house.sub(&format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"));
    json!({"properties": {"roleDefinitionId": role, "principalId": to,
                          "principalType": "ServicePrincipal"}})
}

#[test]
fn a_role_is_given_told_and_taken_away() {
    let house = two_groups();
    let visitor = house.principal("v", &[]);
    let scope = other_vault(&house, "");
    let (path, body) =
        (assignment(&scope.to_uppercase(), 1), giving(&house, BACKUP_READER, &visitor.object_id));
    let (status, made) = house.put(&path, &body);
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = assignment(&scope, 1);
    assert_eq!((&made["id"], &made["properties"]["scope"]), (&json!(id), &json!(scope)));
    assert_eq!(visitor.get(&scope).0, StatusCode::OK, "it holds at once");

    assert_eq!(house.put(&path, &body), (StatusCode::OK, made.clone()), "again");
    let again = house.put(&assignment(&scope, 2), &body);
    check_error(&again, StatusCode::CONFLICT, "RoleAssignmentExists");
    let reader = giving(&house, "acdd72a7-3385-48ef-bd42-f606fba81ae7", &visitor.object_id);
    let other = house.put(&path, &reader);
    check_error(&other, StatusCode::CONFLICT, "RoleAssignmentUpdateNotPermitted");
    assert_eq!(house.get(&id), (StatusCode::OK, made.clone()));

    // The right to delete is judged on the URL's scope, so it must be the assignment's own.
    let elsewhere = assignment(&house.sub(""), 1);
    check_error(&house.get(&elsewhere), StatusCode::NOT_FOUND, "RoleAssignmentNotFound");
    let delete = |path: &str| answer(house.request(Method::DELETE, path));
    assert_eq!(delete(&elsewhere).0, StatusCode::NO_CONTENT);
    assert_eq!(house.get(&id).0, StatusCode::OK, "it is still there");
    assert_eq!(delete(&id), (StatusCode::OK, made));
    assert_eq!(delete(&id).0, StatusCode::NO_CONTENT);
    check_error(&visitor.get(&scope), StatusCode::FORBIDDEN, "AuthorizationFailed");
}

#[test]
fn what_cannot_be_assigned_is_refused() {
    let house = two_groups();
    let visitor = house.principal("v", &[]);
    let to = visitor.object_id.as_str();
    let good = || giving(&house, BACKUP_READER, to);
    let with = |field: &str, value: Value| {
        let mut body = good();
        body["properties"][field] = value;
        body
    };
    let (all, nobody) = (house.sub(""), "00000000-0000-4000-8000-000000000009");
    let gone = house.vault("gone", "");
    let in_vault = house.vault("v1", "/backupPolicies/DefaultPolicy");
    let vm = house.sub("/resourceGroups/other/providers/Microsoft.Compute/virtualMachines/x");
    let foreign = format!(
        "/subscriptions/{nobody}/providers/Microsoft.Authorization/roleDefinitions/{BACKUP_READER}"
    );
    for (scope, body, status, code) in [
        (&all, giving(&house, nobody, to), 404, "RoleDefinitionDoesNotExist"),
        (&all, with("roleDefinitionId", json!(foreign)), 400, "BadRequest"),
        (&all, giving(&house, BACKUP_READER, nobody), 400, "PrincipalNotFound"),
        (&all, giving(&house, BACKUP_READER, "x"), 400, "BadRequest"),
        (&all, with("principalType", json!("User")), 400, "BadRequest"),
        (&all, with("condition", json!("true")), 400, "BadRequest"),
        (&all, with("description", json!("why")), 400, "BadRequest"),
        (&gone, good(), 404, "ResourceNotFound"),
        (&house.sub("/resourceGroups/gone"), good(), 404, "ResourceGroupNotFound"),
        (&in_vault, good(), 404, "InvalidResourceType"),
        (&vm, good(), 404, "InvalidResourceType"),
    ] {
        let answer = house.put(&assignment(scope, 1), &body);
        check_error(&answer, StatusCode::from_u16(status).expect("a status"), code);
    }
    let named = format!("{all}/providers/Microsoft.Authorization/roleAssignments/no-guid");
    check_error(&house.put(&named, &good()), StatusCode::BAD_REQUEST, "BadRequest");
    assert_eq!(house.engine.assignments().expect("readable").len(), 1, "the first owner's");
}

#[test]
fn the_last_owner_cannot_go() {
    let house = House::new();
    let owner = &house.engine.assignments().expect("readable")[0];
    let path = assignment(&house.sub(""), owner.name.as_u128());
    let delete = |path: &str| answer(house.request(Method::DELETE, path));
    check_error(&delete(&path), StatusCode::CONFLICT, "CannotDeleteLastOwner");
    let principal = house.sub("/providers/Holdfast.Fabric/principals/holdfast-owner");
    check_error(&delete(&principal), StatusCode::CONFLICT, "CannotDeleteLastOwner");
    let _second = house.principal("second", &[("Owner", Scope::Subscription)]);
    assert_eq!(delete(&path).0, StatusCode::OK);
}

#[test]
fn who_owns_a_group_gives_rights_there_and_nowhere_else() {
    let house = two_groups();
    let friend = house.principal("friend", &[]);
    let owner = house.principal("owner", &[("Owner", group("other"))]);
    let give = |scope: &str, number| {
        let body = giving(&house, BACKUP_READER, &friend.object_id);
        answer(owner.request(Method::PUT, &assignment(scope, number)).json(&body))
    };
    assert_eq!(give(&other_vault(&house, ""), 1).0, StatusCode::CREATED);
    for scope in [house.sub(""), house.vault("v1", ""), house.sub("/resourceGroups/holdfast")] {
        check_error(&give(&scope, 2), StatusCode::FORBIDDEN, "AuthorizationFailed");
    }
    let new = house.sub("/providers/Holdfast.Fabric/principals/new");
    let made = answer(owner.request(Method::PUT, &new).json(&json!({})));
    check_error(&made, StatusCode::FORBIDDEN, "AuthorizationFailed");
}

#[test]
fn assignments_and_roles_are_listed_as_filters_say() {
    let house = two_groups();
    let one = house.principal("one", &[("Reader", group("other"))]);
    let _two = house.principal("two", &[("Backup Reader", vault("other", "v1"))]);
    let count = |scope: &str, filter: &str| {
        let kind = "/providers/Microsoft.Authorization/roleAssignments";
        let (status, list) = house.get(&format!("{scope}{kind}?$filter={filter}"));
        assert_eq!(status, StatusCode::OK, "{list}");
        list["value"].as_array().expect("a list").len()
    };
    let (all, other) = (house.sub(""), house.sub("/resourceGroups/other"));
    let theirs = format!("principalId%20eq%20'{}'", one.object_id);
    let assigned = format!("atScope()%20and%20assignedTo('{}')", one.object_id);
    for (scope, filter, expected) in [
        (&all, "", 3),
        (&all, "atScope()", 1),
        (&all, &theirs, 1),
        (&other, "", 3),
        (&other, "atScope()", 2),
        (&other, &assigned, 1),
        (&other_vault(&house, ""), "atScope()", 3),
        (&house.vault("v1", ""), "", 1),
    ] {
        assert_eq!(count(scope, filter), expected, "{filter} on {scope}");
    }
    let roles = |rest: &str| {
        house.get(&house.sub(&format!("/providers/Microsoft.Authorization/roleDefinitions{rest}")))
    };
    assert_eq!(roles("").1["value"].as_array().map(Vec::len), Some(6));
    let (_, found) = roles("?$filter=roleName%20eq%20'Backup%20Reader'");
    assert_eq!(found["value"][0]["name"], json!(BACKUP_READER));
    assert_eq!(found["value"][0]["id"], roles(&format!("/{BACKUP_READER}")).1["id"]);
    check_error(&roles("?$filter=x"), StatusCode::BAD_REQUEST, "BadRequest");
    let (status, role) = house.get(
        "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
    );
    assert_eq!((status, &role["properties"]["roleName"]), (StatusCode::OK, &json!("Reader")));
}

#[test]
fn a_principals_secret_is_told_once_and_can_be_replaced() {
    let house = House::new();
    let visitor = house.principal("tool", &[("Reader", Scope::Subscription)]);
    let path = house.sub("/providers/Holdfast.Fabric/principals/tool");
    let told = |answer: (StatusCode, Value)| answer.1["properties"]["clientSecret"].clone();
    assert_eq!(told(house.get(&path)), Value::Null);
    let again = house.put(&path, &json!({}));
    assert_eq!((again.0, told(again)), (StatusCode::OK, Value::Null), "it is there already");
    let list = house.get(&house.sub("/providers/Holdfast.Fabric/principals")).1;
    assert_eq!(list["value"].as_array().map(Vec::len), Some(2));
    assert!(!list.to_string().contains("clientSecret"));

    let new = told(house.post(&format!("{path}/resetSecret"), &Value::Null));
    let new = new.as_str().expect("a new one");
    assert_ne!(new, visitor.secret);
    assert_eq!(house.log_in(&visitor.client_id, &visitor.secret).0, StatusCode::UNAUTHORIZED);
    assert_eq!(house.log_in(&visitor.client_id, new).0, StatusCode::OK);

    let delete = || answer(house.request(Method::DELETE, &path));
    assert_eq!((delete().0, delete().0), (StatusCode::OK, StatusCode::NO_CONTENT));
    check_error(&house.get(&path), StatusCode::NOT_FOUND, "ResourceNotFound");
    assert_eq!(house.log_in(&visitor.client_id, new).0, StatusCode::UNAUTHORIZED);
    assert_eq!(house.engine.assignments().expect("readable").len(), 1, "its roles are gone");
    let bad = house.put(&format!("{path}%20x"), &json!({}));
    check_error(&bad, StatusCode::BAD_REQUEST, "InvalidResourceName");
}
