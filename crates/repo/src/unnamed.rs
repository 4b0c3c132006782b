//! Files without a name: nobody sees them, and they go with their last descriptor unless they get
//! one. So a file that must be whole is whole before it is there, and nothing is left of one that
//! never was.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// Makes an empty file, mode 0600. Not every file system can.
pub(crate) fn create(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Gives a file of [`create`] a name, unless there is something of that name.
pub(crate) fn link(file: &File, path: &Path) -> io::Result<()> {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, source, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}
