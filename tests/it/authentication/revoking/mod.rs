//! Revoking: `tokens_after` and the suspension of a user, at every moment of a socket's life. Once the
//! backend's command is acknowledged and the socket is closed, nothing of its user is stored, delivered
//! or shown as present.

// Logins.
mod logins;
// What a relay learns late.
mod missed;
// Open sockets.
mod sockets;
// Relays and users.
mod stage;
