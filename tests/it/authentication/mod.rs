//! Logging in: who is let in, what they may do, and for how long.

// Tokens of attackers.
mod attacks;
// Wrong credentials in great number.
mod floods;
// Guests, who show no credential.
mod guests;
// Files of keys that are replaced while a relay runs.
mod key_files;
// Keys that relays fetch from an address.
mod key_sets;
// Tokens that the program makes for trying out.
mod made_tokens;
// `--jwt-profile`: names and pictures of tokens.
mod profiles;
// Races of newer tokens on an open connection.
mod refresh;
// What the store takes back: tokens, and all rights of a user.
mod revoking;
// What a token allows: operations, rooms.
mod scopes;
// An application that is asked too much, or does everything wrong.
mod session_failures;
// Sessions of an application.
mod sessions;
// Tokens: what carries them, how long they last, how they are replaced.
mod tokens;
// What a revoked token can still do.
mod void_tokens;
