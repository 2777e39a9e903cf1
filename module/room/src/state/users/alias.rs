//! The name that stands for an erased user: `erased-` and 16 hexadecimal digits.
//!
//! The digits are random and say nothing about the user. Each erasure in a room has its own.

/// The name with these digits.
pub(crate) fn alias_name(digits: u64) -> String {
    format!("erased-{digits:016x}")
}
