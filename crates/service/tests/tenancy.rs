//! Resource groups, tags, resources of any kind and their providers.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;

use house::{House, answer, check_error};

fn names(house: &House, path: &str) -> Vec<String> {
    let (status, body) = house.get(path);
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    let entries = body["value"].as_array().expect("a list").iter();
    entries.map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect()
}

fn delete(house: &House, path: &str) -> (StatusCode, Value) {
    answer(house.request(Method::DELETE, path))
}

#[test]
fn a_group_is_made_marked_filtered_and_deleted() {
    let house = House::new();
    let group = house.sub("/resourcegroups/Prod");
    check_error(&house.put(&group, &json!({})), StatusCode::BAD_REQUEST, "BadRequest");
    let tags = json!({"env": "prod"});
    let (status, made) = house.put(&group, &json!({"location": "north", "tags": tags}));
    assert_eq!((status, &made["tags"]), (StatusCode::CREATED, &tags));
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    let (status, same) = house.put(&group, &json!({"location": "NORTH"}));
    assert_eq!((status, same), (StatusCode::OK, made));
    let moved = house.put(&group, &json!({"location": "south"}));
    check_error(&moved, StatusCode::CONFLICT, "InvalidResourceGroupLocation");

    let body = json!({"tags": {"env": "test", "a": null}});
    let (status, patched) = answer(house.request(Method::PATCH, &group).json(&body));
    assert_eq!((status, &patched["tags"]), (StatusCode::OK, &json!({"env": "test", "a": ""})));

    let by = |filter: &str| {
        let filter = filter.replace(' ', "%20").replace('\'', "%27");
        names(&house, &house.sub(&format!("/resourcegroups?$filter={filter}")))
    };
    assert_eq!(by("tagName eq 'ENV'"), ["Prod"]);
    assert_eq!(by("tagname eq 'env' and tagvalue eq 'test'"), ["Prod"]);
    assert_eq!(by("tagname eq 'env' and tagvalue eq 'prod'"), [""; 0]);
    assert_eq!(by("name eq 'prod'"), ["Prod"]);
    assert_eq!(names(&house, &house.sub("/resourcegroups?$top=1")), ["holdfast"]);

    assert_eq!(delete(&house, &group.to_uppercase()), (StatusCode::OK, Value::Null));
    check_error(&house.get(&group), StatusCode::NOT_FOUND, "ResourceGroupNotFound");
    let again = delete(&house, &group);
    check_error(&again, StatusCode::NOT_FOUND, "ResourceGroupNotFound");
    let kept = delete(&house, &house.sub("/resourcegroups/holdfast"));
    check_error(&kept, StatusCode::CONFLICT, "ResourceGroupDeletionBlocked");
}

#[test]
fn empty_vaults_go_with_their_group() {
    let house = House::new();
    let group = house.sub("/resourceGroups/Prod");
    house.put(&group, &json!({"location": "local"}));
    let vault = format!("{group}/providers/Microsoft.RecoveryServices/vaults/v1");
    assert_eq!(house.put(&vault, &json!({"location": "local"})).0, StatusCode::CREATED);
    assert_eq!(delete(&house, &group).0, StatusCode::OK);
    check_error(&house.get(&vault), StatusCode::NOT_FOUND, "ResourceNotFound");
    let late = house.put(&vault, &json!({"location": "local"}));
    check_error(&late, StatusCode::NOT_FOUND, "ResourceGroupNotFound");
}

#[test]
fn resources_of_any_kind_are_listed_by_what_they_are() {
    let house = House::new();
    house.put(&house.sub("/resourceGroups/prod"), &json!({"location": "local"}));
    house.make_vault("v1");
    let other = house.vault("v2", "").replace("/holdfast/", "/prod/");
    let body = json!({"location": "north", "tags": {"env": "prod"}});
    assert_eq!(house.put(&other, &body).0, StatusCode::CREATED);
    let by = |filter: &str| {
        let filter = filter.replace(' ', "%20").replace('\'', "%27");
        names(&house, &house.sub(&format!("/resources?$expand=createdTime&$filter={filter}")))
    };
    assert_eq!(by(""), ["v1", "v2"]);
    assert_eq!(by("resourceGroup eq 'HOLDFAST'"), ["v1"]);
    assert_eq!(
        by("resourceGroup eq 'prod' and resourceType eq 'Microsoft.RecoveryServices/vaults'"),
        ["v2"]
    );
    assert_eq!(by("resourceType eq 'Microsoft.Compute/virtualMachines'"), [""; 0]);
    assert_eq!(by("tagname eq 'env' and tagvalue eq 'prod'"), ["v2"]);
    assert_eq!(by("location eq 'north'"), ["v2"]);
    assert_eq!(by("name eq 'V1'"), ["v1"]);
    assert_eq!(names(&house, &house.sub("/resourceGroups/PROD/resources")), ["v2"]);
    check_error(
        &house.get(&house.sub("/resources?$filter=color%20eq%20%27red%27")),
        StatusCode::BAD_REQUEST,
        "BadRequest",
    );
    let (_, list) = house.get(&house.sub("/resources?$top=1"));
    assert_eq!(list["value"][0]["type"], "Microsoft.RecoveryServices/vaults");
    assert_eq!(list["value"][0]["sku"]["name"], "Standard");
    let next = list["nextLink"].as_str().expect("there is another");
    let (_, second) = answer(house.client.get(next).bearer_auth(house.token()));
    assert_eq!((&second["value"][0]["name"], &second["nextLink"]), (&json!("v2"), &Value::Null));
}

#[test]
fn pages_keep_what_was_asked_for() {
    let house = House::new();
    for name in ["v1", "v2", "v3"] {
        house.make_vault(name);
    }
    let filter = "$filter=resourceType%20eq%20%27Microsoft.RecoveryServices%2Fvaults%27&$top=1";
    let mut url = house.url(&house.sub(&format!("/resources?{filter}&api-version=2024-11-01")));
    let mut seen = Vec::new();
    loop {
        let (status, page) = answer(house.client.get(&url).bearer_auth(house.token()));
        assert_eq!(status, StatusCode::OK, "{page}");
        for entry in page["value"].as_array().expect("a list") {
            seen.push(entry["name"].as_str().expect("a name").to_owned());
        }
        let Some(next) = page["nextLink"].as_str() else { break };
        for kept in ["filter=resourceType", "top=1", "api-version=2024-11-01"] {
            assert!(next.contains(kept), "{next}");
        }
        url = next.to_owned();
    }
    assert_eq!(seen, ["v1", "v2", "v3"]);
    for bad in ["$skipToken=x", "$top=-1", "$top=many"] {
        let told = house.get(&house.sub(&format!("/resources?{bad}")));
        check_error(&told, StatusCode::BAD_REQUEST, "BadRequest");
    }
}

#[test]
fn urls_as_clients_write_them_find_the_same_thing() {
    let house = House::new();
    let made = house.make_vault("MyVault");
    let of_vault = house.vault("myvault", "/backupconfig/vaultconfig");
    let (_, config) = house.get(&of_vault);
    let id = made["id"].as_str().expect("an id");
    assert_eq!(config["id"], json!(format!("{id}/backupconfig/vaultconfig")));
    for path in [
        of_vault.to_uppercase(),
        of_vault.to_lowercase().replace("/vaults/", "//vaults//"),
        format!("{of_vault}/"),
        of_vault.replace("vaultconfig", "vault%63onfig"),
    ] {
        assert_eq!(house.get(&path), (StatusCode::OK, config.clone()), "{path}");
    }
    for version in ["2016-01-01", "2019-11-01", "2031-12-31", "2026-01-01-preview"] {
        let url = house.url(&format!("{of_vault}?api-version={version}"));
        let told = answer(house.client.get(url).bearer_auth(house.token()));
        assert_eq!(told, (StatusCode::OK, config.clone()), "{version}");
    }
    let wrong = answer(house.request(Method::DELETE, &of_vault));
    check_error(&wrong, StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed");
}

#[test]
fn tags_are_resources_of_vaults_and_groups() {
    let house = House::new();
    house.make_vault("v1");
    for of in [house.vault("v1", ""), house.sub("/resourceGroups/holdfast")] {
        let path = format!("{of}/providers/Microsoft.Resources/tags/default");
        let send = |method: Method, body: Value| {
            let (status, told) = answer(house.request(method, &path).json(&body));
            assert_eq!(status, StatusCode::OK, "{told}");
            told
        };
        let (_, none) = house.get(&path);
        assert_eq!(none["properties"]["tags"], json!({}));
        assert_eq!(none["id"], json!(path));
        let tags = |tags: Value| json!({"properties": {"tags": tags}});
        let told = send(Method::PUT, tags(json!({"a": "1", "b": "2"})));
        assert_eq!(told["properties"]["tags"], json!({"a": "1", "b": "2"}));
        for (operation, given, expected) in [
            ("Merge", json!({"A": "3", "c": "4"}), json!({"A": "3", "b": "2", "c": "4"})),
            ("Delete", json!({"b": "2"}), json!({"A": "3", "c": "4"})),
            ("Replace", json!({"z": ""}), json!({"z": ""})),
        ] {
            let body = json!({"operation": operation, "properties": {"tags": given}});
            assert_eq!(send(Method::PATCH, body)["properties"]["tags"], expected, "{operation}");
        }
        let body = json!({"operation": "Mix", "properties": {"tags": {}}});
        let refused = answer(house.request(Method::PATCH, &path).json(&body));
        check_error(&refused, StatusCode::BAD_REQUEST, "BadRequest");
        assert_eq!(house.get(&of).1["tags"], json!({"z": ""}));
    }
    let (_, names) = house.get(&house.sub("/tagNames"));
    assert_eq!(
        (&names["value"][0]["tagName"], &names["value"][0]["count"]["value"]),
        (&json!("z"), &json!(2))
    );
    let path = house.vault("v1", "/providers/Microsoft.Resources/tags/default");
    assert_eq!(delete(&house, &path), (StatusCode::OK, Value::Null));
    assert_eq!(house.get(&house.vault("v1", "")).1["tags"], json!({}));
}

#[test]
fn providers_are_known_and_registered() {
    let house = House::new();
    let (status, all) = house.get(&house.sub("/providers"));
    assert_eq!(status, StatusCode::OK);
    assert!(all["value"].as_array().expect("a list").len() >= 7);
    for namespace in [
        "Microsoft.RecoveryServices",
        "Microsoft.Compute",
        "Microsoft.Network",
        "Microsoft.Storage",
        "Microsoft.Resources",
        "Microsoft.Authorization",
        "Holdfast.Fabric",
    ] {
        let path = house.sub(&format!("/providers/{namespace}"));
        let (status, found) = house.get(&path.to_lowercase());
        assert_eq!(status, StatusCode::OK, "{namespace}");
        assert_eq!((&found["id"], &found["namespace"]), (&json!(path), &json!(namespace)));
        assert_eq!(found["registrationState"], "Registered");
        assert!(!found["resourceTypes"][0]["apiVersions"].as_array().expect("a list").is_empty());
        let registered = house.post(&format!("{path}/register"), &json!({}));
        assert_eq!(registered, (StatusCode::OK, found));
    }
    let unknown = house.get(&house.sub("/providers/Microsoft.Sql"));
    check_error(&unknown, StatusCode::NOT_FOUND, "InvalidResourceNamespace");
    let (_, locations) = house.get(&house.sub("/locations"));
    let first = &locations["value"][0];
    assert_eq!((&first["name"], &first["type"]), (&json!("local"), &json!("Region")));
    assert_eq!(first["metadata"]["regionType"], "Physical");
}
