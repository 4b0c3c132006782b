//! What nested values look like inside a JSON column: private rows, and the way to the nouns and
//! back. Unknown fields are ignored; an unknown name of a code or a status is an error.

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::item::{Chain, ChainDisk, Deletion, DiskSelection, LastBackup};
use model::job::{DiskProgress, Status, Task};
use model::point::{PointDisk, PointId};
use model::tags::Tags;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

mod policy;

/// A value in a JSON column that means nothing to this program.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    #[error("unknown status '{name}'")]
    Status { name: String },
    #[error("unknown error code '{name}'")]
    Code { name: String },
    #[error("{number} is not a recovery point's id")]
    Point { number: u64 },
    #[error("{number} is not a day of the week from 1 (Monday) to 7")]
    Weekday { number: i8 },
    #[error("{number} is not a day of a month, nor 0 for its last")]
    MonthDay { number: u8 },
    #[error("{number} is not a month from 1 to 12")]
    Month { number: u8 },
    #[error("'{text}' is not a time")]
    Time { text: String },
    #[error("'{text}' is not an item's id")]
    Item { text: String },
    #[error("unknown setting '{name}'")]
    Setting { name: String },
}

/// A value that is kept inside a JSON column.
pub(super) trait Nested: Sized {
    /// Its form in JSON.
    type Row: Serialize + DeserializeOwned;

    fn to_row(&self) -> Self::Row;
    fn from_row(row: Self::Row) -> Result<Self, Unknown>;
}

impl<T: Nested> Nested for Vec<T> {
    type Row = Vec<T::Row>;

    fn to_row(&self) -> Self::Row {
        self.iter().map(T::to_row).collect()
    }

    fn from_row(row: Self::Row) -> Result<Self, Unknown> {
        row.into_iter().map(T::from_row).collect()
    }
}

impl<T: Nested> Nested for Option<T> {
    type Row = Option<T::Row>;

    fn to_row(&self) -> Self::Row {
        self.as_ref().map(T::to_row)
    }

    fn from_row(row: Self::Row) -> Result<Self, Unknown> {
        row.map(T::from_row).transpose()
    }
}

/// A fact about a job: its name and its value.
impl Nested for (String, String) {
    type Row = (String, String);

    fn to_row(&self) -> Self::Row {
        self.clone()
    }

    fn from_row(row: Self::Row) -> Result<Self, Unknown> {
        Ok(row)
    }
}

impl Nested for Tags {
    type Row = Self;

    fn to_row(&self) -> Self {
        self.clone()
    }

    fn from_row(row: Self) -> Result<Self, Unknown> {
        Ok(row)
    }
}

impl Nested for Status {
    type Row = String;

    fn to_row(&self) -> String {
        self.azure_name().to_owned()
    }

    fn from_row(name: String) -> Result<Self, Unknown> {
        Self::from_azure_name(&name).ok_or(Unknown::Status { name })
    }
}

impl Nested for Timestamp {
    type Row = String;

    fn to_row(&self) -> String {
        self.to_string()
    }

    fn from_row(text: String) -> Result<Self, Unknown> {
        text.parse().map_err(|_| Unknown::Time { text })
    }
}

impl Nested for PointId {
    type Row = u64;

    fn to_row(&self) -> u64 {
        self.get()
    }

    fn from_row(number: u64) -> Result<Self, Unknown> {
        Self::new(number).ok_or(Unknown::Point { number })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct FaultRow {
    code: String,
    message: String,
}

impl Nested for Fault {
    type Row = FaultRow;

    fn to_row(&self) -> FaultRow {
        FaultRow { code: self.code.name().to_owned(), message: self.message.clone() }
    }

    fn from_row(row: FaultRow) -> Result<Self, Unknown> {
        let code = Code::from_name(&row.code).ok_or(Unknown::Code { name: row.code })?;
        Ok(Self { code, message: row.message })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct TaskRow {
    name: String,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun_at: <Option<Timestamp> as Nested>::Row,
}

impl Nested for Task {
    type Row = TaskRow;

    fn to_row(&self) -> TaskRow {
        let (name, status) = (self.name.clone(), self.status.to_row());
        TaskRow { name, status, begun_at: self.begun_at.to_row() }
    }

    fn from_row(row: TaskRow) -> Result<Self, Unknown> {
        let status = Status::from_row(row.status)?;
        Ok(Self { name: row.name, status, begun_at: Option::from_row(row.begun_at)? })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DiskProgressRow {
    target: String,
    method: String,
    total_bytes: u64,
    done_bytes: u64,
    #[serde(default)]
    scanned_bytes: u64,
    #[serde(default)]
    changed_bytes: u64,
    new_bytes: u64,
    stored_bytes: u64,
}

impl Nested for DiskProgress {
    type Row = DiskProgressRow;

    fn to_row(&self) -> DiskProgressRow {
        DiskProgressRow {
            target: self.target.clone(),
            method: self.method.clone(),
            total_bytes: self.total_bytes,
            done_bytes: self.done_bytes,
            scanned_bytes: self.scanned_bytes,
            changed_bytes: self.changed_bytes,
            new_bytes: self.new_bytes,
            stored_bytes: self.stored_bytes,
        }
    }

    fn from_row(row: DiskProgressRow) -> Result<Self, Unknown> {
        Ok(Self {
            target: row.target,
            method: row.method,
            total_bytes: row.total_bytes,
            done_bytes: row.done_bytes,
            scanned_bytes: row.scanned_bytes,
            changed_bytes: row.changed_bytes,
            new_bytes: row.new_bytes,
            stored_bytes: row.stored_bytes,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct DeletionRow {
    at: String,
    until: String,
    #[serde(default)]
    purging: bool,
}

impl Nested for Deletion {
    type Row = DeletionRow;

    fn to_row(&self) -> DeletionRow {
        DeletionRow { at: self.at.to_row(), until: self.until.to_row(), purging: self.purging }
    }

    fn from_row(row: DeletionRow) -> Result<Self, Unknown> {
        let (at, until) = (Timestamp::from_row(row.at)?, Timestamp::from_row(row.until)?);
        Ok(Self { at, until, purging: row.purging })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum DiskSelectionRow {
    All,
    Only(Vec<u32>),
    Except(Vec<u32>),
}

impl Nested for DiskSelection {
    type Row = DiskSelectionRow;

    fn to_row(&self) -> DiskSelectionRow {
        match self {
            Self::All => DiskSelectionRow::All,
            Self::Only(luns) => DiskSelectionRow::Only(luns.clone()),
            Self::Except(luns) => DiskSelectionRow::Except(luns.clone()),
        }
    }

    fn from_row(row: DiskSelectionRow) -> Result<Self, Unknown> {
        Ok(match row {
            DiskSelectionRow::All => Self::All,
            DiskSelectionRow::Only(luns) => Self::Only(luns),
            DiskSelectionRow::Except(luns) => Self::Except(luns),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct LastBackupRow {
    status: String,
    at: String,
    error: Option<FaultRow>,
}

impl Nested for LastBackup {
    type Row = LastBackupRow;

    fn to_row(&self) -> LastBackupRow {
        LastBackupRow {
            status: self.status.to_row(),
            at: self.at.to_row(),
            error: self.error.to_row(),
        }
    }

    fn from_row(row: LastBackupRow) -> Result<Self, Unknown> {
        Ok(Self {
            status: Status::from_row(row.status)?,
            at: Timestamp::from_row(row.at)?,
            error: Option::from_row(row.error)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct ChainRow {
    point: u64,
    checkpoint: String,
    disks: Vec<ChainDiskRow>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ChainDiskRow {
    target: String,
    size: u64,
    source: String,
    serial: Option<String>,
}

impl Nested for Chain {
    type Row = ChainRow;

    fn to_row(&self) -> ChainRow {
        let disk = |disk: &ChainDisk| ChainDiskRow {
            target: disk.target.clone(),
            size: disk.size,
            source: disk.source.clone(),
            serial: disk.serial.clone(),
        };
        ChainRow {
            point: self.point.to_row(),
            checkpoint: self.checkpoint.clone(),
            disks: self.disks.iter().map(disk).collect(),
        }
    }

    fn from_row(row: ChainRow) -> Result<Self, Unknown> {
        let disk = |disk: ChainDiskRow| ChainDisk {
            target: disk.target,
            size: disk.size,
            source: disk.source,
            serial: disk.serial,
        };
        Ok(Self {
            point: PointId::from_row(row.point)?,
            checkpoint: row.checkpoint,
            disks: row.disks.into_iter().map(disk).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct PointDiskRow {
    target: String,
    size: u64,
}

impl Nested for PointDisk {
    type Row = PointDiskRow;

    fn to_row(&self) -> PointDiskRow {
        PointDiskRow { target: self.target.clone(), size: self.size }
    }

    fn from_row(row: PointDiskRow) -> Result<Self, Unknown> {
        Ok(Self { target: row.target, size: row.size })
    }
}
