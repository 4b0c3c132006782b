//! Backup policies: when a virtual machine is backed up, and for how long its points are kept.
//!
//! A time in a policy is a whole date and time, because that is how Azure's API has it. Its time of
//! day is what counts. Its date is told back, and says which offset of the zone held when the time
//! of day was chosen: that is how a policy that follows its zone's clocks knows what they show.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::fault::{Code, Fault};
use crate::vault::Vault;

/// A backup policy of one vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The vault it belongs to.
    pub vault: Uuid,
    /// Its name, unique in the vault.
    pub name: String,
    /// Azure's kind of policy.
    pub kind: Kind,
    /// When it backs up.
    pub schedule: Schedule,
    /// How long it keeps points.
    pub retention: Retention,
    /// What Azure would do with its snapshots. Stored and told back; there is no instant tier here.
    pub instant: Instant,
    /// The zone whose calendar names its days: a Windows or an IANA name, as the client sent it.
    pub time_zone: String,
    /// What becomes of its times of day when that zone's clocks change.
    pub daylight_saving: DaylightSaving,
    /// Whether guests are left running as they are, without freezing their file systems.
    pub only_crash_consistent: bool,
    /// When Azure would move points to an archive. Stored and told back.
    pub tiering: Vec<Tiering>,
}

/// Azure's kinds of policy for virtual machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Standard: daily or weekly.
    V1,
    /// Enhanced: hourly, daily or weekly.
    V2,
}

impl Kind {
    /// Azure's name.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::V1 => "V1",
            Self::V2 => "V2",
        }
    }

    /// The kind with this Azure name, in any case of letters.
    pub fn from_azure_name(name: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|kind| kind.azure_name().eq_ignore_ascii_case(name))
    }
}

/// What becomes of a policy's times of day when its zone's clocks change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DaylightSaving {
    /// They stay as they are in UTC, as in Azure.
    Fixed,
    /// They stay as they are on the zone's clocks. Not in Azure.
    Adjust,
}

impl DaylightSaving {
    /// The name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Adjust => "adjust",
        }
    }

    /// The one with this name, in any case of letters.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Fixed, Self::Adjust].into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }
}

/// When a policy backs up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Every few hours of every day; or, beyond Azure, every few minutes.
    Hourly {
        /// Minutes between two backups.
        interval_minutes: u16,
        /// The day's first one, in UTC.
        window_start: Timestamp,
        /// For how many hours from then backups begin.
        window_hours: u16,
    },
    /// Every day.
    Daily {
        /// The time of day, in UTC.
        at: Timestamp,
    },
    /// On days of the week.
    Weekly {
        /// The days, in the policy's zone.
        days: Vec<Weekday>,
        /// The time of day, in UTC.
        at: Timestamp,
    },
}

impl Schedule {
    /// The day's first backup.
    pub const fn first(&self) -> Timestamp {
        match self {
            Self::Hourly { window_start: at, .. }
            | Self::Daily { at }
            | Self::Weekly { at, .. } => *at,
        }
    }
}

/// How long a policy keeps points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retention {
    /// All of them equally long.
    Simple(Keep),
    /// By their day.
    LongTerm(LongTerm),
}

impl Retention {
    /// For how many days at least the vault keeps each point, where the policy says it in days or
    /// weeks.
    pub fn shortest_days(&self) -> Option<u16> {
        let keep = match self {
            Self::Simple(keep) => *keep,
            Self::LongTerm(long) => {
                long.daily.or(long.weekly.as_ref().map(|weekly| weekly.keep))?
            }
        };
        match keep.unit {
            Unit::Days => Some(keep.count),
            Unit::Weeks => Some(keep.count.saturating_mul(7)),
            Unit::Months | Unit::Years => None,
        }
    }
}

/// For how long points of each kind are kept. A point of several kinds is kept as long as the
/// longest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LongTerm {
    /// Every day's point.
    pub daily: Option<Keep>,
    /// Points of some days of the week.
    pub weekly: Option<WeeklyRetention>,
    /// Points of some days of the month.
    pub monthly: Option<MonthlyRetention>,
    /// Points of some days of some months.
    pub yearly: Option<YearlyRetention>,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How many units.
    pub count: u16,
    /// The unit.
    pub unit: Unit,
}

/// Units of retention. The names are Azure's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Days.
    Days,
    /// Weeks.
    Weeks,
    /// Months.
    Months,
    /// Years.
    Years,
}

/// For how long points of some days of the week are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeeklyRetention {
    /// The days.
    pub days: Vec<Weekday>,
    /// How long.
    pub keep: Keep,
}

/// For how long points of some days of the month are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthlyRetention {
    /// The days.
    pub on: MonthDays,
    /// How long.
    pub keep: Keep,
}

/// For how long points of some days of some months are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YearlyRetention {
    /// The months, 1 to 12.
    pub months: Vec<u8>,
    /// The days.
    pub on: MonthDays,
    /// How long.
    pub keep: Keep,
}

/// Days of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonthDays {
    /// By their number.
    ByDate(Vec<MonthDay>),
    /// By their week: the first Sunday.
    ByWeek {
        /// The days of the week.
        days: Vec<Weekday>,
        /// The weeks.
        weeks: Vec<WeekOfMonth>,
    },
}

/// A day of a month by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthDay {
    /// This one, 1 to 31.
    Date(u8),
    /// The last one.
    Last,
}

/// Which of a weekday's dates in a month is meant. The names are Azure's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeekOfMonth {
    /// The first.
    First,
    /// The second.
    Second,
    /// The third.
    Third,
    /// The fourth.
    Fourth,
    /// The last.
    Last,
}

/// The names of days of the week, Sunday first, as in Azure.
pub const WEEKDAYS: [(&str, Weekday); 7] = [
    ("Sunday", Weekday::Sunday),
    ("Monday", Weekday::Monday),
    ("Tuesday", Weekday::Tuesday),
    ("Wednesday", Weekday::Wednesday),
    ("Thursday", Weekday::Thursday),
    ("Friday", Weekday::Friday),
    ("Saturday", Weekday::Saturday),
];

/// The names of months, of 1 to 12.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The names of a weekday's dates in a month.
pub const WEEKS: [(&str, WeekOfMonth); 5] = [
    ("First", WeekOfMonth::First),
    ("Second", WeekOfMonth::Second),
    ("Third", WeekOfMonth::Third),
    ("Fourth", WeekOfMonth::Fourth),
    ("Last", WeekOfMonth::Last),
];

/// What one of these names, in any case of letters, stands for.
pub fn named<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    let found = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| *value)
}

/// The name of a month of 1 to 12.
pub fn month_name(month: u8) -> Option<&'static str> {
    MONTHS.get(usize::from(month).checked_sub(1)?).copied()
}

/// The month of this name, in any case of letters: 1 to 12.
pub fn month_named(name: &str) -> Option<u8> {
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    u8::try_from(at + 1).ok()
}

/// What Azure would do with a policy's snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    /// For how many days it would keep them beside the vault's copy.
    pub days: u16,
    /// How the name of the resource group that holds them would begin.
    pub group_prefix: Option<String>,
    /// How it would end.
    pub group_suffix: Option<String>,
}

impl Instant {
    /// Snapshots kept for so many days, in a resource group of Azure's naming.
    pub const fn of_days(days: u16) -> Self {
        Self { days, group_prefix: None, group_suffix: None }
    }

    /// For how many days Azure keeps snapshots where a policy does not say: 2 for a Standard one, 5
    /// where it is weekly, 7 for an Enhanced one; and always fewer than the vault keeps points.
    /// Source: Azure's page on Instant Restore.
    pub fn usual_days(kind: Kind, schedule: &Schedule, retention: &Retention) -> u16 {
        let usual = match (kind, schedule) {
            (Kind::V1, Schedule::Weekly { .. }) => 5,
            (Kind::V1, _) => 2,
            (Kind::V2, _) => 7,
        };
        let fewer = retention.shortest_days().map_or(usual, |days| days.saturating_sub(1).max(1));
        usual.min(fewer)
    }
}

/// When Azure would move points to a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiering {
    /// The tier, such as `ArchivedRP`.
    pub tier: String,
    /// Azure's name of the rule: `DoNotTier`, `TierRecommended` or `TierAfter`.
    pub mode: String,
    /// After how many units.
    pub duration: u16,
    /// The unit's name, or `Invalid` where there is none.
    pub duration_type: String,
}

/// The Standard policy that every new vault has.
pub const DEFAULT_POLICY: &str = "DefaultPolicy";
/// The Enhanced policy that every new vault has.
pub const ENHANCED_POLICY: &str = "EnhancedPolicy";

impl Policy {
    /// The policies that every new vault has, with Azure's own numbers (September 2026).
    pub fn first_of(vault: &Vault) -> [Self; 2] {
        let (id, created_at) = (vault.id, vault.created_at);
        [Self::default_of(id, created_at), Self::enhanced_of(id, created_at)]
    }

    /// `DefaultPolicy` of a vault that was created then: daily at 20:30 UTC, kept for 30 days.
    pub fn default_of(vault: Uuid, created_at: Timestamp) -> Self {
        let at = on_the_day_of(created_at, 20, 30);
        Self::first(vault, DEFAULT_POLICY, Kind::V1, Schedule::Daily { at })
    }

    /// `EnhancedPolicy` of a vault that was created then: every 4 hours from 08:00 UTC for 12
    /// hours, kept for 30 days.
    pub fn enhanced_of(vault: Uuid, created_at: Timestamp) -> Self {
        let window_start = on_the_day_of(created_at, 8, 0);
        let schedule = Schedule::Hourly { interval_minutes: 240, window_start, window_hours: 12 };
        Self::first(vault, ENHANCED_POLICY, Kind::V2, schedule)
    }

    fn first(vault: Uuid, name: &str, kind: Kind, schedule: Schedule) -> Self {
        let daily = Some(Keep { count: 30, unit: Unit::Days });
        Self {
            vault,
            name: name.to_owned(),
            kind,
            schedule,
            retention: Retention::LongTerm(LongTerm { daily, ..LongTerm::default() }),
            instant: Instant::of_days(2),
            time_zone: "UTC".to_owned(),
            daylight_saving: DaylightSaving::Fixed,
            only_crash_consistent: false,
            tiering: Vec::new(),
        }
    }
}

/// This time of day in UTC on the day of `moment`.
fn on_the_day_of(moment: Timestamp, hour: i64, minute: i64) -> Timestamp {
    let midnight = moment.to_zoned(TimeZone::UTC).date().to_datetime(Time::midnight());
    let midnight = TimeZone::UTC.to_timestamp(midnight).unwrap_or(Timestamp::UNIX_EPOCH);
    midnight.saturating_add(SignedDuration::from_mins(hour * 60 + minute)).unwrap_or(midnight)
}

/// The fault for something that is no policy: Azure's sentence, and what is wrong with it.
pub fn invalid(what: impl std::fmt::Display) -> Fault {
    let message = format!(
        "Input for create or update policy is not in proper format. Please check format of \
         parameters like schedule time, schedule days, retention time and retention days. {what}"
    );
    Fault::new(Code::InvalidPolicyInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_go_by_their_names() {
        assert_eq!(named(&WEEKDAYS, "sUNDAY"), Some(Weekday::Sunday));
        assert_eq!(named(&WEEKS, "last"), Some(WeekOfMonth::Last));
        assert_eq!((month_named("january"), month_named("Smarch")), (Some(1), None));
        for month in 1..=12 {
            assert_eq!(month_name(month).and_then(month_named), Some(month));
        }
        assert_eq!((month_name(0), month_name(13)), (None, None));
    }

    #[test]
    fn first_policies_are_of_the_day_of_their_vault() {
        let created_at: Timestamp = "2026-09-11T23:59:59Z".parse().expect("a timestamp");
        let first = |policy: Policy| policy.schedule.first().to_string();
        let vault = Uuid::nil();
        assert_eq!(first(Policy::default_of(vault, created_at)), "2026-09-11T20:30:00Z");
        assert_eq!(first(Policy::enhanced_of(vault, created_at)), "2026-09-11T08:00:00Z");
    }
}
