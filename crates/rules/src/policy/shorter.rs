//! Whether a policy keeps points for less long than another one would: what an immutable vault
//! refuses. Source: Azure's page on immutable vaults.

use jiff::civil::Weekday;
use model::policy::{
    Keep, LongTerm, MonthDays, MonthlyRetention, Policy, Retention, Schedule, WeeklyRetention,
    YearlyRetention,
};

use crate::retention::days_of;

/// Which part of `after` keeps points for less long than `before` does, by its name in the API;
/// none, where each point is kept at least as long. Days that are kept for longer are compared by
/// how they are named: the first Sunday is not found among days 1 to 7.
pub fn shorter(before: &Policy, after: &Policy) -> Option<&'static str> {
    let days = base(&after.retention);
    if days < base(&before.retention) {
        return Some(match before.retention {
            Retention::Simple(_) => "retentionDuration",
            Retention::LongTerm(LongTerm { daily: Some(_), .. }) => "dailySchedule",
            Retention::LongTerm(_) => "weeklySchedule",
        });
    }
    let is_hourly = matches!(before.schedule, Schedule::Hourly { .. });
    if is_hourly && days_of_others(after) < days_of_others(before) {
        return Some("instantRpRetentionRangeInDays");
    }
    let Retention::LongTerm(before) = &before.retention else { return None };
    let none = LongTerm::default();
    let after = match &after.retention {
        Retention::LongTerm(after) => after,
        Retention::Simple(_) => &none,
    };
    // What every point is kept for covers each of them.
    let counts = |keep: Keep| days_of(keep) > days;
    if before.weekly.as_ref().is_some_and(|it| counts(it.keep) && !week(after, it)) {
        return Some("weeklySchedule");
    }
    if before.monthly.as_ref().is_some_and(|it| counts(it.keep) && !month(after, it)) {
        return Some("monthlySchedule");
    }
    let year_counts = |it: &YearlyRetention| counts(it.keep) && !year(after, it);
    before.yearly.as_ref().is_some_and(year_counts).then_some("yearlySchedule")
}

/// For how many days the last point of each day is kept at least.
fn base(retention: &Retention) -> i64 {
    match retention {
        Retention::Simple(keep) => days_of(*keep),
        Retention::LongTerm(long) => {
            let weekly = || long.weekly.as_ref().map(|weekly| weekly.keep);
            long.daily.or_else(weekly).map_or(0, days_of)
        }
    }
}

/// For how many days the other points of a day are kept.
fn days_of_others(policy: &Policy) -> i64 {
    match (&policy.schedule, &policy.retention) {
        (Schedule::Hourly { .. }, Retention::LongTerm(_)) => policy.instant.days.into(),
        _ => base(&policy.retention),
    }
}

fn week(after: &LongTerm, before: &WeeklyRetention) -> bool {
    after.weekly.as_ref().is_some_and(|after| {
        days_of(after.keep) >= days_of(before.keep) && has_all(&after.days, &before.days)
    })
}

fn month(after: &LongTerm, before: &MonthlyRetention) -> bool {
    after.monthly.as_ref().is_some_and(|after| {
        days_of(after.keep) >= days_of(before.keep) && has_days(&after.on, &before.on)
    })
}

fn year(after: &LongTerm, before: &YearlyRetention) -> bool {
    after.yearly.as_ref().is_some_and(|after| {
        days_of(after.keep) >= days_of(before.keep)
            && has_all(&after.months, &before.months)
            && has_days(&after.on, &before.on)
    })
}

fn has_days(after: &MonthDays, before: &MonthDays) -> bool {
    match (after, before) {
        (MonthDays::ByDate(after), MonthDays::ByDate(before)) => has_all(after, before),
        (
            MonthDays::ByWeek { days, weeks },
            MonthDays::ByWeek { days: days_before, weeks: weeks_before },
        ) => has_all::<Weekday>(days, days_before) && has_all(weeks, weeks_before),
        _ => false,
    }
}

fn has_all<T: PartialEq>(all: &[T], wanted: &[T]) -> bool {
    wanted.iter().all(|it| all.contains(it))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::Weekday::{Monday, Sunday};
    use model::policy::{Instant, MonthDay, Unit, WeekOfMonth};
    use uuid::Uuid;

    use super::*;

    fn keep(count: u16, unit: Unit) -> Keep {
        Keep { count, unit }
    }

    fn first_sundays() -> MonthDays {
        MonthDays::ByWeek { days: vec![Sunday], weeks: vec![WeekOfMonth::First] }
    }

    /// Daily for 30 days, Sundays for 12 weeks, first Sundays for 60 months, and those of January
    /// for 10 years.
    fn usual() -> LongTerm {
        LongTerm {
            daily: Some(keep(30, Unit::Days)),
            weekly: Some(WeeklyRetention { days: vec![Sunday], keep: keep(12, Unit::Weeks) }),
            monthly: Some(MonthlyRetention { on: first_sundays(), keep: keep(60, Unit::Months) }),
            yearly: Some(YearlyRetention {
                months: vec![1],
                on: first_sundays(),
                keep: keep(10, Unit::Years),
            }),
        }
    }

    fn with(retention: Retention) -> Policy {
        let policy = Policy::default_of(Uuid::nil(), Timestamp::UNIX_EPOCH);
        Policy { retention, ..policy }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut LongTerm), expected: Option<&str>) {
        let mut after = usual();
        change(&mut after);
        let (before, after) = (Retention::LongTerm(usual()), Retention::LongTerm(after));
        assert_eq!(shorter(&with(before), &with(after)), expected);
    }

    #[test]
    fn what_is_kept_as_long_or_longer_is_not_shorter() {
        check(|_| (), None);
        check(|long| long.daily = Some(keep(31, Unit::Days)), None);
        check(
            |long| {
                let weekly =
                    WeeklyRetention { days: vec![Monday, Sunday], keep: keep(13, Unit::Weeks) };
                long.weekly = Some(weekly);
            },
            None,
        );
        // All of them for a hundred years.
        check(|long| *long = LongTerm { daily: Some(keep(9999, Unit::Days)), ..usual() }, None);
        let all = Retention::Simple(keep(99, Unit::Years));
        assert_eq!(shorter(&with(Retention::LongTerm(usual())), &with(all)), None);
        check(|long| (long.daily, long.weekly) = (Some(keep(84, Unit::Days)), None), None);
    }

    #[test]
    fn what_is_kept_for_less_long_is_shorter() {
        check(|long| long.daily = Some(keep(29, Unit::Days)), Some("dailySchedule"));
        check(|long| long.weekly = None, Some("weeklySchedule"));
        check(
            |long| long.weekly.as_mut().expect("has one").days = vec![Monday],
            Some("weeklySchedule"),
        );
        check(
            |long| long.monthly.as_mut().expect("has one").keep.count = 59,
            Some("monthlySchedule"),
        );
        let by_date = || MonthDays::ByDate((1..=7).map(MonthDay::Date).collect());
        check(
            |long| long.monthly.as_mut().expect("has one").on = by_date(),
            Some("monthlySchedule"),
        );
        check(
            |long| long.yearly.as_mut().expect("has one").months = vec![2],
            Some("yearlySchedule"),
        );
        let simple = |days| with(Retention::Simple(keep(days, Unit::Days)));
        assert_eq!(shorter(&simple(30), &simple(29)), Some("retentionDuration"));
    }

    #[test]
    fn all_points_of_an_hourly_policys_day_count() {
        let hourly = |days| {
            let policy = Policy::enhanced_of(Uuid::nil(), Timestamp::UNIX_EPOCH);
            Policy { instant: Instant::of_days(days), ..policy }
        };
        let daily = Policy::default_of(Uuid::nil(), Timestamp::UNIX_EPOCH);
        assert_eq!(shorter(&hourly(7), &hourly(6)), Some("instantRpRetentionRangeInDays"));
        assert_eq!(shorter(&hourly(7), &hourly(8)), None);
        assert_eq!(shorter(&hourly(7), &daily), None, "which keeps every point as long");
        assert_eq!(shorter(&daily, &hourly(2)), None, "a day had one point");
    }
}
