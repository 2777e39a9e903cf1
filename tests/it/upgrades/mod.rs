//! From one version to the next and back.

// What fixtures hold.
mod content;
// What a later version has written ends the server.
mod newer_data;
// Every stored form is loaded.
mod stored_forms;
