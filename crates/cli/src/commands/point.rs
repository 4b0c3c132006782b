//! `holdfast point`: recovery points.

use api::arm::point::{Disk, Point};
use clap::Subcommand;

use super::Service;
use crate::args::ItemArg;
use crate::client::{Seen, documents};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, blocks, facts, table};
use crate::text;

/// What can be done with recovery points.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List an item's recovery points, newest first
    List {
        /// The item.
        #[command(flatten)]
        item: ItemArg,
    },
    /// Show a recovery point
    Show {
        /// Its id, or latest
        id: String,
        /// The item.
        #[command(flatten)]
        item: ItemArg,
    },
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::List { item } => list(service, &item),
            Self::Show { id, item } => {
                let (_, item) = find::item(&service.client, &item)?;
                let point = find::point(&service.client, &item.view, &id)?;
                Ok(Reply::done(point.document, describe(&point.view)))
            }
        }
    }
}

fn list(service: &Service, item: &ItemArg) -> Result<Reply, Failure> {
    let (_, item) = find::item(&service.client, item)?;
    let points: Vec<Seen<Point>> =
        service.client.list(&format!("{}/recoveryPoints", item.view.id))?;
    let columns = [
        Column::Text("Point"),
        Column::Text("Taken"),
        Column::Text("Consistency"),
        Column::Number("Size"),
        Column::Number("Read"),
        Column::Number("Stored"),
        Column::Text("Expires"),
    ];
    let row = |point: &Seen<Point>| {
        let (properties, held) = (&point.view.properties, &point.view.properties.holdfast);
        vec![
            point.view.name.clone(),
            text::time(&properties.recovery_point_time),
            properties.recovery_point_type.clone(),
            text::bytes(held.logical_bytes),
            text::bytes(held.read_bytes),
            text::bytes(held.stored_bytes),
            expiry(&point.view),
        ]
    };
    let human =
        table(&columns, points.iter().map(row).collect(), "There is no recovery point yet.");
    Ok(Reply::done(documents(&points), human))
}

/// When retention lets go of it; nothing where no date says so.
fn expiry(point: &Point) -> String {
    let expiry = point.properties.recovery_point_properties.expiry_time.as_deref();
    expiry.map(text::time).unwrap_or_default()
}

fn describe(point: &Point) -> String {
    let (properties, held) = (&point.properties, &point.properties.holdfast);
    let told = facts(&[
        ("Point", point.name.clone()),
        ("Taken", text::time(&properties.recovery_point_time)),
        ("Consistency", properties.recovery_point_type.clone()),
        ("Size", text::bytes(held.logical_bytes)),
        ("Read", text::bytes(held.read_bytes)),
        ("Stored", text::bytes(held.stored_bytes)),
        ("Expires", expiry(point)),
        ("Job", held.job_id.clone()),
    ]);
    let columns = [Column::Text("Disk"), Column::Number("Size")];
    let row = |disk: &Disk| vec![disk.target.clone(), text::bytes(disk.size)];
    blocks(&[told, table(&columns, held.disks.iter().map(row).collect(), "It has no disks.")])
}
