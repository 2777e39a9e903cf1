//! What follows from an answer of a server that its user may perhaps not have.

use crate::cli::check::finding::Finding;
use crate::upstream::Answer;

/// What was not readable is a warning: a relay works without.
pub(super) fn of<T>(
    answer: &Answer<T>,
    about: &'static str,
    judge: impl FnOnce(&T) -> Finding,
) -> Finding {
    match answer {
        Ok(value) => judge(value),
        Err(why) if why.starts_with("NOPERM") => {
            let text = "not readable as this user; --operator-redis names one who may";
            Finding::warning(about, text)
        }
        Err(why) => Finding::warning(about, format_args!("not readable: {why}")),
    }
}
