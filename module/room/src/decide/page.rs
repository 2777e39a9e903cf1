//! Pages: how many items or bytes one reply holds, and where the next page begins.

use chat_protocol::id::parse_integer;
use chat_protocol::limits::{COUNT_MAX, REPLY_BYTES_MAX};

use crate::command_error::CommandError;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Where the next page begins; `None`: this is the last page.
    pub cursor: Option<String>,
    /// The items.
    pub items: Vec<T>,
}

/// How much a page of events may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize {
    /// Events.
    pub count: usize,
    /// Bytes of all events. The first event may be longer, so that a page is never empty because of
    /// its bytes.
    pub bytes: usize,
}

impl From<usize> for PageSize {
    /// `count` events, of as many bytes as a reply may have.
    fn from(count: usize) -> PageSize {
        PageSize { count, bytes: REPLY_BYTES_MAX }
    }
}

/// Checks a COUNT: 1 to 1000. Errors: `INVALID count`.
pub fn count(number: Option<u64>, default: usize) -> Result<usize, CommandError> {
    let asked = number.map_or(Some(default), |number| usize::try_from(number).ok());
    asked
        .filter(|count| (1..=COUNT_MAX).contains(count))
        .ok_or(CommandError::invalid("count", "1 to 1000"))
}

/// Checks a BYTES: 1 to [`REPLY_BYTES_MAX`], which is also the default. Errors: `INVALID bytes`.
pub fn bytes(number: Option<u64>) -> Result<usize, CommandError> {
    let asked = number.map_or(Some(REPLY_BYTES_MAX), |number| usize::try_from(number).ok());
    asked
        .filter(|bytes| (1..=REPLY_BYTES_MAX).contains(bytes))
        .ok_or(CommandError::invalid("bytes", "1 to 4194304"))
}

/// Parses the cursor of a list of users: a place. Errors: `INVALID cursor`.
pub(super) fn place(cursor: Option<&[u8]>) -> Result<u64, CommandError> {
    match cursor {
        None => Ok(0),
        Some(bytes) => parse_integer(bytes)
            .ok_or(CommandError::invalid("cursor", "what the page before has answered")),
    }
}
