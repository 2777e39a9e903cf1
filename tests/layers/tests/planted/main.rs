//! The checker itself: each case plants a small tree with one fault in memory, and the report must
//! name both files, the line and the path. Other cases plant what only looks like a fault.

#![forbid(unsafe_code)]

// Circles, layers, stray files.
mod circles;
// Every form in which one file can name another, and what only looks like one.
mod forms;
// JavaScript.
mod javascript;
// Plants a crate and returns the report.
mod planting;
// Re-exports, globs, macros, files of modules.
mod resolution;
