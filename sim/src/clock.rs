//! A clock that stands still unless it is asked or set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use model::clock::Clock;

/// A clock that goes on by a millisecond whenever it is asked. In milliseconds: what it shows, and
/// the latest moment that it ever showed.
#[derive(Debug)]
pub struct SimClock(AtomicI64, AtomicI64);

impl SimClock {
    /// A clock that shows this moment.
    pub fn new(at: Timestamp) -> Self {
        let at = at.as_millisecond();
        Self(AtomicI64::new(at), AtomicI64::new(at))
    }

    /// What it shows; it does not go on.
    pub fn shows(&self) -> Timestamp {
        moment(self.0.load(Ordering::SeqCst))
    }

    /// The latest moment that it ever showed.
    pub fn latest(&self) -> Timestamp {
        let shown = self.0.load(Ordering::SeqCst);
        moment(self.1.fetch_max(shown, Ordering::SeqCst).max(shown))
    }

    /// Lets time pass; backwards, where it is negative.
    pub fn pass(&self, time: SignedDuration) {
        self.latest();
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap_or(0), Ordering::SeqCst);
    }

    /// Sets it forward to this moment, if that is still to come.
    pub fn reach(&self, at: Timestamp) {
        self.0.fetch_max(at.as_millisecond(), Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        moment(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn moment(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The clock as a defect shows it: now and then, one answer is months ahead.
pub struct LyingClock {
    clock: Arc<SimClock>,
    asked: AtomicI64,
}

impl LyingClock {
    /// Lies about this clock.
    pub fn new(clock: Arc<SimClock>) -> Self {
        Self { clock, asked: AtomicI64::new(0) }
    }
}

impl Clock for LyingClock {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        if asked % 1009 == 1008 { now + SignedDuration::from_hours(24 * 100) } else { now }
    }
}
