//! Vaults that are deleted while they hold soft-deleted items, as clients see them; and the plan
//! that leads there.

use model::item::{Deletion, Item};
use model::job::{Job, Status};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;
mod records;

use house::{House, answer, check_error};
use records::{ITEM, at, job_id, protected};

/// A house whose items are soft-deleted and whose jobs have ended.
fn deleted() -> House {
    let house = protected();
    end_jobs(&house);
    let ledger = house.engine.ledger();
    let (now, until) = (house.engine.clock().now(), at("2999-01-01T00:00:00Z"));
    for item in ledger.items(None).expect("readable") {
        let deletion = Some(Deletion { at: now, until, purging: false });
        ledger.update_item(&Item { deletion, policy: None, ..item }).expect("updates");
    }
    house
}

fn end_jobs(house: &House) {
    let ledger = house.engine.ledger();
    for number in [4, 5] {
        let job = ledger.job(job_id(number)).expect("readable").expect("there");
        let (status, ended_at) = (Status::Completed, Some(job.started_at));
        ledger.update_job(&Job { status, ended_at, ..job }).expect("updates");
    }
}

fn out_of_sight(house: &House, rest: &str) -> String {
    let region = "/providers/Microsoft.RecoveryServices/locations/local/deletedVaults";
    house.sub(&format!("{region}{rest}"))
}

fn into(house: &House, group: &str) -> Value {
    let id = house.sub(&format!("/resourceGroups/{group}"));
    json!({"properties": {"recoveryResourceGroupId": id}})
}

/// Deletes the vault; where its operation can be looked at.
#[track_caller]
fn delete(house: &House, vault: &str) -> String {
    let request = house.request(Method::DELETE, &house.vault(vault, ""));
    let response = request.send().expect("an answer");
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    response.headers()["azure-asyncoperation"].to_str().expect("text").to_owned()
}

#[test]
fn a_vault_with_only_soft_deleted_items_is_listed_brought_back_and_never_purged_early() {
    let house = deleted();
    let (_, before) = house.get(&house.vault("v1", ""));
    let operation = delete(&house, "v1");
    let (status, told) = answer(house.client.get(operation).bearer_auth(house.token()));
    assert_eq!((status, &told["status"]), (StatusCode::OK, &json!("Succeeded")));
    for gone in [house.vault("v1", ""), house.vault("v1", ITEM)] {
        check_error(&house.get(&gone), StatusCode::NOT_FOUND, "ResourceNotFound");
    }
    let again = answer(house.request(Method::DELETE, &house.vault("v1", "")));
    assert_eq!(again.0, StatusCode::NO_CONTENT);

    let (status, list) = house.get(&out_of_sight(&house, ""));
    assert_eq!(status, StatusCode::OK);
    let found = &list["value"][0];
    assert_eq!(house.get(&out_of_sight(&house, "/V1")), (StatusCode::OK, found.clone()));
    assert_eq!(found["id"], json!(out_of_sight(&house, "/v1")));
    assert_eq!(found["type"], "Microsoft.RecoveryServices/locations/deletedVaults");
    assert_eq!(found["properties"]["vaultId"], before["id"]);
    assert!(found["properties"]["vaultDeletionTime"].is_string(), "{found}");
    let purge_at = found["properties"]["purgeAt"].as_str().expect("a time");
    assert!(purge_at.starts_with("2999-01-01T00:00:00"), "{purge_at}");

    let purge = answer(house.request(Method::DELETE, &out_of_sight(&house, "/v1")));
    check_error(&purge, StatusCode::BAD_REQUEST, "ServiceResourceNotEmptyWithBackendMessage");
    let text = purge.1["error"]["message"].as_str().expect("a text");
    assert!(text.starts_with("Recovery Services vault cannot be deleted as there are"), "{text}");

    let undelete = out_of_sight(&house, "/v1/undelete");
    let (status, _) = house.post(&undelete, &into(&house, "holdfast"));
    assert_eq!(status, StatusCode::OK);
    assert_eq!(house.get(&house.vault("v1", "")), (StatusCode::OK, before));
    let (_, item) = house.get(&house.vault("v1", ITEM));
    assert_eq!(item["properties"]["isScheduledForDeferredDelete"], true);
    let missing = house.post(&undelete, &into(&house, "holdfast"));
    check_error(&missing, StatusCode::NOT_FOUND, "ResourceNotFound");
    let gone = answer(house.request(Method::DELETE, &out_of_sight(&house, "/v1")));
    assert_eq!(gone.0, StatusCode::NO_CONTENT);
}

#[test]
fn a_name_that_is_out_of_sight_is_free_and_taken_when_its_vault_comes_back() {
    let house = deleted();
    delete(&house, "v1");
    let available = house.sub(
        "/resourceGroups/holdfast/providers/Microsoft.RecoveryServices/locations/local\
         /checkNameAvailability",
    );
    let kind = "Microsoft.RecoveryServices/vaults";
    let (_, told) = house.post(&available, &json!({"name": "v1", "type": kind}));
    assert_eq!(told["nameAvailable"], true);
    house.make_vault("v1");
    let undelete = out_of_sight(&house, "/v1/undelete");
    let taken = house.post(&undelete, &into(&house, "holdfast"));
    check_error(&taken, StatusCode::CONFLICT, "VaultNameNotAvailable");
    let group = house.sub("/resourceGroups/back");
    assert_eq!(house.put(&group, &json!({"location": "local"})).0, StatusCode::CREATED);
    // Azure's CLI sends the group's name alone.
    let name = json!({"properties": {"recoveryResourceGroupId": "back"}});
    assert_eq!(house.post(&undelete, &name).0, StatusCode::OK);
    let (_, all) = house.get(&house.sub(&format!("/providers/{kind}")));
    assert_eq!(all["value"].as_array().map(Vec::len), Some(2));
}

#[test]
fn only_who_may_see_a_vault_sees_it_out_of_sight_and_no_role_on_it_comes_back() {
    use model::role::Scope;
    let house = deleted();
    let other = house.sub("/resourceGroups/other");
    assert_eq!(house.put(&other, &json!({"location": "local"})).0, StatusCode::CREATED);
    let of_vault = Scope::Vault { group: "holdfast".to_owned(), vault: "v1".to_owned() };
    let on_vault = house.principal("on-vault", &[("Contributor", of_vault)]);
    let in_group = house.principal("in-group", &[("Reader", Scope::Group("holdfast".to_owned()))]);
    let elsewhere = house.principal("elsewhere", &[("Owner", Scope::Group("other".to_owned()))]);
    assert_eq!(on_vault.get(&house.vault("v1", "")).0, StatusCode::OK);
    delete(&house, "v1");
    let seen = |list: (StatusCode, Value)| list.1["value"].as_array().map_or(0, Vec::len);
    assert_eq!(seen(in_group.get(&out_of_sight(&house, ""))), 1);
    for blind in [&on_vault, &elsewhere] {
        assert_eq!(seen(blind.get(&out_of_sight(&house, ""))), 0);
    }
    let (status, _) = house.post(&out_of_sight(&house, "/v1/undelete"), &into(&house, "holdfast"));
    assert_eq!(status, StatusCode::OK);
    assert_eq!(on_vault.get(&house.vault("v1", "")).0, StatusCode::FORBIDDEN);
}

#[test]
fn the_plan_names_what_is_in_the_way_and_the_commands_for_it() {
    let house = protected();
    let path = house.vault("v1", "/providers/Holdfast.Fabric/deletionPlans/default");
    let plan = || house.get(&path).1["properties"].clone();
    let kinds = |plan: &Value| -> Vec<String> {
        let blockers = plan["blockers"].as_array().expect("a list").iter();
        blockers.map(|it| it["kind"].as_str().expect("a kind").to_owned()).collect()
    };
    let first = plan();
    assert_eq!(kinds(&first), ["Job", "Job", "ProtectedItem", "ProtectedItem"]);
    assert_eq!(first["outcome"], "SoftDeleted");
    assert_eq!(first["command"], "holdfast vault delete v1 --resource-group holdfast");
    let item = "holdfast item delete --vault v1 --resource-group holdfast --item web1 \
                --vm-resource-group Prod";
    assert_eq!(first["blockers"][2]["commands"], json!([item]));
    let refused = answer(house.request(Method::DELETE, &house.vault("v1", "")));
    check_error(&refused, StatusCode::BAD_REQUEST, "ServiceResourceNotEmptyWithContainerDetails");

    end_jobs(&house);
    for vm in ["web1", "web2"] {
        let path = house.vault("v1", &ITEM.replace("web1", vm));
        assert_eq!(answer(house.request(Method::DELETE, &path)).0, StatusCode::ACCEPTED);
    }
    let second = plan();
    assert_eq!((kinds(&second), &second["outcome"]), (vec![], &json!("SoftDeleted")));
    delete(&house, "v1");
    check_error(&house.get(&path), StatusCode::NOT_FOUND, "ResourceNotFound");
    house.make_vault("v1");
    assert_eq!(plan()["outcome"], "Deleted");
}
