//! How vaults and resource groups are made, changed and deleted.

use super::*;

#[test]
fn a_vault_is_created_with_the_settings_that_were_typed() {
    let put = format!("PUT {V}?");
    let line = "holdfast vault create v1 --region local --redundancy locallyredundant \
                --soft-delete enabled --soft-delete-days 30 --immutability Unlocked --tag a=b=c";
    let ran = run(line, [(put.as_str(), one(vault_in("holdfast")))]);
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let expected = json!({
        "location": "local",
        "tags": {"a": "b=c"},
        "properties": {
            "redundancySettings": {"standardTierStorageRedundancy": "LocallyRedundant"},
            "securitySettings": {
                "softDeleteSettings": {
                    "softDeleteState": "Enabled", "softDeleteRetentionPeriodInDays": 30},
                "immutabilitySettings": {"state": "Unlocked"}}}});
    assert_eq!(ran.bodies, [expected]);
}

#[test]
fn an_update_sends_what_was_typed_and_no_more() {
    let patch = format!("PATCH {V}?");
    let script =
        [(VAULTS, list([vault_in("holdfast")])), (patch.as_str(), one(vault_in("holdfast")))];
    let ran = run("holdfast vault update V1 --soft-delete-days 60", script);
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let sent = json!({"softDeleteSettings": {"softDeleteRetentionPeriodInDays": 60}});
    assert_eq!(ran.bodies, [json!({"properties": {"securitySettings": sent}})]);
    let none: [(&str, Response); 0] = [];
    assert_eq!(run("holdfast vault update v1 --tag a", none).exit, Exit::Usage);
}

#[test]
fn a_deletion_is_followed_to_its_end() {
    let delete = format!("DELETE {V}?");
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (delete.as_str(), pending("https://localhost:8443/operation?api-version=1")),
        ("GET /operation?api-version=1", succeeded(None)),
    ];
    prints(
        run("holdfast vault delete v1", script),
        expect![[r#"
        The vault v1 is deleted.
    "#]],
    );
}

#[test]
fn groups() {
    let group = |tags: &[(&str, &str)]| {
        let tags =
            tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (name, region) = ("Prod".to_owned(), "north".to_owned());
        let model = model::principal::ResourceGroup { name, region, tags };
        arm::tenancy::group(SUBSCRIPTION, &model)
    };
    let tagged = || group(&[("env", "prod"), ("x", "")]);
    let path = "/subscriptions/S/resourceGroups";
    prints(
        run("holdfast group list", [(format!("GET {path}?").as_str(), list([tagged()]))]),
        expect![[r#"
             Name   Region   Tags
            ──────────────────────────────
             Prod   north    env=prod, x=
        "#]],
    );
    let put = format!("PUT {path}/Prod?");
    let ran = run(
        "holdfast group create Prod --region north --tag env=prod --tag x=",
        [(put.as_str(), one(tagged()))],
    );
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    let expected = json!({"location": "north", "tags": {"env": "prod", "x": ""}});
    assert_eq!(ran.bodies, [expected]);
    let delete = format!("DELETE {path}/Prod?");
    prints(
        run("holdfast group delete Prod", [(delete.as_str(), answer(200, Value::Null))]),
        expect![[r#"
        The resource group Prod is deleted.
    "#]],
    );
}
