//! ARM's manners: paths, versions, headers, limits and error bodies, and the nouns that need no
//! host.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;

use std::time::Duration;

use house::{House, VERSION, answer, check_error};

/// What a vault warns of, by how the sentences begin.
#[track_caller]
fn check_warnings(vault: &Value, begins: &[&str]) {
    let told = &vault["properties"]["holdfast"]["warnings"];
    let sentences: Vec<&str> =
        told.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(sentences.len(), begins.len(), "{told}");
    assert!(sentences.iter().zip(begins).all(|(told, begin)| told.starts_with(begin)), "{told}");
}

#[test]
fn a_vault_is_made_told_listed_and_changed() {
    let house = House::new();
    let path = house.vault("Vault-1", "");
    let missing = house.get(&path);
    check_error(&missing, StatusCode::NOT_FOUND, "ResourceNotFound");
    let message = missing.1["error"]["message"].as_str().expect("a message");
    let expected = "The Resource 'Microsoft.RecoveryServices/vaults/Vault-1' under resource group \
                    'holdfast' was not found.";
    assert!(message.starts_with(expected), "{message}");

    let made = house.make_vault("Vault-1");
    assert_eq!(made["id"], json!(path));
    assert_eq!(made["location"], "local");
    let properties = &made["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(properties["redundancySettings"]["standardTierStorageRedundancy"], "GeoRedundant");
    check_warnings(&made, &["No second copy", "No host is in region 'local'"]);

    let in_group = "/resourceGroups/holdfast/providers/Microsoft.RecoveryServices/vaults";
    for list in [house.sub("/providers/Microsoft.RecoveryServices/vaults"), house.sub(in_group)] {
        let (status, body) = house.get(&list);
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body, json!({"value": [made], "nextLink": null}), "{list}");
    }

    let change = json!({"properties": {"redundancySettings":
        {"standardTierStorageRedundancy": "LocallyRedundant"}}});
    let (status, changed) = answer(house.request(Method::PATCH, &path).json(&change));
    assert_eq!(status, StatusCode::OK);
    check_warnings(&changed, &["No host is in region 'local'"]);
    assert_eq!(house.put(&path, &json!({"location": "LOCAL"})), (StatusCode::OK, changed));
}

#[test]
fn names_are_found_in_any_case_and_told_as_they_were_made() {
    let house = House::new();
    let made = house.make_vault("MyVault");
    let upper = house.vault("MYVAULT", "").to_uppercase();
    let lower = house.vault("myvault", "").to_lowercase();
    let doubled = house.vault("myvault", "").replace('/', "//");
    let trailing = format!("{lower}/");
    let escaped = house.vault("%6dyvault", "");
    for path in [upper, lower, doubled, trailing, escaped] {
        assert_eq!(house.get(&path), (StatusCode::OK, made.clone()), "{path}");
    }
}

#[test]
fn what_a_vault_cannot_be_is_refused() {
    let house = House::new();
    house.make_vault("v1");
    let at = |region: &str| json!({"location": region});
    let vault = |name: &str| house.vault(name, "");
    let elsewhere = vault("v1").replace("holdfast", "nowhere");
    for (path, body, status, code) in [
        (vault("1v"), at("local"), 400, "InvalidResourceName"),
        (vault("v"), at("local"), 400, "InvalidResourceName"),
        (vault("v_1"), at("local"), 400, "InvalidResourceName"),
        (vault(&"v".repeat(51)), at("local"), 400, "InvalidResourceName"),
        (vault("v1"), at("elsewhere"), 400, "UserErrorVaultPropertyCannotChange"),
        (vault("v2"), at("no/region"), 400, "InvalidResourceName"),
        (vault("v2"), json!({}), 400, "BadRequest"),
        (vault("v2"), json!({"location": 7}), 400, "BadRequest"),
        (vault("v2"), json!([]), 400, "BadRequest"),
        (elsewhere, at("local"), 404, "ResourceGroupNotFound"),
        (
            vault("v2"),
            json!({"location": "local", "properties": {"redundancySettings":
                {"standardTierStorageRedundancy": "Triple"}}}),
            400,
            "BadRequest",
        ),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        check_error(&house.put(&path, &body), status, code);
    }
    check_error(&house.get(&vault("v2")), StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn a_new_vault_has_its_two_policies_and_nothing_else() {
    let house = House::new();
    house.make_vault("v1");
    let (status, policies) = house.get(&house.vault("v1", "/backupPolicies/"));
    assert_eq!(status, StatusCode::OK);
    let policy = &policies["value"][0];
    assert_eq!(policy["name"], "DefaultPolicy");
    assert_eq!(policy["properties"]["protectedItemsCount"], 0);
    assert_eq!(policies["value"][1]["name"], "EnhancedPolicy");
    let (status, alone) = house.get(&house.vault("v1", "/backupPolicies/defaultpolicy"));
    assert_eq!((status, &alone), (StatusCode::OK, policy));

    for list in [
        "/backupProtectableItems",
        "/backupProtectionContainers",
        "/backupProtectedItems",
        "/backupJobs",
    ] {
        let (status, body) = house.get(&house.vault("v1", list));
        assert_eq!((status, &body["value"]), (StatusCode::OK, &json!([])), "{list}");
    }
}

#[test]
fn filters_filter_or_are_refused() {
    let house = House::new();
    house.make_vault("v1");
    let filtered = |list: &str, filter: &str| {
        let request = house.request(Method::GET, &house.vault("v1", list));
        answer(request.query(&[("$filter", filter)]))
    };
    let count = |filter: &str| {
        let (status, body) = filtered("/backupPolicies", filter);
        assert_eq!(status, StatusCode::OK, "{filter}: {body}");
        body["value"].as_array().expect("a list").len()
    };
    assert_eq!(count("backupManagementType eq 'AzureIaasVM'"), 2);
    assert_eq!(count("backupManagementType eq 'AzureWorkload'"), 0);
    for (list, filter) in [
        ("/backupPolicies", "nonsense"),
        ("/backupJobs", "startTime eq 'soon'"),
        ("/backupProtectedItems", "color eq 'red'"),
    ] {
        check_error(&filtered(list, filter), StatusCode::BAD_REQUEST, "BadRequest");
    }
}

#[test]
fn what_is_not_there_is_said_to_be_so() {
    let house = House::new();
    house.make_vault("v1");
    let item = "/backupFabrics/Azure/protectionContainers/IaasVMContainer;iaasvmcontainerv2;g;vm\
                /protectedItems/VM%3Biaasvmcontainerv2%3Bg%3Bvm";
    let odd = "/backupFabrics/Azure/protectionContainers/a/protectedItems/b";
    let unequal = "/backupFabrics/Azure/protectionContainers/iaasvmcontainerv2;g;vm\
                   /protectedItems/iaasvmcontainerv2;g;other";
    let job = "/backupJobs/11111111-1111-4111-8111-111111111111";
    let no_item = "BMSUserErrorContainerObjectNotFound";
    for (path, code) in [
        (house.vault("v1", item), no_item),
        (house.vault("v1", odd), no_item),
        (house.vault("v1", unequal), no_item),
        (house.vault("v1", &format!("{item}/recoveryPoints")), no_item),
        (house.vault("v1", &format!("{item}/operationResults/x")), no_item),
        (house.vault("v1", job), "ResourceNotFound"),
        (house.vault("v1", "/backupJobs/nonsense"), "ResourceNotFound"),
        (house.vault("v1", &job.replace("Jobs", "Operations")), "ResourceNotFound"),
        (house.vault("v1", "/backupPolicies/none"), "ResourceNotFound"),
        (house.vault("v2", "/backupJobs"), "ResourceNotFound"),
        (house.sub("/resourceGroups/none"), "ResourceGroupNotFound"),
        (
            house.sub("/resourceGroups/none/providers/Microsoft.Compute/virtualMachines"),
            "ResourceGroupNotFound",
        ),
        (
            house.sub("/resourceGroups/holdfast/providers/Microsoft.Compute/virtualMachines/x"),
            "ResourceNotFound",
        ),
        ("/subscriptions/11111111-1111-4111-8111-111111111111".to_owned(), "SubscriptionNotFound"),
        ("/subscriptions/x/resourceGroups".to_owned(), "SubscriptionNotFound"),
        ("/no/such/route".to_owned(), "InvalidResourceType"),
        (house.vault("v1", "/backupFabrics/Other/protectionContainers"), "InvalidResourceType"),
        ("/".to_owned(), "InvalidResourceType"),
    ] {
        check_error(&house.get(&path), StatusCode::NOT_FOUND, code);
    }
}

#[test]
fn enabling_names_a_vm_and_a_policy_that_fit_or_is_refused() {
    let house = House::new();
    house.make_vault("v1");
    house.make_vault("v2");
    let tail = "iaasvmcontainerv2;holdfast;vm";
    let item = house.vault(
        "v1",
        &format!("/backupFabrics/Azure/protectionContainers/{tail}/protectedItems/{tail}"),
    );
    let vm = house.sub("/resourceGroups/holdfast/providers/Microsoft.Compute/virtualMachines/vm");
    let policy = house.vault("v1", "/backupPolicies/DefaultPolicy");
    let ask = |change: Value| {
        let mut properties = json!({
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "policyId": policy, "sourceResourceId": vm});
        let change = change.as_object().expect("an object").clone();
        properties.as_object_mut().expect("an object").extend(change);
        house.put(&item, &json!({"properties": properties}))
    };
    let not_found = ask(json!({"policyId": policy.to_uppercase()}));
    check_error(&not_found, StatusCode::NOT_FOUND, "ResourceNotFound");

    let lun = json!({"diskExclusionProperties": {"diskLunList": ["0"], "isInclusionList": true}});
    for change in [
        json!({"policyId": null}),
        json!({"policyId": house.vault("v2", "/backupPolicies/DefaultPolicy")}),
        json!({"sourceResourceId": vm.replace("/vm", "/other")}),
        json!({"sourceResourceId": "nonsense"}),
        json!({"sourceResourceId": vm.replace(&house.credentials().subscription_id, "x")}),
    ] {
        let answer = ask(change);
        let code = "BMSUserErrorInvalidConfigureProtectionRequest";
        check_error(&answer, StatusCode::BAD_REQUEST, code);
    }
    for change in [
        json!({"policyId": ""}),
        json!({"protectionState": "ProtectionStopped", "policyId": ""}),
        json!({"protectionState": "BackupsSuspended"}),
        json!({"isRehydrate": true}),
    ] {
        let code = "BMSUserErrorContainerObjectNotFound";
        check_error(&ask(change), StatusCode::NOT_FOUND, code);
    }
    let answer = ask(json!({"extendedProperties": lun}));
    check_error(&answer, StatusCode::NOT_FOUND, "ResourceNotFound");
}

#[test]
fn discovery_is_an_operation_that_is_done() {
    let house = House::new();
    house.make_vault("v1");
    let path = house.vault("v1", "/backupFabrics/Azure/refreshContainers");
    let response = house.request(Method::POST, &path).send().expect("an answer");
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.headers()["retry-after"], "1");
    let location = response.headers()["location"].to_str().expect("a URL").to_owned();
    loop {
        let polled = house.client.get(&location).bearer_auth(house.token());
        match answer(polled) {
            (StatusCode::ACCEPTED, Value::Null) => std::thread::sleep(Duration::from_millis(20)),
            done => {
                assert_eq!(done, (StatusCode::NO_CONTENT, Value::Null));
                break;
            }
        }
    }
}

#[test]
fn groups_locations_and_tenants_are_told() {
    let house = House::new();
    let group = house.sub("/resourcegroups/Prod");
    let head = |path: &str| answer(house.request(Method::HEAD, path)).0;
    assert_eq!(head(&group), StatusCode::NOT_FOUND);
    let body = json!({"location": "north", "tags": {"a": "b"}});
    assert_eq!(house.put(&group, &body).0, StatusCode::CREATED);
    assert_eq!(house.put(&group.to_uppercase(), &body).0, StatusCode::OK);
    assert_eq!(head(&group), StatusCode::NO_CONTENT);
    let (_, found) = house.get(&group.to_lowercase());
    assert_eq!(found["id"], json!(house.sub("/resourceGroups/Prod")));

    let names = |path: &str| -> Vec<String> {
        let (status, body) = house.get(path);
        assert_eq!(status, StatusCode::OK, "{body}");
        let entries = body["value"].as_array().expect("a list").iter();
        let name = |entry: &Value| {
            let name = entry.get("name").or(entry.get("displayName"));
            name.and_then(Value::as_str).expect("a name").to_owned()
        };
        entries.map(name).collect()
    };
    assert_eq!(names(&house.sub("/resourcegroups")), ["holdfast", "Prod"]);
    assert_eq!(names(&house.sub("/locations")), ["local", "north"]);
    assert_eq!(names("/tenants"), ["holdfast"]);
    assert_eq!(names("/subscriptions"), ["holdfast"]);
    assert!(names(&house.sub("/providers/Holdfast.Fabric/hosts")).is_empty());
    assert!(names(&house.sub("/providers/Microsoft.Compute/virtualMachines")).is_empty());
}

#[test]
fn any_well_formed_version_will_do_and_no_other() {
    let house = House::new();
    let ask = |query: &str| {
        answer(house.client.get(house.url(&format!("/tenants{query}"))).bearer_auth(house.token()))
    };
    for good in ["2015-12-01", "2026-10-01", "2031-02-28", "2024-01-01-preview"] {
        assert_eq!(ask(&format!("?api-version={good}")).0, StatusCode::OK, "{good}");
    }
    assert_eq!(ask("?Api-Version=2026-08-01").0, StatusCode::OK);
    let missing = ask("");
    check_error(&missing, StatusCode::BAD_REQUEST, "MissingApiVersionParameter");
    for bad in ["", "1", "2026-13-01", "2026-02-30", "20260801", "2026-08-01-", "2026-08-01x", "ä"]
    {
        let answer = ask(&format!("?api-version={bad}"));
        check_error(&answer, StatusCode::BAD_REQUEST, "InvalidApiVersionParameter");
    }
}

#[test]
fn every_answer_carries_its_ids() {
    let house = House::new();
    let correlation = "7d1f3f0e-33f6-4a8e-9a9a-0d8f0c6c7e11";
    for path in ["/tenants", "/no/such/route"] {
        let request = house
            .request(Method::GET, path)
            .header("x-ms-client-request-id", "mine")
            .header("x-ms-correlation-request-id", correlation);
        let response = request.send().expect("an answer");
        let headers = response.headers();
        assert_eq!(headers["x-ms-client-request-id"], "mine");
        assert_eq!(headers["x-ms-correlation-request-id"], correlation);
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        let id = headers["x-ms-request-id"].to_str().expect("text");
        assert!(id.parse::<uuid::Uuid>().is_ok(), "{id}");
    }
    let request = house.request(Method::GET, "/tenants");
    let response = request.header("x-ms-correlation-request-id", "x").send().expect("an answer");
    let headers = response.headers();
    assert_eq!(headers["x-ms-correlation-request-id"], headers["x-ms-request-id"]);
    assert!(!headers.contains_key("x-ms-client-request-id"));
}

#[test]
fn a_wrong_method_names_the_right_ones() {
    let house = House::new();
    let request = house.request(Method::DELETE, "/subscriptions");
    let response = request.send().expect("an answer");
    assert_eq!(response.headers()["allow"], "GET");
    let answer = (response.status(), house::json_of(response));
    check_error(&answer, StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed");
}

#[test]
fn what_is_beyond_the_limits_is_refused() {
    let house = House::new();
    let path = house.vault("v1", "");
    let send = |body: String| {
        let request = house.request(Method::PUT, &path).header("content-type", "application/json");
        answer(request.body(body))
    };
    let padded =
        |bytes: usize| format!("{{\"location\":\"local\",\"x\":\"{}\"}}", "x".repeat(bytes));
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!("{{\"location\":\"local\",\"x\":{open}{close}}}")
    };
    check_error(&send(padded(1 << 20)), StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge");
    check_error(&send(nested(33)), StatusCode::BAD_REQUEST, "BadRequest");
    check_error(&send(nested(100_000)), StatusCode::BAD_REQUEST, "BadRequest");
    for text in ["", "{", "null", "\u{0}", "{\"location\":\"local\"} x"] {
        check_error(&send(text.to_owned()), StatusCode::BAD_REQUEST, "BadRequest");
    }
    assert_eq!(send(padded(1000)).0, StatusCode::CREATED);
    assert_eq!(send(nested(32)).0, StatusCode::OK);

    let long = house.get(&format!("/{}", "x".repeat(9000)));
    check_error(&long, StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge");
    for path in ["/a%2fb", "/%00", "/%ff", &"/a".repeat(100)] {
        check_error(&house.get(path), StatusCode::BAD_REQUEST, "BadRequest");
    }
    let many = "a=b&".repeat(500);
    let answer = house.get(&format!("/tenants?{many}api-version={VERSION}"));
    check_error(&answer, StatusCode::BAD_REQUEST, "BadRequest");
}
