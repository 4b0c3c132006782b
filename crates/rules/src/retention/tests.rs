use expect_test::{Expect, expect};
use jiff::civil::Weekday;
use model::item::{Deletion, DiskSelection};
use model::policy::{
    DaylightSaving, Instant, Kind, LongTerm, MonthDays, MonthlyRetention, WeeklyRetention,
    YearlyRetention,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const CREATED: &str = "2026-01-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn keep(count: u16, unit: Unit) -> Keep {
    Keep { count, unit }
}

fn policy(schedule: Schedule, retention: Retention) -> Policy {
    Policy {
        vault: Uuid::nil(),
        name: "p".to_owned(),
        kind: Kind::V1,
        schedule,
        retention,
        instant: Instant::of_days(2),
        time_zone: "UTC".to_owned(),
        daylight_saving: DaylightSaving::Fixed,
        only_crash_consistent: false,
        tiering: Vec::new(),
    }
}

fn daily_at(at_time: &str) -> Schedule {
    Schedule::Daily { at: at(at_time) }
}

fn long(days: u16) -> LongTerm {
    LongTerm { daily: Some(keep(days, Unit::Days)), ..LongTerm::default() }
}

fn daily(long: LongTerm) -> Policy {
    policy(daily_at("2026-01-01T20:30:00Z"), Retention::LongTerm(long))
}

fn weekly_on(days: &[Weekday], weeks: u16) -> Option<WeeklyRetention> {
    Some(WeeklyRetention { days: days.to_vec(), keep: keep(weeks, Unit::Weeks) })
}

fn by_week(days: &[Weekday], weeks: &[WeekOfMonth]) -> MonthDays {
    MonthDays::ByWeek { days: days.to_vec(), weeks: weeks.to_vec() }
}

/// Daily for 30 days, Mondays for 12 weeks, first Sundays for 60 months, those of January for 10
/// years: Azure's defaults of the Enhanced policy, but for the days.
fn grandfather() -> Policy {
    daily(LongTerm {
        daily: Some(keep(30, Unit::Days)),
        weekly: weekly_on(&[Weekday::Monday], 12),
        monthly: Some(MonthlyRetention {
            on: by_week(&[Weekday::Sunday], &[WeekOfMonth::First]),
            keep: keep(60, Unit::Months),
        }),
        yearly: Some(YearlyRetention {
            months: vec![1],
            on: by_week(&[Weekday::Sunday], &[WeekOfMonth::First]),
            keep: keep(10, Unit::Years),
        }),
    })
}

fn item() -> Item {
    Item {
        id: Uuid::nil(),
        vault: Uuid::nil(),
        vm: Uuid::nil(),
        vm_name: "web".to_owned(),
        vm_resource_group: "holdfast".to_owned(),
        policy: Some("p".to_owned()),
        state: ProtectionState::Protected,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: at(CREATED),
    }
}

fn points(times: &[Timestamp]) -> Vec<PointTimes> {
    let point = |(n, taken_at): (usize, &Timestamp)| PointTimes {
        id: PointId::new(n as u64 + 1).expect("an id"),
        item: Uuid::nil(),
        taken_at: *taken_at,
        retain_until: None,
    };
    times.iter().enumerate().map(point).collect()
}

/// A scheduled point, or an on-demand one as in `2026-01-01T00:00:00Z until 2026-02-01T00:00:00Z`.
fn points_at(texts: &[&str]) -> Vec<PointTimes> {
    let parts = |text: &&str| match text.split_once(" until ") {
        Some((taken_at, until)) => (at(taken_at), Some(at(until))),
        None => (at(text), None),
    };
    let told: Vec<_> = texts.iter().map(parts).collect();
    let times: Vec<Timestamp> = told.iter().map(|(taken_at, _)| *taken_at).collect();
    let mut points = points(&times);
    for (point, (_, until)) in points.iter_mut().zip(&told) {
        point.retain_until = *until;
    }
    points
}

fn judged(item: &Item, policy: &Policy, points: &[PointTimes], now: &str) -> Vec<Verdict> {
    let rules = Rulebook::of(policy);
    judge(Case { item, rules: rules.as_ref(), in_use: &[], now: at(now) }, points)
}

fn told(points: &[PointTimes], verdicts: &[Verdict]) -> String {
    let line = |(point, verdict): (&PointTimes, &Verdict)| {
        let what = if verdict.released { "goes" } else { "stays" };
        let until = verdict.until.map(|until| format!(" [{until}]")).unwrap_or_default();
        format!("{} {what}: {verdict}{until}\n", point.taken_at)
    };
    points.iter().zip(verdicts).map(line).collect()
}

#[track_caller]
fn check_item(item: &Item, policy: &Policy, texts: &[&str], now: &str, expected: Expect) {
    let points = points_at(texts);
    expected.assert_eq(&told(&points, &judged(item, policy, &points, now)));
}

#[track_caller]
fn check(policy: &Policy, texts: &[&str], now: &str, expected: Expect) {
    check_item(&item(), policy, texts, now, expected);
}

#[test]
fn a_daily_point_is_kept_through_its_last_day() {
    let points = ["2026-03-01T20:30:00Z", "2026-03-02T20:30:00Z", "2026-03-31T20:30:00Z"];
    let stays = expect![[r#"
        2026-03-01T20:30:00Z stays: daily, for 30 days [2026-04-01T00:00:00Z]
        2026-03-02T20:30:00Z stays: daily, for 30 days [2026-04-02T00:00:00Z]
        2026-03-31T20:30:00Z stays: daily, for 30 days [2026-05-01T00:00:00Z]
    "#]];
    check(&daily(long(30)), &points, "2026-03-31T23:59:59Z", stays);
    let goes = expect![[r#"
        2026-03-01T20:30:00Z goes: daily, for 30 days [2026-04-01T00:00:00Z]
        2026-03-02T20:30:00Z stays: daily, for 30 days [2026-04-02T00:00:00Z]
        2026-03-31T20:30:00Z stays: daily, for 30 days [2026-05-01T00:00:00Z]
    "#]];
    check(&daily(long(30)), &points, "2026-04-01T00:00:00Z", goes);
}

#[test]
fn days_are_days_of_the_policys_zone() {
    let mut policy = daily(long(7));
    policy.time_zone = "Pacific Standard Time".to_owned();
    // 1 March in Los Angeles; the clocks go forward on 8 March.
    let points = ["2026-03-02T07:30:00Z", "2026-03-20T07:30:00Z"];
    let expected = expect![[r#"
        2026-03-02T07:30:00Z goes: daily, for 7 days [2026-03-09T07:00:00Z]
        2026-03-20T07:30:00Z stays: daily, for 7 days [2026-03-28T07:00:00Z]
    "#]];
    check(&policy, &points, "2026-03-20T08:00:00Z", expected);
}

#[test]
fn each_point_is_kept_by_its_longest_rule() {
    let points = [
        "2026-01-04T20:30:00Z", // first Sunday of January
        "2026-01-05T20:30:00Z", // a Monday
        "2026-01-06T20:30:00Z",
        "2026-02-01T20:30:00Z", // first Sunday of February
        "2026-02-02T20:30:00Z", // a Monday
    ];
    let expected = expect![[r#"
        2026-01-04T20:30:00Z stays: yearly, January, First Sunday, for 10 years [2036-01-13T00:00:00Z]
        2026-01-05T20:30:00Z goes: weekly, Monday, for 12 weeks [2026-03-31T00:00:00Z]
        2026-01-06T20:30:00Z goes: daily, for 30 days [2026-02-06T00:00:00Z]
        2026-02-01T20:30:00Z stays: monthly, First Sunday, for 60 months [2031-03-08T00:00:00Z]
        2026-02-02T20:30:00Z stays: weekly, Monday, for 12 weeks [2026-04-28T00:00:00Z]
    "#]];
    check(&grandfather(), &points, "2026-04-10T00:00:00Z", expected);
}

/// The example of Azure's REST documentation: Mondays, Wednesdays and Thursdays for a week, first
/// and third Wednesdays and Thursdays for two months, fourth Mondays and Thursdays of February and
/// November for four years.
#[test]
fn azures_weekly_example_keeps_what_it_says() {
    use Weekday::{Monday, Thursday, Wednesday};
    let days = vec![Monday, Wednesday, Thursday];
    let retention = LongTerm {
        daily: None,
        weekly: weekly_on(&days, 1),
        monthly: Some(MonthlyRetention {
            on: by_week(&[Wednesday, Thursday], &[WeekOfMonth::First, WeekOfMonth::Third]),
            keep: keep(2, Unit::Months),
        }),
        yearly: Some(YearlyRetention {
            months: vec![2, 11],
            on: by_week(&[Monday, Thursday], &[WeekOfMonth::Fourth]),
            keep: keep(4, Unit::Years),
        }),
    };
    let mut policy = policy(
        Schedule::Weekly { days, at: at("2018-01-24T10:00:00Z") },
        Retention::LongTerm(retention),
    );
    policy.time_zone = "Pacific Standard Time".to_owned();
    let points = [
        "2026-02-04T18:00:00Z", // first Wednesday
        "2026-02-05T18:00:00Z", // first Thursday
        "2026-02-09T18:00:00Z", // second Monday
        "2026-02-11T18:00:00Z", // second Wednesday
        "2026-02-19T18:00:00Z", // third Thursday
        "2026-02-23T18:00:00Z", // fourth Monday
        "2026-02-25T18:00:00Z", // fourth Wednesday
        "2026-02-26T18:00:00Z", // fourth Thursday
    ];
    let expected = expect![[r#"
        2026-02-04T18:00:00Z stays: monthly, First Wednesday, for 2 months [2026-04-08T07:00:00Z]
        2026-02-05T18:00:00Z stays: monthly, First Thursday, for 2 months [2026-04-09T07:00:00Z]
        2026-02-09T18:00:00Z goes: weekly, Monday, for 1 week [2026-02-17T08:00:00Z]
        2026-02-11T18:00:00Z goes: weekly, Wednesday, for 1 week [2026-02-19T08:00:00Z]
        2026-02-19T18:00:00Z stays: monthly, Third Thursday, for 2 months [2026-04-23T07:00:00Z]
        2026-02-23T18:00:00Z stays: yearly, February, Fourth Monday, for 4 years [2030-02-27T08:00:00Z]
        2026-02-25T18:00:00Z stays: weekly, Wednesday, for 1 week [2026-03-05T08:00:00Z]
        2026-02-26T18:00:00Z stays: yearly, February, Fourth Thursday, for 4 years [2030-03-02T08:00:00Z]
    "#]];
    check(&policy, &points, "2026-03-01T00:00:00Z", expected);
}

#[test]
fn a_day_that_a_month_does_not_have_is_its_last_one() {
    let on = |days: &[MonthDay]| {
        let monthly =
            MonthlyRetention { on: MonthDays::ByDate(days.to_vec()), keep: keep(1, Unit::Months) };
        daily(LongTerm { monthly: Some(monthly), ..long(7) })
    };
    let points = ["2026-02-27T20:30:00Z", "2026-02-28T20:30:00Z", "2026-03-01T20:30:00Z"];
    let last = expect![[r#"
        2026-02-27T20:30:00Z stays: monthly, last day, for 1 month (in place of 2026-01-31, which has no point) [2026-03-31T00:00:00Z]
        2026-02-28T20:30:00Z stays: monthly, last day, for 1 month [2026-04-01T00:00:00Z]
        2026-03-01T20:30:00Z stays: daily, for 7 days [2026-03-09T00:00:00Z]
    "#]];
    check(&on(&[MonthDay::Last]), &points, "2026-03-01T21:00:00Z", last);
    let by_number = expect![[r#"
        2026-02-27T20:30:00Z stays: monthly, day 1, for 1 month (in place of 2026-02-01, which has no point) [2026-03-31T00:00:00Z]
        2026-02-28T20:30:00Z stays: monthly, day 31, for 1 month [2026-04-01T00:00:00Z]
        2026-03-01T20:30:00Z stays: monthly, day 1, for 1 month [2026-04-02T00:00:00Z]
    "#]];
    let days = on(&[MonthDay::Date(1), MonthDay::Date(31)]);
    check(&days, &points, "2026-03-01T21:00:00Z", by_number);
}

#[test]
fn a_day_without_a_point_is_stood_in_for_by_the_next_one() {
    let points = [
        "2026-01-31T20:30:00Z",
        // The first Sunday's run began late, the Monday's in time.
        "2026-02-02T00:10:00Z",
        "2026-02-02T20:30:00Z",
        // All was off from then until well after the first Sunday of March.
        "2026-03-12T09:00:00Z",
        "2026-03-12T20:30:00Z",
    ];
    let expected = expect![[r#"
        2026-01-31T20:30:00Z stays: daily, for 30 days [2026-03-03T00:00:00Z]
        2026-02-02T00:10:00Z stays: monthly, First Sunday, for 60 months (in place of 2026-02-01, which has no point) [2031-03-09T00:00:00Z]
        2026-02-02T20:30:00Z stays: weekly, Monday, for 12 weeks [2026-04-28T00:00:00Z]
        2026-03-12T09:00:00Z stays: monthly, First Sunday, for 60 months (in place of 2026-03-01, which has no point) [2031-04-16T00:00:00Z]
        2026-03-12T20:30:00Z stays: daily, for 30 days [2026-04-12T00:00:00Z]
    "#]];
    let mut item = item();
    item.created_at = at("2026-01-31T10:00:00Z");
    let (policy, points_of) = (grandfather(), points_at(&points));
    let verdicts = judged(&item, &policy, &points_of, "2026-03-02T12:00:00Z");
    expected.assert_eq(&told(&points_of, &verdicts));
}

#[test]
fn days_before_an_item_was_protected_are_not_stood_in_for() {
    let mut item = item();
    // A Tuesday, after the first Sunday of February.
    item.created_at = at("2026-02-03T12:00:00Z");
    let expected = expect![[r#"
        2026-02-03T20:30:00Z stays: daily, for 30 days [2026-03-06T00:00:00Z]
        2026-02-04T20:30:00Z stays: daily, for 30 days [2026-03-07T00:00:00Z]
    "#]];
    let points = ["2026-02-03T20:30:00Z", "2026-02-04T20:30:00Z"];
    check_item(&item, &grandfather(), &points, "2026-02-05T00:00:00Z", expected);
}

#[test]
fn an_hourly_policy_keeps_other_points_than_the_days_last_for_its_snapshot_days() {
    let window_start = at("2026-01-01T08:00:00Z");
    let schedule = Schedule::Hourly { interval_minutes: 240, window_start, window_hours: 12 };
    let policy = policy(schedule, Retention::LongTerm(long(30)));
    let points = [
        "2026-03-01T08:00:00Z",
        "2026-03-01T20:00:00Z",
        "2026-03-02T08:00:00Z",
        "2026-03-02T12:00:00Z",
        "2026-03-03T08:00:00Z",
        "2026-03-03T12:00:00Z",
    ];
    let expected = expect![[r#"
        2026-03-01T08:00:00Z goes: not its day's last, for 2 days [2026-03-03T08:00:00Z]
        2026-03-01T20:00:00Z stays: daily, for 30 days [2026-04-01T00:00:00Z]
        2026-03-02T08:00:00Z stays: not its day's last, for 2 days [2026-03-04T08:00:00Z]
        2026-03-02T12:00:00Z stays: daily, for 30 days [2026-04-02T00:00:00Z]
        2026-03-03T08:00:00Z stays: not its day's last, for 2 days [2026-03-05T08:00:00Z]
        2026-03-03T12:00:00Z stays: daily, for 30 days [2026-04-03T00:00:00Z]
    "#]];
    check(&policy, &points, "2026-03-03T13:00:00Z", expected);
    assert_eq!(Rulebook::of(&policy).map(|rules| rules.runs_a_day()), Some(4));
    assert_eq!(Rulebook::of(&grandfather()).map(|rules| rules.runs_a_day()), Some(1));
}

#[test]
fn an_on_demand_point_goes_by_its_own_date() {
    let points = [
        "2026-01-04T12:00:00Z until 2026-01-10T00:00:00Z", // a first Sunday all the same
        "2026-01-05T12:00:00Z until 2027-01-01T00:00:00Z",
        "2026-01-06T20:30:00Z",
        "2026-01-06T21:00:00Z until 2026-01-07T00:00:00Z",
    ];
    let expected = expect![[r#"
        2026-01-04T12:00:00Z goes: on demand, until its date [2026-01-10T00:00:00Z]
        2026-01-05T12:00:00Z stays: on demand, until its date [2027-01-01T00:00:00Z]
        2026-01-06T20:30:00Z stays: yearly, January, First Sunday, for 10 years (in place of 2026-01-04, which has no point) [2036-01-15T00:00:00Z]
        2026-01-06T21:00:00Z stays: the newest point of its item
    "#]];
    check(&grandfather(), &points, "2026-01-12T00:00:00Z", expected);
}

#[test]
fn the_newest_point_stays_when_nothing_comes_any_more() {
    let points = ["2026-03-01T20:30:00Z", "2026-03-02T20:30:00Z"];
    let expected = expect![[r#"
        2026-03-01T20:30:00Z goes: daily, for 7 days [2026-03-09T00:00:00Z]
        2026-03-02T20:30:00Z stays: the newest point of its item
    "#]];
    check(&daily(long(7)), &points, "2029-01-01T00:00:00Z", expected);
}

#[test]
fn what_is_stopped_deleted_or_without_a_policy_keeps_all() {
    let points =
        points_at(&["2026-03-01T20:30:00Z", "2026-03-02T09:00:00Z until 2026-03-04T00:00:00Z"]);
    let (policy, now) = (daily(long(7)), "2029-01-01T00:00:00Z");
    let stopped = Item { state: ProtectionState::ProtectionStopped, policy: None, ..item() };
    let (from, until) = (at("2026-03-05T00:00:00Z"), at("2026-03-19T00:00:00Z"));
    let deleted =
        Item { deletion: Some(Deletion { at: from, until, purging: false }), ..stopped.clone() };
    let mut elsewhere = policy.clone();
    elsewhere.time_zone = "Nowhere/At_All".to_owned();
    let rule_of = |item: &Item, policy: &Policy| {
        let verdicts = judged(item, policy, &points, now);
        assert!(verdicts.iter().all(|verdict| !verdict.released), "{verdicts:?}");
        verdicts[0].rule
    };
    assert_eq!(rule_of(&stopped, &policy), Rule::Stopped);
    assert_eq!(rule_of(&deleted, &policy), Rule::SoftDeleted);
    assert_eq!(rule_of(&item(), &elsewhere), Rule::NoPolicy);
    let without = judge(Case { item: &item(), rules: None, in_use: &[], now: at(now) }, &points);
    assert!(without.iter().all(|verdict| verdict.rule == Rule::NoPolicy && !verdict.released));
}

#[test]
fn suspended_backups_expire_as_the_policy_says() {
    let suspended = Item { state: ProtectionState::BackupsSuspended, ..item() };
    let points = ["2026-03-01T20:30:00Z", "2026-03-02T20:30:00Z"];
    let expected = expect![[r#"
        2026-03-01T20:30:00Z goes: daily, for 7 days [2026-03-09T00:00:00Z]
        2026-03-02T20:30:00Z stays: the newest point of its item
    "#]];
    check_item(&suspended, &daily(long(7)), &points, "2026-06-01T00:00:00Z", expected);
}

#[test]
fn points_from_before_a_policy_became_weekly_stay_as_long_as_weekly_ones() {
    let days = vec![Weekday::Sunday];
    let retention = LongTerm { weekly: weekly_on(&days, 12), ..LongTerm::default() };
    let schedule = Schedule::Weekly { days, at: at("2026-01-01T20:30:00Z") };
    let policy = policy(schedule, Retention::LongTerm(retention));
    let points = ["2026-03-03T20:30:00Z", "2026-03-08T20:30:00Z"];
    let expected = expect![[r#"
        2026-03-03T20:30:00Z stays: weekly, Sunday, for 12 weeks (in place of 2026-03-01, which has no point) [2026-05-27T00:00:00Z]
        2026-03-08T20:30:00Z stays: weekly, Sunday, for 12 weeks [2026-06-01T00:00:00Z]
    "#]];
    check(&policy, &points, "2026-03-09T00:00:00Z", expected);
}

#[test]
fn a_point_that_a_restore_reads_stays() {
    let points = points_at(&["2026-03-01T20:30:00Z", "2026-03-02T20:30:00Z"]);
    let (policy, item) = (daily(long(7)), item());
    let rules = Rulebook::of(&policy);
    let (in_use, now) = ([points[0].id], at("2026-06-01T00:00:00Z"));
    let verdicts =
        judge(Case { item: &item, rules: rules.as_ref(), in_use: &in_use, now }, &points);
    assert_eq!((verdicts[0].rule, verdicts[0].released), (Rule::InUse, false));
}

#[test]
fn an_immutable_vault_keeps_what_it_promised() {
    let now = at("2026-06-01T00:00:00Z");
    let points = points_at(&["2026-03-01T20:30:00Z", "2026-03-02T20:30:00Z"]);
    let verdict = judged(&item(), &daily(long(7)), &points, "2026-06-01T00:00:00Z")[0];
    assert!(verdict.released);
    let promised = |until: &str| verdict.with_promise(Some(at(until)), now);
    let longer = promised("2026-12-01T00:00:00Z");
    assert_eq!((longer.released, longer.rule), (false, Rule::Promised));
    assert_eq!(longer.until, Some(at("2026-12-01T00:00:00Z")));
    assert!(promised("2026-05-01T00:00:00Z").released, "that promise is kept");
    assert_eq!(promised("2026-03-02T00:00:00Z"), verdict, "the policy keeps it longer");
    assert_eq!(verdict.with_promise(None, now), verdict);
}

#[test]
fn months_and_years_are_as_long_as_they_can_be() {
    assert_eq!(days_of(keep(12, Unit::Months)), 372);
    assert_eq!(days_of(keep(10, Unit::Years)), 3660);
    // As far as any policy goes, and beyond the calendar.
    let years = Retention::Simple(keep(u16::MAX, Unit::Years));
    let policy = policy(daily_at("2026-01-01T20:30:00Z"), years);
    let points = points_at(&["2026-03-01T20:30:00Z", "2026-03-02T20:30:00Z"]);
    let verdicts = judged(&item(), &policy, &points, "9998-01-01T00:00:00Z");
    assert!(verdicts.iter().all(|verdict| !verdict.released));
}

fn any_keep(unit: Unit) -> impl Strategy<Value = Keep> {
    (1..40_u16).prop_map(move |count| Keep { count, unit })
}

fn any_weekdays() -> impl Strategy<Value = Vec<Weekday>> {
    proptest::collection::vec(
        (0..7_i8).prop_map(|day| Weekday::from_sunday_zero_offset(day).expect("a day of the week")),
        1..4,
    )
}

fn any_month_days() -> impl Strategy<Value = MonthDays> {
    use WeekOfMonth::{First, Fourth, Last, Second, Third};
    let date = prop_oneof![(1..=31_u8).prop_map(MonthDay::Date), Just(MonthDay::Last)];
    let weeks = proptest::sample::subsequence(vec![First, Second, Third, Fourth, Last], 1..=5);
    prop_oneof![
        proptest::collection::vec(date, 1..4).prop_map(MonthDays::ByDate),
        (any_weekdays(), weeks).prop_map(|(days, weeks)| MonthDays::ByWeek { days, weeks }),
    ]
}

prop_compose! {
    fn any_policy()(
        hourly in any::<bool>(),
        instant in 1..8_u16,
        daily in any_keep(Unit::Days),
        weekly in proptest::option::of((any_weekdays(), any_keep(Unit::Weeks))),
        monthly in proptest::option::of((any_month_days(), any_keep(Unit::Months))),
        yearly in proptest::option::of((
            proptest::collection::vec(1..=12_u8, 1..4), any_month_days(), any_keep(Unit::Years)
        )),
        zone in proptest::sample::select(vec!["UTC", "Pacific/Apia", "America/New_York"]),
    ) -> Policy {
        let window_start = at("2026-01-01T08:00:00Z");
        let schedule = if hourly {
            Schedule::Hourly { interval_minutes: 240, window_start, window_hours: 12 }
        } else {
            Schedule::Daily { at: window_start }
        };
        let long = LongTerm {
            daily: Some(daily),
            weekly: weekly.map(|(days, keep)| WeeklyRetention { days, keep }),
            monthly: monthly.map(|(on, keep)| MonthlyRetention { on, keep }),
            yearly: yearly.map(|(months, on, keep)| YearlyRetention { months, on, keep }),
        };
        let mut made = policy(schedule, Retention::LongTerm(long));
        made.time_zone = zone.to_owned();
        made.instant = Instant::of_days(instant);
        made
    }
}

/// The hours between points, and after how many more hours they are judged.
fn any_history() -> impl Strategy<Value = (Vec<PointTimes>, Timestamp)> {
    let point = (1..80_i64, proptest::option::weighted(0.2, 0..2000_i64));
    (proptest::collection::vec(point, 1..60), 0..20_000_i64).prop_map(|(told, later)| {
        let mut moment = at("2026-01-01T08:00:00Z");
        let mut points = Vec::new();
        for (n, (gap, hold)) in told.into_iter().enumerate() {
            moment += SignedDuration::from_hours(gap);
            points.push(PointTimes {
                id: PointId::new(n as u64 + 1).expect("an id"),
                item: Uuid::nil(),
                taken_at: moment,
                retain_until: hold.map(|hours| moment + SignedDuration::from_hours(hours)),
            });
        }
        (points, moment + SignedDuration::from_hours(later))
    })
}

fn longer(policy: &Policy, by: u16) -> Policy {
    let mut longer = policy.clone();
    longer.instant.days += by;
    if let Retention::LongTerm(long) = &mut longer.retention {
        long.daily.iter_mut().for_each(|keep| keep.count += by);
        long.weekly.iter_mut().for_each(|weekly| weekly.keep.count += by);
        long.monthly.iter_mut().for_each(|monthly| monthly.keep.count += by);
        long.yearly.iter_mut().for_each(|yearly| yearly.keep.count += by);
    }
    longer
}

fn verdicts(policy: &Policy, points: &[PointTimes], now: Timestamp) -> Vec<Verdict> {
    let rules = Rulebook::of(policy);
    judge(Case { item: &item(), rules: rules.as_ref(), in_use: &[], now }, points)
}

proptest! {
    #[test]
    fn the_newest_point_is_always_kept((points, now) in any_history(), policy in any_policy()) {
        let verdicts = verdicts(&policy, &points, now);
        prop_assert_eq!(verdicts.len(), points.len());
        prop_assert!(verdicts.last().is_some_and(|newest| !newest.released));
    }

    #[test]
    fn only_what_is_past_its_date_goes((points, now) in any_history(), policy in any_policy()) {
        for (point, verdict) in points.iter().zip(verdicts(&policy, &points, now)) {
            prop_assert_eq!(verdict.until.is_some_and(|until| until <= now), verdict.released);
            if let Some(until) = verdict.until.filter(|_| verdict.rule.keep().is_some()) {
                // At least whole days of 24 hours, but for the hour that a clock is set forward by.
                let days = verdict.rule.keep().map_or(0, days_of);
                let least = SignedDuration::from_hours(24 * days - 24);
                prop_assert!(until.duration_since(point.taken_at) >= least);
            }
        }
    }

    #[test]
    fn a_point_goes_at_its_date_and_not_before(
        (points, now) in any_history(), policy in any_policy(),
    ) {
        let told = verdicts(&policy, &points, now);
        for (at, verdict) in told.iter().enumerate().take(points.len() - 1) {
            let until = verdict.until.expect("the policy gives every point a date");
            let before = verdicts(&policy, &points, until - SignedDuration::from_secs(1));
            let then = verdicts(&policy, &points, until);
            prop_assert_eq!((before[at].released, then[at].released), (false, true));
        }
    }

    #[test]
    fn longer_retention_never_lets_more_go(
        (points, now) in any_history(), policy in any_policy(), by in 0..50_u16,
    ) {
        let before = verdicts(&policy, &points, now);
        let after = verdicts(&longer(&policy, by), &points, now);
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(before.released || !after.released);
        }
    }

    #[test]
    fn what_went_makes_nothing_else_go((points, now) in any_history(), policy in any_policy()) {
        let before = verdicts(&policy, &points, now);
        let left: Vec<PointTimes> = points
            .iter()
            .zip(&before)
            .filter(|(_, verdict)| !verdict.released)
            .map(|(point, _)| *point)
            .collect();
        let after = verdicts(&policy, &left, now);
        prop_assert!(after.iter().all(|verdict| !verdict.released));
    }
}
