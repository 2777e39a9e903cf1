//! The subscriptions against a simple model of a cluster, and the cases of the table one by one.

mod cluster;
mod random;
mod table;
