//! Whether the clock can be trusted with deletions.
//!
//! Retention never believes one clock. What speaks against it: it is behind a moment that it has
//! shown before (the high-water mark), it has run ahead since then by more than any usual pause of
//! the service, or it is not the store's. While anything does, points stay and space is not
//! collected; backups go on.

use jiff::{SignedDuration, Timestamp};

/// How far the clock may go back: what setting it right by hand or by NTP does.
pub const BACK: SignedDuration = SignedDuration::from_mins(5);
/// How far the clock may have gone ahead since it was last looked at: the service may have been
/// off for so long.
pub const AHEAD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How far the clock may be from the store's.
pub const APART: SignedDuration = SignedDuration::from_hours(1);

/// What is known of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sights {
    /// The clock, now.
    pub now: Timestamp,
    /// The latest moment that it has shown while it was trusted; `None` at the first look.
    pub seen: Option<Timestamp>,
    /// What the store's clock says, where it has one.
    pub store: Option<Timestamp>,
    /// By how much an operator has found the store's clock to be ahead, and said that it is fine.
    pub accepted_offset: Option<SignedDuration>,
}

/// Why the clock is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It has shown a later moment before.
    WentBack {
        /// That moment.
        seen: Timestamp,
    },
    /// It has gone ahead by more than usual.
    RanAhead {
        /// What it showed before.
        seen: Timestamp,
    },
    /// The store's clock says something else.
    NotTheStores {
        /// What that says.
        store: Timestamp,
    },
}

/// What speaks against the clock, if anything does.
pub fn doubt(sights: &Sights) -> Option<Doubt> {
    let Sights { now, seen, store, accepted_offset } = *sights;
    if let Some(store) = store {
        let offset = store.duration_since(now);
        let fine = accepted_offset.unwrap_or(SignedDuration::ZERO);
        let apart = |from: SignedDuration| offset.saturating_sub(from).abs() > APART;
        if apart(SignedDuration::ZERO) && apart(fine) {
            return Some(Doubt::NotTheStores { store });
        }
    }
    let seen = seen?;
    let ahead = now.duration_since(seen);
    if ahead < -BACK {
        Some(Doubt::WentBack { seen })
    } else if ahead > AHEAD {
        Some(Doubt::RanAhead { seen })
    } else {
        None
    }
}

impl Doubt {
    /// What it is, in a sentence.
    pub fn words(&self, now: Timestamp) -> String {
        match self {
            Self::WentBack { seen } => {
                format!("The clock says {now:.0}, but it has said {seen:.0} before: it went back.")
            }
            Self::RanAhead { seen } => format!(
                "The clock says {now:.0}, and when it was last looked at it said {seen:.0}: it has \
                 gone ahead by more than {} days.",
                AHEAD.as_hours() / 24
            ),
            Self::NotTheStores { store } => {
                format!("The clock says {now:.0}, but the store's clock says {store:.0}.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-25T12:00:00Z";

    #[track_caller]
    fn check(seen: Option<&str>, store: Option<&str>, accepted_hours: Option<i64>, says: &str) {
        let at = |text: &str| text.parse().expect("a timestamp");
        let now = at(NOW);
        let accepted_offset = accepted_hours.map(SignedDuration::from_hours);
        let sights = Sights { now, seen: seen.map(at), store: store.map(at), accepted_offset };
        let told = match doubt(&sights) {
            None => "trusted",
            Some(Doubt::WentBack { .. }) => "went back",
            Some(Doubt::RanAhead { .. }) => "ran ahead",
            Some(Doubt::NotTheStores { .. }) => "not the store's",
        };
        assert_eq!(told, says);
    }

    #[test]
    fn the_first_look_has_nothing_to_go_by() {
        check(None, None, None, "trusted");
    }

    #[test]
    fn a_clock_that_goes_back_is_not_trusted_until_it_has_caught_up() {
        check(Some("2026-11-25T12:05:00Z"), None, None, "trusted");
        check(Some("2026-11-25T12:05:01Z"), None, None, "went back");
        check(Some("2031-01-01T00:00:00Z"), None, None, "went back");
    }

    #[test]
    fn a_clock_that_runs_ahead_is_not_trusted() {
        check(Some("2026-11-18T12:00:00Z"), None, None, "trusted");
        check(Some("2026-11-18T11:59:59Z"), None, None, "ran ahead");
    }

    #[test]
    fn a_clock_that_is_not_the_stores_is_not_trusted() {
        check(None, Some("2026-11-25T12:59:00Z"), None, "trusted");
        check(None, Some("2026-11-25T13:00:01Z"), None, "not the store's");
        check(None, Some("2026-11-25T10:59:59Z"), None, "not the store's");
        // A store that is an hour and a half ahead, and was found to be.
        check(None, Some("2026-11-25T13:30:00Z"), Some(1), "trusted");
        check(None, Some("2026-11-25T14:30:00Z"), Some(1), "not the store's");
        // One that was set right since then.
        check(None, Some("2026-11-25T12:00:00Z"), Some(5), "trusted");
    }
}
