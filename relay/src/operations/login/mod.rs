//! Logging in and staying: the first rooms of a connection, new tokens, renewed sessions, profiles that
//! credentials describe.

pub(in crate::operations) mod auth;
pub(in crate::operations) mod bearer;
pub(in crate::operations) mod login;
pub(in crate::operations) mod renewal;
pub(in crate::operations) mod token_profile;
