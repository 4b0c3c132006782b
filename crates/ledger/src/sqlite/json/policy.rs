//! The nested values of a policy.

use jiff::Timestamp;
use jiff::civil::Weekday;
use model::policy::{
    Instant, Keep, LongTerm, MonthDay, MonthDays, MonthlyRetention, Retention, Schedule, Tiering,
    Unit, WeekOfMonth, WeeklyRetention, YearlyRetention,
};
use serde::{Deserialize, Serialize};

use super::{Nested, Unknown};

/// 1 is Monday.
impl Nested for Weekday {
    type Row = i8;

    fn to_row(&self) -> i8 {
        self.to_monday_one_offset()
    }

    fn from_row(number: i8) -> Result<Self, Unknown> {
        Self::from_monday_one_offset(number).map_err(|_| Unknown::Weekday { number })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(in crate::sqlite) enum ScheduleRow {
    /// An interval of whole hours is one in hours, as it always was.
    Hourly {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval_hours: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval_minutes: Option<u16>,
        window_start: String,
        window_hours: u16,
    },
    Daily {
        at: String,
    },
    Weekly {
        days: Vec<i8>,
        at: String,
    },
}

impl Nested for Schedule {
    type Row = ScheduleRow;

    fn to_row(&self) -> ScheduleRow {
        match self {
            Self::Hourly { interval_minutes, window_start, window_hours } => {
                let in_hours = interval_minutes.is_multiple_of(60);
                ScheduleRow::Hourly {
                    interval_hours: in_hours.then_some(interval_minutes / 60),
                    interval_minutes: (!in_hours).then_some(*interval_minutes),
                    window_start: window_start.to_row(),
                    window_hours: *window_hours,
                }
            }
            Self::Daily { at } => ScheduleRow::Daily { at: at.to_row() },
            Self::Weekly { days, at } => {
                ScheduleRow::Weekly { days: days.to_row(), at: at.to_row() }
            }
        }
    }

    fn from_row(row: ScheduleRow) -> Result<Self, Unknown> {
        Ok(match row {
            ScheduleRow::Hourly {
                interval_hours,
                interval_minutes,
                window_start,
                window_hours,
            } => {
                let in_minutes = interval_hours.unwrap_or_default().saturating_mul(60);
                Self::Hourly {
                    interval_minutes: interval_minutes.unwrap_or(in_minutes),
                    window_start: Timestamp::from_row(window_start)?,
                    window_hours,
                }
            }
            ScheduleRow::Daily { at } => Self::Daily { at: Timestamp::from_row(at)? },
            ScheduleRow::Weekly { days, at } => {
                Self::Weekly { days: Vec::from_row(days)?, at: Timestamp::from_row(at)? }
            }
        })
    }
}

/// Units, weeks: their variants are their names in JSON too.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(remote = "Unit")]
enum UnitRow {
    Days,
    Weeks,
    Months,
    Years,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(in crate::sqlite) struct KeepRow {
    count: u16,
    #[serde(with = "UnitRow")]
    unit: Unit,
}

impl Nested for Keep {
    type Row = KeepRow;

    fn to_row(&self) -> KeepRow {
        KeepRow { count: self.count, unit: self.unit }
    }

    fn from_row(row: KeepRow) -> Result<Self, Unknown> {
        Ok(Self { count: row.count, unit: row.unit })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sqlite) enum RetentionRow {
    Simple(KeepRow),
    LongTerm(LongTermRow),
}

#[derive(Default, Serialize, Deserialize)]
pub(in crate::sqlite) struct LongTermRow {
    daily: Option<KeepRow>,
    weekly: Option<WeeklyRow>,
    monthly: Option<MonthlyRow>,
    yearly: Option<YearlyRow>,
}

#[derive(Serialize, Deserialize)]
struct WeeklyRow {
    days: Vec<i8>,
    keep: KeepRow,
}

#[derive(Serialize, Deserialize)]
struct MonthlyRow {
    on: MonthDaysRow,
    keep: KeepRow,
}

#[derive(Serialize, Deserialize)]
struct YearlyRow {
    months: Vec<u8>,
    on: MonthDaysRow,
    keep: KeepRow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sqlite) enum MonthDaysRow {
    /// 0 is the last day.
    ByDate(Vec<u8>),
    ByWeek {
        days: Vec<i8>,
        weeks: Vec<WeekRow>,
    },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(in crate::sqlite) enum WeekRow {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

impl Nested for WeekOfMonth {
    type Row = WeekRow;

    fn to_row(&self) -> WeekRow {
        match self {
            Self::First => WeekRow::First,
            Self::Second => WeekRow::Second,
            Self::Third => WeekRow::Third,
            Self::Fourth => WeekRow::Fourth,
            Self::Last => WeekRow::Last,
        }
    }

    fn from_row(row: WeekRow) -> Result<Self, Unknown> {
        Ok(match row {
            WeekRow::First => Self::First,
            WeekRow::Second => Self::Second,
            WeekRow::Third => Self::Third,
            WeekRow::Fourth => Self::Fourth,
            WeekRow::Last => Self::Last,
        })
    }
}

impl Nested for MonthDays {
    type Row = MonthDaysRow;

    fn to_row(&self) -> MonthDaysRow {
        let number = |day: &MonthDay| match day {
            MonthDay::Date(date) => *date,
            MonthDay::Last => 0,
        };
        match self {
            Self::ByDate(days) => MonthDaysRow::ByDate(days.iter().map(number).collect()),
            Self::ByWeek { days, weeks } => {
                MonthDaysRow::ByWeek { days: days.to_row(), weeks: weeks.to_row() }
            }
        }
    }

    fn from_row(row: MonthDaysRow) -> Result<Self, Unknown> {
        let day = |number| match number {
            0 => Ok(MonthDay::Last),
            1..=31 => Ok(MonthDay::Date(number)),
            _ => Err(Unknown::MonthDay { number }),
        };
        Ok(match row {
            MonthDaysRow::ByDate(days) => {
                Self::ByDate(days.into_iter().map(day).collect::<Result<_, _>>()?)
            }
            MonthDaysRow::ByWeek { days, weeks } => {
                Self::ByWeek { days: Vec::from_row(days)?, weeks: Vec::from_row(weeks)? }
            }
        })
    }
}

impl Nested for Retention {
    type Row = RetentionRow;

    fn to_row(&self) -> RetentionRow {
        let long = match self {
            Self::Simple(keep) => return RetentionRow::Simple(keep.to_row()),
            Self::LongTerm(long) => long,
        };
        let weekly = |weekly: &WeeklyRetention| WeeklyRow {
            days: weekly.days.to_row(),
            keep: weekly.keep.to_row(),
        };
        let monthly = |monthly: &MonthlyRetention| MonthlyRow {
            on: monthly.on.to_row(),
            keep: monthly.keep.to_row(),
        };
        let yearly = |yearly: &YearlyRetention| YearlyRow {
            months: yearly.months.clone(),
            on: yearly.on.to_row(),
            keep: yearly.keep.to_row(),
        };
        RetentionRow::LongTerm(LongTermRow {
            daily: long.daily.to_row(),
            weekly: long.weekly.as_ref().map(weekly),
            monthly: long.monthly.as_ref().map(monthly),
            yearly: long.yearly.as_ref().map(yearly),
        })
    }

    fn from_row(row: RetentionRow) -> Result<Self, Unknown> {
        let long = match row {
            RetentionRow::Simple(keep) => return Ok(Self::Simple(Keep::from_row(keep)?)),
            RetentionRow::LongTerm(long) => long,
        };
        let weekly = |row: WeeklyRow| -> Result<_, Unknown> {
            let days = Vec::from_row(row.days)?;
            Ok(WeeklyRetention { days, keep: Keep::from_row(row.keep)? })
        };
        let monthly = |row: MonthlyRow| -> Result<_, Unknown> {
            let on = MonthDays::from_row(row.on)?;
            Ok(MonthlyRetention { on, keep: Keep::from_row(row.keep)? })
        };
        let yearly = |row: YearlyRow| -> Result<_, Unknown> {
            let unknown = row.months.iter().find(|month| !(1..=12).contains(*month));
            if let Some(number) = unknown {
                return Err(Unknown::Month { number: *number });
            }
            let on = MonthDays::from_row(row.on)?;
            Ok(YearlyRetention { months: row.months, on, keep: Keep::from_row(row.keep)? })
        };
        Ok(Self::LongTerm(LongTerm {
            daily: Option::from_row(long.daily)?,
            weekly: long.weekly.map(weekly).transpose()?,
            monthly: long.monthly.map(monthly).transpose()?,
            yearly: long.yearly.map(yearly).transpose()?,
        }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sqlite) struct InstantRow {
    days: u16,
    group_prefix: Option<String>,
    group_suffix: Option<String>,
}

impl Nested for Instant {
    type Row = InstantRow;

    fn to_row(&self) -> InstantRow {
        InstantRow {
            days: self.days,
            group_prefix: self.group_prefix.clone(),
            group_suffix: self.group_suffix.clone(),
        }
    }

    fn from_row(row: InstantRow) -> Result<Self, Unknown> {
        let InstantRow { days, group_prefix, group_suffix } = row;
        Ok(Self { days, group_prefix, group_suffix })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sqlite) struct TieringRow {
    tier: String,
    mode: String,
    duration: u16,
    duration_type: String,
}

impl Nested for Tiering {
    type Row = TieringRow;

    fn to_row(&self) -> TieringRow {
        TieringRow {
            tier: self.tier.clone(),
            mode: self.mode.clone(),
            duration: self.duration,
            duration_type: self.duration_type.clone(),
        }
    }

    fn from_row(row: TieringRow) -> Result<Self, Unknown> {
        let TieringRow { tier, mode, duration, duration_type } = row;
        Ok(Self { tier, mode, duration, duration_type })
    }
}
