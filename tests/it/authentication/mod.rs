//! Logging in with tokens: who is let in, what they may do, and for how long.

// Wrong credentials in great number.
mod floods;
// Files of keys that are replaced while a relay runs.
mod key_files;
// Keys that relays fetch from an address.
mod key_sets;
// Tokens that the program makes for trying out.
mod made_tokens;
// `--jwt-profile`: names and pictures of tokens.
mod profiles;
// What a token allows: operations, rooms.
mod scopes;
// Tokens: what carries them, how long they last, how they are replaced.
mod tokens;
