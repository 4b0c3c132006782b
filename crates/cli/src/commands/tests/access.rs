//! Principals and roles.

use api::arm::{principal, role};
use model::principal::Principal;
use model::role::{Assignment, Role, Scope};

use super::*;

const PRINCIPALS: &str = "/subscriptions/S/providers/Holdfast.Fabric/principals";
const ASSIGNMENTS: &str = "/providers/Microsoft.Authorization/roleAssignments";

fn a_principal(secret: Option<&str>) -> principal::Principal {
    let principal = Principal {
        client_id: Uuid::from_u128(1),
        object_id: Uuid::from_u128(2),
        name: "tool".to_owned(),
        secret_hash: String::new(),
    };
    principal::render(SUBSCRIPTION, &principal, secret.map(str::to_owned))
}

fn held(role: &str, scope: Scope) -> role::Assignment {
    let assignment = Assignment {
        name: Uuid::from_u128(3),
        principal: Uuid::from_u128(2),
        role: Role::by_name(role).expect("a role"),
        scope,
        created_at: at(0),
    };
    role::render_assignment(SUBSCRIPTION, &assignment)
}

#[test]
fn a_new_principals_secret_is_told_once() {
    let put = format!("PUT {PRINCIPALS}/tool?");
    prints(
        run("holdfast principal create tool", [(put.as_str(), one(a_principal(Some("s3cret"))))]),
        expect![[r#"
            Name:       tool
            Client id:  00000000-0000-0000-0000-000000000001
            Object id:  00000000-0000-0000-0000-000000000002
            Secret:     s3cret
        "#]],
    );
    let there = run("holdfast principal create tool", [(put.as_str(), one(a_principal(None)))]);
    assert_eq!(there.exit, Exit::Failed);
    assert!(there.err.starts_with("PrincipalNameNotAvailable: "), "{}", there.err);
}

#[test]
fn a_secret_in_a_file_is_told_nowhere_else() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("secret");
    std::fs::write(&file, "an old and longer one").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("set");
    let post = format!("POST {PRINCIPALS}/tool/resetSecret?");
    for json in ["", "--json"] {
        let line =
            format!("holdfast principal reset-secret tool {json} --secret-file {}", file.display());
        let ran = run(&line, [(post.as_str(), one(a_principal(Some("s3cret"))))]);
        assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
        assert!(!ran.out.contains("s3cret") && ran.out.contains("secret"), "{}", ran.out);
        assert_eq!(std::fs::read_to_string(&file).expect("text"), "s3cret");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let nowhere = run("holdfast principal create tool --secret-file /nowhere/x", []);
    assert_eq!(nowhere.exit, Exit::Failed, "nothing is made whose secret would be lost");
}

#[test]
fn roles_are_listed_with_the_names_of_who_holds_them() {
    let list_all = format!("GET /subscriptions/S{ASSIGNMENTS}?");
    let names = format!("GET {PRINCIPALS}?");
    let vault = Scope::Vault { group: "holdfast".to_owned(), vault: "v1".to_owned() };
    let all = [
        held("Owner", Scope::Subscription),
        held("Reader", Scope::Group("web".to_owned())),
        held("Backup Operator", vault),
    ];
    prints(
        run(
            "holdfast role list",
            [(list_all.as_str(), list(all)), (names.as_str(), list([a_principal(None)]))],
        ),
        expect![[r#"
             Principal   Role              Scope
            ───────────────────────────────────────────────────
             tool        Owner             subscription
             tool        Reader            resource group web
             tool        Backup Operator   vault v1 (holdfast)
        "#]],
    );
}

#[test]
fn a_role_is_assigned_on_the_scope_that_is_named() {
    let find = format!("GET {PRINCIPALS}/tool?");
    let put = format!("PUT {V}{ASSIGNMENTS}/");
    let vault = Scope::Vault { group: "holdfast".to_owned(), vault: "v1".to_owned() };
    let line = "holdfast role assign --principal tool --role owner --vault v1 --resource-group \
                holdfast";
    let rendered = vault::render(SUBSCRIPTION, &a_vault("holdfast"), Vec::new());
    let ran = run(
        line,
        [
            (&*format!("GET {V}?"), one(rendered)),
            (find.as_str(), one(a_principal(None))),
            (put.as_str(), one(held("Owner", vault))),
        ],
    );
    assert_eq!(ran.out, "tool is Owner of the vault v1 (holdfast).\n");
    let sent = &ran.bodies[0]["properties"];
    assert_eq!(sent["principalId"], json!(Uuid::from_u128(2).to_string()));
    assert_eq!(sent["principalType"], "ServicePrincipal");
    let role = sent["roleDefinitionId"].as_str().expect("text");
    assert!(role.ends_with("/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"), "{role}");
}

#[test]
fn a_role_is_taken_away_on_its_own_scope_only() {
    let find = format!("GET {PRINCIPALS}/tool?");
    let group = "/subscriptions/S/resourceGroups/web";
    let listed = format!("GET {group}{ASSIGNMENTS}?$filter=atScope()");
    let of_group = held("Reader", Scope::Group("web".to_owned()));
    let delete = format!("DELETE {}?", of_group.id);
    let line = "holdfast role unassign --principal tool --role Reader --resource-group web";
    let above = held("Reader", Scope::Subscription);
    let ran = run(
        line,
        [
            (find.as_str(), one(a_principal(None))),
            (listed.as_str(), list([above.clone(), of_group.clone()])),
            (delete.as_str(), one(of_group)),
        ],
    );
    assert_eq!(ran.out, "tool is Reader of the resource group web no more.\n");
    let none =
        run(line, [(find.as_str(), one(a_principal(None))), (listed.as_str(), list([above]))]);
    assert_eq!(none.exit, Exit::NotFound, "{}", none.err);
}
