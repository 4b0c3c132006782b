//! For how long recovery points are kept, and by which rule.
//!
//! Every point of an item gets a [`Verdict`]: the rule that keeps it or that lets it go, and the
//! moment at which it lets go. Verdicts follow from the policy as it is now, so a changed policy
//! acts on old points too (Azure: longer retention keeps old points longer, shorter retention lets
//! them go at the next clean-up).
//!
//! | Rule | Which points | Until |
//! |---|---|---|
//! | daily | the last scheduled point of each day | the end of its day + n days |
//! | snapshot | of an hourly policy, the day's other points | n × 24 hours after it was taken |
//! | weekly, monthly, yearly | the last scheduled point of each such day | as daily |
//! | on demand | a point that somebody asked for, and no rule above | the date that was asked for |
//! | newest | the newest point of an item, whatever the others say | – |
//! | stopped, soft-deleted, no policy | all points | – |
//! | promised | in an immutable vault, what was once kept longer | the longer date |
//!
//! - Days are days of the policy's calendar zone. A week has 7 days, a month 31 (Azure: 12 months
//!   are 372 days), a year 366: the longest there are, so none goes before the calendar says so.
//! - A point that several rules keep is kept as long as the longest says. (Azure's text has later
//!   rules override earlier ones; with any retention that grows from daily to yearly, this is the
//!   same. Where it does not grow, we keep the point.)
//! - In a policy without a daily rule, the weekly one keeps every scheduled point: points from
//!   before a policy became weekly do not go at once.
//! - A weekly, monthly or yearly day without a scheduled point is stood in for by the next one: a
//!   run that began past midnight, or that was missed and caught up, costs no month its point. Only
//!   days after the one on which the item was protected count.
//! - A day of the month that a month does not have is its last day.
//!
//! Source: Azure's documentation of backup policies, instant restore, and its VM backup FAQ.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use model::item::{Item, ProtectionState};
use model::point::PointId;
use model::policy::{Keep, MonthDay, Policy, Retention, Schedule, Unit, WeekOfMonth, month_name};
use model::retention::PointTimes;

use crate::schedule::Calendar;
use crate::zone;

pub mod clock;
pub mod guard;
mod tags;

use tags::Tags;

/// What became of a point, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may go now.
    pub released: bool,
    /// The rule that keeps it, or that kept it last.
    pub rule: Rule,
    /// The day in whose stead the rule takes it, where that day has no point of its own.
    pub stands_for: Option<Date>,
    /// When the rule lets go of it; `None` where no date says so.
    pub until: Option<Timestamp>,
}

/// What keeps a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Every scheduled point is kept equally long.
    All(Keep),
    /// The last point of each day.
    Daily(Keep),
    /// Of an hourly policy, for so many days: a point that is not its day's last.
    Snapshot(u16),
    /// The last point of a day of the week; of every day, in a policy without a daily rule.
    Weekly(Option<Weekday>, Keep),
    /// The last point of a day of the month.
    Monthly(DayOfMonth, Keep),
    /// The last point of a day of this month, 1 to 12.
    Yearly(u8, DayOfMonth, Keep),
    /// Somebody asked for the point, and said until when.
    OnDemand,
    /// It is the newest point of its item.
    Newest,
    /// A restore reads it.
    InUse,
    /// The vault is immutable, and the point was to be kept longer once.
    Promised,
    /// The item's protection is stopped: its points are kept until somebody deletes them.
    Stopped,
    /// The item is deleted, and can be brought back with its points.
    SoftDeleted,
    /// No policy says for how long it is to be kept.
    NoPolicy,
}

/// Which day of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOfMonth {
    /// By its number.
    Date(MonthDay),
    /// By its week.
    Week(WeekOfMonth, Weekday),
}

/// A policy's retention, ready to judge many points.
#[derive(Debug, Clone)]
pub struct Rulebook {
    zone: TimeZone,
    base: Option<Rule>,
    /// Of an hourly policy: for how many days it keeps the points that are not their day's last.
    snapshot_days: Option<u16>,
    tags: Tags,
    runs_a_day: u64,
}

/// All that counts for the points of one item.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its policy's rules; `None` where it has none.
    pub rules: Option<&'a Rulebook>,
    /// Points that a restore reads.
    pub in_use: &'a [PointId],
    /// The time.
    pub now: Timestamp,
}

impl Rulebook {
    /// The rules of a policy. `None` where its zone is not known: then nothing tells days apart,
    /// and its points are kept.
    pub fn of(policy: &Policy) -> Option<Self> {
        let zone = zone::find(&policy.time_zone)?;
        let hourly = matches!(policy.schedule, Schedule::Hourly { .. });
        let (base, tags) = match &policy.retention {
            Retention::Simple(keep) => (Some(Rule::All(*keep)), Tags::default()),
            Retention::LongTerm(long) => {
                let daily = long.daily.map(Rule::Daily);
                let weekly = || long.weekly.as_ref().map(|weekly| Rule::Weekly(None, weekly.keep));
                (daily.or_else(weekly), Tags::of(long))
            }
        };
        let long_term = matches!(policy.retention, Retention::LongTerm(_));
        let snapshot_days = (hourly && long_term).then_some(policy.instant.days);
        Some(Self { zone, base, snapshot_days, tags, runs_a_day: runs_a_day(policy) })
    }

    /// How many points the policy's schedule makes on a day: at least one.
    pub fn runs_a_day(&self) -> u64 {
        self.runs_a_day
    }

    fn day_of(&self, moment: Timestamp) -> Date {
        self.zone.to_datetime(moment).date()
    }

    /// The end of the last day on which something is kept that is of `day`.
    fn end_of(&self, day: Date, keep: Keep) -> Timestamp {
        let next = day.saturating_add((days_of(keep) + 1).days());
        self.zone.to_timestamp(next.to_datetime(Time::midnight())).unwrap_or(Timestamp::MAX)
    }

    /// The verdict on a scheduled point by the policy alone.
    fn scheduled(
        &self,
        point: &OfDay,
        taken_at: Timestamp,
    ) -> Option<(Rule, Option<Date>, Timestamp)> {
        let mut best: Option<(Rule, Option<Date>, i64)> = None;
        let mut offer = |rule: Rule, stands_for: Option<Date>| {
            let days = rule.keep().map_or(0, days_of);
            // Where two keep it equally long, the rarer one is told.
            if best.is_none_or(|(_, _, other)| days >= other) {
                best = Some((rule, stands_for, days));
            }
        };
        if self.snapshot_days.is_none() || point.is_last {
            self.base.into_iter().for_each(|rule| offer(rule, None));
        }
        self.tags.each(point, &mut offer);
        let by_day = best.map(|(rule, stands_for, _)| {
            let end = rule.keep().map_or(Timestamp::MAX, |keep| self.end_of(point.day, keep));
            (rule, stands_for, end)
        });
        by_day.or_else(|| {
            let days = self.snapshot_days.filter(|_| self.base.is_some())?;
            let hours = SignedDuration::from_hours(24 * i64::from(days));
            let end = taken_at.checked_add(hours).unwrap_or(Timestamp::MAX);
            Some((Rule::Snapshot(days), None, end))
        })
    }
}

/// A scheduled point among the others of its item.
struct OfDay {
    day: Date,
    /// Whether it is the last one of its day.
    is_last: bool,
    /// Where it is the first one of its day: the day from which on there is none before it.
    free_from: Option<Date>,
}

/// Judges the points of an item, which come oldest first, and gives their verdicts in that order.
pub fn judge(case: Case<'_>, points: &[PointTimes]) -> Vec<Verdict> {
    if let Some(rule) = kept_as_a_whole(case) {
        let verdict = Verdict { released: false, rule, stands_for: None, until: None };
        return vec![verdict; points.len()];
    }
    let Some(rules) = case.rules else { return Vec::new() };
    let days: Vec<Option<Date>> = points
        .iter()
        .map(|point| point.retain_until.is_none().then(|| rules.day_of(point.taken_at)))
        .collect();
    let mut later: Option<Date> = None;
    let mut is_last = vec![false; points.len()];
    for (at, day) in days.iter().enumerate().rev() {
        let Some(day) = day else { continue };
        is_last[at] = later != Some(*day);
        later = Some(*day);
    }
    let created = rules.day_of(case.item.created_at);
    let mut before: Option<Date> = None;
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(points.len());
    for (at, (point, day)) in points.iter().zip(&days).enumerate() {
        let kept = match (point.retain_until, day) {
            (Some(until), _) => Some((Rule::OnDemand, None, until)),
            (None, Some(day)) => {
                let last = before.map_or(created, |before| before.max(created));
                let free_from = (before != Some(*day)).then(|| last.saturating_add(1.day()));
                before = Some(*day);
                let of_day = OfDay { day: *day, is_last: is_last[at], free_from };
                rules.scheduled(&of_day, point.taken_at)
            }
            (None, None) => None,
        };
        verdicts.push(verdict(case, point, kept));
    }
    if let Some(newest) = verdicts.last_mut().filter(|newest| newest.released) {
        *newest = Verdict { released: false, rule: Rule::Newest, stands_for: None, until: None };
    }
    verdicts
}

/// The rule that keeps all points of the item, if one does.
fn kept_as_a_whole(case: Case<'_>) -> Option<Rule> {
    if case.item.deletion.is_some() {
        return Some(Rule::SoftDeleted);
    }
    match (case.item.state, case.rules) {
        (ProtectionState::ProtectionStopped, _) => Some(Rule::Stopped),
        (_, None) => Some(Rule::NoPolicy),
        (
            ProtectionState::IrPending
            | ProtectionState::Protected
            | ProtectionState::BackupsSuspended,
            Some(_),
        ) => None,
    }
}

fn verdict(
    case: Case<'_>,
    point: &PointTimes,
    kept: Option<(Rule, Option<Date>, Timestamp)>,
) -> Verdict {
    let Some((rule, stands_for, until)) = kept else {
        return Verdict { released: false, rule: Rule::NoPolicy, stands_for: None, until: None };
    };
    let released = until <= case.now;
    if released && case.in_use.contains(&point.id) {
        return Verdict { released: false, rule: Rule::InUse, stands_for: None, until: None };
    }
    Verdict { released, rule, stands_for, until: Some(until) }
}

impl Verdict {
    /// The verdict in an immutable vault, which once promised to keep the point until `promised`: a
    /// point is never let go of before that.
    #[must_use]
    pub fn with_promise(self, promised: Option<Timestamp>, now: Timestamp) -> Self {
        match (self.until, promised) {
            (Some(until), Some(promised)) if promised > until => {
                let (released, rule) = (self.released && promised <= now, Rule::Promised);
                Self { released, rule, stands_for: None, until: Some(promised) }
            }
            _ => self,
        }
    }
}

/// As many days as the calendar has, about.
const DAYS_MAX: i64 = 3_000_000;

/// How many days a length of time has at most. Source: Azure's documentation of instant restore for
/// months (31 days, so 12 of them are 372).
pub fn days_of(keep: Keep) -> i64 {
    let days = match keep.unit {
        Unit::Days => 1,
        Unit::Weeks => 7,
        Unit::Months => 31,
        Unit::Years => 366,
    };
    (days * i64::from(keep.count)).min(DAYS_MAX)
}

/// How many runs a policy has on a day.
fn runs_a_day(policy: &Policy) -> u64 {
    let calendar = Calendar::of(policy);
    let from = policy.schedule.first();
    let until = from.checked_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
    let runs = std::iter::successors(calendar.next_after(from), |run| calendar.next_after(*run));
    // A day has no more runs than minutes.
    let count = runs.take(24 * 60).take_while(|run| *run <= until).count();
    (count as u64).max(1)
}

impl Rule {
    /// For how long it keeps what it keeps, where a policy says so by the day.
    pub fn keep(self) -> Option<Keep> {
        match self {
            Self::All(keep)
            | Self::Daily(keep)
            | Self::Weekly(_, keep)
            | Self::Monthly(_, keep)
            | Self::Yearly(_, _, keep) => Some(keep),
            _ => None,
        }
    }

    /// Its name, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All(_) => "All",
            Self::Daily(_) => "Daily",
            Self::Snapshot(_) => "Snapshot",
            Self::Weekly(..) => "Weekly",
            Self::Monthly(..) => "Monthly",
            Self::Yearly(..) => "Yearly",
            Self::OnDemand => "OnDemand",
            Self::Newest => "Newest",
            Self::InUse => "InUse",
            Self::Promised => "Promised",
            Self::Stopped => "ProtectionStopped",
            Self::SoftDeleted => "SoftDeleted",
            Self::NoPolicy => "NoPolicy",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(keep) => write!(f, "every point, for {}", Length(*keep)),
            Self::Daily(keep) => write!(f, "daily, for {}", Length(*keep)),
            Self::Snapshot(days) => {
                let keep = Keep { count: *days, unit: Unit::Days };
                write!(f, "not its day's last, for {}", Length(keep))
            }
            Self::Weekly(None, keep) => write!(f, "weekly, for {}", Length(*keep)),
            Self::Weekly(Some(day), keep) => write!(f, "weekly, {day:?}, for {}", Length(*keep)),
            Self::Monthly(on, keep) => write!(f, "monthly, {on}, for {}", Length(*keep)),
            Self::Yearly(month, on, keep) => {
                let month = month_name(*month).unwrap_or("?");
                write!(f, "yearly, {month}, {on}, for {}", Length(*keep))
            }
            Self::OnDemand => f.write_str("on demand, until its date"),
            Self::Newest => f.write_str("the newest point of its item"),
            Self::InUse => f.write_str("a restore reads it"),
            Self::Promised => f.write_str("immutable vault: it was to be kept until then"),
            Self::Stopped => f.write_str("protection stopped: all points stay"),
            Self::SoftDeleted => f.write_str("soft-deleted: all points wait"),
            Self::NoPolicy => f.write_str("no policy says for how long"),
        }
    }
}

/// The words for a rule and the day in whose stead it takes a point.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)?;
        match self.stands_for {
            Some(day) => write!(f, " (in place of {day}, which has no point)"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for DayOfMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(MonthDay::Date(day)) => write!(f, "day {day}"),
            Self::Date(MonthDay::Last) => f.write_str("last day"),
            Self::Week(week, day) => write!(f, "{week:?} {day:?}"),
        }
    }
}

/// A length of time in words.
struct Length(Keep);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.0.unit {
            Unit::Days => "day",
            Unit::Weeks => "week",
            Unit::Months => "month",
            Unit::Years => "year",
        };
        let plural = if self.0.count == 1 { "" } else { "s" };
        write!(f, "{} {unit}{plural}", self.0.count)
    }
}

#[cfg(test)]
mod tests;
