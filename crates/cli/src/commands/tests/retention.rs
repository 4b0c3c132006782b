//! What stays, what goes, and what waits.

use api::arm::retention::{self, Told};
use model::retention::{ClockSight, Collection, Plan, PlanState, Step, Upkeep};

use super::*;

const R: &str = "/subscriptions/S/resourceGroups/holdfast/providers/Microsoft.RecoveryServices/\
                 vaults/v1/providers/Holdfast.Fabric/retention/default";
const PLAN: &str = "00000000-0000-0000-0000-00000000000b";

fn said(point: u64, released: bool, rule: &str, reason: &str) -> retention::PointVerdict {
    let told = Told {
        point: PointId::new(point).expect("valid"),
        taken_at: at(0),
        vm_name: "web1",
        released,
        rule,
        reason: reason.to_owned(),
        until: (rule != "Newest").then(|| at(86_400)),
    };
    retention::render_point(V, told)
}

fn points() -> Response {
    list([
        said(7, true, "Daily", "daily, for 30 days"),
        said(8, false, "Newest", "the newest point of its item"),
    ])
}

fn waiting() -> Plan {
    let step = Step {
        point: PointId::new(7).expect("valid"),
        item: Uuid::from_u128(3),
        since: at(1),
        rule: "daily, for 30 days".to_owned(),
    };
    let message = "6 of the 10 recovery points would go at once.";
    Plan {
        id: Uuid::from_u128(0xb),
        vault: Uuid::from_u128(1),
        made_at: at(2),
        state: PlanState::Waiting,
        waits: Some(Fault::new(Code::MassExpiry, message)),
        steps: vec![step; 6],
    }
}

fn status(upkeep: &Upkeep, plan: Option<&Plan>) -> Response {
    let clock = ClockSight { seen: Some(at(5)), ..ClockSight::default() };
    one(retention::render(V, upkeep, plan, &clock))
}

#[test]
fn a_plan_tells_each_points_rule_and_what_waits() {
    let (points_path, status_path) = (format!("GET {R}/points?"), format!("GET {R}?"));
    let plan = waiting();
    let script = || {
        [
            (VAULTS, list([vault_in("holdfast")])),
            (points_path.as_str(), points()),
            (status_path.as_str(), status(&Upkeep::default(), Some(&plan))),
        ]
    };
    let ran = run("holdfast retention plan --vault v1", script());
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""));
    expect![[r#"
         Virtual machine   Point   Taken                  Verdict   Until                  Rule
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
         web1              7       2026-05-28 20:26:40Z   goes      2026-05-29 20:26:40Z   daily, for 30 days
         web1              8       2026-05-28 20:26:40Z   stays     -                      the newest point of its item

        Vault v1: 2 points, 1 of them may go.

        Plan 00000000-0000-0000-0000-00000000000b lets go of 6 points and waits for a confirmation. 6 of the 10 recovery points would go at once.
    "#]].assert_eq(&ran.out);
    let ran = run("holdfast retention plan --json", script());
    let told: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!(told[0]["totals"], json!({"points": 2, "released": 1}));
    assert_eq!(told[0]["points"][0]["properties"]["verdict"], "Release");
    assert_eq!(told[0]["retention"]["properties"]["waitingPlan"]["id"], PLAN);
}

#[test]
fn a_plan_of_an_item_that_is_not_protected_is_not_found() {
    let items = items_path();
    let none: [item::Item; 0] = [];
    let script = [(VAULTS, list([vault_in("holdfast")])), (items.as_str(), list(none))];
    let ran = run("holdfast retention plan --vault v1 --item x", script);
    assert_eq!(ran.exit, Exit::NotFound);
}

#[test]
fn a_run_is_waited_for_and_its_outcome_told() {
    let (get, post) = (format!("GET {R}?"), format!("POST {R}/run?"));
    let before = Upkeep { judged_at: Some(at(0)), forgotten: 3, ..Upkeep::default() };
    let collection = Collection { freed_bytes: MIB, later_bytes: GIB, ..Collection::default() };
    let after = Upkeep {
        judged_at: Some(at(60)),
        forgotten: 5,
        collected_at: Some(at(60)),
        collection,
        ..Upkeep::default()
    };
    let accepted = answer(202, Value::Null);
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (get.as_str(), status(&before, None)),
        (post.as_str(), accepted),
        (get.as_str(), status(&before, None)),
        (get.as_str(), status(&after, None)),
    ];
    let ran = run("holdfast retention run", script);
    expect![[r#"
        Vault:                 v1
        Points that went:      2
        Space freed:           1.0 MiB
        When graces are over:  1.0 GiB
        Judged:                2026-05-28 20:27:40Z
    "#]]
    .assert_eq(&ran.out);
}

#[test]
fn what_was_looked_at_is_confirmed() {
    let (get, post) = (format!("GET {R}?"), format!("POST {R}/confirm?"));
    let plan = waiting();
    let seen = || status(&Upkeep::default(), Some(&plan));
    let script =
        [(VAULTS, list([vault_in("holdfast")])), (get.as_str(), seen()), (post.as_str(), seen())];
    let line = format!("holdfast retention confirm --vault v1 --plan {PLAN}");
    let ran = run(&line, script);
    assert_eq!(ran.bodies, [json!({"planId": PLAN})]);
    expect![[r#"
        Confirmed: 6 points of vault v1 go now, if nothing has changed.
    "#]]
    .assert_eq(&ran.out);
    let clock = retention::render_clock(&ClockSight { seen: Some(at(5)), ..ClockSight::default() });
    let path = "POST /subscriptions/S/providers/Holdfast.Fabric/retention/default/confirmClock?";
    let ran = run("holdfast retention confirm --clock", [(path, one(clock))]);
    expect![[r#"
        Confirmed: it is 2026-05-28 20:26:45Z.
    "#]]
    .assert_eq(&ran.out);
}
