//! Replicas hold what their primary holds, may join at any moment, and can take over.

// Random traffic that can be paused and led to another server.
mod constant_traffic;
// A primary without followers skips records, and resumes before anybody can miss one.
mod followers;
// A promoted replica that lacks the last writes.
mod promotion;
// Replicas are equal, refuse writes, and can be promoted.
mod replicas;
// A replica that starts from a file of its primary's.
mod seeded_replicas;
// `repl-diskless-load swapdb`: the old data is served until the new is loaded.
mod swapdb;
// Ids get ahead of the clock by failovers, times do not.
mod times;
