//! What makes and receives the load, cheaply, and the barest server to compare with.

pub(crate) mod bare;
pub(crate) mod crowd;
pub(crate) mod frame;
pub(crate) mod pipe;
pub(crate) mod swarm;
