//! Looks at many objects with several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::RepoError;

/// The most workers; each holds one object.
const WORKERS_MAX: usize = 8;

/// Does `work` for every item, on several threads and in no order, and gives each outcome to `done`
/// on this one. What `tools` makes is each thread's own. Stops at the first error of `done`. Holds
/// one outcome per worker at most.
pub(crate) fn for_each<T: Sync, R: Send, U>(
    items: &[T],
    tools: impl Fn() -> U + Sync,
    work: impl Fn(&mut U, &T) -> R + Sync,
    mut done: impl FnMut(&T, R) -> Result<(), RepoError>,
) -> Result<(), RepoError> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (outcomes, results) = crossbeam_channel::bounded(workers);
        for _ in 0..workers.min(items.len()) {
            let (outcomes, next, tools, work) = (outcomes.clone(), &next, &tools, &work);
            scope.spawn(move || {
                let mut tools = tools();
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if outcomes.send((item, work(&mut tools, item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(outcomes);
        for (item, outcome) in results {
            done(item, outcome)?;
        }
        Ok(())
    })
}
