//! The status over the wire: one document, of what the caller may see.

mod house;

use model::role::Scope;
use reqwest::StatusCode;
use serde_json::Value;

use house::{House, check_error};

fn names(status: &Value) -> Vec<&str> {
    let vaults = status["properties"]["vaults"].as_array().expect("vaults");
    vaults.iter().map(|vault| vault["name"].as_str().expect("a name")).collect()
}

#[test]
fn the_status_shows_the_vaults_that_its_caller_may_see() {
    let house = House::new();
    house.make_vault("one");
    house.make_vault("two");
    let path = house.sub("/providers/Holdfast.Fabric/status");
    let (code, status) = house.get(&path);
    assert_eq!(code, StatusCode::OK, "{status}");
    assert_eq!(status["type"], "Holdfast.Fabric/status");
    assert_eq!(names(&status), ["one", "two"]);
    assert_eq!(status["properties"]["healthy"], true);
    let warnings = status["properties"]["warnings"].as_array().expect("warnings");
    let second = |warning: &&Value| warning.to_string().contains("No second copy");
    assert_eq!(warnings.iter().filter(second).count(), 2, "{status:#}");

    let place = Scope::Vault { group: "holdfast".to_owned(), vault: "two".to_owned() };
    let reader = house.principal("reader", &[("Backup Reader", place)]);
    let (code, status) = reader.get(&path);
    assert_eq!(code, StatusCode::OK, "{status}");
    assert_eq!(names(&status), ["two"]);
    let nobody = house.principal("nobody", &[]);
    check_error(&nobody.get(&path), StatusCode::FORBIDDEN, "AuthorizationFailed");
}
