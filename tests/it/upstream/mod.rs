//! How relays reach Redis: encrypted, with the rights that they need, and what they say of a server
//! that they cannot use.

// TLS, and every way in which it fails.
mod encrypted;
