//! Alerts, and the messages about them.

use jiff::Timestamp;
use model::alert::{Alert, Condition, Event, Kind, Notice, Told};
use rusqlite::{Connection, params};

use super::record::{Record, Stored, all, run, run_on_one, time};
use crate::port::{LedgerError, NewNotice};

impl Stored for Alert {
    const TABLE: &'static str = "alert";
    const KEY: &'static str = "id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        let condition = Condition {
            key: record.text("key")?,
            kind: record.named("kind", Kind::from_name)?,
            vault: record.text("vault")?,
            resource_group: record.text("resource_group")?,
            item: record.text("item")?,
            title: record.text("title")?,
            text: record.text("text")?,
            action: record.text("action")?,
        };
        Ok(Self {
            id: record.uuid("id")?,
            condition,
            raised_at: record.time("raised_at")?,
            resolved_at: record.time_if_any("resolved_at")?,
            told: record.named("told", Told::from_name)?,
        })
    }
}

impl Stored for Notice {
    const TABLE: &'static str = "notice";
    const KEY: &'static str = "number";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            number: record.number("number")?,
            alert: Alert::read(record)?,
            event: record.named("event", Event::from_name)?,
            target: record.text("target")?,
            tries: record.number("tries")?,
            next_at: record.time("next_at")?,
        })
    }
}

/// The alerts that stand, or of whose end somebody is still to be told; oldest first.
pub(super) const OPEN: &str = "SELECT * FROM alert WHERE resolved_at IS NULL OR told <> 'resolved'
     ORDER BY raised_at";

pub(super) fn open(db: &Connection) -> Result<Vec<Alert>, LedgerError> {
    all(db, OPEN, [])
}

pub(super) fn put(db: &Connection, alert: &Alert) -> Result<(), LedgerError> {
    let condition = &alert.condition;
    run(
        db,
        "INSERT INTO alert (id, key, kind, vault, resource_group, item, title, text, action,
             raised_at, resolved_at, told)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (id) DO UPDATE SET resolved_at = excluded.resolved_at, told = excluded.told",
        params![
            alert.id.to_string(),
            condition.key,
            condition.kind.name(),
            condition.vault,
            condition.resource_group,
            condition.item,
            condition.title,
            condition.text,
            condition.action,
            time(alert.raised_at),
            alert.resolved_at.map(time),
            alert.told.name(),
        ],
    )?;
    Ok(())
}

/// Forgets the alerts that were over before then and of which nothing is to be told any more.
pub(super) fn forget(db: &Connection, before: Timestamp) -> Result<(), LedgerError> {
    run(
        db,
        "DELETE FROM alert WHERE resolved_at < ?1 AND told = 'resolved'
             AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.alert = alert.id)",
        [time(before)],
    )?;
    Ok(())
}

pub(super) fn add_notice(db: &Connection, new: &NewNotice) -> Result<(), LedgerError> {
    run(
        db,
        "INSERT INTO notice (alert, event, target, tries, next_at) VALUES (?1, ?2, ?3, 0, ?4)",
        params![new.alert.to_string(), new.event.name(), new.target, time(new.at)],
    )?;
    Ok(())
}

pub(super) fn notices(db: &Connection) -> Result<Vec<Notice>, LedgerError> {
    let sql = "SELECT * FROM notice JOIN alert ON alert.id = notice.alert ORDER BY number";
    all(db, sql, [])
}

pub(super) fn try_again(
    db: &Connection,
    number: u64,
    tries: u32,
    at: Timestamp,
) -> Result<(), LedgerError> {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let sql = "UPDATE notice SET tries = ?2, next_at = ?3 WHERE number = ?1";
    run_on_one(db, sql, params![number, tries, time(at)])
}

pub(super) fn drop_notice(db: &Connection, number: u64) -> Result<(), LedgerError> {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    run(db, "DELETE FROM notice WHERE number = ?1", [number])?;
    Ok(())
}
