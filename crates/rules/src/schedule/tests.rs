//! Method: a schedule in short words, a moment, and the runs that follow it, as text.

use jiff::civil::Weekday;
use model::item::{Deletion, DiskSelection};
use model::policy::Kind;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

mod zones;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn calendar(schedule: Schedule, zone: &str) -> Calendar {
    let usual = Policy::default_of(Uuid::nil(), Timestamp::UNIX_EPOCH);
    Calendar::of(&Policy { schedule, kind: Kind::V2, time_zone: zone.to_owned(), ..usual })
}

/// The same, following the clocks of its zone.
fn adjusting(schedule: Schedule, zone: &str) -> Calendar {
    let usual = Policy::default_of(Uuid::nil(), Timestamp::UNIX_EPOCH);
    let daylight_saving = DaylightSaving::Adjust;
    let policy = Policy { schedule, kind: Kind::V2, daylight_saving, ..usual };
    Calendar::of(&Policy { time_zone: zone.to_owned(), ..policy })
}

fn daily(time: &str) -> Calendar {
    calendar(Schedule::Daily { at: at(&format!("2026-01-01T{time}Z")) }, "UTC")
}

fn weekly(days: &[Weekday], time: &str, zone: &str) -> Calendar {
    let at = at(&format!("2026-01-01T{time}Z"));
    calendar(Schedule::Weekly { days: days.to_vec(), at }, zone)
}

fn hourly(interval_minutes: u16, start: &str, window_hours: u16) -> Calendar {
    let window_start = at(&format!("2026-01-01T{start}Z"));
    calendar(Schedule::Hourly { interval_minutes, window_start, window_hours }, "UTC")
}

/// The runs after `now`, as many as are expected.
#[track_caller]
fn check(calendar: &Calendar, now: &str, expected: &[&str]) {
    let mut moment = at(now);
    let mut runs = Vec::new();
    for _ in expected {
        let run = calendar.next_after(moment).expect("there is always a next one");
        assert_eq!(calendar.last_until(run), Some(run), "a run is the last one at its moment");
        let before = run - SignedDuration::from_nanos(1);
        assert_eq!(calendar.next_after(before), Some(run), "and the next one before it");
        runs.push(run.to_string());
        moment = run;
    }
    assert_eq!(runs, expected);
}

#[test]
fn a_daily_policy_runs_at_its_time_of_day_in_utc() {
    let calendar = daily("20:30:00");
    check(
        &calendar,
        "2026-11-23T10:00:00Z",
        &["2026-11-23T20:30:00Z", "2026-11-24T20:30:00Z", "2026-11-25T20:30:00Z"],
    );
    check(&calendar, "2026-11-23T20:30:00Z", &["2026-11-24T20:30:00Z"]);
    check(&calendar, "2026-12-31T23:59:59Z", &["2027-01-01T20:30:00Z"]);
    check(&daily("00:00:00"), "2028-02-28T00:00:00Z", &["2028-02-29T00:00:00Z"]);
}

#[test]
fn clocks_that_change_change_no_run() {
    // Berlin sets its clocks back on 25 October 2026.
    let schedule = Schedule::Daily { at: at("2026-06-01T02:00:00Z") };
    check(
        &calendar(schedule, "W. Europe Standard Time"),
        "2026-10-24T12:00:00Z",
        &["2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"],
    );
}

#[test]
fn a_weekly_policy_runs_on_its_days() {
    use Weekday::{Sunday, Wednesday};
    check(
        &weekly(&[Sunday, Wednesday], "02:00:00", "UTC"),
        "2026-11-23T10:00:00Z",
        &["2026-11-25T02:00:00Z", "2026-11-29T02:00:00Z", "2026-12-02T02:00:00Z"],
    );
    check(&weekly(&[Sunday], "02:00:00", "UTC"), "2026-11-22T02:00:00Z", &["2026-11-29T02:00:00Z"]);
}

#[test]
fn the_day_of_the_week_is_that_of_the_policys_zone() {
    use Weekday::Sunday;
    // 02:00 UTC on Monday is Sunday evening in Seattle, by either name of the zone.
    for zone in ["Pacific Standard Time", "America/Los_Angeles"] {
        let calendar = weekly(&[Sunday], "02:00:00", zone);
        check(&calendar, "2026-11-20T00:00:00Z", &["2026-11-23T02:00:00Z"]);
    }
    // 22:30 UTC is half past midnight in Berlin in summer, and half past eleven in winter.
    check(
        &weekly(&[Sunday], "22:30:00", "Europe/Berlin"),
        "2026-10-20T00:00:00Z",
        &["2026-10-24T22:30:00Z", "2026-10-25T22:30:00Z", "2026-11-01T22:30:00Z"],
    );
    // Samoa skipped Friday, 30 December 2011.
    check(
        &weekly(&[Weekday::Friday], "12:00:00", "Pacific/Apia"),
        "2011-12-24T00:00:00Z",
        &["2012-01-05T12:00:00Z"],
    );
}

#[test]
fn calendars_are_equal_where_their_runs_are() {
    let of = |date: &str, zone: &str| {
        let schedule = Schedule::Daily { at: at(date) };
        (calendar(schedule.clone(), zone), adjusting(schedule, zone))
    };
    let (fixed, adjusting) = of("2026-01-01T22:00:00Z", "Europe/Berlin");
    assert_ne!(fixed, adjusting);
    // Terraform sends the time alone, which is one of the day on which it does.
    let (later, _) = of("2026-07-09T22:00:00Z", "Europe/Berlin");
    assert_eq!(fixed, later);
    let (_, in_summer) = of("2026-07-09T21:00:00Z", "Europe/Berlin");
    assert_eq!(adjusting, in_summer);
    assert_ne!(fixed, of("2026-01-01T22:30:00Z", "Europe/Berlin").0);
}

#[test]
fn an_hourly_policy_runs_through_its_window() {
    check(
        &hourly(240, "08:00:00", 12),
        "2026-11-23T10:00:00Z",
        &[
            "2026-11-23T12:00:00Z",
            "2026-11-23T16:00:00Z",
            "2026-11-23T20:00:00Z",
            "2026-11-24T08:00:00Z",
        ],
    );
    // The whole day: the window's end is the next one's begin. It goes past midnight.
    check(
        &hourly(360, "20:00:00", 24),
        "2026-11-23T20:00:00Z",
        &[
            "2026-11-24T02:00:00Z",
            "2026-11-24T08:00:00Z",
            "2026-11-24T14:00:00Z",
            "2026-11-24T20:00:00Z",
        ],
    );
}

#[test]
fn a_week_is_not_left_out_because_its_day_was_short() {
    // Berlin's 29 March 2026 has 23 hours, from 23:00 to 22:00 in UTC: none of them is at 22:30.
    check(
        &weekly(&[Weekday::Sunday], "22:30:00", "Europe/Berlin"),
        "2026-03-20T00:00:00Z",
        &["2026-03-22T22:30:00Z", "2026-03-29T22:30:00Z", "2026-04-04T22:30:00Z"],
    );
}

#[test]
fn a_policy_that_adjusts_keeps_its_time_on_the_clocks_of_its_zone() {
    // Its time is 23:00 in Berlin, whichever half of the year its date is of.
    for date in ["2026-11-25T22:00:00Z", "2026-07-25T21:00:00Z"] {
        let calendar = adjusting(Schedule::Daily { at: at(date) }, "W. Europe Standard Time");
        assert_eq!(calendar.wall_time(), Some(jiff::civil::time(23, 0, 0, 0)));
        let expected = ["2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z", "2026-03-30T21:00:00Z"];
        check(&calendar, "2026-03-28T12:00:00Z", &expected);
        let expected = ["2026-10-24T21:00:00Z", "2026-10-25T22:00:00Z", "2026-10-26T22:00:00Z"];
        check(&calendar, "2026-10-24T12:00:00Z", &expected);
    }
    assert_eq!(daily("20:30:00").wall_time(), None);
}

#[test]
fn a_time_that_clocks_skip_is_made_up_for_and_one_that_they_show_twice_is_one_run() {
    let berlin = |date: &str| adjusting(Schedule::Daily { at: at(date) }, "Europe/Berlin");
    // 02:30, which 29 March 2026 does not have: 03:00, the first moment after the gap.
    let expected = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
    check(&berlin("2026-11-25T01:30:00Z"), "2026-03-28T00:00:00Z", &expected);
    // And which 25 October has twice: the first one.
    let expected = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
    check(&berlin("2026-11-25T01:30:00Z"), "2026-10-24T00:00:00Z", &expected);
    // 23:30, after which Greenland's 28 March 2026 skips to the next day: an hour earlier.
    let nuuk = adjusting(Schedule::Daily { at: at("2026-11-25T01:30:00Z") }, "America/Nuuk");
    assert_eq!(nuuk.wall_time(), Some(jiff::civil::time(23, 30, 0, 0)));
    let expected = ["2026-03-28T01:30:00Z", "2026-03-29T00:30:00Z", "2026-03-30T00:30:00Z"];
    check(&nuuk, "2026-03-28T00:00:00Z", &expected);
}

#[test]
fn a_day_that_a_zone_leaves_out_has_no_run() {
    let apia = |schedule| adjusting(schedule, "Pacific/Apia");
    // 02:00 on its clocks, which skipped Friday, 30 December 2011.
    let at = at("2011-12-01T12:00:00Z");
    let expected = ["2011-12-29T12:00:00Z", "2011-12-30T12:00:00Z", "2011-12-31T12:00:00Z"];
    check(&apia(Schedule::Daily { at }), "2011-12-29T00:00:00Z", &expected);
    let fridays = Schedule::Weekly { days: vec![Weekday::Friday], at };
    check(&apia(fridays), "2011-12-23T12:00:00Z", &["2012-01-05T12:00:00Z"]);
}

#[test]
fn a_window_is_at_the_same_times_of_the_clocks_every_day() {
    let window = |interval_minutes, window_hours, start: &str| Schedule::Hourly {
        interval_minutes,
        window_start: at(start),
        window_hours,
    };
    let berlin = |schedule| adjusting(schedule, "Europe/Berlin");
    // Midnight to noon: the night of 29 March 2026 is an hour shorter, that of 25 October longer.
    let every_4_hours = berlin(window(240, 12, "2026-11-25T23:00:00Z"));
    let expected = [
        "2026-03-28T23:00:00Z",
        "2026-03-29T02:00:00Z",
        "2026-03-29T06:00:00Z",
        "2026-03-29T10:00:00Z",
        "2026-03-29T22:00:00Z",
    ];
    check(&every_4_hours, "2026-03-28T12:00:00Z", &expected);
    // 04:00 on the clocks is five hours after midnight: a run more, so that no interval is longer.
    let expected = [
        "2026-10-24T22:00:00Z",
        "2026-10-25T02:00:00Z",
        "2026-10-25T03:00:00Z",
        "2026-10-25T07:00:00Z",
        "2026-10-25T11:00:00Z",
        "2026-10-25T23:00:00Z",
    ];
    check(&every_4_hours, "2026-10-24T12:00:00Z", &expected);
    // What lies in the gap begins once, after it.
    let every_30_minutes = berlin(window(30, 4, "2026-11-25T00:00:00Z"));
    let expected = [
        "2026-03-29T00:00:00Z",
        "2026-03-29T00:30:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-29T01:30:00Z",
        "2026-03-29T02:00:00Z",
        "2026-03-29T02:30:00Z",
        "2026-03-29T03:00:00Z",
        "2026-03-29T23:00:00Z",
    ];
    check(&every_30_minutes, "2026-03-28T12:00:00Z", &expected);
}

#[test]
fn fifteen_minutes_are_an_interval_through_the_whole_day() {
    let window_start = at("2026-01-01T08:00:00Z");
    let schedule = Schedule::Hourly { interval_minutes: 15, window_start, window_hours: 24 };
    for calendar in [hourly(15, "08:00:00", 24), adjusting(schedule, "Europe/Berlin")] {
        let mut run = at("2026-10-24T00:00:00Z");
        while run < at("2026-10-26T00:00:00Z") {
            let next = calendar.next_after(run).expect("there is one");
            assert_eq!(next.duration_since(run), SignedDuration::from_mins(15), "{run}");
            run = next;
        }
        // A night's outage is caught up by one backup.
        let due = calendar.due(at("2026-11-23T18:00:00Z"), at("2026-11-24T06:20:00Z"));
        let (since, at) = (at("2026-11-23T18:15:00Z"), at("2026-11-24T06:15:00Z"));
        assert_eq!(due, Due::Run { at, since });
    }
}

#[track_caller]
fn check_due(settled: &str, now: &str, expected: Due) {
    assert_eq!(daily("20:30:00").due(at(settled), at(now)), expected);
}

#[test]
fn what_was_missed_is_caught_up_once() {
    let wait = |until: &str| Due::Wait { until: Some(at(until)) };
    let run = |run: &str, since: &str| Due::Run { at: at(run), since: at(since) };
    let settled = "2026-11-20T20:30:00Z";
    check_due(settled, "2026-11-21T20:29:59Z", wait("2026-11-21T20:30:00Z"));
    check_due(settled, "2026-11-21T20:30:00Z", run("2026-11-21T20:30:00Z", "2026-11-21T20:30:00Z"));
    check_due(settled, "2026-11-24T09:00:00Z", run("2026-11-23T20:30:00Z", "2026-11-21T20:30:00Z"));
    check_due("2026-11-23T20:30:00Z", "2026-11-24T09:00:00Z", wait("2026-11-24T20:30:00Z"));
    // A clock that was set back does nothing twice.
    check_due("2026-11-23T20:30:00Z", "2026-11-20T09:00:00Z", wait("2026-11-24T20:30:00Z"));
}

#[test]
fn only_a_protected_item_with_a_policy_is_backed_up() {
    use ProtectionState::{BackupsSuspended, IrPending, Protected, ProtectionStopped};
    let now = Timestamp::UNIX_EPOCH;
    let item = |state| Item {
        id: Uuid::nil(),
        vault: Uuid::nil(),
        vm: Uuid::nil(),
        vm_name: "web".to_owned(),
        vm_resource_group: "rg".to_owned(),
        policy: Some("P".to_owned()),
        state,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: now,
    };
    for (state, expected) in [
        (IrPending, Ok("P")),
        (Protected, Ok("P")),
        (ProtectionStopped, Err(NoRun::Stopped)),
        (BackupsSuspended, Err(NoRun::Stopped)),
    ] {
        assert_eq!(policy_of(&item(state)), expected);
    }
    let deleted = Item {
        deletion: Some(Deletion { at: now, until: now, purging: false }),
        ..item(Protected)
    };
    assert_eq!(policy_of(&deleted), Err(NoRun::Deleted));
    assert_eq!(policy_of(&Item { policy: None, ..item(Protected) }), Err(NoRun::NoPolicy));
}

proptest! {
    #[test]
    fn consecutive_daily_runs_are_24_hours_apart(
        time in 0_i64..86_400,
        moment in 0_i64..4_000_000_000,
        zone in prop::sample::select(zone::WINDOWS),
    ) {
        let second = |second| Timestamp::from_second(second).expect("in range");
        let calendar = calendar(Schedule::Daily { at: second(time) }, zone.0);
        let next = calendar.next_after(second(moment)).expect("there is one");
        let after = calendar.next_after(next).expect("there is one");
        prop_assert!(next > second(moment));
        prop_assert!(next - SignedDuration::from_hours(24) <= second(moment));
        prop_assert_eq!(after.duration_since(next), SignedDuration::from_hours(24));
        prop_assert_eq!(next.as_second() % 86_400, time);
    }

    #[test]
    fn weekly_runs_are_on_their_day_and_no_day_is_left_out(
        time in 0_i64..86_400,
        moment in 0_i64..4_000_000_000,
        zone in prop::sample::select(zone::WINDOWS),
        day in 1_i8..=7,
    ) {
        let second = |second| Timestamp::from_second(second).expect("in range");
        let day = Weekday::from_monday_one_offset(day).expect("a day");
        let schedule = Schedule::Weekly { days: vec![day], at: second(time) };
        let calendar = calendar(schedule, zone.0);
        let next = calendar.next_after(second(moment)).expect("there is one");
        let in_zone = zone::find(zone.0).expect("known").to_datetime(next);
        prop_assert_eq!(in_zone.weekday(), day);
        // A day more where clocks change meanwhile, a week more where the zone skipped the day.
        prop_assert!(next.duration_since(second(moment)) <= SignedDuration::from_hours(15 * 24));
    }
}
