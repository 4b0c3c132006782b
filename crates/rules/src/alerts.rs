//! Who is told what, and when: an alert for every condition while it lasts, one message when it is
//! found and one when it is over, and none while a suppression holds.
//!
//! Suppression is like Azure's alert processing rules: it silences the messages, not the alert.
//! What still stands when a window ends is told then; what came and went in it is never told.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use model::alert::{Alert, Condition, Event, Kind, Told};
use uuid::Uuid;

/// The pause before a message is tried again the first time; each further one is twice as long.
const PAUSE_MIN: SignedDuration = SignedDuration::from_secs(30);
/// The longest pause.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// For how long a message is tried.
pub const TRY_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// When messages are silenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// Once, from a moment up to another one.
    Once {
        /// From then on.
        from: Timestamp,
        /// Up to then.
        until: Timestamp,
    },
    /// Again and again, from a time of day up to another one; over midnight where that is earlier.
    Weekly {
        /// The days on which it begins; every day, where there are none.
        days: Vec<Weekday>,
        /// From then on.
        from: Time,
        /// Up to then.
        until: Time,
        /// The zone of the days and times.
        zone: TimeZone,
    },
}

/// Silences messages in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The kinds that it silences; all, where there are none.
    pub kinds: Vec<Kind>,
    /// The vaults that it silences, by name; all, where there are none.
    pub vaults: Vec<String>,
    /// When.
    pub window: Window,
}

impl Window {
    /// Whether the moment is in it. The end is not.
    pub fn holds(&self, now: Timestamp) -> bool {
        match self {
            Self::Once { from, until } => *from <= now && now < *until,
            Self::Weekly { days, from, until, zone } => {
                let now = now.to_zoned(zone.clone());
                let begins = |day: Weekday| days.is_empty() || days.contains(&day);
                let (today, time) = (now.weekday(), now.time());
                let yesterday = today.previous();
                if from < until {
                    begins(today) && *from <= time && time < *until
                } else {
                    (begins(today) && *from <= time) || (begins(yesterday) && time < *until)
                }
            }
        }
    }
}

impl Suppression {
    fn silences(&self, condition: &Condition, now: Timestamp) -> bool {
        let of_kind = self.kinds.is_empty() || self.kinds.contains(&condition.kind);
        let is_it = |vault: &String| vault.eq_ignore_ascii_case(&condition.vault);
        let of_vault = self.vaults.is_empty() || self.vaults.iter().any(is_it);
        of_kind && of_vault && self.window.holds(now)
    }
}

/// A change of one alert, and what is to be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The alert, as it is from now on.
    pub alert: Alert,
    /// What is to be told, if anything.
    pub tell: Option<Event>,
}

/// The steps from the alerts that are not done with to what is wrong now. `new_id` gives ids for
/// new alerts. Alerts that stay as they are have no step.
pub fn steps(
    alerts: Vec<Alert>,
    conditions: Vec<Condition>,
    suppressions: &[Suppression],
    now: Timestamp,
    mut new_id: impl FnMut() -> Uuid,
) -> Vec<Step> {
    let stands = |alert: &Alert, condition: &Condition| {
        alert.resolved_at.is_none() && alert.condition.key == condition.key
    };
    let is_new = |condition: &Condition| !alerts.iter().any(|alert| stands(alert, condition));
    let raise = |condition: Condition| Alert {
        id: new_id(),
        condition,
        raised_at: now,
        resolved_at: None,
        told: Told::Nothing,
    };
    let new: Vec<Condition> =
        conditions.iter().filter(|condition| is_new(condition)).cloned().collect();
    let raised: Vec<Alert> = new.into_iter().map(raise).collect();
    let before = alerts.into_iter().map(|alert| (Some(alert.clone()), alert));
    let all = before.chain(raised.into_iter().map(|alert| (None, alert)));
    all.filter_map(|(before, alert)| {
        let lasts = conditions.iter().any(|condition| stands(&alert, condition));
        let silent = suppressions.iter().any(|it| it.silences(&alert.condition, now));
        let step = step(alert, lasts, silent, now);
        (before.as_ref() != Some(&step.alert)).then_some(step)
    })
    .collect()
}

fn step(mut alert: Alert, lasts: bool, silent: bool, now: Timestamp) -> Step {
    if alert.resolved_at.is_none() && !lasts {
        alert.resolved_at = Some(now);
    }
    let tell = match (alert.told, alert.resolved_at) {
        (Told::Nothing, None) if !silent => Some(Event::Raised),
        (Told::Raised, Some(_)) if !alert.condition.kind.is_resolved() => {
            alert.told = Told::Resolved;
            None
        }
        (Told::Raised, Some(_)) if !silent => Some(Event::Resolved),
        // It came and went while nobody was to hear of it.
        (Told::Nothing, Some(_)) => {
            alert.told = Told::Resolved;
            None
        }
        _ => None,
    };
    match tell {
        Some(Event::Raised) => alert.told = Told::Raised,
        Some(Event::Resolved) => alert.told = Told::Resolved,
        None => {}
    }
    Step { alert, tell }
}

/// What becomes of a message that could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It is tried again then.
    At(Timestamp),
    /// It was tried for long enough.
    GiveUp,
}

/// What becomes of a message about something of `since` that could not be sent `tries` times.
pub fn retry(tries: u32, since: Timestamp, now: Timestamp) -> Retry {
    if now.duration_since(since) >= TRY_FOR {
        return Retry::GiveUp;
    }
    let doubled = PAUSE_MIN.as_secs().saturating_mul(1 << tries.saturating_sub(1).min(20));
    let pause = SignedDuration::from_secs(doubled).min(PAUSE_MAX);
    now.checked_add(pause).map_or(Retry::GiveUp, Retry::At)
}

#[cfg(test)]
mod tests;
