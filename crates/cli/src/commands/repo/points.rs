//! `holdfast repo list` and `holdfast repo forget`.

use model::point::PointId;
use repo::PointInfo;
use serde_json::{Value, json};

use super::faults::OrFailure;
use super::place::Place;
use crate::failure::Failure;
use crate::output::{Column, Reply, table};
use crate::text;

/// Which repository.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// Only the points of this item
    #[arg(long, value_name = "NAME")]
    item: Option<String>,
}

impl List {
    /// Carries the command out.
    pub fn run(self) -> Result<Reply, Failure> {
        let mut points = self.place.open()?.points().or_failure()?;
        points.retain(|point| self.item.as_ref().is_none_or(|item| point.item == *item));
        points.sort_by_key(|point| (point.taken_at, point.id));
        points.reverse();
        let columns = [
            Column::Text("Point"),
            Column::Text("Item"),
            Column::Text("Taken"),
            Column::Number("Size"),
            Column::Number("Read"),
            Column::Number("New"),
            Column::Number("Stored"),
        ];
        let row = |point: &PointInfo| {
            let stats = &point.stats;
            let sizes =
                [stats.logical_bytes, stats.read_bytes, stats.new_bytes, stats.stored_bytes];
            let taken = text::time(&point.taken_at.to_string());
            let mut row = vec![point.id.to_string(), point.item.clone(), taken];
            row.extend(sizes.map(text::bytes));
            row
        };
        let rows = points.iter().map(row).collect();
        let human = table(&columns, rows, "The repository holds no recovery point.");
        Ok(Reply::done(points.iter().map(document).collect(), human))
    }
}

/// A point, as `--json` tells it.
fn document(point: &PointInfo) -> Value {
    json!({
        "point": point.id.to_string(),
        "item": point.item,
        "parent": point.parent.map(|parent| parent.to_string()),
        "takenAt": point.taken_at.to_string(),
        "committedAt": point.committed_at.to_string(),
        "logicalBytes": point.stats.logical_bytes,
        "readBytes": point.stats.read_bytes,
        "newBytes": point.stats.new_bytes,
        "storedBytes": point.stats.stored_bytes,
    })
}

/// Which point.
#[derive(Debug, clap::Args)]
pub struct Forget {
    /// The repository.
    #[command(flatten)]
    place: Place,
    /// The recovery point
    point: PointId,
}

impl Forget {
    /// Carries the command out.
    pub fn run(self) -> Result<Reply, Failure> {
        self.place.open()?.forget(self.point).or_failure()?;
        let human = format!("The recovery point {} is given up.", self.point);
        Ok(Reply::done(json!({"forgotten": self.point.to_string()}), human))
    }
}
