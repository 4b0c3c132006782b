//! What is not there, what is not clear, and what is refused.

use super::*;

#[track_caller]
fn fails<'a>(
    line: &str,
    script: impl IntoIterator<Item = (&'a str, Response)>,
    exit: Exit,
    err: Expect,
) {
    let ran = run(line, script);
    assert_eq!((ran.exit, ran.out.as_str()), (exit, ""));
    err.assert_eq(&ran.err);
}

#[test]
fn names_that_nobody_has_are_not_found() {
    let none: [vault::Vault; 0] = [];
    fails(
        "holdfast vault show x",
        [(VAULTS, list(none))],
        Exit::NotFound,
        expect![[r#"
        ResourceNotFound: There is no vault 'x'.
        Cause: Nothing of this name exists here.
        Do this: Check the name, its vault and its resource group; list what exists and try again.
    "#]],
    );
    let none: [vm::Vm; 0] = [];
    fails(
        "holdfast vm show x",
        [(VMS, list(none))],
        Exit::NotFound,
        expect![[r#"
        ResourceNotFound: No host has a virtual machine 'x'.
        Cause: Nothing of this name exists here.
        Do this: Check the name, its vault and its resource group; list what exists and try again.
    "#]],
    );
    let items = items_path();
    let ran = run("holdfast point list --vault v1 --item x", found_item(&items));
    assert_eq!(ran.exit, Exit::NotFound);
    let told =
        "BMSUserErrorContainerObjectNotFound: The vault 'v1' protects no virtual machine 'x'.";
    assert!(ran.err.starts_with(told), "{}", ran.err);
}

#[test]
fn there_is_no_latest_point_before_the_first() {
    let (items, points) = (items_path(), format!("GET {V}{ITEM}/recoveryPoints?"));
    let none: [point::Point; 0] = [];
    let script = found_item(&items).into_iter().chain([(points.as_str(), list(none))]);
    let line = "holdfast point show latest --vault v1 --item web1";
    fails(
        line,
        script,
        Exit::NotFound,
        expect![[r#"
        ResourceNotFound: There is no recovery point of 'web1' yet.
        Cause: Nothing of this name exists here.
        Do this: Check the name, its vault and its resource group; list what exists and try again.
    "#]],
    );
}

#[test]
fn a_name_in_two_groups_is_wrong_usage_until_the_group_is_named() {
    let both = || (VAULTS, list([vault_in("a"), vault_in("b")]));
    fails(
        "holdfast vault show v1",
        [both()],
        Exit::Usage,
        expect![[r#"
        Usage: The resource groups a, b each have a vault 'v1': choose one with --resource-group.
        Do this: Run the command with --help.
    "#]],
    );
    let direct =
        "GET /subscriptions/S/resourceGroups/b/providers/Microsoft.RecoveryServices/vaults/v1?";
    let ran = run("holdfast vault show v1 --resource-group b", [(direct, one(vault_in("b")))]);
    assert_eq!(ran.exit, Exit::Done);
}

#[test]
fn what_the_service_refuses_is_told_with_cause_and_action() {
    let fault = Fault::new(Code::InvalidConfigureProtection, "The VM is in 'a', the vault in 'b'.");
    let refused = || answer(400, json!(arm::error::ErrorBody::of(&fault)));
    let put = format!("PUT {V}{ITEM}?");
    let script = || {
        [
            (VAULTS, list([vault_in("holdfast")])),
            (VMS, list([a_vm(AgentState::NoChannel)])),
            (put.as_str(), refused()),
        ]
    };
    fails(
        "holdfast item enable --vault v1 --vm web1",
        script(),
        Exit::Failed,
        expect![[r#"
        BMSUserErrorInvalidConfigureProtectionRequest: The VM is in 'a', the vault in 'b'.
        Cause: The virtual machine and the vault do not fit together, or the request is incomplete.
        Do this: Choose a vault in the virtual machine's own region, and a policy of that vault.
    "#]],
    );
    let ran = run("holdfast item enable --vault v1 --vm web1 --json", script());
    let printed: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!(printed, json!(arm::error::ErrorBody::of(&fault)));
}

#[test]
fn wrong_usage_has_its_exit_code_and_with_json_its_document() {
    let none: [(&str, Response); 0] = [];
    let ran = run("holdfast vault show", none);
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Usage, ""));
    assert!(ran.err.contains("Usage: holdfast vault show"), "{}", ran.err);
    let none: [(&str, Response); 0] = [];
    let ran = run("holdfast vault show --json", none);
    let printed: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!((ran.exit, &printed["error"]["code"]), (Exit::Usage, &json!("Usage")));
}

#[test]
fn help_and_version_are_no_errors() {
    for line in ["holdfast --help", "holdfast repo --help", "holdfast --version"] {
        let none: [(&str, Response); 0] = [];
        let ran = run(line, none);
        assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""), "{line}");
        assert!(ran.out.contains("holdfast"), "{}", ran.out);
    }
}
