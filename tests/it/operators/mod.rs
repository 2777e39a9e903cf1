//! `--listen-ops` for operators: who may use it, what it costs, its page in a browser, and the list of
//! relays.

// Who may ask, and what is answered.
mod api;
// The page in a browser.
mod page;
// Relays announce themselves, to operators only.
mod relays;
// A relay with an API key.
mod stage;
