//! Redis, relays and networks fail under load: nothing acknowledged is lost, nothing arrives twice.

// A replica takes over under load.
mod checked_failover;
// Redis loses data under load.
mod checked_redis;
// Relays and networks fail under load.
mod checked_relay;
// Redis is away: sockets stay open.
mod outage;
// Redis is there and refuses: reads go on, sends wait in order, `/readyz` names the reason.
mod troubles;
// Sends that wait for Redis are bounded and stored once.
mod waiting;
