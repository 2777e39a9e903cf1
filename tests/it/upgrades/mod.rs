//! From one version to the next and back.

// What fixtures hold.
mod content;
// Every stored form is loaded.
mod stored_forms;
