//! How relays reach Redis: encrypted, with the rights that they need, and what they say of a server
//! that they cannot use.

// TLS, and every way in which it fails.
mod encrypted;
// The rights of a relay's user, and what is said of one that is missing.
mod rights;
// Passwords and certificates change while relays run.
mod rotation;
// Servers that are not what a relay needs.
mod wrong_servers;
