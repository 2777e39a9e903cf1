//! Forms of bytes: numbers and texts in records and in the stored form, JSON, compact values in
//! memory.

pub(crate) mod allocation;
pub(crate) mod compact;
pub(crate) mod id_text;
pub(crate) mod json;
pub(crate) mod json_writer;
pub(crate) mod varint;
