//! The examples in other languages (`examples/languages`): each bot, with real servers.

// What each bot does, on a server and in a cluster.
mod bots;
// docs/languages.md, and the size of the helpers.
mod documents;
// How the bots are run.
mod example;
