//! One line of the answer.

use std::fmt::{self, Display};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Works, perhaps not as it is meant.
    Warning,
    /// A relay with these settings does not work, or may lose something.
    Error,
}

/// One finding.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Finding {
    pub(super) level: Level,
    about: &'static str,
    text: String,
}

impl Finding {
    pub(super) fn ok(about: &'static str, text: impl Display) -> Finding {
        Finding { level: Level::Ok, about, text: text.to_string() }
    }

    pub(super) fn warning(about: &'static str, text: impl Display) -> Finding {
        Finding { level: Level::Warning, about, text: text.to_string() }
    }

    pub(super) fn error(about: &'static str, text: impl Display) -> Finding {
        Finding { level: Level::Error, about, text: text.to_string() }
    }

    /// The finding, with the servers that it is about.
    pub(super) fn of(self, servers: &str) -> Finding {
        Finding { text: format!("{} ({servers})", self.text), ..self }
    }

    /// A mistake in the settings, which names its flag.
    pub(super) fn setting(text: String) -> Finding {
        Finding::error("settings", text)
    }
}

impl Display for Finding {
    /// One line: what others have named is shown without line breaks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let text = self.text.replace(char::is_control, " ");
        write!(f, "{word:<8}{}: {text}", self.about)
    }
}
