//! Who is here now: connections, their expiry and their statuses.

pub(crate) mod connection;
pub(crate) mod connections_by_user;
pub(crate) mod expiry_heap;
pub(crate) mod presence_table;
pub(crate) mod status_counts;
