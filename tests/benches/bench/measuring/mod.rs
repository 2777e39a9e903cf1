//! Pairs, measurements, sizes, rates, and what servers and the kernel report.

// One measurement, the table and the JSON file.
pub(crate) mod measurement;
// Rates and spans of time.
pub(crate) mod pace;
// Ours and baseline in turns.
pub(crate) mod pairs;
// Sizes of all groups.
pub(crate) mod scale;
// CPU and memory of processes.
pub(crate) mod server;
