//! Who is online: counted per user, announced once, ended in time whatever fails.

// What renewing presence costs Redis.
mod beats;
// The server's wall clock is set.
mod clock;
// Which users a client may follow without sharing a room.
mod contacts;
// A relay dies with its connections.
mod crash;
// Key and database commands on rooms with presence.
mod keys;
// A renamed room frees its connections later.
mod leftovers;
// Joins and leaves that the store keeps.
mod logged;
// Random presence on three relays compared with a model.
mod model;
// A crowded room publishes a count instead of each user.
mod occupancy;
// Redis restarts or fails over while deadlines are pending.
mod restart;
// Deadlines with very many rooms and connections.
mod scale;
// The shown status of a user with several devices, and the time last seen.
mod status;
// A user is counted once, announced once, and leaves without help.
mod users;
