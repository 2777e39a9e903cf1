//! Wrong, oversized and hostile input: refused with the exact error, with bounded work, without harm.

mod arguments;
mod hostile_module;
mod patterns;
pub(crate) mod refusals;
mod refusals_of_changes;
mod table;
mod work;
pub(crate) mod wrong_calls;
