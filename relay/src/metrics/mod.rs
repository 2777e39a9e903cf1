//! What a relay counts and measures, for Prometheus.
//!
//! Names and labels follow its conventions: units in the name, `_total` at the end of counters, label
//! values only from fixed tables.

mod metrics;
mod operation;
mod process;

pub(crate) use metrics::{METRICS, install, render};
pub(crate) use operation::OperationMetrics;
