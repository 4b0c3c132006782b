//! What starts jobs, and how they end.

use super::*;

fn job_path() -> String {
    format!("GET {V}/backupJobs/{JOB}?")
}

#[test]
fn a_vault_is_created_with_what_was_asked_for() {
    let put = format!("PUT {V}?");
    let line = "holdfast vault create v1 --region local --redundancy LocallyRedundant";
    let ran = run(line, [(put.as_str(), one(vault_in("holdfast")))]);
    assert_eq!(
        ran.bodies,
        [json!({"location": "local", "properties":
            {"redundancySettings": {"standardTierStorageRedundancy": "LocallyRedundant"}}})]
    );
    prints(
        ran,
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
fn a_virtual_machine_is_put_under_protection() {
    let (put, get) = (format!("PUT {V}{ITEM}?"), format!("GET {V}{ITEM}?"));
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (VMS, list([a_vm(AgentState::NoChannel)])),
        (put.as_str(), pending("https://localhost:8443/op/1")),
        ("GET /op/1?", succeeded(Some(JOB))),
        (get.as_str(), one(an_item())),
    ];
    let ran = run("holdfast item enable --vault v1 --vm web1", script);
    let vm = "/subscriptions/S/resourceGroups/holdfast/providers/Microsoft.Compute/\
              virtualMachines/web1";
    assert_eq!(
        ran.bodies,
        [json!({"properties": {"protectedItemType": "Microsoft.Compute/virtualMachines",
            "policyId": format!("{V}/backupPolicies/DefaultPolicy"), "sourceResourceId": vm}})]
    );
    prints(
        ran,
        expect![[r#"
        The vault 'v1' protects 'web1' under the policy 'DefaultPolicy'.
    "#]],
    );
}

#[track_caller]
fn backup(line: &str, ends: &[Value]) -> Ran {
    let (items, post, job) = (items_path(), format!("POST {V}{ITEM}/backup?"), job_path());
    let mut script: Vec<(&str, Response)> = found_item(&items).into();
    script.push((&post, pending("/op/1")));
    script.push(("GET /op/1?", succeeded(Some(JOB))));
    script.extend(ends.iter().map(|end| (job.as_str(), one(end))));
    run(&format!("holdfast backup-now --vault v1 --item web1 {line}"), script)
}

#[test]
fn a_backup_is_kept_through_the_whole_day_that_was_named() {
    let ran = backup("--retain-until 2027-01-31", &[a_job(Status::InProgress, None)]);
    assert_eq!(
        ran.bodies,
        [json!({"properties": {"objectType": "IaasVMBackupRequest",
            "recoveryPointExpiryTimeInUTC": "2027-01-31T23:59:59Z"}})]
    );
    prints(
        ran,
        expect![[r#"
        The job 69211027-0000-4000-8000-000000000000 is running.
    "#]],
    );
}

#[test]
fn waiting_outlives_a_restart_of_the_service() {
    let (items, post, job) = (items_path(), format!("POST {V}{ITEM}/backup?"), job_path());
    let mut script: Vec<(&str, Response)> = found_item(&items).into();
    script.push((&post, pending("/op/1")));
    script.push(("GET /op/1?", succeeded(Some(JOB))));
    script.push((&job, one(a_job(Status::InProgress, None))));
    script.extend([(job.as_str(), away()), (job.as_str(), away())]);
    script.push((&job, one(a_job(Status::Completed, None))));
    let ran = run("holdfast backup-now --vault v1 --item web1 --wait", script);
    assert_eq!(ran.exit, Exit::Done);
}

#[test]
fn waiting_ends_with_the_job() {
    let ends = [a_job(Status::InProgress, None), a_job(Status::CompletedWithWarnings, None)];
    prints(
        backup("--wait", &ends),
        expect![[r#"
        Job:        69211027-0000-4000-8000-000000000000
        Operation:  Backup
        Status:     CompletedWithWarnings
        Progress:   100 %
        Started:    2026-05-28 20:26:40Z
        Took:       1m 15s
        Point:      42

         Task                     Status
        ────────────────────────────────────────────────
         Transfer data to vault   CompletedWithWarnings

         Disk   Scanned   Changed      Done        Of   Deduplicated      Stored
        ─────────────────────────────────────────────────────────────────────────
         vda    2.0 GiB   4.0 GiB   1.0 GiB   4.0 GiB      512.0 MiB   100.0 MiB

        vda: read in full: it is the first backup

        Warning: UserErrorChangeTrackingReset: The bitmap was broken.
    "#]],
    );
}

#[test]
fn waiting_for_a_job_that_fails_fails() {
    let fault = Fault::new(Code::StoreFull, "The store has 12 KiB left.");
    let ran = backup("--wait", &[a_job(Status::Failed, Some(fault.clone()))]);
    assert_eq!(ran.exit, Exit::Failed);
    expect![[r#"
        UserErrorRepositoryFull: The store has 12 KiB left.
        Cause: The store of the vault's region has no space left.
        Do this: Free space in the store; listing, restoring and deleting points still work.
    "#]]
    .assert_eq(&ran.err);
    let ran = backup("--wait --json", &[a_job(Status::Failed, Some(fault))]);
    assert_eq!(ran.exit, Exit::Failed);
    let document: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!(document["name"], JOB);
    assert_eq!(document["error"]["code"], "UserErrorRepositoryFull");
}

#[test]
fn a_job_that_failed_over_damaged_data_ends_with_the_exit_code_for_it() {
    let fault = Fault::new(Code::StoreDamaged, "A pack is damaged.");
    let ran = backup("--wait", &[a_job(Status::Failed, Some(fault))]);
    assert_eq!(ran.exit, Exit::Damaged);
}

#[test]
fn waiting_for_a_cancelled_job_fails() {
    let job = job_path();
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (job.as_str(), one(a_job(Status::Cancelling, None))),
        (job.as_str(), one(a_job(Status::Cancelled, None))),
    ];
    let ran = run(&format!("holdfast job wait {JOB} --vault v1"), script);
    assert_eq!(ran.exit, Exit::Failed);
    expect![[r#"
        UserErrorJobSuccessfullyCancelled: The job 69211027-0000-4000-8000-000000000000 was cancelled.
        Cause: The job was cancelled.
        Do this: Nothing to do.
    "#]].assert_eq(&ran.err);
}

#[test]
fn showing_a_failed_job_is_no_failure() {
    let job = job_path();
    let fault = Fault::new(Code::StoreFull, "The store has 12 KiB left.");
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (job.as_str(), one(a_job(Status::Failed, Some(fault)))),
    ];
    prints(
        run(&format!("holdfast job show {JOB} --vault v1"), script),
        expect![[r#"
        Job:        69211027-0000-4000-8000-000000000000
        Operation:  Backup
        Status:     Failed
        Progress:   25 %
        Started:    2026-05-28 20:26:40Z
        Took:       1m 15s
        Point:      42

         Task                     Status
        ─────────────────────────────────
         Transfer data to vault   Failed

         Disk   Scanned   Changed      Done        Of   Deduplicated      Stored
        ─────────────────────────────────────────────────────────────────────────
         vda    2.0 GiB   4.0 GiB   1.0 GiB   4.0 GiB      512.0 MiB   100.0 MiB

        vda: read in full: it is the first backup

        Warning: UserErrorChangeTrackingReset: The bitmap was broken.

        UserErrorRepositoryFull: The store has 12 KiB left.
        Cause: The store of the vault's region has no space left.
        Do this: Free space in the store; listing, restoring and deleting points still work.
    "#]],
    );
}

#[test]
fn a_job_is_asked_to_stop() {
    let (job, cancel) = (job_path(), format!("POST {V}/backupJobs/{JOB}/cancel?"));
    let script = [
        (VAULTS, list([vault_in("holdfast")])),
        (cancel.as_str(), answer(202, Value::Null)),
        (job.as_str(), one(a_job(Status::Cancelling, None))),
    ];
    prints(
        run(&format!("holdfast job cancel {JOB} --vault v1"), script),
        expect![[r#"
        The job 69211027-0000-4000-8000-000000000000 was asked to stop.
    "#]],
    );
}

#[track_caller]
fn restore(line: &str, point: Response, point_path: &str) -> Ran {
    let (items, path) = (items_path(), format!("GET {V}{ITEM}/recoveryPoints{point_path}?"));
    let (post, job) = (format!("POST {V}{ITEM}/recoveryPoints/9/restore?"), job_path());
    let mut script: Vec<(&str, Response)> = found_item(&items).into();
    script.push((&path, point));
    script.push((&post, pending("/op/1")));
    script.push(("GET /op/1?", succeeded(Some(JOB))));
    script.push((&job, one(a_job(Status::InProgress, None))));
    run(&format!("holdfast restore {line} --vault v1 --item web1"), script)
}

#[test]
fn disks_are_restored_from_the_latest_point() {
    let points = list([a_point(8, 0), a_point(9, 60)]);
    let ran = restore("disks --point latest --to /srv/r --format qcow2", points, "");
    let sent = &ran.bodies[0]["properties"];
    assert_eq!(sent["recoveryType"], "RestoreDisks");
    assert_eq!(sent["recoveryPointId"], "9");
    assert_eq!(sent["holdfastTarget"], json!({"directory": "/srv/r", "format": "qcow2"}));
    assert_eq!(ran.exit, Exit::Done);
}

#[test]
fn disks_are_restored_into_a_store() {
    let (items, path) = (items_path(), format!("GET {V}{ITEM}/recoveryPoints/9?"));
    let stores = "GET /subscriptions/S/providers/Microsoft.Storage/storageAccounts?";
    let store = |group: &str, region: &str| {
        arm::store::render_account(
            SUBSCRIPTION,
            &model::store::Store {
                name: "staging".to_owned(),
                resource_group: group.to_owned(),
                region: region.to_owned(),
                directory: "/data/staging".into(),
                builtin: true,
            },
        )
    };
    let (post, job) = (format!("POST {V}{ITEM}/recoveryPoints/9/restore?"), job_path());
    let mut script: Vec<(&str, Response)> = found_item(&items).into();
    script.push((&path, one(a_point(9, 0))));
    script.push((stores, list([store("holdfast", "local"), store("branch", "south")])));
    script.push((&post, pending("/op/1")));
    script.push(("GET /op/1?", succeeded(Some(JOB))));
    script.push((&job, one(a_job(Status::InProgress, None))));
    let line = "holdfast restore disks --point 9 --store Staging --disks 1,0 \
                --target-resource-group rg2 --vault v1 --item web1";
    let ran = run(line, script);
    let sent = &ran.bodies[0]["properties"];
    let id = sent["storageAccountId"].as_str().expect("an id");
    assert!(id.ends_with("/holdfast/providers/Microsoft.Storage/storageAccounts/staging"), "{id}");
    assert_eq!(sent["restoreDiskLunList"], json!([1, 0]));
    assert_eq!(sent["targetResourceGroupId"], "/subscriptions/S/resourceGroups/rg2");
    assert_eq!(sent["holdfastTarget"], json!({"format": "raw"}));
}

#[test]
fn disks_go_somewhere() {
    let none: [(&str, Response); 0] = [];
    let ran = run("holdfast restore disks --point 9 --vault v1 --item web1", none);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("--store"), "{}", ran.err);
}

#[test]
fn a_virtual_machine_is_restored_under_a_new_name() {
    let ran = restore("vm --point 9 --to /srv/r --name new1", one(a_point(9, 0)), "/9");
    let sent = &ran.bodies[0]["properties"];
    assert_eq!(sent["recoveryType"], "AlternateLocation");
    assert_eq!(sent["holdfastTarget"], json!({"directory": "/srv/r", "vmName": "new1"}));
    let id = sent["targetVirtualMachineId"].as_str().expect("an id");
    assert!(id.ends_with("/holdfast/providers/Microsoft.Compute/virtualMachines/new1"), "{id}");
}

#[test]
fn jobs_are_listed_by_what_is_asked_for() {
    let jobs = format!(
        "GET {V}/backupJobs?$filter=status%20eq%20%27Failed%27%20and%20operation%20eq%20\
         %27Backup%27%20and%20startTime%20eq%20%272026-11-01T00%3A00%3A00Z%27"
    );
    let none: [Value; 0] = [];
    prints(
        run(
            "holdfast job list --vault v1 --status failed --operation backup --from 2026-11-01",
            [(VAULTS, list([vault_in("holdfast")])), (jobs.as_str(), list(none))],
        ),
        expect![[r#"
        The vault has no such jobs.
    "#]],
    );
}

#[test]
fn an_item_is_stopped_resumed_deleted_and_brought_back() {
    let (put, get) = (format!("PUT {V}{ITEM}?"), format!("GET {V}{ITEM}?"));
    let delete = format!("DELETE {V}{ITEM}?");
    let items = format!("GET {V}/backupProtectedItems?");
    let mut deleted = an_item();
    deleted.properties.is_scheduled_for_deferred_delete = Some(true);
    deleted.properties.deferred_delete_time_in_utc = Some("2026-12-09T10:00:00Z".to_owned());
    for (line, method, after, says, asked) in [
        ("stop", &put, an_item(), "'web1' is not backed up any more.\n", Some("policyId")),
        ("resume", &put, an_item(), "'web1' is backed up again.\n", Some("policyId")),
        (
            "undelete",
            &put,
            an_item(),
            "'web1' is back; its protection is stopped.\n",
            Some("isRehydrate"),
        ),
        (
            "delete",
            &delete,
            deleted,
            "'web1' is deleted; it can be undeleted until 2026-12-09 10:00:00Z.\n",
            None,
        ),
    ] {
        let ran = run(
            &format!("holdfast item {line} --vault v1 --item web1"),
            [
                (VAULTS, list([vault_in("holdfast")])),
                (items.as_str(), list([an_item()])),
                (method.as_str(), answer(202, Value::Null)),
                (get.as_str(), one(after)),
            ],
        );
        assert_eq!(ran.out, says, "{line}: {}", ran.err);
        assert_eq!(ran.bodies.len(), usize::from(asked.is_some()), "{line}");
        for (name, body) in asked.iter().zip(&ran.bodies) {
            assert!(body["properties"].get(name).is_some(), "{line}: {body}");
        }
    }
}
