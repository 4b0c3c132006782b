//! The program without its surroundings: arguments in, text and an exit code out.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, Command, Global};
use crate::client::https::Https;
use crate::client::{Client, Transport};
use crate::commands::Service;
use crate::credentials;
use crate::failure::{Exit, Failure};
use crate::output::{Reply, print_failure};

/// A connection to a service, and its subscription.
pub type Connection = (Box<dyn Transport>, String);

/// What surrounds the program.
pub struct World<'a> {
    /// Connects to the service that a credentials file names.
    pub connect: &'a dyn Fn(&Path) -> Result<Connection, Failure>,
    /// Waits.
    pub pause: fn(Duration),
    /// Whether a person watches stderr.
    pub watched: bool,
}

/// Connects over HTTPS.
pub fn over_https(credentials: &Path) -> Result<Connection, Failure> {
    let credentials = credentials::read(credentials)?;
    let subscription = credentials.subscription_id.clone();
    Ok((Box::new(Https::new(credentials)?), subscription))
}

/// Runs the program.
///
/// # Errors
///
/// `out` or `err` cannot be written to.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    world: &World<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error, &args, out, err),
    };
    let Cli { global, command } = cli;
    match carry_out(command, &global, world, out) {
        Ok(Outcome::Reply(reply)) => reply.print(global.json, out, err),
        Ok(Outcome::Told(exit)) => Ok(exit),
        Err(failure) => print_failure(&failure, global.json, out, err),
    }
}

/// How a command went that did not fail.
enum Outcome {
    /// It has this to tell.
    Reply(Reply),
    /// It told what it had to tell while it ran.
    Told(Exit),
}

fn carry_out(
    command: Command,
    global: &Global,
    world: &World<'_>,
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let service = || -> Result<Service, Failure> {
        let path = credentials::path(global.credentials.as_deref(), &global.data);
        let (transport, subscription) = (world.connect)(&path)?;
        let client = Client::new(transport, subscription, world.pause);
        Ok(Service { client, watched: world.watched })
    };
    let reply = match command {
        Command::Serve(args) => return args.run(global, out).map(Outcome::Told),
        Command::Repo(command) => command.run(world.watched),
        Command::Status(args) => args.run(&service()?),
        Command::Host(command) => command.run(&service()?),
        Command::Group(command) => command.run(&service()?),
        Command::Store(command) => command.run(&service()?),
        Command::Network(command) => command.run(&service()?),
        Command::Vault(command) => command.run(&service()?),
        Command::Vm(command) => command.run(&service()?),
        Command::Policy(command) => command.run(&service()?),
        Command::Item(command) => command.run(&service()?),
        Command::BackupNow(args) => args.run(&service()?),
        Command::Job(command) => command.run(&service()?),
        Command::Point(command) => command.run(&service()?),
        Command::Restore(command) => command.run(&service()?),
        Command::Retention(command) => command.run(&service()?),
        Command::Principal(command) => command.run(&service()?),
        Command::Role(command) => command.run(&service()?),
        Command::AzLogin(args) => {
            let path = credentials::path(global.credentials.as_deref(), &global.data);
            args.run(&credentials::read(&path)?)
        }
    };
    reply.map(Outcome::Reply)
}

/// Help and versions go to stdout and are no error; everything else is wrong usage.
fn not_parsed(
    error: &clap::Error,
    args: &[OsString],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        write!(out, "{}", error.render())?;
        return Ok(Exit::Done);
    }
    if args.iter().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let failure = Failure::usage(text.trim_end());
        serde_json::to_writer_pretty(&mut *out, &serde_json::json!({"error": failure.to_error()}))?;
        writeln!(out)?;
    }
    write!(err, "{}", error.render())?;
    Ok(Exit::Usage)
}
