//! The API over HTTP: `/v1`.

// Requests that are wrong, hostile or too many.
mod hostile;
// The backend: API keys, acting as users.
mod keys;
// Pages of other origins.
mod pages;
// While Redis is away, and messages that are sent again.
mod repeated;
// `tokens_after` and suspension, for users without sockets.
mod revoking;
// Every operation on a socket, in a frame and by its route.
mod three_ways;
