//! What a new connection begins with: its login, its place among the user's or the guests', `hello`.

pub(crate) mod guests;
pub(in crate::hub) mod hello;
pub(in crate::hub) mod login;
pub(crate) mod user_connections;
