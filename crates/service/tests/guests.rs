//! What clients do to a virtual machine that there is: on a host in memory, over TLS.

use std::collections::HashMap;
use std::sync::Barrier;
use std::time::Duration;

use fabric::fake::{FakeHost, NewDisk};
use jiff::{SignedDuration, Timestamp};
use model::point::Point;
use model::units::MIB;
use model::vm::DiskFormat;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

mod house;

use house::{House, answer, check_error};

/// How many requests race.
const RACERS: usize = 100;
/// For how many vaults.
const VAULTS: usize = 10;
const VM: Uuid = Uuid::from_u128(0x11);
/// The item of `web` in the vault's path.
const ITEM: &str = "/backupFabrics/Azure/protectionContainers/\
                    IaasVMContainer;iaasvmcontainerv2;holdfast;web/protectedItems/\
                    VM;iaasvmcontainerv2;holdfast;web";

/// A house whose local host has a virtual machine `web`, and has been looked at.
fn with_a_machine() -> House {
    let host = FakeHost::new();
    let disk = NewDisk { target: "vda".to_owned(), size: 4 * MIB, format: DiskFormat::Qcow2 };
    host.add(VM, "web", &[disk]);
    host.write(VM, "vda", 0, &[7; 4096]).expect("written");
    let house = House::over(&host);
    eventually("the machine is seen", || {
        house.engine.vms().expect("listed").iter().any(|vm| vm.name == "web").then_some(())
    });
    house
}

/// What `seen` gives, once it gives something.
#[track_caller]
fn eventually<T>(what: &str, seen: impl Fn() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = seen() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within 30 seconds: {what}");
}

fn protect(house: &House, vault: &str) -> Value {
    let vm = house.sub("/resourceGroups/holdfast/providers/Microsoft.Compute/virtualMachines/web");
    json!({"properties": {"protectedItemType": "Microsoft.Compute/virtualMachines",
        "policyId": house.vault(vault, "/backupPolicies/DefaultPolicy"), "sourceResourceId": vm}})
}

/// Sends all requests to protect the machine at the same moment, each for another one of the vaults
/// in turn; how often which answer came to whom.
fn race(house: &House, vaults: &[String]) -> HashMap<(String, u16, String), usize> {
    let start = Barrier::new(RACERS);
    std::thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS)
            .map(|number| {
                let (vault, start) = (&vaults[number % vaults.len()], &start);
                scope.spawn(move || {
                    let path = house.vault(vault, ITEM);
                    let request = house.request(Method::PUT, &path).json(&protect(house, vault));
                    start.wait();
                    let answer = answer(request);
                    let code = answer.1["error"]["code"].as_str().unwrap_or_default().to_owned();
                    if !code.is_empty() {
                        check_error(&answer, answer.0, &code);
                    }
                    (vault.clone(), answer.0.as_u16(), code)
                })
            })
            .collect();
        let mut told = HashMap::new();
        for racer in racers {
            *told.entry(racer.join().expect("no panic")).or_default() += 1;
        }
        told
    })
}

#[test]
fn of_a_hundred_requests_for_a_machine_one_vaults_get_it() {
    const TAKEN: &str = "BMSUserErrorContainerIsAlreadyRegisteredWithAnotherVault";
    let house = with_a_machine();
    let vaults: Vec<String> = (0..VAULTS).map(|number| format!("v{number}")).collect();
    for vault in &vaults {
        house.make_vault(vault);
    }
    let told = race(&house, &vaults);
    let accepted: Vec<&String> =
        told.keys().filter(|(_, status, _)| *status == 202).map(|(vault, ..)| vault).collect();
    let [winner] = accepted[..] else { panic!("one vault gets it: {told:?}") };
    for vault in &vaults {
        // The winner's other requests only say again what is so.
        let expected = match vault == winner {
            true => (vault.clone(), 202, String::new()),
            false => (vault.clone(), 409, TAKEN.to_owned()),
        };
        assert_eq!(told.get(&expected), Some(&(RACERS / VAULTS)), "{told:?}");
        let (_, items) = house.get(&house.vault(vault, "/backupProtectedItems"));
        let count = items["value"].as_array().map(Vec::len);
        assert_eq!(count, Some(usize::from(vault == winner)), "{items}");
        let (_, jobs) = house.get(&house.vault(vault, "/backupJobs"));
        let jobs = jobs["value"].as_array().expect("a list");
        assert_eq!(jobs.is_empty(), vault != winner, "{jobs:?}");
        let ended = |job: &Value| job["properties"]["status"] == "Completed";
        assert!(jobs.iter().all(ended), "{jobs:?}");
    }
    assert_eq!(house.engine.ledger().items(None).expect("listed").len(), 1);
    let (status, job) =
        house.post(&house.vault(winner, &format!("{ITEM}/backup")), &json!({"properties": {}}));
    assert_eq!(status, StatusCode::ACCEPTED, "what won is whole: {job}");
}

/// The number of jobs of the vault that have ended as completed.
fn completed(house: &House, operation: &str) -> usize {
    let (_, jobs) = house.get(&house.vault("v1", "/backupJobs"));
    let jobs = jobs["value"].as_array().expect("a list");
    let fits = |job: &&Value| {
        job["properties"]["status"] == "Completed" && job["properties"]["operation"] == operation
    };
    jobs.iter().filter(fits).count()
}

fn points(house: &House) -> Vec<Value> {
    let (status, points) = house.get(&house.vault("v1", &format!("{ITEM}/recoveryPoints")));
    assert_eq!(status, StatusCode::OK, "{points}");
    points["value"].as_array().expect("a list").clone()
}

/// A house with five points, of which all but the newest are older than the policy keeps them.
fn with_old_points() -> House {
    let house = with_a_machine();
    house.make_vault("v1");
    let (status, _) = house.put(&house.vault("v1", ITEM), &protect(&house, "v1"));
    assert_eq!(status, StatusCode::ACCEPTED);
    for number in 1..=5 {
        let path = house.vault("v1", &format!("{ITEM}/backup"));
        let (status, body) = house.post(&path, &json!({"properties": {}}));
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        eventually("a backup", || (completed(&house, "Backup") == number).then_some(()));
    }
    let vault = house.engine.vault("holdfast", "v1").expect("there");
    let item = house.engine.item(&vault, "holdfast", "web").expect("there");
    // Nobody waits for a month: they were taken then, for all that is known of them.
    for (age, point) in house.engine.points(&item).expect("listed").into_iter().enumerate().skip(1)
    {
        let days = i64::try_from(40 + age).expect("few");
        let taken_at: Timestamp = point.taken_at - SignedDuration::from_hours(24 * days);
        let old = Point { taken_at, retain_until: None, ..point };
        house.engine.ledger().put_point(&old).expect("put");
    }
    house
}

#[test]
fn many_points_past_their_date_wait_for_a_word_and_then_go() {
    const RETENTION: &str = "/providers/Holdfast.Fabric/retention/default";
    let house = with_old_points();
    let path = |rest: &str| house.vault("v1", &format!("{RETENTION}{rest}"));

    let (_, plan) = house.get(&path("/points"));
    let verdicts = plan["value"].as_array().expect("a list").iter();
    let verdicts: Vec<&Value> = verdicts.map(|entry| &entry["properties"]["verdict"]).collect();
    assert_eq!(verdicts, ["Release", "Release", "Release", "Release", "Keep"], "a dry run");
    assert_eq!(points(&house).len(), 5);

    let (status, _) = house.post(&path("/run"), &json!({}));
    assert_eq!(status, StatusCode::ACCEPTED);
    let waiting = eventually("a plan waits", || {
        let (_, retention) = house.get(&path(""));
        let plan = retention["properties"]["waitingPlan"].clone();
        (!plan.is_null()).then_some(plan)
    });
    assert_eq!((&waiting["points"], &waiting["state"]), (&json!(4), &json!("Waiting")));
    assert_eq!(waiting["reason"]["code"], "UserErrorRetentionConfirmationRequired");
    assert_eq!(points(&house).len(), 5);

    let other = json!({"planId": Uuid::from_u128(7).to_string()});
    let refused = house.post(&path("/confirm"), &other);
    check_error(&refused, StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
    assert_eq!(points(&house).len(), 5);

    let (status, confirmed) = house.post(&path("/confirm"), &json!({"planId": waiting["id"]}));
    assert_eq!(status, StatusCode::OK, "{confirmed}");
    let left = eventually("the points go", || Some(points(&house)).filter(|left| left.len() == 1));
    let expiry = &left[0]["properties"]["recoveryPointProperties"]["expiryTime"];
    assert!(expiry.is_string(), "the newest one stays: {left:?}");
    eventually("it is told", || {
        let (_, retention) = house.get(&path(""));
        let told = &retention["properties"];
        (told["forgottenPoints"] == 4 && told["waitingPlan"].is_null()).then_some(())
    });
    let again = house.post(&path("/confirm"), &json!({}));
    check_error(&again, StatusCode::NOT_FOUND, "ResourceNotFound");
}
