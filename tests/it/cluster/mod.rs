//! More than one server: clusters whose shards fail, move and come back, and a primary whose
//! Sentinels choose another one.

// The rights of a relay's user, its password, TLS, and `chat-relay check`.
mod access;
// Every operation over rooms of all shards.
mod all_shards;
// The module alone while slots move all at once.
mod atomic_moves;
// A reader of all changes while rooms move.
mod changed_rooms;
// One shard is away.
mod dead_shard;
// The module alone in a primary without a majority.
mod down;
// Primaries are killed, freeze, are replaced by stale replicas.
mod failing;
// The harness itself, with plain clients.
mod fixture;
// Replicas take over as planned.
mod handing_over;
// A service judges messages while their rooms move.
mod hooked;
// Two of five primaries are lost.
mod majority;
// A thousand rooms of one relay.
mod many_rooms;
// The module alone while slots move key by key.
mod moved_rooms;
// Slots move.
mod moving;
// Relays reach only some nodes, or none.
mod reaching;
// Nodes get other addresses.
mod replaced;
// Relays follow the primary that Sentinels name.
mod sentinel;
// Slots move slowly, by hand.
mod slow_move;
// Users of two relays while something happens to a cluster.
mod stage;
// No room stays deaf.
mod subscriptions;
// The module alone while a shard fails over again and again.
mod times;
