//! The status: one screen of 80 columns, or a health check.

use api::arm::status::{
    FailedJob, LateItem, NextRun, RunningJob, SpaceStatus, StatusProperties, StatusWarning,
    VaultStatus, VerifiedStatus, render,
};

use super::*;

const STATUS: &str = "GET /subscriptions/S/providers/Holdfast.Fabric/status?";

fn quiet() -> StatusProperties {
    StatusProperties {
        at: "2026-11-25T14:03:11.0000000Z".to_owned(),
        healthy: true,
        protected_items: 0,
        stopped_items: 0,
        deleted_items: 0,
        late_items: 0,
        failures: 0,
        running_jobs: 0,
        vaults: Vec::new(),
        late: Vec::new(),
        failed: Vec::new(),
        running: Vec::new(),
        next: Vec::new(),
        warnings: Vec::new(),
    }
}

fn a_vault_status(name: &str, space: Option<SpaceStatus>) -> VaultStatus {
    VaultStatus {
        id: format!("/{name}"),
        name: name.to_owned(),
        resource_group: "holdfast".to_owned(),
        items: 13,
        late_items: 7,
        failed_items: 1,
        newest_point: space.as_ref().map(|_| "2026-11-25T12:03:11Z".to_owned()),
        verified: space.as_ref().map(|_| VerifiedStatus {
            at: "2026-11-22T12:03:11Z".to_owned(),
            percent: 2,
            damaged_objects: 1,
            points_hit: 12,
        }),
        space,
    }
}

fn busy() -> StatusProperties {
    let name = "a-vault-with-a-name-of-fifty-characters-xxxxxxxxxx";
    let text = |text: &str| text.to_owned();
    let late = LateItem {
        vault: text(name),
        item: text("a-virtual-machine-with-a-long-name"),
        policy: text("DefaultPolicy"),
        due: text("2026-11-24T20:30:00.0000000Z"),
        newest_point: None,
    };
    let failed = FailedJob {
        vault: text(name),
        item: text("web\u{1b}[31m"),
        operation: text("Backup"),
        at: text("2026-11-25T11:00:00Z"),
        code: Code::FreezeFailed.name().to_owned(),
        message: text(
            "The file system on /var/lib/postgresql of 'web' was not frozen within 10 s.",
        ),
        action: Code::FreezeFailed.action().to_owned(),
    };
    let running = RunningJob {
        job_id: text(JOB),
        vault: text(name),
        item: text("a-virtual-machine-with-a-long-name"),
        operation: text("ConfigureBackup"),
        started_at: text("2026-11-25T14:00:00Z"),
        percent: 99.9,
        done_bytes: 1023 * GIB,
        total_bytes: 1023 * GIB,
    };
    let next = NextRun {
        at: text("2026-11-25T20:30:00Z"),
        vault: text(name),
        policy: text("a-policy-with-a-long-name"),
        items: 12_345,
    };
    let space = SpaceStatus {
        measured_at: text("2026-11-25T14:00:00Z"),
        points: 9,
        logical_bytes: 9 * 1023 * GIB,
        stored_bytes: 1023 * GIB,
        growth_7_days_bytes: Some(1023 * GIB as i64),
        growth_30_days_bytes: Some(-(1023 * GIB as i64)),
    };
    StatusProperties {
        healthy: false,
        protected_items: 26,
        stopped_items: 1,
        deleted_items: 2,
        late_items: 7,
        failures: 1,
        running_jobs: 1,
        vaults: vec![a_vault_status(name, Some(space)), a_vault_status("new", None)],
        late: vec![late; 7],
        failed: vec![failed],
        running: vec![running],
        next: vec![next],
        warnings: vec![StatusWarning {
            vault: Some(text("new")),
            text: text(
                "No second copy: this vault is to be GeoRedundant, but its data is in one store \
                 only.",
            ),
        }],
        ..quiet()
    }
}

#[test]
fn the_status_fits_a_screen_of_eighty_columns() {
    let ran = run("holdfast status", [(STATUS, one(render(SUBSCRIPTION, busy())))]);
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""));
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    expect![[r#"
        Something needs you at 2026-11-25 14:03:11Z: 26 items protected in 2 vaults, 7
        late, 1 failed, 1 running, 1 stopped, 2 deleted.

         Vault           Items   Newest        Stored      7 days     30 days   Dedup
        ──────────────────────────────────────────────────────────────────────────────
         a-vault-with…      13   2 h ago   1023.0 GiB   +1023 GiB   -1023 GiB    9.0x
         new                13   never              -           -           -       -
         Verified: a-vault-with… 3 d ago: 1 object damaged, 12 points hit; new never

         Late            Vault           Run was due            Newest
        ───────────────────────────────────────────────────────────────
         a-virtual-ma…   a-vault-with…   2026-11-24 20:30:00Z   never
         a-virtual-ma…   a-vault-with…   2026-11-24 20:30:00Z   never
         a-virtual-ma…   a-vault-with…   2026-11-24 20:30:00Z   never
         a-virtual-ma…   a-vault-with…   2026-11-24 20:30:00Z   never
         a-virtual-ma…   a-vault-with…   2026-11-24 20:30:00Z   never
          and 2 more

        Failed
          web�[31m in a-vault-with…: Backup, 3 h ago: UserErrorFsFreezeFailed
            The file system on /var/lib/postgresql of 'web' was not frozen within 10 s.
            Do this: Look at the agent's log and its freeze hooks in the guest; check
                     its file systems.

        Running
          a-virtual-ma… ConfigureBackup [█████████████·]  99 %  1023.0 GiB of 1023.0 GiB

         Next     Due                    Policy          Vault           Items
        ───────────────────────────────────────────────────────────────────────
         in 6 h   2026-11-25 20:30:00Z   a-policy-wit…   a-vault-with…   12345

        Warnings
          new: No second copy: this vault is to be GeoRedundant, but its data is in one
          store only.
    "#]]
    .assert_eq(&ran.out);
}

#[test]
fn a_new_installation_says_what_to_do() {
    let ran = run("holdfast status", [(STATUS, one(render(SUBSCRIPTION, quiet())))]);
    expect![[r#"
        All is well at 2026-11-25 14:03:11Z: 0 items protected in 0 vaults.

        There is no vault yet: `holdfast vault create` makes one.
    "#]]
    .assert_eq(&ran.out);
}

#[test]
fn a_check_fails_where_something_is_late_or_failed_and_only_then() {
    let check = |line: &str, status| run(line, [(STATUS, one(render(SUBSCRIPTION, status)))]).exit;
    assert_eq!(check("holdfast status --check", busy()), Exit::Failed);
    assert_eq!(check("holdfast status --check --json", busy()), Exit::Failed);
    assert_eq!(check("holdfast status --check", quiet()), Exit::Done);
}
