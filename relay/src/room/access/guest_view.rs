//! What guests see of a room: one answer of Redis for all of them.
//!
//! For Redis all guests are one user, so one question serves all that join at about the same time. The
//! answer is good as long as nothing has put access in question, which the room's epoch says, and for
//! as long as a fetched page is.

use std::time::Instant;

use crate::room::fetch::{KeptView, View};
use crate::room::joining::{FETCH_KEPT, Joiner};
use crate::room::room::Room;

impl Room {
    /// What guests see: a shared answer if it is in progress or still good, else one that `make`
    /// starts.
    pub(crate) fn guest_view(&self, joiner: &Joiner, make: impl FnOnce() -> View) -> View {
        let mut state = self.state.lock();
        if let Some(KeptView { epoch, at, view }) = &state.guest_view
            && (*epoch == joiner.epoch && at.elapsed() < FETCH_KEPT)
            && view.peek().is_none_or(Result::is_ok)
        {
            return view.clone();
        }
        let view = make();
        let kept = KeptView { epoch: joiner.epoch, at: Instant::now(), view: view.clone() };
        state.guest_view = Some(kept);
        view
    }
}
