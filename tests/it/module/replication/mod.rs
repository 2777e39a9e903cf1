//! Replicas have what their primary has, begin with it at any moment, and can take over.

mod followers;
mod promotion;
mod replicas;
mod seeded_replicas;
mod swapdb;
