//! How long a retention plan takes: every point of a full vault read from the ledger and judged.
//!
//! ```text
//! retention-bench [POINTS]
//! ```
//!
//! 1,000 items share the points, which are taken daily at noon up to yesterday; the policy keeps
//! days, weeks, months and years by the calendar of New York, so that each rule has work to do. The
//! ledger is SQLite's, in memory: a million transactions on a disk would be most of the run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::civil::Weekday;
use jiff::{SignedDuration, Timestamp};
use ledger::Ledger;
use ledger::sqlite::SqliteLedger;
use model::item::{DiskSelection, Item, ProtectionState};
use model::job::JobId;
use model::point::{Consistency, Point, PointDisk, PointId};
use model::policy::{
    DaylightSaving, Instant as Snapshots, Keep, Kind, LongTerm, MonthDays, MonthlyRetention,
    Policy, Retention, Schedule, Unit, WeekOfMonth, WeeklyRetention, YearlyRetention,
};
use model::retention::PointTimes;
use model::tags::Tags;
use model::vault::{Redundancy, Vault, VaultName, VaultSettings};
use rules::retention::{Case, Rulebook, guard, judge};
use uuid::Uuid;

const ITEMS: u64 = 1_000;
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn main() -> Result<()> {
    let points: u64 = match std::env::args().nth(1) {
        Some(text) => text.parse().context("POINTS")?,
        None => 1_000_000,
    };
    let now: Timestamp = "2026-11-25T12:00:00Z".parse()?;
    let ledger = SqliteLedger::in_memory()?;
    let vault = vault(now)?;
    let each = points.div_ceil(ITEMS);
    let begun = Instant::now();
    let items = fill(&ledger, &vault, each, now)?;
    println!("{} points of {ITEMS} items made in {:.1?}", each * ITEMS, begun.elapsed());

    let begun = (Instant::now(), on_processor()?);
    let times = ledger.point_times(vault.id, None)?;
    let read = (begun.0.elapsed(), on_processor()? - begun.1);
    let rules = Rulebook::of(&policy(vault.id)).context("the zone is known")?;
    let mut released = 0;
    let mut tallies = Vec::new();
    let by_item: Vec<&[PointTimes]> = times.chunk_by(|a, b| a.item == b.item).collect();
    for points in &by_item {
        let item = items.iter().find(|item| item.id == points[0].item).context("an item")?;
        let verdicts = judge(Case { item, rules: Some(&rules), in_use: &[], now }, points);
        let goes = verdicts.iter().filter(|verdict| verdict.released).count() as u64;
        released += goes;
        let (points, a_day) = (points.len() as u64, rules.runs_a_day());
        tallies.push(guard::Tally { points, released: goes, a_day });
    }
    let waits = guard::waits(&tallies) != guard::Waits::Nothing;
    let all = (begun.0.elapsed(), on_processor()? - begun.1);
    println!("wall: read {:.2?}, judged {:.2?}, in all {:.2?}", read.0, all.0 - read.0, all.0);
    println!("CPU:  read {:.2?}, judged {:.2?}, in all {:.2?}", read.1, all.1 - read.1, all.1);
    println!("{} points, {released} may go; waits for a confirmation: {waits}", times.len());
    Ok(())
}

/// For how long this thread has had a processor: what a busy machine does not change.
fn on_processor() -> Result<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = told.split_whitespace().next().context("a number")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

fn fill(ledger: &dyn Ledger, vault: &Vault, each: u64, now: Timestamp) -> Result<Vec<Item>> {
    ledger.create_vault(vault, &[policy(vault.id)])?;
    let mut items = Vec::new();
    for number in 0..ITEMS {
        let created_at = now - DAY * i32::try_from(each + 1)?;
        let item = item(vault, number, created_at);
        ledger.create_item(&item)?;
        for day in 0..each {
            let id = PointId::new(1 + number * each + day).context("an id")?;
            ledger.put_point(&point(&item, id, now - DAY * i32::try_from(each - day)?))?;
        }
        items.push(item);
    }
    Ok(items)
}

fn vault(now: Timestamp) -> Result<Vault> {
    Ok(Vault {
        id: Uuid::from_u128(1),
        name: VaultName::new("bench")?,
        resource_group: "bench".to_owned(),
        region: "local".to_owned(),
        redundancy: Redundancy::LocallyRedundant,
        settings: VaultSettings::default(),
        tags: Tags::new(),
        created_at: now,
        changed_at: now,
    })
}

fn policy(vault: Uuid) -> Policy {
    let keep = |count, unit| Keep { count, unit };
    let first_sunday =
        MonthDays::ByWeek { days: vec![Weekday::Sunday], weeks: vec![WeekOfMonth::First] };
    let retention = LongTerm {
        daily: Some(keep(180, Unit::Days)),
        weekly: Some(WeeklyRetention { days: vec![Weekday::Sunday], keep: keep(12, Unit::Weeks) }),
        monthly: Some(MonthlyRetention { on: first_sunday.clone(), keep: keep(60, Unit::Months) }),
        yearly: Some(YearlyRetention {
            months: vec![1],
            on: first_sunday,
            keep: keep(10, Unit::Years),
        }),
    };
    Policy {
        vault,
        name: "grandfather".to_owned(),
        kind: Kind::V1,
        schedule: Schedule::Daily { at: Timestamp::UNIX_EPOCH + DAY / 2 },
        retention: Retention::LongTerm(retention),
        instant: Snapshots::of_days(2),
        time_zone: "Eastern Standard Time".to_owned(),
        daylight_saving: DaylightSaving::Fixed,
        only_crash_consistent: false,
        tiering: Vec::new(),
    }
}

fn item(vault: &Vault, number: u64, created_at: Timestamp) -> Item {
    Item {
        id: Uuid::from_u128(u128::from(number) + 1),
        vault: vault.id,
        vm: Uuid::from_u128(u128::from(number) + 1),
        vm_name: format!("vm-{number}"),
        vm_resource_group: "bench".to_owned(),
        policy: Some("grandfather".to_owned()),
        state: ProtectionState::Protected,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at,
    }
}

fn point(item: &Item, id: PointId, taken_at: Timestamp) -> Point {
    Point {
        id,
        vault: item.vault,
        item: item.id,
        job: JobId(Uuid::nil()),
        taken_at,
        consistency: Consistency::FileSystem,
        retain_until: None,
        logical_bytes: 1 << 34,
        read_bytes: 1 << 28,
        stored_bytes: 1 << 27,
        disks: vec![PointDisk { target: "vda".to_owned(), size: 1 << 34 }],
    }
}
