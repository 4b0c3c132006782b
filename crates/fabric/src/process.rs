//! Programs of QEMU's that must not outlive us.
//!
//! The kernel can end a child when its parent goes away, but it means the *thread* that started
//! it. So all such children are started by one thread that lives as long as the process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::thread;

use crossbeam_channel::{Sender, bounded, unbounded};
use rustix::process::{Signal, set_parent_process_death_signal};

type Order = (Command, Sender<io::Result<Child>>);

/// Starts `command`; the child is killed when this process ends, however it ends.
///
/// # Errors
///
/// As [`Command::spawn`].
pub fn spawn_leashed(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = unbounded::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // SAFETY: between fork and exec this only makes one system call.
                unsafe {
                    command.pre_exec(|| {
                        set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)
                    });
                }
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let gone = || io::Error::other("the thread that starts programs is gone");
    let (answer, child) = bounded(1);
    starter.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}
