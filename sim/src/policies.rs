//! Policies of all kinds.

use jiff::Timestamp;
use jiff::civil::Weekday;
use model::policy::{
    DaylightSaving, Instant, Keep, Kind, LongTerm, MonthDay, MonthDays, MonthlyRetention, Policy,
    Retention, Schedule, Unit, WeekOfMonth, WeeklyRetention, YearlyRetention,
};
use uuid::Uuid;

use crate::chance::Chance;

const ZONES: [&str; 4] = ["UTC", "Pacific Standard Time", "Europe/Berlin", "India Standard Time"];
const WEEKDAYS: [Weekday; 7] = [
    Weekday::Sunday,
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
];

/// A policy of this name, of any kind, that begins at one of so many times of day.
pub fn any(chance: &mut Chance, times_of_day: u64, vault: Uuid, name: &str) -> Policy {
    let at = time_of_day(chance, times_of_day);
    let schedule = match chance.below(5) {
        0 => Schedule::Weekly { days: some_days(chance), at },
        1 => {
            let (hours, window_hours) = [(4, 12), (6, 12), (8, 16), (12, 24)][chance.place(4)];
            Schedule::Hourly { interval_minutes: hours * 60, window_start: at, window_hours }
        }
        _ => Schedule::Daily { at },
    };
    let kind = match (&schedule, chance.once_in(3)) {
        (Schedule::Hourly { .. }, _) | (_, true) => Kind::V2,
        _ => Kind::V1,
    };
    let retention = Retention::LongTerm(long_term(chance, &schedule));
    let weekly = matches!(schedule, Schedule::Weekly { .. });
    let adjusts = chance.once_in(2);
    Policy {
        vault,
        name: name.to_owned(),
        kind,
        schedule,
        retention,
        instant: Instant::of_days(if weekly { 5 } else { 2 }),
        time_zone: ZONES[chance.place(ZONES.len())].to_owned(),
        daylight_saving: if adjusts { DaylightSaving::Adjust } else { DaylightSaving::Fixed },
        only_crash_consistent: chance.once_in(4),
        tiering: Vec::new(),
    }
}

/// A moment at one of so many times of day; 48 are the whole and the half hours.
fn time_of_day(chance: &mut Chance, times: u64) -> Timestamp {
    let seconds = chance.below(times) * (86_400 / times);
    let seconds = i64::try_from(seconds).expect("less than a day");
    Timestamp::from_second(1_700_006_400 + seconds).expect("in the calendar")
}

fn some_days(chance: &mut Chance) -> Vec<Weekday> {
    let first = chance.place(7);
    let count = 1 + chance.place(3);
    (0..count).map(|day| WEEKDAYS[(first + 2 * day) % 7]).collect()
}

fn keep(chance: &mut Chance, least: u16, more: u64, unit: Unit) -> Keep {
    let more = u16::try_from(chance.below(more)).expect("small");
    Keep { count: least + more, unit }
}

fn long_term(chance: &mut Chance, schedule: &Schedule) -> LongTerm {
    let weekly_days = match schedule {
        Schedule::Weekly { days, .. } => Some(days.clone()),
        Schedule::Daily { .. } | Schedule::Hourly { .. } => None,
    };
    let is_weekly = weekly_days.is_some();
    let day = weekly_days.as_ref().map_or(Weekday::Sunday, |days| days[0]);
    let wanted = is_weekly || chance.once_in(2);
    let weekly = wanted.then(|| WeeklyRetention {
        days: weekly_days.unwrap_or_else(|| vec![day]),
        keep: keep(chance, 1, 8, Unit::Weeks),
    });
    let by_week = |chance: &mut Chance| MonthDays::ByWeek {
        days: vec![day],
        weeks: vec![if chance.once_in(2) { WeekOfMonth::First } else { WeekOfMonth::Last }],
    };
    let on = |chance: &mut Chance| match chance.below(3) {
        0 if !is_weekly => MonthDays::ByDate(vec![MonthDay::Date(1)]),
        1 if !is_weekly => MonthDays::ByDate(vec![MonthDay::Last]),
        _ => by_week(chance),
    };
    let monthly = chance
        .once_in(2)
        .then(|| MonthlyRetention { on: on(chance), keep: keep(chance, 1, 12, Unit::Months) });
    let yearly = chance.once_in(4).then(|| YearlyRetention {
        months: vec![1, 7],
        on: on(chance),
        keep: keep(chance, 1, 3, Unit::Years),
    });
    let daily = (!is_weekly).then(|| keep(chance, 7, 20, Unit::Days));
    LongTerm { daily, weekly, monthly, yearly }
}
