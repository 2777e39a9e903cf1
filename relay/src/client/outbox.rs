//! The frames that wait to be written to one socket, bounded in bytes.
//!
//! Frames are shared, so a waiting frame costs only a reference here, but its bytes count in full,
//! because this may be the last reference. Control frames go first. Only live events count towards
//! the bound that closes a connection: a client requests its replies, one at a time. When the
//! outbox is more than half full, ephemeral events are dropped. The outbox knows no sockets;
//! `connection.rs` writes its frames.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Buf;

use crate::client::frame::Frame;

/// The class of a frame, which decides what happens to it when the client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A ping or a pong: sent before every frame that has not begun, even while the outbox is
    /// corked.
    Control,
    /// A reply: never dropped, and never the cause of a close.
    Reply,
    /// A durable event: never dropped. Too many of them close the connection.
    Live,
    /// An ephemeral event: dropped first.
    Ephemeral,
}

impl Class {
    /// Whether frames of this class count towards the bound that closes a connection.
    fn is_live(self) -> bool {
        matches!(self, Class::Live | Class::Ephemeral)
    }
}

/// The result of pushing a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The frame waits to be written.
    Queued,
    /// The frame was ephemeral and the client is slow.
    Dropped,
    /// The frame does not fit: the client is too slow to be served.
    Full,
}

/// The outbox. Frames that are pushed while it is corked are sent after the frame given to
/// [`Outbox::uncork`].
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Queue,
    /// Boxed, because few outboxes are corked.
    corked: Option<Box<Queue>>,
    /// Part of the first frame has already been written.
    front_begun: bool,
    bytes: usize,
    live_bytes: usize,
    /// Bytes that the kernel has accepted since [`Outbox::take_sent`].
    sent: u64,
}

/// Frames in order. The first one is stored inline, because mostly it is the only one.
#[derive(Debug, Default)]
struct Queue {
    /// None: the queue is empty.
    first: Option<(Frame, Class)>,
    rest: VecDeque<(Frame, Class)>,
}

/// The most frames in one vectored write.
pub(crate) const SLICES: usize = 64;

impl Queue {
    fn push_back(&mut self, frame: Frame, class: Class) {
        if self.first.is_none() {
            self.first = Some((frame, class));
        } else {
            self.rest.push_back((frame, class));
        }
    }

    /// Inserts a control frame at the front: after the first frame if that has `begun`, and after
    /// other control frames.
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
        // Nearly all connections wait for nothing nearly all the time.
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
    }

    fn iter(&self) -> impl Iterator<Item = &(Frame, Class)> {
        self.first.iter().chain(&self.rest)
    }

    /// Drops the frames for which `keep` is false. Its last argument: whether the frame is the
    /// first.
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
        self.corked.as_deref_mut().unwrap_or(&mut self.queue).push_back(frame, class);
        Pushed::Queued
    }

    /// Corks: from now on frames wait until [`Outbox::uncork`].
    pub(crate) fn cork(&mut self) {
        self.corked.get_or_insert_default();
    }

    /// Uncorks: queues `frame`, if any, then the frames pushed since [`Outbox::cork`].
    pub(crate) fn uncork(&mut self, frame: Option<Frame>) {
        let corked = self.corked.take().unwrap_or_default();
        if let Some(frame) = frame {
            self.bytes += frame.len();
            self.queue.push_back(frame, Class::Reply);
        }
        for (frame, class) in corked.first.into_iter().chain(corked.rest) {
            self.queue.push_back(frame, class);
        }
    }

    /// Drops everything that waits, except the rest of a frame that has begun, and queues `last`.
    pub(crate) fn finish(&mut self, last: Frame) {
        self.corked = None;
        self.queue.rest = VecDeque::new();
        if !self.front_begun {
            self.queue.first = None;
        }
        self.queue.push_back(last, Class::Reply);
        self.bytes = self.queue.iter().map(|(frame, _)| frame.len()).sum();
        self.live_bytes = 0;
    }

    /// The waiting bytes, corked frames included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes that the kernel has accepted since the last call.
    pub(crate) fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent)
    }

    /// Whether there is nothing to write now.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.first.is_none()
    }

    /// The waiting frame, if it is the only one.
    pub(crate) fn only(&self) -> Option<&Frame> {
        self.queue.first.as_ref().filter(|_| self.queue.rest.is_empty()).map(|(frame, _)| frame)
    }

    /// Fills the slices of one vectored write from the front of the queue. Returns how many were
    /// filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, (frame, _)) in slices.iter_mut().zip(self.queue.iter().take(SLICES)) {
            *slice = IoSlice::new(frame);
            filled += 1;
        }
        filled
    }

    /// Takes the first frame, of which nothing has been written.
    pub(crate) fn take_first(&mut self) -> Option<Frame> {
        let frame = self.queue.first.as_ref()?.0.clone();
        self.written(frame.len());
        Some(frame)
    }

    /// Removes `written` bytes, which the kernel has accepted, from the front.
    pub(crate) fn written(&mut self, mut written: usize) {
        self.sent += written as u64;
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
        if let Some(corked) = &mut self.corked {
            corked.retain(|frame, class, _| keep(frame, class, false));
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
            assert_eq!((outbox.take_sent(), outbox.take_sent()), (expected.len() as u64, 0));
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
        outbox.cork();
        outbox.push(frame(3, 1), Class::Live, 100);
        outbox.push(frame(7, 1), Class::Control, 100);
        outbox.uncork(None);
        assert_eq!(outbox.bytes(), 6);
        assert_eq!(drain(&mut outbox, 1), [1, 1, 8, 7, 2, 3]);
    }

    #[test]
    fn a_reply_comes_before_what_was_held_for_it() {
        let mut outbox = Outbox::default();
        outbox.push(frame(1, 1), Class::Live, 100);
        outbox.cork();
        outbox.push(frame(3, 1), Class::Live, 100);
        assert_eq!(outbox.bytes(), 2);
        outbox.uncork(Some(frame(2, 1)));
        assert_eq!(drain(&mut outbox, 100), vec![1, 2, 3]);
    }
}
