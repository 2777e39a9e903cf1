//! Pages of lists: how many rows are asked for, and rows with names for their elements.

use chat_protocol::limits::COUNT_MAX;
use redis::Value;
use serde::{Serialize, Serializer};

use crate::client::error::Error;
use crate::client::request::Fields;
use crate::upstream::replies::{Elements, Json};

/// The greatest COUNT.
pub(super) const COUNT_MOST: u64 = COUNT_MAX as u64;

/// The number of rows that the client requests, but at most `most`, which always fit into one
/// reply. A number that is invalid is passed on, for Redis to refuse it.
pub(super) fn count(fields: &Fields<'_>, most: u64) -> Result<Option<u64>, Error> {
    let count = fields.number("count")?;
    Ok(count.map(|count| if count <= COUNT_MOST { count.min(most) } else { count }))
}

/// The elements of each row under these names.
pub(super) fn table<'c>(
    rows: impl Iterator<Item = Value>,
    columns: &'c [&'c str],
) -> Result<Vec<Row<'c, Cell>>, Error> {
    let row = |row| {
        let mut row = Elements::of(row)?;
        let cells = columns.iter().map(|column| Ok((*column, Cell(row.any()?))));
        Ok(Row(cells.collect::<Result<_, Error>>()?))
    };
    rows.map(row).collect()
}

/// An object whose members are known at run time only.
pub(super) struct Row<'a, T>(pub(super) Vec<(&'a str, T)>);

impl<T: Serialize> Serialize for Row<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// An element of a row.
pub(super) struct Cell(Value);

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Json(&self.0).serialize(serializer)
    }
}
