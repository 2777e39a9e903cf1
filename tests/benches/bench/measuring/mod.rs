//! Pairs, figures, sizes, rates, and what servers and the kernel report.

pub(crate) mod figure;
pub(crate) mod pace;
pub(crate) mod pairs;
pub(crate) mod scale;
pub(crate) mod server;
