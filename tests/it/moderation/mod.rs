//! Who may do what, in Redis and through relays; how a user is kicked, banned, muted or suspended.

// Until an access question is answered, the relay delivers nothing.
mod access;
// The options NOCREATE and OWN, for tokens of narrow scope.
mod bounded_rights;
// Moderation works while memory is full.
mod full_memory;
// A kicked user who joins again as fast as possible receives nothing while banned.
mod race;
// A kicked or banned user stops receiving at once, on every relay.
mod relay;
// Revoked tokens and suspended users.
mod revoking;
// The actions that `rules` tries, as command and as operation.
mod rule_actions;
// The tables of `rules`: the result of each action by role and state.
mod rule_table;
// Every role, every state of a room, every action.
mod rules;
// A service judges what users write before it is stored.
mod send_hook;
// What holds if that service fails, is flooded, or Redis is away.
mod send_hook_failures;
// Servers and relays die while that service judges.
mod send_hook_outages;
// CHAT.SANCTIONS lists bans and mutes in pages of bounded work.
mod sanction_lists;
// Kick, ban and mute, and the events about them.
mod sanctions;
