//! Which days a policy's weekly, monthly and yearly rules mean.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use model::policy::{Keep, LongTerm, MonthDay, MonthDays, WeekOfMonth};

use super::{DayOfMonth, OfDay, Rule};

/// How many days before a point a day is looked for that has none: each rule has a day in a year.
const DAYS_LOOKED_BACK: i64 = 366;

/// The rules of a policy that mean some days.
#[derive(Debug, Clone, Default)]
pub(super) struct Tags {
    weekly: Option<Weekly>,
    monthly: Option<(Days, Keep)>,
    yearly: Option<(Months, Days, Keep)>,
}

#[derive(Debug, Clone, Copy)]
struct Weekly {
    days: Weekdays,
    keep: Keep,
}

/// A set of days of the week: Sunday is bit 0.
#[derive(Debug, Clone, Copy)]
struct Weekdays(u8);

/// A set of months: January is bit 1.
#[derive(Debug, Clone, Copy)]
struct Months(u16);

/// Days of a month.
#[derive(Debug, Clone)]
enum Days {
    Dates(Vec<MonthDay>),
    Weeks { days: Weekdays, weeks: Vec<WeekOfMonth> },
}

impl Weekdays {
    fn of(days: &[Weekday]) -> Self {
        Self(days.iter().fold(0, |set, day| set | 1 << day.to_sunday_zero_offset()))
    }

    const fn holds(self, day: Weekday) -> bool {
        self.0 >> day.to_sunday_zero_offset() & 1 == 1
    }
}

impl Months {
    fn of(months: &[u8]) -> Self {
        let months = months.iter().filter(|month| (1..=12).contains(*month));
        Self(months.fold(0, |set, month| set | 1 << month))
    }

    const fn holds(self, month: i8) -> bool {
        self.0 >> month & 1 == 1
    }
}

impl Days {
    fn of(on: &MonthDays) -> Self {
        match on {
            MonthDays::ByDate(dates) => Self::Dates(dates.clone()),
            MonthDays::ByWeek { days, weeks } => {
                Self::Weeks { days: Weekdays::of(days), weeks: weeks.clone() }
            }
        }
    }

    /// How the set calls this day, if it holds it.
    fn name_of(&self, day: Date) -> Option<DayOfMonth> {
        let last = day.days_in_month();
        match self {
            Self::Dates(dates) => {
                let means = |date: &&MonthDay| match date {
                    // A month may be too short for it.
                    MonthDay::Date(number) => {
                        i8::try_from(*number).unwrap_or(i8::MAX).min(last) == day.day()
                    }
                    MonthDay::Last => day.day() == last,
                };
                dates.iter().find(means).map(|date| DayOfMonth::Date(*date))
            }
            Self::Weeks { days, weeks } => {
                let weekday = day.weekday();
                if !days.holds(weekday) {
                    return None;
                }
                let means = |week: &&WeekOfMonth| match week {
                    WeekOfMonth::First => day.day() <= 7,
                    WeekOfMonth::Second => (8..=14).contains(&day.day()),
                    WeekOfMonth::Third => (15..=21).contains(&day.day()),
                    WeekOfMonth::Fourth => (22..=28).contains(&day.day()),
                    WeekOfMonth::Last => day.day() > last - 7,
                };
                weeks.iter().find(means).map(|week| DayOfMonth::Week(*week, weekday))
            }
        }
    }
}

impl Tags {
    pub(super) fn of(long: &LongTerm) -> Self {
        Self {
            weekly: long
                .weekly
                .as_ref()
                .map(|weekly| Weekly { days: Weekdays::of(&weekly.days), keep: weekly.keep }),
            monthly: long.monthly.as_ref().map(|monthly| (Days::of(&monthly.on), monthly.keep)),
            yearly: long
                .yearly
                .as_ref()
                .map(|yearly| (Months::of(&yearly.months), Days::of(&yearly.on), yearly.keep)),
        }
    }

    /// Offers every rule that takes the point, and the day in whose stead it does.
    pub(super) fn each(&self, point: &OfDay, offer: &mut impl FnMut(Rule, Option<Date>)) {
        if let Some(Weekly { days, keep }) = self.weekly {
            let weekly = |day: Date| {
                let weekday = day.weekday();
                days.holds(weekday).then_some(Rule::Weekly(Some(weekday), keep))
            };
            take(point, weekly, offer);
        }
        if let Some((days, keep)) = &self.monthly {
            take(point, |day| Some(Rule::Monthly(days.name_of(day)?, *keep)), offer);
        }
        if let Some((months, days, keep)) = &self.yearly {
            let yearly = |day: Date| {
                let month = day.month();
                let on = months.holds(month).then(|| days.name_of(day)).flatten()?;
                Some(Rule::Yearly(month.unsigned_abs(), on, *keep))
            };
            take(point, yearly, offer);
        }
    }
}

/// Offers the rule where it means the point's day and the point is its last; or where it means a
/// day without a point since which this is the first one.
fn take(
    point: &OfDay,
    rule: impl Fn(Date) -> Option<Rule>,
    offer: &mut impl FnMut(Rule, Option<Date>),
) {
    if point.is_last
        && let Some(rule) = rule(point.day)
    {
        return offer(rule, None);
    }
    let Some(free_from) = point.free_from else { return };
    let earliest = free_from.max(point.day.saturating_sub(DAYS_LOOKED_BACK.days()));
    let mut day = point.day;
    while day > earliest {
        day = day.saturating_sub(1.day());
        if let Some(rule) = rule(day) {
            return offer(rule, Some(day));
        }
    }
}
