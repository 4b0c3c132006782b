//! What a recovery point may be called, from the evidence of its capture.
//!
//! A label is evidence: nothing is called file-system-consistent unless file systems were frozen
//! when the point in time was fixed, and were still frozen when it had been fixed.

use model::fault::Code;
use model::point::Consistency;

/// What happened while the point in time was fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The VM was powered off.
    PoweredOff,
    /// The VM ran; freezing was not asked for.
    NotQuiesced,
    /// The VM ran, but its agent was not there to freeze.
    AgentUnavailable,
    /// The agent was there, but freezing failed.
    FreezeFailed,
    /// File systems were frozen, but thawed before the point in time was fixed (deadline).
    FreezeCut,
    /// So many file systems were frozen throughout.
    Frozen {
        /// How many, as the agent counted.
        filesystems: u32,
    },
}

/// The label, and the code of the warning that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// What the point may be called.
    pub consistency: Consistency,
    /// What the operator should know about it, if anything.
    pub warning: Option<Code>,
}

/// The label for this evidence.
///
/// Nothing is called application-consistent yet: that needs a report from inside the guest that
/// its applications were quiesced, which the guest agent alone does not give.
pub const fn label(evidence: &Evidence) -> Label {
    let (consistency, warning) = match evidence {
        Evidence::PoweredOff | Evidence::NotQuiesced => (Consistency::Crash, None),
        Evidence::AgentUnavailable => (Consistency::Crash, Some(Code::AgentUnavailable)),
        Evidence::FreezeFailed | Evidence::FreezeCut | Evidence::Frozen { filesystems: 0 } => {
            (Consistency::Crash, Some(Code::FreezeFailed))
        }
        Evidence::Frozen { .. } => (Consistency::FileSystem, None),
    };
    Label { consistency, warning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(evidence: Evidence, consistency: Consistency, warning: Option<Code>) {
        assert_eq!(label(&evidence), Label { consistency, warning });
    }

    #[test]
    fn only_a_freeze_that_held_makes_a_point_file_system_consistent() {
        check(Evidence::Frozen { filesystems: 1 }, Consistency::FileSystem, None);
        check(Evidence::FreezeCut, Consistency::Crash, Some(Code::FreezeFailed));
        check(Evidence::FreezeFailed, Consistency::Crash, Some(Code::FreezeFailed));
    }

    #[test]
    fn an_agent_that_froze_nothing_proves_nothing() {
        check(Evidence::Frozen { filesystems: 0 }, Consistency::Crash, Some(Code::FreezeFailed));
    }

    #[test]
    fn powered_off_is_crash_consistent_without_a_warning() {
        check(Evidence::PoweredOff, Consistency::Crash, None);
    }

    #[test]
    fn a_missing_agent_is_told() {
        check(Evidence::AgentUnavailable, Consistency::Crash, Some(Code::AgentUnavailable));
    }
}
