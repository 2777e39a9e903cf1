//! What an import has done, and what it could not do.

use std::fmt;

use crate::cli::transfer::failure::Failure;

/// Notes that are printed: the first ones.
const NOTES_MAX: usize = 50;

/// What was brought in, and what was not.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) rooms: u64,
    pub(super) members: u64,
    pub(super) sanctions: u64,
    pub(super) messages: u64,
    /// Replies of which the message that they answer is not there.
    pub(super) replies_cut: u64,
    /// Lines that Redis has refused.
    refused: u64,
    notes: Vec<String>,
    more_notes: u64,
}

impl Summary {
    /// Notes what else the operator should know.
    pub(super) fn note(&mut self, note: String) {
        match self.notes.len() < NOTES_MAX {
            true => self.notes.push(note),
            false => self.more_notes += 1,
        }
    }

    /// Notes what Redis has refused, and why.
    pub(super) fn refused(&mut self, what: &str, why: &Failure) {
        self.refused += 1;
        self.note(format!("{what}: {why}"));
    }

    /// Whether every line is in Redis now.
    pub(super) fn is_complete(&self) -> bool {
        self.refused == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { rooms, members, sanctions, messages, .. } = self;
        write!(f, "{rooms} rooms, {messages} messages, {members} members, {sanctions} sanctions")?;
        for note in &self.notes {
            write!(f, "\n{note}")?;
        }
        if self.more_notes > 0 {
            write!(f, "\nand {} more like these", self.more_notes)?;
        }
        if self.replies_cut > 0 {
            write!(f, "\n{} replies without the message that they answer", self.replies_cut)?;
        }
        if self.refused > 0 {
            write!(f, "\n{} lines were refused", self.refused)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_notes_are_printed_and_the_others_counted() {
        let mut summary = Summary { rooms: 1, messages: 2, ..Summary::default() };
        assert_eq!(summary.to_string(), "1 rooms, 2 messages, 0 members, 0 sanctions");
        assert!(summary.is_complete());
        summary.refused("lobby: member bob", &Failure::Reply);
        for _ in 0..NOTES_MAX {
            summary.note("lobby: 1 of 2 messages stay".to_owned());
        }
        summary.replies_cut = 3;
        let text = summary.to_string();
        assert!(!summary.is_complete());
        assert!(text.contains("\nlobby: member bob: Redis gave an unknown reply\n"), "{text}");
        let end = "\nand 1 more like these\n3 replies without the message that they answer\n1 \
                   lines were refused";
        assert!(text.ends_with(end), "{text}");
    }
}
