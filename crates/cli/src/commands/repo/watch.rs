//! What watches a transfer: the progress bar, and the operator's Ctrl-C.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use repo::{Flow, Progress, Transfer};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::{Exit, Failure, sentence};
use crate::progress::Bar;

/// Shows how far a transfer is. The first SIGINT or SIGTERM ends it in order, a second one ends the
/// process.
pub struct Watch {
    bar: Bar,
    task: String,
    stop: Arc<AtomicBool>,
}

impl Watch {
    /// Watches a task; draws where a person looks on.
    pub fn new(task: impl Into<String>, watched: bool) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let listen = || -> io::Result<()> {
            for signal in [SIGINT, SIGTERM] {
                // In this order: the first signal finds the flag down and only raises it.
                flag::register_conditional_shutdown(signal, Exit::Failed as i32, stop.clone())?;
                flag::register(signal, stop.clone())?;
            }
            Ok(())
        };
        listen().map_err(|error| Failure::usage(sentence(&error)))?;
        Ok(Self { bar: Bar::new(watched), task: task.into(), stop })
    }

    /// Takes the bar off the screen.
    pub fn done(&self) {
        self.bar.clear();
    }
}

impl Progress for Watch {
    fn report(&self, transfer: Transfer) -> Flow {
        self.bar.set(&self.task, transfer.scanned, transfer.total);
        if self.stop.load(Ordering::Relaxed) { Flow::Cancel } else { Flow::Continue }
    }
}
