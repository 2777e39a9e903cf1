//! Checks that the files of a crate form layers: no circle of imports, no arrow from a lower layer
//! to a higher one.
//!
//! An *arrow* goes from a file that names something to the file that defines it. Every path counts,
//! wherever it is written: `use` trees with groups, globs and aliases, paths inside functions, types
//! and macro calls, `self`, `super` and `crate`, files named by `include_str!`. A path that leads
//! through a re-export makes one arrow to the file of the re-export and one to the file of the
//! definition. `mod x;` makes none. Code under `cfg(test)` may name anything and is not checked.
//!
//! The checker reads source text only ([`Sources`]), so its own tests run on trees planted in memory.
//!
//! - `modules`: which file holds which module; `names`: what a module defines and imports
//! - `resolve`: from a path to files; `tokens`: the paths inside macro calls
//! - `methods`: methods that are defined in another file than their type
//! - `arrows`: all arrows of a crate; [`javascript`]: those of JavaScript files
//! - [`layers`]: the order of the files, and the report
//!
//! A method call makes an arrow too, if only one method of the crate has this name and its `impl`
//! block is in another file than the type. Methods that share their name with others are not
//! followed, as the checker does not know types.

#![forbid(unsafe_code)]

mod arrows;
mod graph;
pub mod javascript;
pub mod layers;
mod methods;
mod modules;
mod names;
mod resolve;
mod sources;
mod tokens;

pub use graph::Arrow;
pub use layers::{Crate, check_crate, check_javascript};
pub use sources::Sources;
