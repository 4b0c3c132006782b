//! Method: a policy that is one, changed in one place, and the end of the message that says so.

use jiff::Timestamp;
use jiff::civil::Weekday::{self, Sunday, Wednesday};
use model::fault::Code;
use model::policy::{MonthDay, MonthlyRetention, WeekOfMonth, WeeklyRetention, YearlyRetention};
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
    let hourly = |interval_hours, window_hours| Schedule::Hourly {
        interval_hours,
        window_start: AT,
        window_hours,
    };
    let enhanced = || Policy::enhanced_of(Uuid::nil(), AT);
    let hours = "must be from 1 to 24 hours.";
    check_refused(|it| it.schedule = hourly(0, 12), enhanced(), hours);
    check_refused(|it| it.schedule = hourly(4, 25), enhanced(), hours);
    check_refused(|it| it.schedule = hourly(25, 24), enhanced(), hours);
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
    check_refused(
        |it| long(it).daily = Some(keep(0, Unit::Days)),
        daily(),
        "The retentionDuration of dailySchedule must not be 0.",
    );
}
