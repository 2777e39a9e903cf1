//! What waits to be written to one socket, bounded in bytes.
//!
//! Frames are shared, so a waiting frame costs a reference here, but it is counted in full: it may
//! be the last reference. Control frames go first. Only live events count towards the bound that closes a connection: a
//! reply is asked for, at most one at a time. Over half full, ephemeral events are dropped first.
//! The outbox knows nothing of sockets; `connection.rs` writes what it holds.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Buf;

use crate::client::frame::Frame;

/// Why a frame is sent, which decides what happens to it when the client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A ping, a pong: goes before everything that is not begun, also while frames are held.
    Control,
    /// An answer: never dropped, never the cause of a close.
    Reply,
    /// A durable event: never dropped; too many of them close the connection.
    Live,
    /// An ephemeral event: the first to go.
    Ephemeral,
}

impl Class {
    /// Whether it counts towards the bound that closes a connection.
    fn is_live(self) -> bool {
        matches!(self, Class::Live | Class::Ephemeral)
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits to be written.
    Queued,
    /// It was ephemeral and the client slow.
    Dropped,
    /// There is no room for it: the client is too slow to be served.
    Full,
}

/// The queue. Frames pushed while it is held wait behind the frames given at release.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Queue,
    /// Boxed, because hardly any is held.
    held: Option<Box<Queue>>,
    /// Some bytes of the front frame are already on the wire.
    front_begun: bool,
    bytes: usize,
    live_bytes: usize,
}

/// Frames in order. The first lies here itself: mostly it is the only one.
#[derive(Debug, Default)]
struct Queue {
    /// None: it is empty.
    first: Option<(Frame, Class)>,
    rest: VecDeque<(Frame, Class)>,
}

/// How many frames one vectored write takes at most.
pub(crate) const SLICES: usize = 64;
/// A queue that has grown beyond this many places is given back once empty.
const KEPT_PLACES: usize = 16;

impl Queue {
    fn push_back(&mut self, frame: Frame, class: Class) {
        if self.first.is_none() {
            self.first = Some((frame, class));
        } else {
            self.rest.push_back((frame, class));
        }
    }

    /// Puts a control frame at the front, behind the first frame if that is `begun`, and behind
    /// control frames that wait.
    fn push_control(&mut self, frame: Frame, begun: bool) {
        let is_control = |(_, class): &(Frame, Class)| *class == Class::Control;
        let stays = |first: &(Frame, Class)| begun || is_control(first);
        match self.first.take() {
            Some(first) if stays(&first) => {
                self.first = Some(first);
                let at = self.rest.iter().take_while(|next| is_control(next)).count();
                self.rest.insert(at, (frame, Class::Control));
            }
            first => {
                self.first = Some((frame, Class::Control));
                first.into_iter().for_each(|first| self.rest.push_front(first));
            }
        }
    }

    fn pop_front(&mut self) {
        self.first = self.rest.pop_front();
        if self.rest.is_empty() && self.rest.capacity() > KEPT_PLACES {
            self.rest = VecDeque::new();
        }
    }

    fn iter(&self) -> impl Iterator<Item = &(Frame, Class)> {
        self.first.iter().chain(&self.rest)
    }

    /// `keep` is also told whether it is the first.
    fn retain(&mut self, mut keep: impl FnMut(&Frame, Class, bool) -> bool) {
        let keeps_first =
            self.first.as_ref().is_none_or(|(frame, class)| keep(frame, *class, true));
        self.rest.retain(|(frame, class)| keep(frame, *class, false));
        if !keeps_first {
            self.pop_front();
        }
    }
}

impl Outbox {
    /// Queues a frame, within `limit` bytes of live events.
    pub(crate) fn push(&mut self, frame: Frame, class: Class, limit: usize) -> Pushed {
        if class == Class::Control {
            self.bytes += frame.len();
            self.queue.push_control(frame, self.front_begun);
            return Pushed::Queued;
        }
        if class.is_live() {
            let after = self.live_bytes + frame.len();
            if class == Class::Ephemeral && after > limit / 2 {
                return Pushed::Dropped;
            }
            if after > limit {
                self.drop_ephemeral();
                if self.live_bytes + frame.len() > limit {
                    return Pushed::Full;
                }
            }
            self.live_bytes += frame.len();
        }
        self.bytes += frame.len();
        self.held.as_deref_mut().unwrap_or(&mut self.queue).push_back(frame, class);
        Pushed::Queued
    }

    /// From now on frames wait aside until [`Outbox::release`].
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Queues `frame`, if any, before everything pushed since [`Outbox::hold`].
    pub(crate) fn release(&mut self, frame: Option<Frame>) {
        let held = self.held.take().unwrap_or_default();
        if let Some(frame) = frame {
            self.bytes += frame.len();
            self.queue.push_back(frame, Class::Reply);
        }
        for (frame, class) in held.first.into_iter().chain(held.rest) {
            self.queue.push_back(frame, class);
        }
    }

    /// Forgets all that waits, except the rest of a frame already begun, and queues `last`.
    pub(crate) fn finish(&mut self, last: Frame) {
        self.held = None;
        self.queue.rest = VecDeque::new();
        if !self.front_begun {
            self.queue.first = None;
        }
        self.queue.push_back(last, Class::Reply);
        self.bytes = self.queue.iter().map(|(frame, _)| frame.len()).sum();
        self.live_bytes = 0;
    }

    /// Bytes that wait, held ones included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing to write now.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.first.is_none()
    }

    /// The frame that waits, if it is the only one.
    pub(crate) fn only(&self) -> Option<&Frame> {
        self.queue.first.as_ref().filter(|_| self.queue.rest.is_empty()).map(|(frame, _)| frame)
    }

    /// The front of the queue for one vectored write; returns how many slices were filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, (frame, _)) in slices.iter_mut().zip(self.queue.iter().take(SLICES)) {
            *slice = IoSlice::new(frame);
            filled += 1;
        }
        filled
    }

    /// Takes note that `written` bytes of the front are on the wire.
    pub(crate) fn written(&mut self, mut written: usize) {
        self.bytes -= written.min(self.bytes);
        while written > 0 {
            let Some((frame, class)) = &mut self.queue.first else { break };
            let part = written.min(frame.len());
            if class.is_live() {
                self.live_bytes -= part.min(self.live_bytes);
            }
            written -= part;
            if part == frame.len() {
                self.queue.pop_front();
                self.front_begun = false;
            } else {
                frame.advance(part);
                self.front_begun = true;
            }
        }
    }

    fn drop_ephemeral(&mut self) {
        let begun = self.front_begun;
        let mut freed = 0;
        let mut keep = |frame: &Frame, class: Class, begun: bool| {
            let keep = class != Class::Ephemeral || begun;
            if !keep {
                freed += frame.len();
            }
            keep
        };
        self.queue.retain(|frame, class, is_first| keep(frame, class, is_first && begun));
        if let Some(held) = &mut self.held {
            held.retain(|frame, class, _| keep(frame, class, false));
        }
        self.bytes -= freed.min(self.bytes);
        self.live_bytes -= freed.min(self.live_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8, length: usize) -> Frame {
        Frame::from(vec![byte; length])
    }

    fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = outbox.slices(&mut slices);
            let all: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            let written = step.min(all.len());
            out.extend(&all[..written]);
            outbox.written(written);
        }
        out
    }

    #[test]
    fn bytes_leave_in_order_whatever_the_kernel_takes() {
        for step in 1..40 {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for byte in 0..10 {
                outbox.push(frame(byte, usize::from(byte) + 1), Class::Live, 1000);
                expected.extend(vec![byte; usize::from(byte) + 1]);
            }
            assert_eq!(drain(&mut outbox, step), expected, "step {step}");
            assert_eq!((outbox.bytes(), outbox.live_bytes), (0, 0));
        }
    }

    #[test]
    fn ephemeral_frames_go_first_and_live_ones_close() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(frame(1, 40), Class::Ephemeral, 100), Pushed::Queued);
        assert_eq!(outbox.push(frame(2, 20), Class::Ephemeral, 100), Pushed::Dropped, "half full");
        assert_eq!(outbox.push(frame(3, 50), Class::Live, 100), Pushed::Queued);
        assert_eq!(outbox.push(frame(4, 500), Class::Reply, 100), Pushed::Queued, "replies pass");
        assert_eq!(outbox.push(frame(5, 50), Class::Live, 100), Pushed::Queued, "1 was dropped");
        assert_eq!(outbox.push(frame(6, 1), Class::Live, 100), Pushed::Full);
        assert_eq!(drain(&mut outbox, 7).len(), 600);
    }

    #[test]
    fn a_begun_frame_is_never_dropped() {
        let mut outbox = Outbox::default();
        outbox.push(frame(1, 40), Class::Ephemeral, 100);
        outbox.written(10);
        outbox.push(frame(2, 60), Class::Live, 100);
        assert_eq!(outbox.push(frame(3, 20), Class::Live, 100), Pushed::Full);
        outbox.finish(frame(9, 3));
        assert_eq!(drain(&mut outbox, 100), [vec![1; 30], vec![9; 3]].concat());
    }

    #[test]
    fn a_control_frame_goes_before_all_that_is_not_begun() {
        let mut outbox = Outbox::default();
        outbox.push(frame(9, 1), Class::Control, 100);
        assert_eq!(drain(&mut outbox, 1), [9]);
        outbox.push(frame(1, 3), Class::Reply, 100);
        outbox.push(frame(2, 1), Class::Live, 100);
        outbox.push(frame(9, 1), Class::Control, 100);
        outbox.written(2);
        outbox.push(frame(8, 1), Class::Control, 100);
        outbox.hold();
        outbox.push(frame(3, 1), Class::Live, 100);
        outbox.push(frame(7, 1), Class::Control, 100);
        outbox.release(None);
        assert_eq!(outbox.bytes(), 6);
        assert_eq!(drain(&mut outbox, 1), [1, 1, 8, 7, 2, 3]);
    }

    #[test]
    fn a_reply_comes_before_what_was_held_for_it() {
        let mut outbox = Outbox::default();
        outbox.push(frame(1, 1), Class::Live, 100);
        outbox.hold();
        outbox.push(frame(3, 1), Class::Live, 100);
        assert_eq!(outbox.bytes(), 2);
        outbox.release(Some(frame(2, 1)));
        assert_eq!(drain(&mut outbox, 100), vec![1, 2, 3]);
    }
}
