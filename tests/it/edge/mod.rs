//! The relay towards the internet: who may open a socket, and what stands in front of relays.

// Server-sent events through nginx, HAProxy and Caddy.
mod balanced_streams;
// nginx, HAProxy and Caddy, run from the files in deploy/, with two relays.
mod balancers;
// What is wrong with a configuration, told without serving.
mod check;
// `chat-relay probe`, for health checks of containers.
mod probe;
// Each connection names its client's address first.
mod proxy_protocol;
// Which requests open a socket, from which pages and hosts; what is served at which port.
mod requests;
