//! What only the SQLite ledger promises: its file, its damage, its plans. Method for damage: a
//! ledger is written through the port, spoilt by plain SQL, and read through the port.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use model::item::ProtectionState;
use model::job::{Operation, Status};
use model::point::Consistency;
use model::vault::{Redundancy, VaultName, VaultSettings};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

const ID: Uuid = Uuid::from_u128(1);

/// A ledger with one of each: vault, policy, item, job, point, host.
fn write_one_of_each(ledger: &SqliteLedger) {
    let at = Timestamp::from_second(1_780_000_000).expect("in range");
    let vault = Vault {
        id: ID,
        name: VaultName::new("vault").expect("valid"),
        resource_group: "group".to_owned(),
        region: "north".to_owned(),
        redundancy: Redundancy::LocallyRedundant,
        settings: VaultSettings::default(),
        tags: Tags::new(),
        created_at: at,
        changed_at: at,
    };
    let item = Item {
        id: ID,
        vault: ID,
        vm: ID,
        vm_name: "vm".to_owned(),
        vm_resource_group: "group".to_owned(),
        policy: Some("DefaultPolicy".to_owned()),
        state: ProtectionState::Protected,
        deletion: None,
        disks: model::item::DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: at,
    };
    let job = Job {
        id: JobId(ID),
        vault: ID,
        item: ID,
        operation: Operation::Backup,
        status: Status::Completed,
        started_at: at,
        ended_at: Some(at),
        point: PointId::new(7),
        retain_until: None,
        tasks: Vec::new(),
        disks: Vec::new(),
        properties: Vec::new(),
        warnings: Vec::new(),
        error: None,
    };
    let point = Point {
        id: PointId::new(7).expect("not zero"),
        vault: ID,
        item: ID,
        job: JobId(ID),
        taken_at: at,
        consistency: Consistency::Crash,
        retain_until: None,
        logical_bytes: 1,
        read_bytes: 1,
        stored_bytes: 1,
        disks: Vec::new(),
    };
    ledger.create_vault(&vault, &[Policy::default_of(ID, at)]).expect("vault");
    ledger.create_item(&item).expect("item");
    ledger.create_job(&job).expect("job");
    ledger.record_backup(&point, &item, &job).expect("point");
}

fn database(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("ledger.db")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

#[test]
fn the_files_are_their_owners_alone() {
    let dir = TempDir::new().expect("temporary directory");
    let path = database(&dir);
    let ledger = SqliteLedger::open(&path).expect("creates");
    write_one_of_each(&ledger);
    let names: Vec<_> = fs::read_dir(dir.path()).expect("lists").flatten().collect();
    assert_eq!(names.len(), 3, "the database, its log, its shared memory: {names:?}");
    for name in names {
        assert_eq!(mode(&name.path()), 0o600, "{name:?}");
    }
    drop(ledger);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("sets");
    SqliteLedger::open(&path).expect("opens");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn commits_are_synced() {
    let dir = TempDir::new().expect("temporary directory");
    let ledger = SqliteLedger::open(&database(&dir)).expect("creates");
    let pragma = |name: &'static str| {
        move |db: &Connection| {
            db.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .map_err(failed)
        }
    };
    let text = |text: &str| rusqlite::types::Value::Text(text.to_owned());
    assert_eq!(ledger.pool.write(pragma("journal_mode")).expect("reads"), text("wal"));
    // 2 is FULL.
    assert_eq!(ledger.pool.write(pragma("synchronous")).expect("reads"), 2.into());
    assert_eq!(ledger.pool.write(pragma("foreign_keys")).expect("reads"), 1.into());
    assert_eq!(ledger.pool.read(pragma("query_only")).expect("reads"), 1.into());
}

#[test]
fn a_file_that_is_no_database_is_an_error_and_left_alone() {
    let dir = TempDir::new().expect("temporary directory");
    let text = "not a database, but long enough to be taken for one by its size ".repeat(64);
    fs::write(database(&dir), &text).expect("writes");
    let refused = SqliteLedger::open(&database(&dir)).err();
    assert!(matches!(refused, Some(LedgerError::Database(_))), "{refused:?}");
    assert_eq!(fs::read_to_string(database(&dir)).expect("reads"), text);
}

#[test]
fn a_setting_that_is_older_than_its_column_is_azures_default() {
    let ledger = SqliteLedger::in_memory().expect("opens");
    write_one_of_each(&ledger);
    let older = "UPDATE vault SET settings_json = '{\"soft_delete_days\":20,\"of_tomorrow\":1}'";
    ledger.pool.write(|db| db.execute_batch(older).map_err(failed)).expect("written");
    let settings = ledger.vaults().expect("reads")[0].settings;
    let mut expected = VaultSettings::default();
    expected.soft_delete.days = 20;
    assert_eq!(settings, expected);
}

#[test]
fn damaged_records_are_named() {
    type Read = fn(&SqliteLedger) -> Result<(), LedgerError>;
    let vaults: Read = |ledger| ledger.vaults().map(drop);
    let policies: Read = |ledger| ledger.policies(ID).map(drop);
    let items: Read = |ledger| ledger.items(None).map(drop);
    let jobs: Read = |ledger| ledger.jobs(JobQuery::default()).map(drop);
    let points: Read = |ledger| ledger.points(PointQuery::of(ID)).map(drop);
    let one = &ID.to_string();
    for (damage, read, table, key) in [
        ("UPDATE vault SET name = '!'", vaults, "vault", one.as_str()),
        ("UPDATE vault SET redundancy = 'Triple'", vaults, "vault", one),
        ("UPDATE vault SET created_at = 'yesterday'", vaults, "vault", one),
        ("UPDATE vault SET changed_at = ''", vaults, "vault", one),
        ("UPDATE vault SET tags_json = '[1]'", vaults, "vault", one),
        ("UPDATE vault SET settings_json = '{\"immutability\":\"Maybe\"}'", vaults, "vault", one),
        ("UPDATE vault SET settings_json = '{\"soft_delete_days\":-1}'", vaults, "vault", one),
        ("UPDATE policy SET schedule_json = '{'", policies, "policy", "DefaultPolicy"),
        ("UPDATE policy SET kind = 'V3'", policies, "policy", "DefaultPolicy"),
        ("UPDATE policy SET retention_json = '{}'", policies, "policy", "DefaultPolicy"),
        (
            "UPDATE policy SET retention_json = '{\"longTerm\":{\"monthly\":{
            \"on\":{\"byDate\":[32]},\"keep\":{\"count\":1,\"unit\":\"Months\"}}}}'",
            policies,
            "policy",
            "DefaultPolicy",
        ),
        (
            "UPDATE policy SET schedule_json = '{\"weekly\":{\"days\":[9],\"at\":\"02:00\"}}'",
            policies,
            "policy",
            "DefaultPolicy",
        ),
        ("UPDATE item SET vm = 'no uuid'", items, "item", one),
        ("UPDATE item SET state = 'Lost'", items, "item", one),
        (
            "UPDATE item SET chain_json = '{\"point\":0,\"checkpoint\":\"c\",\"disks\":[]}'",
            items,
            "item",
            one,
        ),
        ("UPDATE item SET vm_name = CAST(x'ff' AS TEXT)", items, "item", one),
        ("UPDATE job SET detail_json = '[]'", jobs, "job", one),
        (
            "UPDATE job SET detail_json = replace(detail_json, 'null',
            '{\"code\":\"Unheard\",\"message\":\"\"}')",
            jobs,
            "job",
            one,
        ),
        ("UPDATE job SET point = -7", jobs, "job", one),
        ("UPDATE job SET status = 'Sleeping'", jobs, "job", one),
        ("UPDATE point SET logical_bytes = -1", points, "point", "7"),
        ("UPDATE point SET id = 0", points, "point", "0"),
        ("UPDATE point SET disks_json = '[{}]'", points, "point", "7"),
    ] {
        let ledger = SqliteLedger::in_memory().expect("opens");
        write_one_of_each(&ledger);
        read(&ledger).expect("whole before");
        ledger.pool.write(|db| db.execute_batch(damage).map_err(failed)).expect(damage);
        match read(&ledger) {
            Err(LedgerError::Damaged { table: in_table, key: of, .. }) => {
                assert_eq!((in_table, of.as_str()), (table, key), "{damage}");
            }
            other => panic!("{damage}: {other:?}"),
        }
    }
}

#[test]
fn the_schema_knows_which_jobs_have_ended() {
    for status in Status::ALL {
        let ledger = SqliteLedger::in_memory().expect("opens");
        write_one_of_each(&ledger);
        let job = ledger.job(JobId(ID)).expect("reads").expect("there");
        ledger.update_job(&Job { status, ..job }).expect("updates");
        let unfinished = JobQuery { unfinished: true, ..JobQuery::default() };
        let listed = ledger.jobs(unfinished).expect("reads").len();
        assert_eq!(listed, usize::from(!status.has_ended()), "{status:?}");
    }
}

#[test]
fn lists_neither_scan_nor_sort() {
    let mut texts = vec![
        items::LIST_OF_VAULT.to_owned(),
        items::NAMED.to_owned(),
        vaults::NAMED.to_owned(),
        points::NEWEST.to_owned(),
        points::COUNT.to_owned(),
        jobs::PRUNE.to_owned(),
        retention::TIMES.to_owned(),
        retention::TIMES_OF_ITEM.to_owned(),
    ];
    texts.extend(job_lists());
    let at = Some(Timestamp::UNIX_EPOCH);
    for (from, to, after) in [(None, None, None), (at, at, None), (at, None, PointId::new(1))] {
        let after = after.map(|id| (Timestamp::UNIX_EPOCH, id));
        texts.push(points::list_sql(PointQuery { item: ID, from, to, after, limit: Some(9) }));
    }
    let name = || Some("web".to_owned());
    for (vm_name, policy) in [(None, None), (name(), None), (None, name()), (name(), name())] {
        for after in [None, Some(("web".to_owned(), ID))] {
            let (vm_name, policy) = (vm_name.clone(), policy.clone());
            let query = ItemQuery { vault: ID, vm_name, policy, after, limit: Some(9) };
            texts.push(items::find_sql(&query));
        }
    }
    let ledger = SqliteLedger::in_memory().expect("opens");
    let plan = |db: &Connection, sql: &str| -> rusqlite::Result<String> {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        let steps =
            statement.raw_query().mapped(|row| row.get(3)).collect::<Result<Vec<String>, _>>();
        Ok(steps?.join("; "))
    };
    for sql in texts {
        let plan = ledger.pool.read(|db| plan(db, &sql).map_err(failed)).expect("explains");
        let indexed = plan.contains(" USING INDEX ") || plan.contains(" USING COVERING INDEX ");
        assert!(indexed, "{sql}: {plan}");
        assert!(!plan.contains("B-TREE"), "{sql}: {plan}");
        // All jobs of a vault are too many to look for the few that have not ended.
        let along_all = sql.contains("ended = 0") && !plan.contains("job_unfinished");
        assert!(!along_all, "{sql}: {plan}");
    }
}

/// The texts of lists of jobs, for each set of filters.
fn job_lists() -> Vec<String> {
    let (id, at) = (Some(ID), Some(Timestamp::UNIX_EPOCH));
    let mut texts = Vec::new();
    for number in 0..128_u32 {
        let on = |bit: u32| number & (1 << bit) != 0;
        texts.push(jobs::list_sql(JobQuery {
            vault: id.filter(|_| on(0)),
            item: id.filter(|_| on(1)),
            unfinished: on(2),
            status: Some(Status::Failed).filter(|_| on(3)),
            operation: Some(Operation::Backup).filter(|_| on(4)),
            from: at.filter(|_| on(5)),
            to: at.filter(|_| on(5)),
            after: Some(JobId(ID)).filter(|_| on(6)),
            limit: Some(9),
        }));
    }
    texts
}

#[test]
fn a_panic_in_a_write_leaves_nothing_and_blocks_nobody() {
    let ledger = SqliteLedger::in_memory().expect("opens");
    write_one_of_each(&ledger);
    let write = std::panic::AssertUnwindSafe(|| {
        ledger.pool.write(|db| -> Result<(), LedgerError> {
            record::run(db, "UPDATE vault SET region = 'south'", [])?;
            panic!("in the middle of a transaction")
        })
    });
    std::panic::catch_unwind(write).expect_err("panics");
    assert_eq!(ledger.vaults().expect("reads")[0].region, "north");
}
