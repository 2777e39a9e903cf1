//! Messages: sending, sends that wait for Redis, editing, notices to others, blocking, signals.

pub(in crate::operations) mod blocking;
pub(in crate::operations) mod checked_rooms;
pub(in crate::operations) mod edit;
pub(in crate::operations) mod judged;
pub(in crate::operations) mod judged_send;
pub(in crate::operations) mod judgement;
pub(in crate::operations) mod notices;
pub(in crate::operations) mod send;
pub(in crate::operations) mod send_queue;
pub(in crate::operations) mod signal;
pub(in crate::operations) mod written;
