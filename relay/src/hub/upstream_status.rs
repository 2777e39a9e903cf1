//! The state of Redis as clients know it: the frame `upstream`.

use parking_lot::Mutex;

use crate::client::frame::Frame;
use crate::client::relay_frame::RelayFrame;
use crate::upstream::Overview;

/// The state of Redis in the words of the frame `upstream`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UpstreamStatus {
    #[default]
    Back,
    WritesRefused,
    Away,
}

impl UpstreamStatus {
    pub(super) fn of(overview: &Overview) -> UpstreamStatus {
        match (overview.readable_slots(), overview.open_slots()) {
            (0, _) => UpstreamStatus::Away,
            (_, 0) => UpstreamStatus::WritesRefused,
            _ => UpstreamStatus::Back,
        }
    }

    pub(super) fn frame(self) -> Frame {
        let state = match self {
            UpstreamStatus::Back => "back",
            UpstreamStatus::WritesRefused => "writes_refused",
            UpstreamStatus::Away => "away",
        };
        RelayFrame::Upstream { state }.encode()
    }
}

/// The status that was last sent to clients.
#[derive(Default)]
pub(super) struct CurrentStatus(Mutex<UpstreamStatus>);

impl CurrentStatus {
    pub(super) fn get(&self) -> UpstreamStatus {
        *self.0.lock()
    }

    pub(super) fn set(&self, status: UpstreamStatus) {
        *self.0.lock() = status;
    }
}
