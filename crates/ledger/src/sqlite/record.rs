//! Reading and writing single records: columns in, nouns out, and `Damaged` where a column holds
//! what it cannot hold.

use jiff::Timestamp;
use model::point::PointId;
use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, Params, Row};
use uuid::Uuid;

use super::failed;
use super::json::Nested;
use crate::port::LedgerError;

/// A noun that is kept as a row of its own.
pub(super) trait Stored: Sized {
    /// The table.
    const TABLE: &'static str;
    /// The column that names a row to the operator.
    const KEY: &'static str;

    /// Reads the noun from its row.
    fn read(record: &Record<'_>) -> Result<Self, LedgerError>;
}

/// The rows that `sql` selects.
pub(super) fn all<T: Stored>(
    db: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<T>, LedgerError> {
    let mut statement = db.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(T::read(&Record { row, table: T::TABLE, key: T::KEY })?);
    }
    Ok(found)
}

/// What `read` makes of the rows that `sql` selects: for answers that are no nouns.
pub(super) fn rows<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, LedgerError> {
    let mut statement = db.prepare_cached(sql).map_err(failed)?;
    let found = statement.query_map(params, read).map_err(failed)?;
    found.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// The most rows of a list, as SQL has it: negative is no limit.
pub(super) fn limit(limit: Option<usize>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

/// The first row that `sql` selects, if any.
pub(super) fn first<T: Stored>(
    db: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Option<T>, LedgerError> {
    Ok(all(db, sql, params)?.into_iter().next())
}

/// Whether `sql` selects any row.
pub(super) fn any(db: &Connection, sql: &str, params: impl Params) -> Result<bool, LedgerError> {
    db.prepare_cached(sql).and_then(|mut statement| statement.exists(params)).map_err(failed)
}

/// Carries out `sql`; returns the number of rows it touched.
pub(super) fn run(db: &Connection, sql: &str, params: impl Params) -> Result<usize, LedgerError> {
    db.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(failed)
}

/// Carries out `sql`, which must touch a row; else the record is `Missing`.
pub(super) fn run_on_one(
    db: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<(), LedgerError> {
    match run(db, sql, params)? {
        0 => Err(LedgerError::Missing),
        _ => Ok(()),
    }
}

/// A time as it is stored: text whose order is the order of time.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// A recovery point's id as it is stored.
pub(super) fn point(id: PointId) -> i64 {
    i64::try_from(id.get()).expect("an id has 63 bits")
}

/// A number of bytes as it is stored.
///
/// # Errors
///
/// `Database`: SQLite's integers end at 2⁶³−1 (8 EiB).
pub(super) fn bytes(value: u64) -> Result<i64, LedgerError> {
    i64::try_from(value).map_err(|error| LedgerError::Database(Box::new(error)))
}

/// A nested value as it is stored.
pub(super) fn json<T: Nested>(value: &T) -> String {
    serde_json::to_string(&value.to_row()).expect("rows are plain structs with text keys")
}

/// One row while it is read; knows what to call it in an error.
pub(super) struct Record<'a> {
    row: &'a Row<'a>,
    table: &'static str,
    key: &'static str,
}

impl Record<'_> {
    fn get<T: FromSql>(&self, column: &str) -> Result<T, LedgerError> {
        self.row.get(column).map_err(|error| self.damaged(column, error))
    }

    pub(super) fn text(&self, column: &str) -> Result<String, LedgerError> {
        self.get(column)
    }

    pub(super) fn text_if_any(&self, column: &str) -> Result<Option<String>, LedgerError> {
        self.get(column)
    }

    pub(super) fn number<T>(&self, column: &str) -> Result<T, LedgerError>
    where
        T: TryFrom<i64, Error: std::fmt::Display>,
    {
        let number: i64 = self.get(column)?;
        T::try_from(number).map_err(|error| self.damaged(column, error))
    }

    pub(super) fn number_if_any(&self, column: &str) -> Result<Option<i64>, LedgerError> {
        self.get(column)
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool, LedgerError> {
        self.get(column)
    }

    pub(super) fn uuid(&self, column: &str) -> Result<Uuid, LedgerError> {
        let text = self.text(column)?;
        Uuid::parse_str(&text).map_err(|error| self.damaged(column, error))
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp, LedgerError> {
        let text = self.text(column)?;
        text.parse().map_err(|error| self.damaged(column, error))
    }

    pub(super) fn time_if_any(&self, column: &str) -> Result<Option<Timestamp>, LedgerError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| text.parse().map_err(|error| self.damaged(column, error))).transpose()
    }

    pub(super) fn json<T: Nested>(&self, column: &str) -> Result<T, LedgerError> {
        let text = self.text(column)?;
        self.nested(column, &text)
    }

    pub(super) fn json_if_any<T: Nested>(&self, column: &str) -> Result<Option<T>, LedgerError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| self.nested(column, &text)).transpose()
    }

    fn nested<T: Nested>(&self, column: &str, text: &str) -> Result<T, LedgerError> {
        let row = serde_json::from_str(text).map_err(|error| self.damaged(column, error))?;
        T::from_row(row).map_err(|error| self.damaged(column, error))
    }

    pub(super) fn point(&self, column: &str) -> Result<PointId, LedgerError> {
        let number: u64 = self.number(column)?;
        PointId::new(number).ok_or_else(|| self.damaged(column, "not a recovery point's id"))
    }

    pub(super) fn point_if_any(&self, column: &str) -> Result<Option<PointId>, LedgerError> {
        let number: Option<i64> = self.get(column)?;
        number.map(|_| self.point(column)).transpose()
    }

    /// The value that `parse` finds in the column's text, such as a variant by its name.
    pub(super) fn named<T>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, LedgerError> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| self.damaged(column, format_args!("unknown value '{text}'")))
    }

    /// The error that says what is wrong with this column of this row.
    pub(super) fn damaged(&self, column: &str, what: impl std::fmt::Display) -> LedgerError {
        let key = match self.row.get_ref(self.key) {
            Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            Ok(ValueRef::Integer(number)) => number.to_string(),
            _ => "without a key".to_owned(),
        };
        LedgerError::Damaged { table: self.table, key, what: format!("{column}: {what}") }
    }
}
