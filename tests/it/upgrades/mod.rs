//! docs/upgrades.md: from one version to the next and back. Each scenario quotes the line of that
//! document which it holds.
//!
//! The older side is `OLD_MODULE` and `OLD_RELAY`: an older build with `make upgrade-test
//! FROM=<ref>`, otherwise the build under test, which holds the order of the steps.

// What fixtures hold.
mod content;
// Relays of two versions on one Redis.
mod mixed_relays;
// A relay that needs a newer module.
mod older_module;
// What a later version has written ends the server.
mod newer_data;
// The steps under load.
mod order;
// Back to the version before.
mod rolling_back;
// Every stored form is loaded.
mod stored_forms;
