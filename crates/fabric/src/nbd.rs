//! A network block device client, as far as reading disks needs one.
//!
//! Speaks the fixed newstyle handshake with structured replies over a Unix socket, asks for block
//! status in several contexts at once, and keeps sixteen reads of 256 KiB in flight, which was
//! measured to be as fast as more connections. Blocking; a server that falls silent is given up
//! after a time limit.
//!
//! # Invariants
//!
//! - **N1. The server is not trusted.** Every length is bounded before memory is taken for it,
//!   every reply is held against its request, and nothing a server sends can make this panic.
//! - **N2. Bytes reach the sink in the order they were asked for**, each exactly once, whatever
//!   the order of the replies.
//! - **N3. A connection that went wrong is not used again.**

use std::io;
use std::path::PathBuf;

mod client;
mod read;
mod status;
mod wire;

pub use client::{Client, Options};

/// The context that says which ranges hold data.
pub const ALLOCATION: &str = "base:allocation";

/// The context of a dirty bitmap.
pub fn dirty_bitmap(name: &str) -> String {
    format!("qemu:dirty-bitmap:{name}")
}

/// Why a disk could not be read from a server.
#[derive(Debug, thiserror::Error)]
pub enum NbdError {
    /// There is no server at the socket.
    #[error("no connection to {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection failed.
    #[error("the connection failed while {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The server did not answer in time.
    #[error("the server fell silent while {doing}")]
    Silent {
        /// What was being done.
        doing: &'static str,
    },
    /// The server does not offer what is needed.
    #[error("the server refused {what}: {message}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The server's text, or its number.
        message: String,
    },
    /// The server does not know a context, such as a dirty bitmap.
    #[error("the server has no context {name}")]
    NoContext {
        /// The context's name.
        name: String,
    },
    /// The server could not do what a request asked for.
    #[error("the server failed with error {errno} at offset {offset}: {message}")]
    Server {
        /// The protocol's error number.
        errno: u32,
        /// Where on the disk.
        offset: u64,
        /// The server's text.
        message: String,
    },
    /// The server broke the protocol.
    #[error("the server broke the protocol: {message}")]
    Protocol {
        /// How.
        message: String,
    },
    /// The caller asked for a range that is not on the disk, or not in order.
    #[error("a range from {start} to {end} is outside the disk of {size} bytes or out of order")]
    Range {
        /// The range's first byte.
        start: u64,
        /// The byte behind its last.
        end: u64,
        /// The disk's size.
        size: u64,
    },
    /// An earlier failure made the connection useless.
    #[error("the connection is of no use after an earlier failure")]
    Broken,
}

impl NbdError {
    fn io(doing: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent { doing },
            _ => Self::Io { doing, source },
        }
    }

    fn protocol(message: impl Into<String>) -> Self {
        Self::Protocol { message: message.into() }
    }
}

#[cfg(test)]
mod tests;
