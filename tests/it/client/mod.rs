//! The JavaScript client as an application gets it: the package, in Node, browsers and workers.

// A page, a worker, several tabs.
mod browser;
// Each version of Node.
mod node;
// What is in the package, and its types.
mod package;
// A program in Node.
mod program;
// The samples of its README.
mod readme;
