//! Alerts: what somebody is told without asking.
//!
//! ```text
//!            nobody was told                    was told as raised
//!           ┌───────────────┐   not suppressed  ┌────────────────┐
//!  raised ─►│    standing   │──────────────────►│    standing    │
//!           └───────┬───────┘                   └───────┬────────┘
//!                   │ it is over                        │ it is over
//!                   ▼                                   ▼ not suppressed
//!           over, nobody hears                  over, told as resolved
//! ```
//!
//! `rules::alerts` holds the transitions.

use jiff::Timestamp;
use uuid::Uuid;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The last backup of an item failed.
    BackupFailed,
    /// A job failed that is no backup.
    JobFailed,
    /// An item has no recovery point that its policy asks for.
    ObjectiveMissed,
    /// Data in a vault's store is damaged or missing.
    DamageFound,
    /// So many recovery points would expire at once that somebody has to confirm it.
    RetentionWaiting,
    /// The clock cannot be believed, so nothing is deleted.
    ClockSuspect,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::BackupFailed,
        Self::JobFailed,
        Self::ObjectiveMissed,
        Self::DamageFound,
        Self::RetentionWaiting,
        Self::ClockSuspect,
    ];

    /// Its name, in settings and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BackupFailed => "BackupFailed",
            Self::JobFailed => "JobFailed",
            Self::ObjectiveMissed => "ObjectiveMissed",
            Self::DamageFound => "DamageFound",
            Self::RetentionWaiting => "RetentionWaiting",
            Self::ClockSuspect => "ClockSuspect",
        }
    }

    /// The kind with this name, in any case of letters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Whether its end is worth a message: a failed job stays failed, and damage that shows no
    /// longer may still be there.
    pub const fn is_resolved(self) -> bool {
        !matches!(self, Self::JobFailed | Self::DamageFound)
    }
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is wrong with what: the same for as long as it lasts, and no other's.
    pub key: String,
    /// What is wrong.
    pub kind: Kind,
    /// The name of the vault; empty where it is about the installation.
    pub vault: String,
    /// The vault's resource group; empty where it is about the installation.
    pub resource_group: String,
    /// The name of the virtual machine; empty where it is about more than one.
    pub item: String,
    /// One line.
    pub title: String,
    /// What happened, with names and numbers.
    pub text: String,
    /// What to do.
    pub action: String,
}

/// What somebody was told of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing yet.
    Nothing,
    /// That it was raised.
    Raised,
    /// That it is over, or there is nothing more to tell.
    Resolved,
}

impl Told {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Raised, Self::Resolved];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Raised => "raised",
            Self::Resolved => "resolved",
        }
    }

    /// The value with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|told| told.name() == name)
    }
}

/// A condition from when it was found to when it was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub id: Uuid,
    /// What is or was wrong, as it was found.
    pub condition: Condition,
    /// When it was found.
    pub raised_at: Timestamp,
    /// When it was found to be over.
    pub resolved_at: Option<Timestamp>,
    /// What somebody was told.
    pub told: Told,
}

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An alert was raised.
    Raised,
    /// An alert is over.
    Resolved,
}

impl Event {
    /// Its name, as in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Resolved => "resolved",
        }
    }

    /// The event with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Raised, Self::Resolved].into_iter().find(|event| event.name() == name)
    }
}

/// A message about an alert that is to reach a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its number; later ones have greater ones.
    pub number: u64,
    /// The alert.
    pub alert: Alert,
    /// What it tells.
    pub event: Event,
    /// The name of the target.
    pub target: String,
    /// How often it was tried to send it.
    pub tries: u32,
    /// When it is tried next.
    pub next_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(&kind.name().to_uppercase()), Some(kind));
        }
        for told in Told::ALL {
            assert_eq!(Told::from_name(told.name()), Some(told));
        }
        assert_eq!(Event::from_name("resolved"), Some(Event::Resolved));
        assert_eq!(Kind::from_name(""), None);
    }
}
