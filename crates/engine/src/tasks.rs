//! Where the engine's work runs: the one place that starts threads and sleeps.
//!
//! There are two kinds of work. A *task* is begun once and comes to an end: a job, an errand. A
//! *loop* lives as long as the engine and does the same thing round after round: it looks at a
//! host, starts what is due. What a round does is an ordinary function of the world, a *turn*, and
//! [`Engine::turn`](crate::Engine::turn) calls every one of them: whoever drives an engine by hand,
//! as the simulator does, lets no loop run, calls that instead, and decides when a task is carried
//! out. So a new loop has a line there, and asks the clock what is due, not how long it waited.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::world::World;

/// Work that somebody else carries out.
pub type Work = Box<dyn FnOnce() + Send>;

/// Carries out the engine's work.
pub trait Tasks: Send + Sync {
    /// Carries out `work` beside everything else, some time soon.
    ///
    /// # Errors
    ///
    /// It cannot be started, and was dropped.
    fn start(&self, name: &str, work: Work) -> io::Result<()>;

    /// Carries out a loop beside everything else. Who calls
    /// [`Engine::turn`](crate::Engine::turn) in its place may drop it.
    ///
    /// # Errors
    ///
    /// It cannot be started, and was dropped.
    fn start_loop(&self, name: &str, work: Work) -> io::Result<()>;

    /// Lets time pass before the caller goes on.
    fn pause(&self, time: Duration);
}

/// A thread for each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Threads;

impl Tasks for Threads {
    fn start(&self, name: &str, work: Work) -> io::Result<()> {
        thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
    }

    fn start_loop(&self, name: &str, work: Work) -> io::Result<()> {
        self.start(name, work)
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// Calls `turn` now and then every `pause`, in a loop that ends with the engine. For what must be
/// done again and again and waits for nothing else. `turn` itself asks the clock what is due, and
/// has its line in [`Engine::turn`](crate::Engine::turn).
pub(crate) fn every(world: &Arc<World>, name: &str, pause: Duration, turn: fn(&Arc<World>)) {
    let tasks = Arc::clone(&world.tasks);
    rounds(world, name, turn, move || {
        tasks.pause(pause);
        true
    });
}

/// As [`every`], and at once when it rings.
pub(crate) fn every_and_at(
    world: &Arc<World>,
    name: &str,
    rings: Receiver<()>,
    pause: Duration,
    turn: fn(&Arc<World>),
) {
    rounds(world, name, turn, move || {
        rings.recv_timeout(pause) != Err(RecvTimeoutError::Disconnected)
    });
}

/// Calls `turn` for as long as the engine runs and `wait` says so.
fn rounds(
    world: &Arc<World>,
    name: &str,
    turn: fn(&Arc<World>),
    wait: impl Fn() -> bool + Send + 'static,
) {
    let weak = Arc::downgrade(world);
    let work = move || {
        while let Some(world) = weak.upgrade().filter(|world| !world.board.is_stopping()) {
            turn(&world);
            // Whoever waits does not keep the engine.
            drop(world);
            if !wait() {
                return;
            }
        }
    };
    if let Err(error) = world.tasks.start_loop(name, Box::new(work)) {
        tracing::error!(name, %error, "no thread: this will not be done");
    }
}
