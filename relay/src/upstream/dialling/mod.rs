//! Opening connections: an address becomes a stream of bytes to a server that has said what it is.
//!
//! `dial` connects and logs in, over `tls` if wanted, and reads the `greeting`. The result is a
//! `stream`.

pub(super) mod dial;
pub(super) mod greeting;
pub(super) mod stream;
pub(super) mod tls;
