//! The page in headless Chromium, on relays that come and go.

// What users do with messages and with each other.
mod actions;
// EventSource.
mod event_source;
// The example of an application, on which pages get their tokens.
mod example;
// What a user, or a link, cannot do to another user's page.
mod hostile;
// Without a pointer, and in narrow views.
mod keyboard;
// Texts, emoji, lists, names, addresses.
mod looks;
// What scenarios ask a page.
mod page;
// The client with tokens of an application.
mod tokens;
// Two pages on two relays, one of which dies.
mod two_pages;
