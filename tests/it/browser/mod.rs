//! The page in headless Chromium, on relays that come and go.

mod actions;
mod hostile;
mod two_pages;
