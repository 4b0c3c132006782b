//! How long a policy from the command line keeps points.

use api::arm::policy::{
    DayOfMonth, DaysOfMonth, Retention, RetentionDuration, RetentionPolicy, WeeksOfMonth,
};
use clap::Args;
use model::policy::{WEEKDAYS, WEEKS, month_named, named};

use crate::failure::Failure;

/// How long points are kept.
#[derive(Debug, Args)]
pub struct Keep {
    /// Keep each day's points for so many days [default: 30]
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["weekly", "file"])]
    keep_days: Option<i64>,
    /// With --hourly and --every: keep all points of a day for so many days, then its last
    /// [default: 7]
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["daily", "weekly", "file"])]
    pub(super) keep_all_days: Option<i64>,
    /// Keep the points of --weekly-on for so many weeks [default with --weekly: 12]
    #[arg(long, value_name = "WEEKS", conflicts_with = "file")]
    keep_weeks: Option<i64>,
    /// The days of the week that --keep-weeks means, such as Sunday [default with --weekly: all of
    /// its days]
    #[arg(
        long,
        value_name = "DAYS",
        value_delimiter = ',',
        requires = "keep_weeks",
        conflicts_with = "file"
    )]
    weekly_on: Vec<String>,
    /// Keep the points of --monthly-on for so many months
    #[arg(long, value_name = "MONTHS", requires = "monthly_on", conflicts_with = "file")]
    keep_months: Option<i64>,
    /// The days of the month that --keep-months means: by number, such as 1,15,last, or by week,
    /// such as first-sunday,last-sunday
    #[arg(
        long,
        value_name = "DAYS",
        value_delimiter = ',',
        requires = "keep_months",
        conflicts_with = "file"
    )]
    monthly_on: Vec<String>,
    /// Keep the points of --yearly-on in --yearly-in for so many years
    #[arg(long, value_name = "YEARS", requires_all = ["yearly_on", "yearly_in"],
        conflicts_with = "file")]
    keep_years: Option<i64>,
    /// The months that --keep-years means, such as January,July
    #[arg(
        long,
        value_name = "MONTHS",
        value_delimiter = ',',
        requires = "keep_years",
        conflicts_with = "file"
    )]
    yearly_in: Vec<String>,
    /// The days of these months that --keep-years means, as with --monthly-on
    #[arg(
        long,
        value_name = "DAYS",
        value_delimiter = ',',
        requires = "keep_years",
        conflicts_with = "file"
    )]
    yearly_on: Vec<String>,
}

impl Keep {
    /// The retention of a policy that runs at this time, and on these days where it is weekly.
    pub(super) fn policy(&self, at: &str, run_days: &[String]) -> Result<RetentionPolicy, Failure> {
        let keep = |count: i64, unit: &str| Retention {
            retention_times: Some(vec![at.to_owned()]),
            retention_duration: Some(RetentionDuration { count, duration_type: unit.to_owned() }),
            ..Retention::default()
        };
        let is_weekly = !run_days.is_empty();
        let monthly = self
            .keep_months
            .map(|count| days_of_month(&self.monthly_on, "--monthly-on", keep(count, "Months")));
        let yearly = self.keep_years.map(|count| {
            let months = self.yearly_in.iter().map(|name| month(name)).collect::<Result<_, _>>()?;
            let years = Retention { months_of_year: Some(months), ..keep(count, "Years") };
            days_of_month(&self.yearly_on, "--yearly-on", years)
        });
        Ok(RetentionPolicy {
            retention_policy_type: "LongTermRetentionPolicy".to_owned(),
            daily_schedule: (!is_weekly).then(|| keep(self.keep_days.unwrap_or(30), "Days")),
            weekly_schedule: self.weekly(run_days, keep)?,
            monthly_schedule: monthly.transpose()?,
            yearly_schedule: yearly.transpose()?,
            ..RetentionPolicy::default()
        })
    }

    fn weekly(
        &self,
        run_days: &[String],
        keep: impl Fn(i64, &str) -> Retention,
    ) -> Result<Option<Retention>, Failure> {
        let Some(weeks) = self.keep_weeks.or((!run_days.is_empty()).then_some(12)) else {
            return Ok(None);
        };
        let days = if self.weekly_on.is_empty() { run_days } else { &self.weekly_on };
        if days.is_empty() {
            let message = "--keep-weeks of a policy that runs every day needs --weekly-on, such as \
                           --weekly-on Sunday.";
            return Err(Failure::usage(message.to_owned()));
        }
        Ok(Some(Retention { days_of_the_week: Some(days.to_vec()), ..keep(weeks, "Weeks") }))
    }
}

fn month(name: &str) -> Result<String, Failure> {
    match month_named(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(Failure::usage(format!("'{name}' is not a month, such as January."))),
    }
}

/// The retention with the days of the month that were named: all by number, or all by week.
fn days_of_month(
    days: &[String],
    option: &str,
    retention: Retention,
) -> Result<Retention, Failure> {
    let numbers: Option<Vec<DayOfMonth>> = days.iter().map(|day| by_number(day)).collect();
    if let Some(days_of_the_month) = numbers {
        return Ok(Retention {
            retention_schedule_format_type: Some("Daily".to_owned()),
            retention_schedule_daily: Some(DaysOfMonth { days_of_the_month }),
            ..retention
        });
    }
    let pairs: Option<Vec<(&str, &str)>> = days.iter().map(|day| by_week(day)).collect();
    let Some(pairs) = pairs else {
        let days = days.join(",");
        return Err(Failure::usage(format!(
            "{option}: '{days}' names days neither by number, such as 1,15,last, nor by week, such \
             as first-sunday,last-sunday."
        )));
    };
    Ok(Retention {
        retention_schedule_format_type: Some("Weekly".to_owned()),
        retention_schedule_weekly: Some(every_week_with_every_day(&pairs, option)?),
        ..retention
    })
}

fn by_number(day: &str) -> Option<DayOfMonth> {
    if day.eq_ignore_ascii_case("last") {
        return Some(DayOfMonth { date: 0, is_last: true });
    }
    Some(DayOfMonth { date: day.parse().ok()?, is_last: false })
}

/// The week and the day of the week in text such as `first-sunday`.
fn by_week(day: &str) -> Option<(&str, &str)> {
    let (week, day) = day.split_once('-')?;
    named(&WEEKS, week)?;
    named(&WEEKDAYS, day)?;
    Some((week, day))
}

/// A policy says weeks and days apart, and means each of these weeks with each of these days.
fn every_week_with_every_day(
    pairs: &[(&str, &str)],
    option: &str,
) -> Result<WeeksOfMonth, Failure> {
    let (mut weeks, mut days): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for (week, day) in pairs {
        for (names, name) in [(&mut weeks, week), (&mut days, day)] {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push((*name).to_owned());
            }
        }
    }
    let is_there = |week: &str, day: &str| {
        let same = |(other, one): &(&str, &str)| {
            other.eq_ignore_ascii_case(week) && one.eq_ignore_ascii_case(day)
        };
        pairs.iter().any(same)
    };
    for week in &weeks {
        if let Some(day) = days.iter().find(|day| !is_there(week, day)) {
            return Err(Failure::usage(format!(
                "{option}: a policy keeps each of its weeks' days: with these, also {week}-{day}. \
                 Name it too, or fewer."
            )));
        }
    }
    Ok(WeeksOfMonth { days_of_the_week: days, weeks_of_the_month: weeks })
}
