//! `holdfast repo`: a repository alone. It needs a store and a key, and neither the service nor
//! libvirt; it may run beside the service on a vault's repository.

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Reply;

mod backup;
mod care;
mod copy;
mod faults;
mod init;
mod key;
mod place;
mod points;
mod repair;
mod restore;
mod scrub;
mod secrets;
mod verify;
mod watch;

/// What can be done with a repository.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a repository, and a key file unless there is one or a passphrase is wanted
    Init(init::Init),
    /// Store a disk image as a recovery point
    Backup(backup::Args),
    /// List the recovery points, newest first; `--space` also says what deleting each would free
    List(points::List),
    /// Restore the disks of a recovery point
    Restore(restore::Args),
    /// Check the repository; exit code 4 when damage is found
    Verify(verify::Args),
    /// Check every object without a key; exit code 4 when damage is found
    Scrub(scrub::Args),
    /// Copy a repository verbatim to a second store, without a key
    Copy(copy::Args),
    /// Bring damaged objects back from a copy; exit code 4 when damage is left
    Repair(repair::Args),
    /// Give back the space that no recovery point needs any more
    Collect(care::Collect),
    /// Say what the repository holds, and what deleting points and collecting would free
    Stats(care::Stats),
    /// Say who may open the repository: key files, passphrases, recovery keys
    #[command(subcommand)]
    Key(key::Command),
    /// Give a recovery point up; `collect` deletes what only it needed
    Forget(points::Forget),
}

impl Command {
    /// Carries the command out; progress is drawn on stderr where a person watches.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        match self {
            Self::Init(args) => args.run(),
            Self::Backup(args) => args.run(watched),
            Self::List(args) => args.run(watched),
            Self::Restore(args) => args.run(watched),
            Self::Verify(args) => args.run(watched),
            Self::Scrub(args) => args.run(watched),
            Self::Copy(args) => args.run(watched),
            Self::Repair(args) => args.run(watched),
            Self::Collect(args) => args.run(watched),
            Self::Stats(args) => args.run(watched),
            Self::Key(command) => command.run(),
            Self::Forget(args) => args.run(),
        }
    }
}

#[cfg(test)]
mod tests;
