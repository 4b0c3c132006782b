//! Method: databases are made by hand, brought up to date, and looked at with plain SQL.

use jiff::civil::Weekday;
use model::policy::{Instant, Keep, LongTerm, Policy, Retention, Schedule, Unit, WeeklyRetention};

use super::*;

const FIRST: &str = "CREATE TABLE note (text TEXT NOT NULL);";
const SECOND: &str = "ALTER TABLE note ADD COLUMN author TEXT NOT NULL DEFAULT 'nobody';";
const BROKEN: &str = "CREATE TABLE half (id); CREATE TABLE note (text);";

fn empty() -> Connection {
    Connection::open_in_memory().expect("opens")
}

fn version(db: &Connection) -> i64 {
    number(db, "PRAGMA user_version").expect("reads")
}

#[test]
fn an_empty_file_gets_the_newest_schema() {
    let mut db = empty();
    up_to_date(&mut db).expect("migrates");
    assert_eq!(version(&db), MIGRATIONS.len() as i64);
    let tables = "SELECT group_concat(name, ' ' ORDER BY name) FROM sqlite_schema
                  WHERE type = 'table'";
    let tables: String = db.query_row(tables, [], |row| row.get(0)).expect("reads");
    assert_eq!(
        tables,
        "alert clock_sight deleted_vault host item job notice point policy principal promise \
         resource_group retention_plan role_assignment settled space store tenancy upkeep vault \
         verification"
    );
    up_to_date(&mut db).expect("a second time changes nothing");
}

#[test]
fn an_older_ledger_keeps_its_records() {
    let mut db = empty();
    apply(&mut db, &[FIRST]).expect("version 1");
    db.execute_batch("INSERT INTO note VALUES ('kept')").expect("writes");
    apply(&mut db, &[FIRST, SECOND]).expect("version 2");
    assert_eq!(version(&db), 2);
    let note: String =
        db.query_row("SELECT text || author FROM note", [], |row| row.get(0)).expect("reads");
    assert_eq!(note, "keptnobody");
}

#[test]
fn a_migration_that_fails_leaves_the_ledger_as_it_was() {
    let mut db = empty();
    apply(&mut db, &[FIRST]).expect("version 1");
    apply(&mut db, &[FIRST, BROKEN]).expect_err("the table exists");
    assert_eq!(version(&db), 1);
    assert_eq!(number(&db, "SELECT count(*) FROM sqlite_schema").expect("reads"), 1);
}

#[test]
fn a_newer_ledger_is_refused() {
    let mut db = empty();
    apply(&mut db, &[FIRST, SECOND]).expect("version 2");
    let refused = apply(&mut db, &[FIRST]);
    assert!(matches!(refused, Err(LedgerError::NewerSchema { found: 2, known: 1 })), "{refused:?}");
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    for theirs in ["CREATE TABLE mail (id);", "PRAGMA user_version = 1;"] {
        let mut db = empty();
        db.execute_batch(theirs).expect("writes");
        let refused = up_to_date(&mut db);
        assert!(matches!(refused, Err(LedgerError::Database(_))), "{theirs}: {refused:?}");
        assert_eq!(number(&db, "PRAGMA application_id").expect("reads"), 0);
    }
}

#[test]
fn policies_of_the_first_schema_are_those_of_today() {
    let mut db = empty();
    apply(&mut db, &MIGRATIONS[..2]).expect("version 2");
    let (v, created) = (uuid::Uuid::from_u128(1), "2026-09-11T07:00:00.123456789Z");
    db.execute_batch(&format!(
        "INSERT INTO vault VALUES ('{v}', 'vault', 'g', 'north', 'LocallyRedundant', '{created}');
         INSERT INTO policy VALUES
             ('{v}', 'DefaultPolicy', '{{\"daily\":{{\"at\":\"20:30:00\"}}}}', 30, 2, 'UTC'),
             ('{v}', 'weekly', '{{\"weekly\":{{\"days\":[7],\"at\":\"02:00:00\"}}}}', 8, 5, 'X'),
             ('{v}', 'broken', '{{', 1, 1, 'UTC');"
    ))
    .expect("writes");
    up_to_date(&mut db).expect("migrates");
    db.execute("DELETE FROM policy WHERE name = 'broken' AND schedule_json = '{'", [])
        .expect("what was damaged is as it was");
    let policies = crate::sqlite::policies::list(&db, v).expect("reads");
    let created = created.parse().expect("a timestamp");
    assert_eq!(policies[0], Policy::default_of(v, created));
    assert_eq!(policies[1], Policy::enhanced_of(v, created));
    let keep = Keep { count: 2, unit: Unit::Weeks };
    let days = vec![Weekday::Sunday];
    let weekly = Policy {
        name: "weekly".to_owned(),
        schedule: Schedule::Weekly {
            days: days.clone(),
            at: "2026-09-11T02:00:00Z".parse().expect("a timestamp"),
        },
        retention: Retention::LongTerm(LongTerm {
            weekly: Some(WeeklyRetention { days, keep }),
            ..LongTerm::default()
        }),
        instant: Instant::of_days(5),
        time_zone: "X".to_owned(),
        ..Policy::default_of(v, created)
    };
    assert_eq!(policies[2..], [weekly]);
}

#[test]
fn an_item_of_the_first_schema_keeps_its_policy_and_what_refers_to_it() {
    let mut db = empty();
    db.pragma_update(None, "foreign_keys", true).expect("set");
    apply(&mut db, &MIGRATIONS[..1]).expect("version 1");
    db.execute_batch(
        "INSERT INTO vault VALUES ('v', 'vault', 'g', 'north', 'LocallyRedundant', 't');
         INSERT INTO policy VALUES ('v', 'DefaultPolicy', '{}', 30, 2, 'UTC');
         INSERT INTO item VALUES ('i', 'v', 'm', 'vm', 'g', 'DefaultPolicy', 'Protected', NULL, NULL, 't');
         INSERT INTO job (id, vault, item, operation, status, started_at, detail_json)
             VALUES ('j', 'v', 'i', 'Backup', 'Completed', 't', '{}');",
    )
    .expect("writes");
    up_to_date(&mut db).expect("migrates");
    let kept = "SELECT policy || ' ' || disks_json FROM item JOIN job ON job.item = item.id";
    let kept: String = db.query_row(kept, [], |row| row.get(0)).expect("reads");
    assert_eq!(kept, "DefaultPolicy \"all\"");
    db.execute("DELETE FROM item", []).expect("its job outlives it");
    assert_eq!(number(&db, "SELECT count(*) FROM job WHERE item = 'i'").expect("reads"), 1);
}

#[test]
fn a_vault_of_before_its_settings_gets_azures_defaults_and_keeps_what_is_in_it() {
    let mut db = empty();
    apply(&mut db, &MIGRATIONS[..2]).expect("version 2");
    db.execute_batch(
        "INSERT INTO vault VALUES ('v', 'vault', 'g', 'north', 'LocallyRedundant', 't');
         INSERT INTO resource_group VALUES ('g', 'north');",
    )
    .expect("writes");
    up_to_date(&mut db).expect("migrates");
    let kept = "SELECT settings_json || changed_at || vault.tags_json || resource_group.tags_json
                FROM vault, resource_group";
    let kept: String = db.query_row(kept, [], |row| row.get(0)).expect("reads");
    assert_eq!(kept, "{}t{}{}");
}

#[test]
fn an_owner_of_the_first_schema_holds_the_subscription_and_others_hold_nothing() {
    let mut db = empty();
    apply(&mut db, &MIGRATIONS[..2]).expect("version 2");
    let (owner, other) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    for (object, role) in [(owner, "Owner"), (other, "Reader")] {
        let values = [object.to_string(), role.to_owned()];
        db.execute("INSERT INTO principal VALUES (?1, ?1, 'name', 'hash', ?2)", values)
            .expect("writes");
    }
    up_to_date(&mut db).expect("migrates");
    let held = super::super::roles::list(&db).expect("readable");
    let held: Vec<_> = held.iter().map(|one| (one.principal, one.role.name, &one.scope)).collect();
    assert_eq!(held, [(owner, "Owner", &model::role::Scope::Subscription)]);
    assert_eq!(super::super::roles::list(&db).expect("readable")[0].name.get_version_num(), 4);
}

#[test]
fn roles_end_with_the_vault_or_group_they_are_held_on() {
    let mut db = empty();
    up_to_date(&mut db).expect("migrates");
    db.execute_batch(
        "INSERT INTO resource_group (name, region) VALUES ('g', 'north'), ('h', 'north');
         INSERT INTO principal VALUES ('p', 'p', 'name', 'hash');
         INSERT INTO role_assignment VALUES
             ('1', 'p', 'r', '', '', 't'), ('2', 'p', 'r', 'G', '', 't'),
             ('3', 'p', 'r', 'G', 'V', 't'), ('4', 'p', 'r', 'h', 'v', 't'),
             ('5', 'p', 'r', 'g', 'w', 't');
         INSERT INTO vault (id, name, resource_group, region, redundancy, created_at)
             VALUES ('v', 'v', 'g', 'north', 'LocallyRedundant', 't');",
    )
    .expect("writes");
    let left = |db: &Connection| -> String {
        let names = "SELECT group_concat(name, '' ORDER BY name) FROM role_assignment";
        db.query_row(names, [], |row| row.get(0)).expect("reads")
    };
    db.execute("DELETE FROM vault", []).expect("deletes");
    assert_eq!(left(&db), "1245");
    db.execute("DELETE FROM resource_group WHERE name = 'g'", []).expect("deletes");
    assert_eq!(left(&db), "14");
}

#[test]
fn a_vault_out_of_sight_takes_its_own_roles_and_none_of_the_next_of_its_name() {
    let mut db = empty();
    up_to_date(&mut db).expect("migrates");
    db.execute_batch(
        "INSERT INTO principal VALUES ('p', 'p', 'name', 'hash');
         INSERT INTO role_assignment VALUES ('1', 'p', 'r', 'g', 'v', 't'),
             ('2', 'p', 'r', 'g', 'w', 't');
         INSERT INTO vault (id, name, resource_group, region, redundancy, created_at)
             VALUES ('old', 'v', 'g', 'north', 'LocallyRedundant', 't');
         UPDATE vault SET deleted_at = 't' WHERE id = 'old';",
    )
    .expect("writes");
    let held = || number(&db, "SELECT count(*) FROM role_assignment").expect("reads");
    assert_eq!(held(), 1);
    db.execute_batch(
        "INSERT INTO vault (id, name, resource_group, region, redundancy, created_at)
             VALUES ('new', 'v', 'g', 'north', 'LocallyRedundant', 't');
         INSERT INTO role_assignment VALUES ('3', 'p', 'r', 'g', 'v', 't');
         DELETE FROM vault WHERE id = 'old';",
    )
    .expect("writes");
    assert_eq!(held(), 2);
}
