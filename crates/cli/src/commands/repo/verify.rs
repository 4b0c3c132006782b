//! `holdfast repo verify`.

use std::str::FromStr;

use model::point::PointId;
use repo::{DamagedObject, LogHead, RepoError, VerifyOptions};
use serde_json::{Value, json};

use super::faults::OrFailure;
use super::place::Place;
use super::watch::Watch;
use crate::failure::{Exit, Failure};
use crate::output::{Reply, blocks, facts};
use crate::text::{self, printable};

/// How to verify.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// Read the data too: all packs, or a share of them
    #[arg(
        long,
        value_name = "N%",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100%"
    )]
    read_data: Option<Share>,
    /// Write what is found into the repository's log, so that no backup builds on it
    #[arg(long)]
    record: bool,
    /// The log must still have this newest entry of an earlier run, kept outside the store: that
    /// alone shows whether entries were removed since
    #[arg(long, value_name = "NUMBER:HASH")]
    log_head: Option<LogHead>,
}

/// A share of the packs, in percent, from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share(u8);

/// The text is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a share is a number of percent from 1% to 100%")]
struct NotAShare;

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let number = text.strip_suffix('%').unwrap_or(text).parse().map_err(|_| NotAShare)?;
        if (1..=100).contains(&number) { Ok(Self(number)) } else { Err(NotAShare) }
    }
}

impl Args {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let repository = self.place.open()?;
        let read_data = self.read_data.map(|share| share.0);
        let options = VerifyOptions { read_data, record: self.record };
        let watch = Watch::new("verify", watched)?;
        let verified = repository.verify(&options, &watch).or_failure();
        watch.done();
        let mut report = verified?;
        if let Some(head) = self.log_head {
            match repository.check_log_head(&head) {
                Err(RepoError::Damaged { kind, name, reason }) => {
                    report.damaged.push(DamagedObject { kind, name, reason, points: Vec::new() });
                }
                checked => checked.or_failure()?,
            }
        }
        let head = report.log_head.map(|head| head.to_string());
        let points: Vec<String> = report.points_hit.iter().map(PointId::to_string).collect();
        let document = json!({
            "damaged": report.damaged.iter().map(damaged).collect::<Value>(),
            "pointsHit": points,
            "pointsChecked": report.points_checked,
            "logEntries": report.log_entries,
            "logHead": head,
            "packsKnown": report.packs_known,
            "packsRead": report.packs_read,
            "bytesRead": report.bytes_read,
        });
        let told = facts(&[
            ("Points checked", report.points_checked.to_string()),
            ("Packs read", format!("{} of {}", report.packs_read, report.packs_known)),
            ("Bytes read", text::bytes(report.bytes_read)),
            ("Newest log entry", head.unwrap_or_default()),
            ("Points hit", points.join(", ")),
        ]);
        let lines: Vec<String> = report.damaged.iter().map(line).collect();
        let verdict = match lines.len() {
            0 => "No damage was found.".to_owned(),
            count => format!("DAMAGED: {count} objects."),
        };
        let reply = Reply::done(document, blocks(&[told, lines.join("\n"), verdict]));
        Ok(match report.damaged.is_empty() {
            true => reply,
            false => Reply { exit: Exit::Damaged, ..reply },
        })
    }
}

pub(super) fn points(object: &DamagedObject) -> Vec<String> {
    object.points.iter().map(PointId::to_string).collect()
}

pub(super) fn damaged(object: &DamagedObject) -> Value {
    json!({
        "kind": object.kind.to_string(),
        "name": object.name,
        "reason": object.reason,
        "points": points(object),
    })
}

pub(super) fn line(object: &DamagedObject) -> String {
    let needed = match points(object) {
        none if none.is_empty() => "no point needs it".to_owned(),
        points => format!("needed by {}", points.join(", ")),
    };
    let (name, reason) = (printable(&object.name), printable(&object.reason));
    format!("{} {name}: {reason} ({needed})", object.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_in_percent() {
        for (text, share) in [
            ("1%", Ok(Share(1))),
            ("100", Ok(Share(100))),
            ("0%", Err(NotAShare)),
            ("101%", Err(NotAShare)),
            ("-5%", Err(NotAShare)),
            ("%", Err(NotAShare)),
            ("5%%", Err(NotAShare)),
        ] {
            assert_eq!(text.parse(), share, "{text}");
        }
    }
}
