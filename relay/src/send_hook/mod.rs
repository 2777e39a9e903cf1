//! The service that judges what users write before it is stored (`--send-hook`): which rooms it is for,
//! the question, the verdict, how many questions are open at once, and what has been answered already.
//!
//! Nothing here knows Redis or the order of commands: see `operations/messages/judged.rs`.

mod hook;
mod places;
mod question;
mod recent;
mod verdict;

pub(crate) use hook::{SendHook, Unjudged};
pub(crate) use places::Place;
pub(crate) use question::{Question, Words, claims};
pub(crate) use verdict::Verdict;
