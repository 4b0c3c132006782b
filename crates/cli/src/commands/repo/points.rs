//! `holdfast repo list` and `holdfast repo forget`.

use model::point::PointId;
use repo::{PointInfo, PointSpace, Repository, SpaceReport};
use serde_json::{Value, json};

use super::faults::OrFailure;
use super::place::Place;
use super::watch::Watch;
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
    /// Also say what each point alone needs, and deleting it would free. It reads all maps
    #[arg(long)]
    space: bool,
}

impl List {
    /// Carries the command out.
    pub fn run(self, watched: bool) -> Result<Reply, Failure> {
        let repository = self.place.open()?;
        let mut points = repository.points().or_failure()?;
        let space = if self.space { Some(space_of(&repository, watched)?) } else { None };
        let alone = |point: &PointInfo| {
            // One that was committed since is not in the report.
            space.as_ref().map(|space| space.points.get(&point.id).copied().unwrap_or_default())
        };
        points.retain(|point| self.item.as_ref().is_none_or(|item| point.item == *item));
        points.sort_by_key(|point| (point.taken_at, point.id));
        points.reverse();
        let mut columns = vec![
            Column::Text("Point"),
            Column::Text("Item"),
            Column::Text("Taken"),
            Column::Number("Size"),
            Column::Number("Read"),
            Column::Number("New"),
            Column::Number("Stored"),
        ];
        if self.space {
            columns.extend([Column::Number("Unique"), Column::Number("Frees")]);
        }
        let row = |point: &PointInfo| {
            let stats = &point.stats;
            let sizes =
                [stats.logical_bytes, stats.read_bytes, stats.new_bytes, stats.stored_bytes];
            let taken = text::time(&point.taken_at.to_string());
            let mut row = vec![point.id.to_string(), point.item.clone(), taken];
            row.extend(sizes.map(text::bytes));
            let alone = alone(point);
            row.extend(alone.iter().flat_map(|a| [a.unique_bytes, a.frees_bytes]).map(text::bytes));
            row
        };
        let rows = points.iter().map(row).collect();
        let human = table(&columns, rows, "The repository holds no recovery point.");
        let documents = points.iter().map(|point| document(point, alone(point))).collect();
        Ok(Reply::done(documents, human))
    }
}

/// Walks all maps, and shows how far that is.
pub fn space_of(repository: &Repository, watched: bool) -> Result<SpaceReport, Failure> {
    let watch = Watch::new("reading maps", watched)?;
    let space = repository.space(&watch);
    watch.done();
    space.or_failure()
}

/// A point, as `--json` tells it.
fn document(point: &PointInfo, alone: Option<PointSpace>) -> Value {
    let mut document = json!({
        "point": point.id.to_string(),
        "item": point.item,
        "parent": point.parent.map(|parent| parent.to_string()),
        "takenAt": point.taken_at.to_string(),
        "committedAt": point.committed_at.to_string(),
        "logicalBytes": point.stats.logical_bytes,
        "readBytes": point.stats.read_bytes,
        "newBytes": point.stats.new_bytes,
        "storedBytes": point.stats.stored_bytes,
    });
    if let Some(alone) = alone {
        document["uniqueBytes"] = json!(alone.unique_bytes);
        document["freesBytes"] = json!(alone.frees_bytes);
    }
    document
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
