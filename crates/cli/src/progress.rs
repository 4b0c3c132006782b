//! Progress bars on stderr, for people who watch a terminal; nothing otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the spinner turns while nothing else moves.
const TURN_EVERY: Duration = Duration::from_millis(120);

const TEMPLATE: &str =
    "{spinner} {msg:28} [{bar:32}] {bytes:>10} / {total_bytes:<10} {percent:>3} % {eta:>4}";

/// One bar, of bytes. Cheap to set often.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar that is drawn where `watched`.
    pub fn new(watched: bool) -> Self {
        let target = match watched {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template(TEMPLATE).expect("the template is well-formed");
        bar.set_style(style.progress_chars("━╸ "));
        if watched {
            bar.enable_steady_tick(TURN_EVERY);
        }
        Self { bar }
    }

    /// Shows that `done` of `total` bytes of `task` are done.
    pub fn set(&self, task: &str, done: u64, total: u64) {
        if self.bar.message() != task {
            self.bar.set_message(task.to_owned());
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_that_nobody_watches_takes_anything() {
        let bar = Bar::new(false);
        for (done, total) in [(0, 0), (5, 3), (u64::MAX, u64::MAX)] {
            bar.set("task", done, total);
        }
        bar.clear();
    }
}
