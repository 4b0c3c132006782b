//! Waiting for something to become true, never longer than said.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often to look.
const STEP: Duration = Duration::from_millis(50);

/// Calls `look` until it finds something; an error that names `what` after `limit`.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begin.elapsed() > limit {
            bail!("waited {limit:?} in vain: {what}");
        }
        sleep(STEP);
    }
}
