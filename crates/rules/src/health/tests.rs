//! Method: an example is a schedule, since when it counts, the newest point and a moment; the
//! verdict is rendered as text.

use jiff::civil::date;
use model::policy::{Policy, Schedule};
use uuid::Uuid;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn daily() -> Schedule {
    Schedule::Daily { at: at("2026-11-01T20:30:00Z") }
}

fn hourly(interval_hours: u16) -> Schedule {
    let window_start = at("2026-11-01T08:00:00Z");
    Schedule::Hourly { interval_minutes: interval_hours * 60, window_start, window_hours: 12 }
}

#[track_caller]
fn check(schedule: Schedule, from: &str, newest: Option<&str>, now: &str, expected: &str) {
    let usual = Policy::default_of(Uuid::nil(), at("2026-11-01T00:00:00Z"));
    let calendar = Calendar::of(&Policy { schedule, ..usual });
    let told = match objective(&calendar, at(from), newest.map(at), at(now)) {
        Objective::Met => "met".to_owned(),
        Objective::Awaited { due } => format!("awaited since {due}"),
        Objective::Missed { due } => format!("missed since {due}"),
    };
    assert_eq!(told, expected, "at {now}");
}

#[test]
fn a_daily_point_is_late_six_hours_after_its_run() {
    let (from, newest) = ("2026-11-01T00:00:00Z", Some("2026-11-10T20:31:00Z"));
    for (now, expected) in [
        ("2026-11-11T20:29:59Z", "met"),
        ("2026-11-11T20:30:00Z", "awaited since 2026-11-11T20:30:00Z"),
        ("2026-11-12T02:29:59Z", "awaited since 2026-11-11T20:30:00Z"),
        ("2026-11-12T02:30:00Z", "missed since 2026-11-11T20:30:00Z"),
        ("2026-11-20T00:00:00Z", "missed since 2026-11-11T20:30:00Z"),
    ] {
        check(daily(), from, newest, now, expected);
    }
}

#[test]
fn a_new_item_is_late_only_after_its_first_run() {
    let from = "2026-11-10T21:00:00Z";
    check(daily(), from, None, "2026-11-11T20:00:00Z", "met");
    let missed = "missed since 2026-11-11T20:30:00Z";
    check(daily(), from, None, "2026-11-12T02:30:00Z", missed);
}

#[test]
fn runs_before_protection_was_resumed_do_not_count() {
    let (from, newest) = ("2026-11-10T21:00:00Z", Some("2025-01-01T20:31:00Z"));
    check(daily(), from, newest, "2026-11-11T20:00:00Z", "met");
    let awaited = "awaited since 2026-11-11T20:30:00Z";
    check(daily(), from, newest, "2026-11-11T21:00:00Z", awaited);
}

#[test]
fn an_on_demand_point_makes_up_for_the_runs_before_it() {
    let from = "2026-11-01T00:00:00Z";
    check(daily(), from, Some("2026-11-12T09:00:00Z"), "2026-11-12T10:00:00Z", "met");
}

#[test]
fn an_hourly_point_may_take_as_long_as_the_time_to_the_next() {
    let (from, newest) = ("2026-11-01T00:00:00Z", Some("2026-11-10T08:01:00Z"));
    for (now, expected) in [
        ("2026-11-10T15:59:59Z", "awaited since 2026-11-10T12:00:00Z"),
        ("2026-11-10T16:00:00Z", "missed since 2026-11-10T12:00:00Z"),
    ] {
        check(hourly(4), from, newest, now, expected);
    }
}

fn sample(day: i8, stored_bytes: u64) -> SpaceSample {
    SpaceSample {
        vault: Uuid::nil(),
        day: date(2026, 11, day),
        measured_at: at("2026-11-10T12:00:00Z"),
        points: 1,
        logical_bytes: 10,
        stored_bytes,
    }
}

#[test]
fn growth_is_told_only_over_days_that_are_known() {
    let samples = [sample(1, 100), sample(3, 150), sample(10, 120)];
    assert_eq!(growth(&samples, 7), Some(-30));
    assert_eq!(growth(&samples, 8), Some(20), "the day between has the sample before it");
    assert_eq!(growth(&samples, 9), Some(20));
    assert_eq!(growth(&samples, 10), None);
    assert_eq!(growth(&[], 7), None);
}

#[test]
fn a_vault_is_measured_every_hour_and_when_it_has_changed() {
    let last = sample(10, 1);
    assert!(sample_is_due(None, false, at("2026-11-10T12:00:00Z")));
    assert!(!sample_is_due(Some(&last), false, at("2026-11-10T12:59:59Z")));
    assert!(sample_is_due(Some(&last), true, at("2026-11-10T12:00:01Z")));
    assert!(sample_is_due(Some(&last), false, at("2026-11-10T13:00:00Z")));
    assert!(sample_is_due(Some(&last), false, at("2026-11-10T11:00:00Z")), "the clock went back");
}
