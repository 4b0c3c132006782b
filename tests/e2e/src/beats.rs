//! The guest's heart: a process in it that writes to its file system and tells the console after
//! each write. While the file system is frozen, it is silent.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::guest::Guest;
use crate::wait::until;

/// A running heartbeat.
pub struct Beats<'a> {
    guest: &'a Guest,
}

impl<'a> Beats<'a> {
    /// Starts the heartbeat and waits for its first beat.
    pub fn start(guest: &'a Guest) -> Result<Beats<'a>> {
        guest.spawn("heartbeat /srv/heartbeat")?;
        let beats = Beats { guest };
        beats.wait_for_next(Duration::from_secs(20)).context("the first beat")?;
        Ok(beats)
    }

    /// The number of the last beat; 0 before the first.
    pub fn count(&self) -> Result<u64> {
        let console = fs::read(&self.guest.console)
            .with_context(|| format!("cannot read {}", self.guest.console.display()))?;
        let console = String::from_utf8_lossy(&console);
        // The last line may be half written.
        let whole = console.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let number = |line: &str| line.strip_prefix("BEAT ")?.split(' ').next()?.parse().ok();
        Ok(whole.lines().rev().find_map(number).unwrap_or(0))
    }

    /// How long it took until the guest had written twice more: once may already have been under
    /// way. An error after `limit`.
    pub fn wait_for_next(&self, limit: Duration) -> Result<Duration> {
        let (begin, before) = (Instant::now(), self.count()?);
        let written = || Ok((self.count()? >= before + 2).then_some(()));
        until("the guest writes", limit, written)?;
        Ok(begin.elapsed())
    }
}
