//! The documents against real servers and relays: examples run, tables are compared.

// docs/asyncapi.yaml: the document, and a tour through all that it describes.
mod asyncapi;
// docs/commands.md: every example, command, error and event.
mod commands;
// docs/embed.md: every snippet.
mod embed;
// Metrics, the dashboard and the alerts in deploy/.
mod monitoring;
// docs/forward.md: the user of the stream, metrics, options.
mod forward;
// docs/http.md: its lines of curl and its routes.
mod http;
// docs/operations.md: settings, options, fields and metrics.
mod operations;
// docs/protocol.md: the session, operations, paths.
mod protocol;
// docs/recipes.md: each program.
mod recipes;
// README.md: its samples and its size.
mod readme;
// Runs the redis-cli sessions of a document.
mod session;
// docs/security.md: who may do what with which credential.
mod security;
// docs/transfer.md: its file and its program.
mod transfer;
// docs/troubleshooting.md: everything that can go wrong is in it.
mod troubleshooting;
// docs/upgrades.md: a scenario holds each line.
mod upgrades;
