//! What a room holds, what its events amount to, and whether anything was lost or repeated.

pub mod checker;
pub mod fold;
pub mod monitor;
pub mod people;
pub mod reader;
pub mod view;
