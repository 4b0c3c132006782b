//! `holdfast`: the service, and the command line that speaks to it.
//!
//! Every command but `serve` and `repo` is a client of the same API that everybody else uses; there
//! is no private door. [`app`] is the program without its surroundings, so that tests can run it.

mod app;
mod args;
mod client;
mod commands;
mod credentials;
mod failure;
mod find;
mod output;
mod progress;
mod text;

use std::io::{self, ErrorKind, IsTerminal};
use std::process::ExitCode;

use crate::app::World;
use crate::failure::Exit;

fn main() -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("nobody has chosen a provider before main");
    let world = World {
        connect: &app::over_https,
        pause: std::thread::sleep,
        watched: io::stderr().is_terminal(),
    };
    // Not locked: the service and its jobs may write to stderr from other threads.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match app::run(std::env::args_os(), &world, &mut out, &mut err) {
        Ok(exit) => ExitCode::from(exit as u8),
        // Whoever read our output has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(Exit::Done as u8),
        Err(_) => ExitCode::from(Exit::Failed as u8),
    }
}
