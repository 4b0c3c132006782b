//! What lists and single resources look like.

use super::*;

#[test]
fn hosts() {
    let model = Host {
        id: Uuid::from_u128(2),
        uri: "qemu:///system".to_owned(),
        region: "local".to_owned(),
        resource_group: "holdfast".to_owned(),
    };
    let gone = Fault::new(Code::Internal, "No libvirt.");
    let condition = host::Condition { connected: false, vms: 3, problem: Some(&gone) };
    let rendered = host::render(SUBSCRIPTION, &model, condition);
    let hosts = "GET /subscriptions/S/providers/Holdfast.Fabric/hosts?";
    prints(
        run("holdfast host list", [(hosts, list([rendered]))]),
        expect![[r#"
             URI              Region   Resource group   Connected   VMs   Problem
            ─────────────────────────────────────────────────────────────────────────────────────────────────
             qemu:///system   local    holdfast         no            3   BackUpOperationFailed: No libvirt.
        "#]],
    );
    let none: [host::Host; 0] = [];
    prints(
        run("holdfast host list", [(hosts, list(none))]),
        expect![[r#"
        No host is registered.
    "#]],
    );
}

#[test]
fn virtual_machines() {
    let agent = AgentState::Connected { version: Some("7.2.22".to_owned()) };
    prints(
        run("holdfast vm list", [(VMS, list([a_vm(agent.clone())]))]),
        expect![[r#"
         Name   Resource group   Region   Power     Agent                Disks       Size   Host
        ───────────────────────────────────────────────────────────────────────────────────────────────────
         web1   holdfast         local    Running   Connected (7.2.22)       2   20.0 GiB   qemu:///system
    "#]],
    );
    prints(
        run("holdfast vm show WEB1", [(VMS, list([a_vm(agent)]))]),
        expect![[r#"
        Name:            web1
        Resource group:  holdfast
        Region:          local
        Host:            qemu:///system
        Domain:          web1 (00000000-0000-0000-0000-000000000007)
        Power:           Running
        Agent:           Connected (7.2.22)
        Processors:      2
        Memory:          1.0 GiB

         Disk   Kind   Format       Size   Serial   Source
        ──────────────────────────────────────────────────────────────
         vda    file   qcow2    20.0 GiB   -        /images/vda.qcow2
         vdb    file   qcow2           -   -        /images/vdb.qcow2
    "#]],
    );
}

#[test]
fn vaults() {
    prints(
        run("holdfast vault list", [(VAULTS, list([vault_in("holdfast")]))]),
        expect![[r#"
             Name   Resource group   Region   Redundancy     Warnings
            ──────────────────────────────────────────────────────────
             v1     holdfast         local    GeoRedundant          1
        "#]],
    );
    prints(
        run("holdfast vault show v1", [(VAULTS, list([vault_in("holdfast")]))]),
        expect![[r#"
            Name:            v1
            Resource group:  holdfast
            Region:          local
            Redundancy:      GeoRedundant
            Soft delete:     AlwaysON, 14 days
            Immutability:    Disabled
            Repository:      00000000-0000-0000-0000-000000000001

            Warning: There is no second copy of this vault's data.
        "#]],
    );
}

#[test]
fn policies() {
    let vault = a_vault("holdfast");
    let model = Policy::default_of(Uuid::from_u128(1), vault.created_at);
    let next_run = "2026-11-23T20:30:00Z".parse().ok();
    let rendered = || {
        arm::policy::render(arm::policy::Facts {
            subscription: SUBSCRIPTION,
            vault: &vault,
            policy: &model,
            items: 2,
            next_run,
            local_time: None,
            warning: None,
        })
    };
    let path = format!("GET {V}/backupPolicies");
    let vault = || (VAULTS, list([vault_in("holdfast")]));
    let script = [vault(), (path.as_str(), list([rendered()]))];
    prints(
        run("holdfast policy list --vault v1", script),
        expect![[r#"
         Name            Backs up         Keeps           Next run               Items
        ───────────────────────────────────────────────────────────────────────────────
         DefaultPolicy   daily at 20:30   daily 30 days   2026-11-23 20:30:00Z       2
    "#]],
    );
    let one_path = format!("{path}/DefaultPolicy?");
    let script = [vault(), (one_path.as_str(), one(rendered()))];
    prints(
        run("holdfast policy show DefaultPolicy --vault v1", script),
        expect![[r#"
            Name:             DefaultPolicy
            Type:             V1
            Backs up:         daily at 20:30
            Keeps:            daily 30 days
            Time zone:        UTC
            Daylight saving:  fixed
            Next run:         2026-11-23 20:30:00Z
            Items:            2
        "#]],
    );
}

#[test]
fn items() {
    let path = items_path();
    prints(
        run("holdfast item list --vault v1", found_item(&path)),
        expect![[r#"
             VM     VM's group   Policy          State       Last backup   Newest point   Next run
            ───────────────────────────────────────────────────────────────────────────────────────────────────
             web1   holdfast     DefaultPolicy   IRPending   -             -              2026-11-23 20:30:00Z
        "#]],
    );
    prints(
        run("holdfast item show --vault v1 --item web1", found_item(&path)),
        expect![[r#"
        VM:          web1
        VM's group:  holdfast
        Policy:      DefaultPolicy
        State:       IRPending
        Health:      Passed
        Next run:    2026-11-23 20:30:00Z
    "#]],
    );
}

#[test]
fn points() {
    let (items, points) = (items_path(), format!("GET {V}{ITEM}/recoveryPoints?"));
    let script = || {
        let newest_first = [a_point(9, 60), a_point(8, 0)];
        found_item(&items).into_iter().chain([(points.as_str(), list(newest_first))])
    };
    prints(
        run("holdfast point list --vault v1 --item web1", script()),
        expect![[r#"
             Point   Taken                  Consistency                Size      Read    Stored   Expires
            ───────────────────────────────────────────────────────────────────────────────────────────────────────────
             9       2026-05-28 20:27:40Z   FileSystemConsistent   20.0 GiB   2.0 GiB   1.0 GiB   2026-05-29 20:26:40Z
             8       2026-05-28 20:26:40Z   FileSystemConsistent   20.0 GiB   2.0 GiB   1.0 GiB   2026-05-29 20:26:40Z
        "#]],
    );
    prints(
        run("holdfast point show latest --vault v1 --item web1", script()),
        expect![[r#"
            Point:        9
            Taken:        2026-05-28 20:27:40Z
            Consistency:  FileSystemConsistent
            Size:         20.0 GiB
            Read:         2.0 GiB
            Stored:       1.0 GiB
            Expires:      2026-05-29 20:26:40Z
            Job:          00000000-0000-0000-0000-000000000009

             Disk       Size
            ─────────────────
             vda    20.0 GiB
        "#]],
    );
}

#[test]
fn json_is_the_services_own_document() {
    let script = || [(VAULTS, list([vault_in("holdfast")]))];
    let ran = run("holdfast vault list --json", script());
    let printed: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!(printed, json!([vault_in("holdfast")]));
    let ran = run("holdfast vault show v1 --json", script());
    let printed: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!(printed, json!(vault_in("holdfast")));
}
