//! What retention reads and keeps: the times of points, promises, plans, upkeep, the clock.

use jiff::{SignedDuration, Timestamp};
use model::fault::Fault;
use model::point::PointId;
use model::retention::{ClockSight, Collection, Plan, PlanState, PointTimes, Step, Upkeep};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::json::{Nested, Unknown};
use super::record::{Record, Stored, all, bytes, first, json, point, run, run_on_one, time};
use crate::port::LedgerError;

impl Stored for PointTimes {
    const TABLE: &'static str = "point";
    const KEY: &'static str = "id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            id: record.point("id")?,
            item: record.uuid("item")?,
            taken_at: record.time("taken_at")?,
            retain_until: record.time_if_any("retain_until")?,
        })
    }
}

pub(super) const TIMES: &str = "SELECT id, item, taken_at, retain_until FROM point
     WHERE vault = ?1 ORDER BY item, taken_at, id";
pub(super) const TIMES_OF_ITEM: &str = "SELECT id, item, taken_at, retain_until FROM point
     WHERE vault = ?1 AND item = ?2 ORDER BY taken_at, id";

pub(super) fn times(
    db: &Connection,
    vault: Uuid,
    item: Option<Uuid>,
) -> Result<Vec<PointTimes>, LedgerError> {
    match item {
        None => all(db, TIMES, [vault.to_string()]),
        Some(item) => all(db, TIMES_OF_ITEM, [vault.to_string(), item.to_string()]),
    }
}

/// Takes points of the vault out, with the promises that were made of them.
pub(super) fn forget(db: &Connection, vault: Uuid, points: &[PointId]) -> Result<u64, LedgerError> {
    let vault = vault.to_string();
    let mut gone = 0;
    for id in points {
        gone +=
            run(db, "DELETE FROM point WHERE id = ?1 AND vault = ?2", params![point(*id), vault])?;
    }
    Ok(gone as u64)
}

/// Until when a point was promised to be kept.
struct Promise {
    point: PointId,
    until: Timestamp,
}

impl Stored for Promise {
    const TABLE: &'static str = "promise";
    const KEY: &'static str = "point";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self { point: record.point("point")?, until: record.time("until")? })
    }
}

pub(super) fn promises(
    db: &Connection,
    vault: Uuid,
) -> Result<Vec<(PointId, Timestamp)>, LedgerError> {
    let sql = "SELECT promise.point, promise.until FROM point JOIN promise
         ON promise.point = point.id WHERE point.vault = ?1";
    let promises: Vec<Promise> = all(db, sql, [vault.to_string()])?;
    Ok(promises.into_iter().map(|promise| (promise.point, promise.until)).collect())
}

/// Keeps the later of what was promised and what is promised now. Of points that are not there
/// nothing is promised.
pub(super) fn promise(
    db: &Connection,
    promises: &[(PointId, Timestamp)],
) -> Result<(), LedgerError> {
    for (id, until) in promises {
        run(
            db,
            "INSERT INTO promise (point, until) SELECT id, ?2 FROM point WHERE id = ?1
             ON CONFLICT (point) DO UPDATE SET until = max(until, excluded.until)",
            params![point(*id), time(*until)],
        )?;
    }
    Ok(())
}

impl Stored for Plan {
    const TABLE: &'static str = "retention_plan";
    const KEY: &'static str = "id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            id: record.uuid("id")?,
            vault: record.uuid("vault")?,
            made_at: record.time("made_at")?,
            state: record.named("state", PlanState::from_name)?,
            waits: record.json_if_any("waits_json")?,
            steps: record.json("steps_json")?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct StepRow {
    point: u64,
    item: String,
    since: String,
    rule: String,
}

impl Nested for Step {
    type Row = StepRow;

    fn to_row(&self) -> StepRow {
        StepRow {
            point: self.point.to_row(),
            item: self.item.to_string(),
            since: self.since.to_row(),
            rule: self.rule.clone(),
        }
    }

    fn from_row(row: StepRow) -> Result<Self, Unknown> {
        Ok(Self {
            point: PointId::from_row(row.point)?,
            item: Uuid::parse_str(&row.item).map_err(|_| Unknown::Item { text: row.item })?,
            since: Timestamp::from_row(row.since)?,
            rule: row.rule,
        })
    }
}

/// Writes the plan in the place of the vault's other ones, but for a running one beside one that
/// waits or was confirmed.
pub(super) fn put_plan(db: &Connection, plan: &Plan) -> Result<(), LedgerError> {
    run(
        db,
        "DELETE FROM retention_plan
         WHERE vault = ?1 AND (state = 'Running') = (?2 = 'Running') OR id = ?3",
        params![plan.vault.to_string(), plan.state.name(), plan.id.to_string()],
    )?;
    run(
        db,
        "INSERT INTO retention_plan (id, vault, state, made_at, waits_json, steps_json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            plan.id.to_string(),
            plan.vault.to_string(),
            plan.state.name(),
            time(plan.made_at),
            plan.waits.as_ref().map(json),
            json(&plan.steps),
        ],
    )?;
    Ok(())
}

pub(super) fn plans(db: &Connection, vault: Uuid) -> Result<Vec<Plan>, LedgerError> {
    let sql = "SELECT * FROM retention_plan WHERE vault = ?1 ORDER BY made_at";
    all(db, sql, [vault.to_string()])
}

pub(super) fn confirm_plan(db: &Connection, id: Uuid) -> Result<(), LedgerError> {
    let sql = "UPDATE retention_plan SET state = 'Confirmed'
         WHERE id = ?1 AND state IN ('Waiting', 'Confirmed')";
    run_on_one(db, sql, [id.to_string()])
}

pub(super) fn end_plan(db: &Connection, id: Uuid) -> Result<(), LedgerError> {
    run(db, "DELETE FROM retention_plan WHERE id = ?1", [id.to_string()])?;
    Ok(())
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CollectionRow {
    freed: u64,
    later: u64,
    needed: u64,
    live: u64,
    repacked: u64,
}

impl Nested for Collection {
    type Row = CollectionRow;

    fn to_row(&self) -> CollectionRow {
        CollectionRow {
            freed: self.freed_bytes,
            later: self.later_bytes,
            needed: self.needed_bytes,
            live: self.live_bytes,
            repacked: self.repacked_bytes,
        }
    }

    fn from_row(row: CollectionRow) -> Result<Self, Unknown> {
        Ok(Self {
            freed_bytes: row.freed,
            later_bytes: row.later,
            needed_bytes: row.needed,
            live_bytes: row.live,
            repacked_bytes: row.repacked,
        })
    }
}

impl Stored for Upkeep {
    const TABLE: &'static str = "upkeep";
    const KEY: &'static str = "vault";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            judged_at: record.time_if_any("judged_at")?,
            forgot_at: record.time_if_any("forgot_at")?,
            forgotten: record.number("forgotten")?,
            collected_at: record.time_if_any("collected_at")?,
            collection: record.json("collection_json")?,
            freed_bytes: record.number("freed_bytes")?,
            to_collect: record.flag("to_collect")?,
            fault: record.json_if_any("fault_json")?,
        })
    }
}

pub(super) fn upkeep(db: &Connection, vault: Uuid) -> Result<Upkeep, LedgerError> {
    let known = first(db, "SELECT * FROM upkeep WHERE vault = ?1", [vault.to_string()])?;
    Ok(known.unwrap_or_default())
}

pub(super) fn put_upkeep(db: &Connection, vault: Uuid, upkeep: &Upkeep) -> Result<(), LedgerError> {
    run(
        db,
        "INSERT OR REPLACE INTO upkeep (vault, judged_at, forgot_at, forgotten, collected_at,
             collection_json, freed_bytes, to_collect, fault_json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            vault.to_string(),
            upkeep.judged_at.map(time),
            upkeep.forgot_at.map(time),
            bytes(upkeep.forgotten)?,
            upkeep.collected_at.map(time),
            json(&upkeep.collection),
            bytes(upkeep.freed_bytes)?,
            upkeep.to_collect,
            upkeep.fault.as_ref().map(json),
        ],
    )?;
    Ok(())
}

impl Stored for ClockSight {
    const TABLE: &'static str = "clock_sight";
    const KEY: &'static str = "only";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        let offset: Option<i64> = record.number_if_any("accepted_offset_ms")?;
        Ok(Self {
            seen: record.time_if_any("seen_at")?,
            accepted_offset: offset.map(SignedDuration::from_millis),
            doubt: record.json_if_any::<Fault>("doubt_json")?,
        })
    }
}

pub(super) fn clock_sight(db: &Connection) -> Result<ClockSight, LedgerError> {
    Ok(first(db, "SELECT * FROM clock_sight", [])?.unwrap_or_default())
}

pub(super) fn put_clock_sight(db: &Connection, sight: &ClockSight) -> Result<(), LedgerError> {
    let offset =
        sight.accepted_offset.map(|offset| i64::try_from(offset.as_millis()).unwrap_or(i64::MAX));
    let doubt: Option<String> = sight.doubt.as_ref().map(json);
    run(
        db,
        "INSERT OR REPLACE INTO clock_sight (only, seen_at, accepted_offset_ms, doubt_json)
         VALUES (1, ?1, ?2, ?3)",
        params![sight.seen.map(time), offset, doubt],
    )?;
    Ok(())
}
