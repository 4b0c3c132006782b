//! Every zone of the database inside the program, at every change of its clocks from 2019 to 2037.
//!
//! Method: around each change, days are walked through with a time of day on each half hour, so
//! that some lie in the gap or in the fold and some at their ends.

use std::collections::BTreeSet;

use jiff::civil::date;
use jiff::tz::{AmbiguousOffset, TimeZoneDatabase};

use super::*;

/// A change of a zone's clocks.
struct Change {
    name: String,
    zone: TimeZone,
    at: Timestamp,
}

/// All changes, each of equal zones once.
fn changes() -> Vec<Change> {
    let year = |year| TimeZone::UTC.to_timestamp(date(year, 1, 1).at(0, 0, 0, 0)).expect("there");
    let (from, to) = (year(2019), year(2038));
    let mut seen = BTreeSet::new();
    let mut changes = Vec::new();
    for name in TimeZoneDatabase::bundled().available() {
        let zone = zone::find(name.as_str()).unwrap_or_else(|| panic!("no zone {name}"));
        let of_zone: Vec<_> = zone
            .following(from)
            .map(|change| (change.timestamp(), change.offset().seconds()))
            .take_while(|(at, _)| *at < to)
            .collect();
        let start = zone.to_offset(from).seconds();
        if !seen.insert((start, of_zone.clone())) {
            continue;
        }
        for (at, _) in of_zone {
            changes.push(Change { name: name.as_str().to_owned(), zone: zone.clone(), at });
        }
    }
    changes
}

/// The times of day that clocks may show, each half hour, as moments on a day of 2019.
fn half_hours(change: &Change) -> impl Iterator<Item = Timestamp> {
    let midnight = change.zone.to_timestamp(date(2019, 6, 15).at(0, 0, 0, 0)).expect("there");
    (0..48).map(move |half| midnight + SignedDuration::from_mins(30 * half))
}

/// The runs from two days before a change to three days after it.
fn around(change: &Change, calendar: &Calendar) -> Vec<Timestamp> {
    let (from, to) = (change.at - DAY * 2, change.at + DAY * 3);
    let days = calendar.day_of(from - DAY).series(1.day());
    let days = days.take_while(|day| *day <= calendar.day_of(to + DAY));
    let runs = days.flat_map(|day| calendar.runs_of(day));
    runs.filter(|run| (from..=to).contains(run)).collect()
}

/// The days that a zone has between two moments.
fn days_between(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Date> {
    let (first, last) = (zone.to_datetime(from).date(), zone.to_datetime(to).date());
    let days = first.series(1.day()).take_while(|day| *day <= last);
    days.filter(|day| wall::exists(zone, *day)).collect()
}

#[test]
fn there_are_changes_to_look_at() {
    let changes = changes();
    let of = |name: &str| changes.iter().filter(|change| change.name == name).count();
    assert!(changes.len() > 1000, "{}", changes.len());
    // Two a year where clocks still change: these zones are like no others.
    assert_eq!(of("America/Nuuk") + of("America/Godthab"), 38);
    assert_eq!(of("Australia/Lord_Howe") + of("Australia/LHI"), 38);
}

#[test]
fn fixed_runs_are_24_hours_apart_at_every_change() {
    for change in changes() {
        for at in half_hours(&change) {
            let calendar = calendar(Schedule::Daily { at }, &change.name);
            for runs in around(&change, &calendar).windows(2) {
                assert_eq!(runs[1].duration_since(runs[0]), DAY, "{} {at}", change.name);
            }
        }
    }
}

#[test]
fn adjusting_policies_run_once_on_each_day_at_every_change() {
    for change in changes() {
        for at in half_hours(&change) {
            let calendar = adjusting(Schedule::Daily { at }, &change.name);
            let runs = around(&change, &calendar);
            let days: Vec<Date> =
                runs.iter().map(|run| change.zone.to_datetime(*run).date()).collect();
            let expected = days_between(&change.zone, runs[0], runs[runs.len() - 1]);
            assert_eq!(days, expected, "{} at {at}: {runs:?}", change.name);
            // All but the one that the change is in the way of are at the same time of day.
            let wall = calendar.wall_time().expect("it adjusts");
            let others =
                runs.iter().filter(|run| change.zone.to_datetime(**run).time() != wall).count();
            assert!(others <= 1, "{} at {at}: {runs:?}", change.name);
        }
    }
}

#[test]
fn no_run_is_passed_over_at_any_change() {
    for change in changes() {
        for at in half_hours(&change).step_by(7) {
            for calendar in [
                adjusting(Schedule::Daily { at }, &change.name),
                calendar(Schedule::Daily { at }, &change.name),
            ] {
                let runs = around(&change, &calendar);
                for pair in runs.windows(2) {
                    assert_eq!(calendar.next_after(pair[0]), Some(pair[1]), "{}", change.name);
                    let before = pair[1] - SignedDuration::from_nanos(1);
                    assert_eq!(calendar.last_until(before), Some(pair[0]), "{}", change.name);
                    assert_eq!(calendar.last_until(pair[1]), Some(pair[1]), "{}", change.name);
                }
            }
        }
    }
}

#[test]
fn weekly_policies_run_on_their_days_at_every_change() {
    for change in changes() {
        let day = change.zone.to_datetime(change.at).date();
        let days = vec![day.yesterday().expect("in range").weekday(), day.weekday()];
        for at in half_hours(&change) {
            let schedule = Schedule::Weekly { days: days.clone(), at };
            let calendar = adjusting(schedule.clone(), &change.name);
            let week = calendar.next_after(change.at - DAY * 3).expect("there is one");
            let second = calendar.next_after(week).expect("there is one");
            let third = calendar.next_after(second).expect("there is one");
            let day_of = |run: Timestamp| change.zone.to_datetime(run).date();
            let expected = [day.yesterday().expect("in range"), day];
            assert_eq!([day_of(week), day_of(second)], expected, "{} {at}", change.name);
            assert_eq!(day_of(third), expected[0] + 7.days(), "{} {at}", change.name);

            // A fixed one has a run for each of its days: in it, or within the hours it lacks.
            let calendar = super::calendar(schedule, &change.name);
            for day in expected {
                let begin = change.zone.to_timestamp(day.at(0, 0, 0, 0)).expect("there");
                let run = calendar.next_after(begin - SignedDuration::from_nanos(1));
                let after = run.expect("there is one").duration_since(begin);
                assert!(after < DAY, "{} {at}: {after} after {begin}", change.name);
            }
        }
    }
}

#[test]
fn windows_leave_no_interval_out_at_every_change() {
    for change in changes() {
        // Half hours are many, and what matters is where the window lies.
        for at in half_hours(&change).step_by(11) {
            for (interval_minutes, window_hours) in [(15, 24), (240, 24), (240, 8)] {
                let schedule =
                    Schedule::Hourly { interval_minutes, window_start: at, window_hours };
                let calendar = adjusting(schedule, &change.name);
                let runs = around(&change, &calendar);
                check_window(&change, &calendar, &runs, interval_minutes, window_hours);
            }
        }
    }
}

/// No two runs of a window are further apart than its interval, and each day's window opens at its
/// time, or at the first moment after it that the day has.
fn check_window(
    change: &Change,
    calendar: &Calendar,
    runs: &[Timestamp],
    interval_minutes: u16,
    window_hours: u16,
) {
    let interval = SignedDuration::from_mins(interval_minutes.into());
    let wall = calendar.wall_time().expect("it adjusts");
    let begin = change.zone.to_offset(change.at - SignedDuration::from_secs(1));
    let by = change.zone.to_offset(change.at).duration_since(begin).abs();
    let between_windows = SignedDuration::from_hours((24 - window_hours).into());
    for pair in runs.windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        let longest = interval.max(between_windows + by);
        let longest = if window_hours == 24 { interval } else { longest };
        assert!(apart <= longest && apart > SignedDuration::ZERO, "{}: {pair:?}", change.name);
    }
    for day in days_between(&change.zone, change.at - DAY, change.at + DAY) {
        let shown = change.zone.to_ambiguous_timestamp(day.to_datetime(wall));
        let is_skipped = matches!(shown.offset(), AmbiguousOffset::Gap { .. });
        let opens = if is_skipped { change.at } else { shown.earlier().expect("in range") };
        assert!(runs.contains(&opens), "{}: {day} {wall}: {runs:?}", change.name);
    }
}

#[test]
fn a_change_is_warned_of_from_14_days_before_it() {
    let policy = |zone: &str| {
        let usual = Policy::default_of(Uuid::nil(), at("2026-01-01T00:00:00Z"));
        Policy { time_zone: zone.to_owned(), ..usual }
    };
    let second = SignedDuration::from_secs(1);
    for change in changes() {
        let before = change.zone.to_offset(change.at - second);
        let policy = policy(&change.name);
        let warned = |now: Timestamp| coming_change(&policy, now).map(|change| change.at);
        if change.zone.to_offset(change.at) == before {
            // Only its name changes, or what it is said to be.
            assert_ne!(warned(change.at - second), Some(change.at), "{}", change.name);
            continue;
        }
        assert_eq!(warned(change.at - WARNED_AHEAD), Some(change.at), "{}", change.name);
        assert_eq!(warned(change.at - second), Some(change.at), "{}", change.name);
        assert_ne!(warned(change.at), Some(change.at), "{}", change.name);
        assert_ne!(warned(change.at - WARNED_AHEAD - second), Some(change.at), "{}", change.name);
        let adjusting = Policy { daylight_saving: DaylightSaving::Adjust, ..policy };
        assert_eq!(coming_change(&adjusting, change.at - second), None);
    }
}

#[test]
fn a_warning_says_what_changes() {
    let policy = |zone: &str| Policy {
        time_zone: zone.to_owned(),
        ..Policy::default_of(Uuid::nil(), at("2026-01-01T00:00:00Z"))
    };
    let told = |zone: &str, now: &str| {
        coming_change(&policy(zone), at(now)).map(|change| change.to_string())
    };
    let expected = "Clocks in 'W. Europe Standard Time' are set back by 1 h at \
        2026-10-25T01:00:00Z. The policy keeps its time in UTC: its runs that begin at 22:30 on \
        these clocks will begin at 21:30 from then on. Change its time of day then, or set its \
        daylightSaving to adjust.";
    let berlin = "W. Europe Standard Time";
    assert_eq!(told(berlin, "2026-10-20T00:00:00Z").as_deref(), Some(expected));
    assert_eq!(told(berlin, "2026-10-01T00:00:00Z"), None);
    assert_eq!(told("UTC", "2026-10-20T00:00:00Z"), None);
    let lord_howe = told("Lord Howe Standard Time", "2026-10-01T00:00:00Z").expect("soon");
    assert!(lord_howe.contains("are set forward by 30 min at"), "{lord_howe}");
}
