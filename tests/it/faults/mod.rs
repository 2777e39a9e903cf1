//! Redis, relays and networks fail under load: nothing acknowledged is lost, nothing arrives twice.

mod checked_failover;
mod checked_redis;
mod checked_relay;
mod outage;
mod troubles;
mod waiting;
