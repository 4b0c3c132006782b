//! The engine's tasks, carried out one by one, in an order that chance decides.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use engine::Engine;
use engine::tasks::{Tasks, Work};
use jiff::SignedDuration;

use crate::chance::Chance;
use crate::clock::SimClock;
use crate::process::Process;

/// Tasks that wait to be carried out.
pub struct Queue {
    waiting: Mutex<Vec<Work>>,
    begun: AtomicU64,
    clock: Arc<SimClock>,
    process: Arc<Process>,
    engine: Mutex<Weak<Engine>>,
}

impl Queue {
    /// An empty queue.
    pub fn new(clock: Arc<SimClock>, process: Arc<Process>) -> Self {
        let (waiting, begun) = (Mutex::default(), AtomicU64::new(0));
        Self { waiting, begun, clock, process, engine: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Work>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose tasks these are.
    pub fn serves(&self, engine: &Arc<Engine>) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(engine);
    }

    /// How many were begun so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Carries out one of them; whether there was one.
    pub fn run_one(&self, chance: &mut Chance) -> bool {
        let mut waiting = self.lock();
        if waiting.is_empty() {
            return false;
        }
        let at = chance.place(waiting.len());
        let work = waiting.remove(at);
        drop(waiting);
        work();
        true
    }

    /// Drops all of them: their process is gone.
    pub fn clear(&self) {
        let dropped = std::mem::take(&mut *self.lock());
        drop(dropped);
    }
}

impl Tasks for Queue {
    fn start(&self, _: &str, work: Work) -> io::Result<()> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.lock().push(work);
        Ok(())
    }

    fn start_loop(&self, _: &str, _: Work) -> io::Result<()> {
        // Engine::turn is called instead.
        Ok(())
    }

    fn pause(&self, time: Duration) {
        self.clock.pass(SignedDuration::try_from(time).unwrap_or(SignedDuration::ZERO));
        if !self.process.is_alive() {
            // Nobody waits in a process that is gone.
            let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
            if let Some(engine) = engine {
                engine.shutdown();
            }
        }
    }
}
