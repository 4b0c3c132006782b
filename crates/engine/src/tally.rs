//! What jobs came to since the service started: counted as they end. Whoever needs more than that
//! keeps what it has read: counters begin at zero with every start.
//!
//! The `Mutex` guards the counts; nothing is called while it is held.

use std::collections::BTreeMap;
use std::sync::Mutex;

use model::job::{Job, Operation, Status};

/// Upper ends of the steps in which durations are counted, in seconds: from ten seconds to a day.
pub const STEPS_S: [u32; 11] = [10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400];

/// What ended jobs came to. Operations and statuses go by Azure's names. Every operation is there
/// from the beginning, with zeros: who looks at growth would miss the first job of each otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Jobs, by operation and status.
    pub ended: BTreeMap<(&'static str, &'static str), u64>,
    /// How long they took, by operation.
    pub durations: BTreeMap<&'static str, Durations>,
    /// What they moved, by operation.
    pub moved: BTreeMap<&'static str, Moved>,
}

impl Default for Counts {
    fn default() -> Self {
        let names = || Operation::ALL.into_iter().map(Operation::azure_name);
        let ends = || Status::ALL.into_iter().filter(|status| status.has_ended());
        Self {
            ended: names()
                .flat_map(|name| ends().map(move |end| ((name, end.azure_name()), 0)))
                .collect(),
            durations: names().map(|name| (name, Durations::default())).collect(),
            moved: names().map(|name| (name, Moved::default())).collect(),
        }
    }
}

/// How long jobs took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    /// How many took at most as long as the step of [`STEPS_S`], and longer than the one before it.
    pub steps: [u64; STEPS_S.len()],
    /// How many there were.
    pub count: u64,
    /// How long they took together, in seconds.
    pub sum_s: f64,
}

/// What jobs moved, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Read from disks, or written to them.
    pub done: u64,
    /// Of them, those that the repository did not hold before.
    pub new: u64,
    /// Added to the store for them.
    pub stored: u64,
}

/// Counts jobs as they end.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

impl Tally {
    /// Counts a job that has ended.
    pub(crate) fn count(&self, job: &Job) {
        let operation = job.operation.azure_name();
        let took = job
            .ended_at
            .map_or(0.0, |ended| ended.duration_since(job.started_at).as_secs_f64().max(0.0));
        let mut counts = self.0.lock().expect("nothing panics while it holds the counts");
        *counts.ended.entry((operation, job.status.azure_name())).or_default() += 1;
        counts.durations.entry(operation).or_default().add(took);
        let moved = counts.moved.entry(operation).or_default();
        for disk in &job.disks {
            moved.done = moved.done.saturating_add(disk.done_bytes);
            moved.new = moved.new.saturating_add(disk.new_bytes);
            moved.stored = moved.stored.saturating_add(disk.stored_bytes);
        }
    }

    /// What was counted.
    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().expect("nothing panics while it holds the counts").clone()
    }
}

impl Durations {
    fn add(&mut self, took_s: f64) {
        self.count += 1;
        self.sum_s += took_s;
        if let Some(step) = STEPS_S.iter().position(|end| took_s <= f64::from(*end)) {
            self.steps[step] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_step_that_holds_it() {
        let mut durations = Durations::default();
        for took in [0.0, 10.0, 10.5, 86_400.0, 86_401.0] {
            durations.add(took);
        }
        let mut steps = [0; STEPS_S.len()];
        (steps[0], steps[1], steps[10]) = (2, 1, 1);
        assert_eq!((durations.steps, durations.count), (steps, 5), "the longest is in no step");
        assert_eq!(durations.sum_s, 172_821.5);
    }
}
