//! The sends of one connection that wait to be answered.
//!
//! If the connection is closed because its user may not be here any more, nothing that waits is done.
//! Then they are answered before the close frame, so that the client need not guess.

use std::collections::VecDeque;

use bytes::BytesMut;
use serde_json::value::RawValue;

use crate::client::error::Error;
use crate::client::frame::{self, Frame};
use crate::client::reply;

/// Their `ref`s, in order. Boxed, because few connections have any.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "a word instead of four in every connection")]
pub(super) struct Unanswered(Option<Box<VecDeque<Box<RawValue>>>>);

impl Unanswered {
    /// One more waits.
    pub(super) fn push(&mut self, reference: &RawValue) {
        self.0.get_or_insert_default().push_back(reference.to_owned());
    }

    /// The first one with this `ref` is being answered.
    pub(super) fn remove(&mut self, reference: &RawValue) {
        if let Some(references) = &mut self.0 {
            let index = references.iter().position(|waits| waits.get() == reference.get());
            index.and_then(|index| references.remove(index));
            if references.is_empty() {
                self.0 = None;
            }
        }
    }

    /// Answers all of them with `UNAVAILABLE`: the frames, with `last` after them.
    pub(super) fn refuse(&mut self, last: Frame) -> Frame {
        let Some(references) = self.0.take() else { return last };
        let (mut frames, error) = (BytesMut::new(), Error::unavailable());
        for reference in *references {
            frame::append_text(&mut frames, reply::error(&reference, &error).as_bytes());
        }
        frames.extend_from_slice(&last);
        frames.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_wait_are_refused_in_order_and_once() {
        let mut unanswered = Unanswered::default();
        let last = Frame::from_static(b"last");
        assert_eq!(unanswered.refuse(last.clone()), last, "none waits");
        let reference = |n| serde_json::from_str(n).expect("JSON");
        for n in ["2", "1", "2", "3"] {
            unanswered.push(reference(n));
        }
        unanswered.remove(reference("1"));
        unanswered.remove(reference("2"));
        unanswered.remove(reference("4"));
        let frames = String::from_utf8_lossy(&unanswered.refuse(last.clone())).into_owned();
        let refs: Vec<_> =
            frames.match_indices("{\"ref\":").map(|(at, _)| &frames[at..at + 8]).collect();
        assert_eq!(refs, ["{\"ref\":2", "{\"ref\":3"], "{frames}");
        assert!(frames.contains("UNAVAILABLE") && frames.ends_with("last"), "{frames}");
        unanswered.remove(reference("2"));
        assert_eq!(unanswered.refuse(last.clone()), last);
    }
}
