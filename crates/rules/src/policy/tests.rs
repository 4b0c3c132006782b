//! Method: a policy that is one, changed in one place, and the end of the message that says so; for
//! each range, both of its ends, and the numbers one past them.

use jiff::Timestamp;
use jiff::civil::Weekday::{self, Sunday, Wednesday};
use model::fault::Code;
use model::policy::{
    Instant, MonthDay, MonthlyRetention, WeekOfMonth, WeeklyRetention, YearlyRetention,
};
use uuid::Uuid;

use super::*;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn keep(count: u16, unit: Unit) -> Keep {
    Keep { count, unit }
}

fn by_week(days: &[Weekday]) -> MonthDays {
    MonthDays::ByWeek { days: days.to_vec(), weeks: vec![WeekOfMonth::First] }
}

fn long(policy: &mut Policy) -> &mut LongTerm {
    match &mut policy.retention {
        Retention::LongTerm(long) => long,
        Retention::Simple(_) => panic!("not simple"),
    }
}

/// Daily, with all four retentions.
fn daily() -> Policy {
    let mut policy = Policy::default_of(Uuid::nil(), AT);
    let long = long(&mut policy);
    long.weekly = Some(WeeklyRetention { days: vec![Sunday], keep: keep(12, Unit::Weeks) });
    let on = MonthDays::ByDate(vec![MonthDay::Date(1), MonthDay::Last]);
    long.monthly = Some(MonthlyRetention { on, keep: keep(12, Unit::Months) });
    let on = by_week(&[Wednesday]);
    long.yearly = Some(YearlyRetention { months: vec![1], on, keep: keep(1, Unit::Years) });
    policy
}

/// Weekly, with all retentions that a weekly one can have.
fn weekly() -> Policy {
    let mut policy = daily();
    policy.schedule = Schedule::Weekly { days: vec![Sunday, Wednesday], at: AT };
    policy.instant.days = 5;
    let long = long(&mut policy);
    long.daily = None;
    long.monthly = Some(MonthlyRetention { on: by_week(&[Sunday]), keep: keep(12, Unit::Months) });
    policy
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut Policy), policy: Policy, end: &str) {
    let mut policy = policy;
    check(&policy).expect("it was one");
    change(&mut policy);
    let fault = check(&policy).expect_err(end);
    assert_eq!(fault.code, Code::InvalidPolicyInput);
    let azures = "Input for create or update policy is not in proper format.";
    assert!(fault.message.starts_with(azures), "{fault}");
    assert!(fault.message.ends_with(end), "{fault}");
}

#[test]
fn azures_own_policies_are_policies() {
    for policy in [
        Policy::default_of(Uuid::nil(), AT),
        Policy::enhanced_of(Uuid::nil(), AT),
        daily(),
        weekly(),
        Policy { kind: Kind::V2, ..weekly() },
        Policy { retention: Retention::Simple(keep(9, Unit::Months)), ..weekly() },
        Policy { time_zone: "W. Europe Standard Time".to_owned(), ..daily() },
        Policy { time_zone: "europe/berlin".to_owned(), ..daily() },
    ] {
        assert_eq!(check(&policy), Ok(()), "{policy:?}");
    }
}

#[test]
fn a_name_follows_azures_rule() {
    let longest = format!("p{}", "x".repeat(149));
    for good in ["abc", "Daily-30", "a_b", longest.as_str()] {
        assert_eq!(check_name(good), Ok(()), "{good}");
    }
    let too_long = format!("p{}", "x".repeat(150));
    for bad in ["", "ab", "1ab", "-ab", "a b", "a.b", "ä-ö", too_long.as_str()] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_schedule_has_all_its_parts() {
    let enhanced = || Policy::enhanced_of(Uuid::nil(), AT);
    check_refused(|it| it.kind = Kind::V1, enhanced(), "cannot be Hourly; V2 can.");
    let no_days = |it: &mut Policy| it.schedule = Schedule::Weekly { days: Vec::new(), at: AT };
    check_refused(no_days, weekly(), "scheduleRunDays must not be empty.");
    let nowhere = |it: &mut Policy| it.time_zone = "Atlantis Standard Time".to_owned();
    check_refused(nowhere, daily(), "nor an IANA name of a time zone.");
}

#[test]
fn retention_fits_the_schedule() {
    let weekly_days = |days: &[Weekday]| {
        let days = days.to_vec();
        move |it: &mut Policy| {
            long(it).weekly = Some(WeeklyRetention { days, keep: keep(1, Unit::Weeks) });
        }
    };
    let monthly = |on: MonthDays, unit: Unit| {
        move |it: &mut Policy| long(it).monthly = Some(MonthlyRetention { on, keep: keep(1, unit) })
    };
    let by_date = |days: &[MonthDay]| MonthDays::ByDate(days.to_vec());
    check_refused(|it| long(it).daily = None, daily(), "needs a dailySchedule in its retention.");
    check_refused(
        |it| long(it).daily = Some(keep(1, Unit::Days)),
        weekly(),
        "cannot have a dailySchedule in its retention.",
    );
    check_refused(
        |it| long(it).weekly = None,
        weekly(),
        "needs a weeklySchedule in its retention.",
    );
    let other_days = "names days on which the policy does not back up.";
    check_refused(weekly_days(&[Weekday::Friday]), weekly(), other_days);
    check_refused(monthly(by_week(&[Weekday::Friday]), Unit::Months), weekly(), other_days);
    check_refused(weekly_days(&[]), weekly(), "daysOfTheWeek must not be empty.");
    check_refused(
        monthly(by_date(&[MonthDay::Last]), Unit::Months),
        weekly(),
        "must have the retentionScheduleFormatType Weekly.",
    );
    check_refused(
        monthly(by_date(&[]), Unit::Months),
        daily(),
        "daysOfTheMonth must not be empty.",
    );
    check_refused(
        |it| long(it).yearly.as_mut().expect("there").months.clear(),
        daily(),
        "monthsOfYear must not be empty.",
    );
}

#[test]
fn retention_is_counted_in_its_own_unit() {
    check_refused(
        |it| long(it).daily = Some(keep(30, Unit::Weeks)),
        daily(),
        "The durationType of dailySchedule must be Days.",
    );
    check_refused(
        |it| long(it).yearly.as_mut().expect("there").keep.unit = Unit::Days,
        daily(),
        "The durationType of yearlySchedule must be Years.",
    );
}

/// A policy with its numbers of one kind set to something.
type Set = fn(&mut Policy, u16);

fn set_daily(policy: &mut Policy, count: u16) {
    long(policy).daily = Some(keep(count, Unit::Days));
}

fn set_instant(policy: &mut Policy, days: u16) {
    policy.instant.days = days;
}

fn enhanced(interval_minutes: u16, window_hours: u16) -> Policy {
    let schedule = Schedule::Hourly { interval_minutes, window_start: AT, window_hours };
    Policy { schedule, ..Policy::enhanced_of(Uuid::nil(), AT) }
}

/// `base` with each of these numbers is a policy, and with each of the others is refused so.
#[track_caller]
fn check_range(base: Policy, set: Set, accepted: &[u16], refused: &[u16], end: &str) {
    for number in accepted {
        let mut policy = base.clone();
        set(&mut policy, *number);
        assert_eq!(check(&policy), Ok(()), "{number}");
    }
    for number in refused {
        check_refused(|policy| set(policy, *number), base.clone(), end);
    }
}

#[test]
fn points_are_kept_for_as_long_as_in_azure() {
    let not = |count: &str, range: &str| format!("must be from {range}, not {count}.");
    let days = "7 to 9999 days (or 1 day)";
    for (refused, count) in [(0, "0"), (2, "2"), (6, "6"), (10_000, "10000")] {
        check_range(daily(), set_daily, &[1, 7, 9999], &[refused], &not(count, days));
        let simple: Set = |policy, count| {
            policy.instant.days = 1;
            policy.retention = Retention::Simple(keep(count, Unit::Days));
        };
        check_range(daily(), simple, &[1, 7, 9999], &[refused], &not(count, days));
    }
    let weeks: Set = |policy, count| {
        long(policy).weekly.as_mut().expect("there").keep = keep(count, Unit::Weeks);
    };
    let months: Set = |policy, count| {
        long(policy).monthly.as_mut().expect("there").keep = keep(count, Unit::Months);
    };
    let years: Set = |policy, count| {
        long(policy).yearly.as_mut().expect("there").keep = keep(count, Unit::Years);
    };
    for (set, most, range) in [
        (weeks, 5163, "1 to 5163 weeks"),
        (months, 1188, "1 to 1188 months"),
        (years, 99, "1 to 99 years"),
    ] {
        for policy in [daily(), weekly()] {
            check_range(policy.clone(), set, &[1, most], &[0], &not("0", range));
            check_range(policy, set, &[], &[most + 1], &not(&(most + 1).to_string(), range));
        }
    }
}

#[test]
fn days_of_the_month_are_those_that_every_month_has_and_the_last() {
    let monthly: Set = |policy, date| {
        let date = MonthDay::Date(u8::try_from(date).expect("a small number"));
        long(policy).monthly.as_mut().expect("there").on =
            MonthDays::ByDate(vec![date, MonthDay::Last]);
    };
    let yearly: Set = |policy, date| {
        let date = MonthDay::Date(u8::try_from(date).expect("a small number"));
        long(policy).yearly.as_mut().expect("there").on = MonthDays::ByDate(vec![date]);
    };
    let end = "must be from 1 to 28, or the last day (isLast).";
    for set in [monthly, yearly] {
        check_range(daily(), set, &[1, 28], &[0, 29, 31], end);
    }
}

#[test]
fn hourly_policies_have_azures_intervals_and_shorter_ones() {
    let interval: Set = |policy, minutes| policy.schedule = enhanced(minutes, 24).schedule;
    let accepted = [15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440];
    let refused = [0, 1, 14, 16, 45, 90, 239, 241, 300, 1439, 1441, u16::MAX];
    let end = "beyond Azure, holdfast.intervalInMinutes may be 15, 20, 30, 60, 120 or 180.";
    check_range(enhanced(240, 24), interval, &accepted, &refused, end);
}

#[test]
fn a_window_is_a_multiple_of_its_interval_from_4_to_24_hours() {
    let end = "must be from 4 to 24 hours, and a multiple of the interval.";
    let every_4: Set = |policy, hours| policy.schedule = enhanced(240, hours).schedule;
    check_range(enhanced(240, 24), every_4, &[4, 8, 20, 24], &[0, 3, 5, 23, 25, 28], end);
    let every_6: Set = |policy, hours| policy.schedule = enhanced(360, hours).schedule;
    check_range(enhanced(360, 24), every_6, &[6, 12, 24], &[4, 5, 7, 30], end);
    let every_24: Set = |policy, hours| policy.schedule = enhanced(1440, hours).schedule;
    check_range(enhanced(1440, 24), every_24, &[24], &[12, 23, 25], end);
    let every_15_minutes: Set = |policy, hours| policy.schedule = enhanced(15, hours).schedule;
    check_range(enhanced(15, 24), every_15_minutes, &[4, 5, 23, 24], &[3, 25], end);
    let every_3: Set = |policy, hours| policy.schedule = enhanced(180, hours).schedule;
    check_range(enhanced(180, 24), every_3, &[6, 24], &[3, 4, 23], end);
}

#[test]
fn snapshots_have_a_range_of_their_own_in_each_kind_of_policy() {
    let standard_daily = daily();
    let standard_weekly = weekly();
    let enhanced_daily = Policy { kind: Kind::V2, ..daily() };
    let enhanced_weekly = Policy { kind: Kind::V2, ..standard_weekly.clone() };
    for (policy, least, most) in [
        (standard_daily, 1, 5),
        (standard_weekly, 5, 5),
        (enhanced_daily, 1, 30),
        (enhanced_weekly, 5, 20),
        (enhanced(15, 24), 1, 30),
        (enhanced(240, 24), 1, 17),
        (enhanced(360, 24), 1, 22),
        (enhanced(480, 24), 1, 30),
        (enhanced(720, 24), 1, 30),
        (enhanced(1440, 24), 1, 30),
    ] {
        // Long enough for any of them.
        let mut policy = policy;
        match policy.schedule {
            Schedule::Weekly { .. } => {}
            Schedule::Daily { .. } | Schedule::Hourly { .. } => set_daily(&mut policy, 60),
        }
        let not = |days: u16| format!("must be from {least} to {most}, not {days}.");
        check_range(policy.clone(), set_instant, &[least, most], &[least - 1], &not(least - 1));
        check_range(policy, set_instant, &[], &[most + 1], &not(most + 1));
    }
}

#[test]
fn snapshots_are_kept_for_a_shorter_time_than_the_vault_keeps_points() {
    let exceeds = |policy: &Policy| check(policy).expect_err("too long").code;
    let mut policy = Policy { kind: Kind::V2, ..daily() };
    for (instant, vaulted, accepted) in
        [(6, 7, true), (7, 7, false), (8, 7, false), (29, 30, true), (30, 30, false), (1, 1, true)]
    {
        set_instant(&mut policy, instant);
        set_daily(&mut policy, vaulted);
        if accepted {
            assert_eq!(check(&policy), Ok(()), "{instant} of {vaulted}");
        } else {
            assert_eq!(exceeds(&policy), Code::InstantExceedsVaulted, "{instant} of {vaulted}");
        }
    }
    let mut policy = Policy { kind: Kind::V2, ..weekly() };
    long(&mut policy).weekly.as_mut().expect("there").keep = keep(2, Unit::Weeks);
    set_instant(&mut policy, 13);
    assert_eq!(check(&policy), Ok(()));
    set_instant(&mut policy, 14);
    assert_eq!(exceeds(&policy), Code::InstantExceedsVaulted);
}

#[test]
fn what_a_policy_does_not_say_of_snapshots_is_accepted() {
    let usual = |policy: &Policy| {
        let days = Instant::usual_days(policy.kind, &policy.schedule, &policy.retention);
        let mut policy = policy.clone();
        set_instant(&mut policy, days);
        assert_eq!(check(&policy), Ok(()), "{days}");
        days
    };
    assert_eq!(usual(&daily()), 2);
    assert_eq!(usual(&weekly()), 5);
    assert_eq!(usual(&enhanced(240, 24)), 7);
    assert_eq!(usual(&Policy { kind: Kind::V2, ..weekly() }), 7);
    let mut policy = enhanced(240, 24);
    for (vaulted, expected) in [(1, 1), (7, 6), (8, 7), (9999, 7)] {
        set_daily(&mut policy, vaulted);
        assert_eq!(usual(&policy), expected, "{vaulted}");
    }
    let mut policy = Policy { kind: Kind::V2, ..weekly() };
    long(&mut policy).weekly.as_mut().expect("there").keep = keep(1, Unit::Weeks);
    assert_eq!(usual(&policy), 6);
}

#[test]
fn a_backup_begins_on_the_hour_or_half_past_it() {
    let at = |time: &str| {
        let at: Timestamp = format!("2026-11-25T{time}Z").parse().expect("a timestamp");
        [
            Schedule::Daily { at },
            Schedule::Weekly { days: vec![Sunday], at },
            Schedule::Hourly { interval_minutes: 240, window_start: at, window_hours: 24 },
        ]
    };
    let base = |schedule: &Schedule| match schedule {
        Schedule::Daily { .. } => daily(),
        Schedule::Weekly { .. } => {
            let mut policy = weekly();
            long(&mut policy).yearly = None;
            policy
        }
        Schedule::Hourly { .. } => enhanced(240, 24),
    };
    for time in ["00:00:00", "00:30:00", "23:30:00"] {
        for schedule in at(time) {
            let policy = Policy { schedule: schedule.clone(), ..base(&schedule) };
            assert_eq!(check(&policy), Ok(()), "{time}");
        }
    }
    for time in ["00:15:00", "00:29:59", "00:30:01", "23:59:00"] {
        for schedule in at(time) {
            let end = format!("on the hour or half past it; {time} in UTC is not.");
            let base = base(&schedule);
            check_refused(|policy| policy.schedule = schedule, base, &end);
        }
    }
}

#[test]
fn a_policy_that_follows_its_zones_clocks_begins_on_their_half_hours() {
    // Clocks on the Chatham Islands are 12 hours and 45 minutes ahead, and an hour more in summer.
    let adjusting = |time: &str| Policy {
        schedule: Schedule::Daily { at: time.parse().expect("a timestamp") },
        time_zone: "Chatham Islands Standard Time".to_owned(),
        daylight_saving: DaylightSaving::Adjust,
        ..daily()
    };
    assert_eq!(check(&adjusting("2026-11-25T12:15:00Z")), Ok(()));
    let fault = check(&adjusting("2026-11-25T12:30:00Z")).expect_err("a quarter past");
    let end = "half past it; 02:15:00 on the clocks of its timeZone is not.";
    assert!(fault.message.ends_with(end), "{fault}");
}

#[test]
fn nothing_is_chosen_twice() {
    let end = "must not name anything twice.";
    let twice = vec![Sunday, Wednesday, Sunday];
    let days = twice.clone();
    check_refused(|it| it.schedule = Schedule::Weekly { days, at: AT }, weekly(), end);
    check_refused(|it| long(it).weekly.as_mut().expect("there").days = twice, daily(), end);
    let on = MonthDays::ByDate(vec![MonthDay::Last, MonthDay::Last]);
    check_refused(|it| long(it).monthly.as_mut().expect("there").on = on, daily(), end);
    let on = by_week(&[Wednesday, Wednesday]);
    check_refused(|it| long(it).yearly.as_mut().expect("there").on = on, daily(), end);
    check_refused(|it| long(it).yearly.as_mut().expect("there").months = vec![2, 2], daily(), end);
}
