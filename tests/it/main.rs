//! The scenarios against real servers and relays: one file per property, one folder per area, in
//! one binary. `cargo test -p chat-tests --test it -- presence::` runs a folder.

#![forbid(unsafe_code)]

// Tokens.
mod authentication;
// The page in a browser.
mod browser;
// Which rooms have changed.
mod changes;
// The JavaScript client as an application gets it.
mod client;
// Clusters, and servers with Sentinels.
mod cluster;
// What work costs, counted.
mod cost;
// What operators look with.
mod diagnosis;
// What the documents say and show.
mod documents;
// The relay towards the internet, and balancers in front of it.
mod edge;
// Faults under load.
mod faults;
// Events to a stream.
mod forward;
// The API over HTTP.
mod http;
// Container images, Compose and Kubernetes.
mod images;
// Examples in other languages.
mod languages;
// Roles, sanctions, access.
mod moderation;
// The module inside Redis.
mod module;
// No command, error code or close code lacks a scenario.
mod nothing_is_missing;
// The operators' address: its page, and the list of relays.
mod operators;
// The packages for operators.
mod packages;
// Who is online.
mod presence;
// The socket.
mod relay;
// Events over HTTP.
mod streams;
// Rooms to a file and back.
mod transfer;
// From one version to the next and back.
mod upgrades;
// How relays reach Redis.
mod upstream;
// Patterns of rooms.
mod watch;
// Events to an HTTP service.
mod webhook;
