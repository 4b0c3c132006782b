//! How vaults and resource groups are made, changed and deleted.

use api::arm::deleted_vault::{self, DeletedVault};

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
        (OUT_OF_SIGHT, list::<DeletedVault>([])),
    ];
    prints(
        run("holdfast vault delete v1", script),
        expect![[r#"
        The vault v1 is deleted.
    "#]],
    );
}

const OUT_OF_SIGHT: &str =
    "GET /subscriptions/S/providers/Microsoft.RecoveryServices/locations/local/deletedVaults?";

fn out_of_sight() -> DeletedVault {
    let purge_at = at(14 * 86_400);
    deleted_vault::render(SUBSCRIPTION, "v1", &a_vault("holdfast"), at(0), purge_at)
}

/// The script that looks for soft-deleted vaults in all regions.
fn everywhere() -> [(&'static str, Response); 2] {
    let region = arm::tenancy::location(SUBSCRIPTION, "local");
    [("GET /subscriptions/S/locations?", list([region])), (OUT_OF_SIGHT, list([out_of_sight()]))]
}

#[test]
fn a_vault_that_is_soft_deleted_says_until_when_it_can_be_had_back() {
    let delete = format!("DELETE {V}?");
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (delete.as_str(), answer(200, Value::Null)),
        (OUT_OF_SIGHT, list([out_of_sight()])),
    ];
    prints(
        run("holdfast vault delete v1", script),
        expect![[r#"
        The vault v1 is soft-deleted, with what is in it. Until 2026-06-11 20:26:40Z it can be brought back: holdfast vault undelete v1
    "#]],
    );
}

#[test]
fn soft_deleted_vaults_are_listed_and_brought_back() {
    prints(
        run("holdfast vault list --deleted", everywhere()),
        expect![[r#"
         Name   Resource group   Region   Deleted                Gone for good
        ──────────────────────────────────────────────────────────────────────────────
         v1     holdfast         local    2026-05-28 20:26:40Z   2026-06-11 20:26:40Z
    "#]],
    );
    let path =
        "/subscriptions/S/providers/Microsoft.RecoveryServices/locations/local/deletedVaults";
    let undelete = format!("POST {path}/v1/undelete?");
    let get = format!("GET {}?", V.replace("holdfast", "Back"));
    let script = everywhere()
        .into_iter()
        .chain([(undelete.as_str(), one(out_of_sight())), (get.as_str(), one(vault_in("Back")))]);
    let ran = run("holdfast vault undelete V1 --into Back", script);
    let group = "/subscriptions/S/resourceGroups/Back";
    assert_eq!(ran.bodies, [json!({"properties": {"recoveryResourceGroupId": group}})]);
    prints(
        ran,
        expect![[r#"
        The vault v1 is back in the resource group Back. Its items are still deleted: bring them back with `holdfast item undelete`. Roles that were held on it have to be given again.
    "#]],
    );
    let missing = run("holdfast vault undelete v2", everywhere());
    assert_eq!(missing.exit, Exit::NotFound);
}

#[test]
fn a_plan_is_printed_with_commands_to_copy() {
    let blocker =
        |kind: &str, name: &str, reason: &str, commands: &[&str]| deleted_vault::Blocker {
            kind: kind.to_owned(),
            name: name.to_owned(),
            reason: reason.to_owned(),
            commands: commands.iter().map(|line| (*line).to_owned()).collect(),
        };
    let get = format!("GET {V}/providers/Holdfast.Fabric/deletionPlans/default?");
    let plan = |blockers: Vec<deleted_vault::Blocker>, outcome: &str| {
        let properties = deleted_vault::DeletionPlanProperties {
            blockers,
            command: "holdfast vault delete v1 --resource-group holdfast".to_owned(),
            outcome: outcome.to_owned(),
            gone_at: "2026-12-09T10:00:00Z".to_owned(),
        };
        one(deleted_vault::render_plan(V, properties))
    };
    let script = |answer| [(VAULTS, list([vault_in("holdfast")])), (get.as_str(), answer)];
    let blockers = vec![
        blocker("Job", "j", "A job of the vault runs: Backup.", &["holdfast job cancel j"]),
        blocker("ProtectedItem", "web1", "'web1' is there.", &["holdfast a", "holdfast b"]),
        blocker("Repository", "r", "It cannot be told what is in it.", &[]),
    ];
    let ran = run("holdfast vault delete v1 --plan", script(plan(blockers, "SoftDeleted")));
    prints(
        ran,
        expect![[r#"
        To delete the vault v1, remove what is in the way, in this order:

        1. A job of the vault runs: Backup.
            holdfast job cancel j

        2. 'web1' is there.
            holdfast a
            holdfast b

        3. It cannot be told what is in it.

        Then delete it:

            holdfast vault delete v1 --resource-group holdfast

        It can be brought back then, until 2026-12-09 10:00:00Z.
    "#]],
    );
    let ran = run("holdfast vault delete v1 --plan", script(plan(Vec::new(), "Deleted")));
    prints(
        ran,
        expect![[r#"
        Nothing keeps the vault v1 from being deleted.

        Then delete it:

            holdfast vault delete v1 --resource-group holdfast

        It is gone for good then.
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
