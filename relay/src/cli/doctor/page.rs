//! The page: headings, lines, and words that are put on as few lines as possible.

use crate::cli::printable::excerpt;

/// Characters of a line, about.
const WIDTH: usize = 110;
/// Characters of what others say.
const LINE_MAX: usize = 300;
/// Bytes of a value of others.
const VALUE_MAX: usize = 120;
/// Lines; a page has about half of them.
const LINES_MAX: usize = 240;

/// See the documentation of this file.
#[derive(Debug, Default)]
pub(super) struct Page {
    lines: Vec<String>,
}

impl Page {
    /// The whole page.
    pub(super) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line, "\n"]).collect()
    }

    /// Begins a part.
    pub(super) fn heading(&mut self, words: &str) {
        if !self.lines.is_empty() {
            self.push(String::new());
        }
        self.push(excerpt(words, LINE_MAX));
    }

    /// Adds a line, which may be of others.
    pub(super) fn line(&mut self, words: &str) {
        self.push(format!("  {}", excerpt(words, LINE_MAX)));
    }

    /// Adds words, as many to a line as it takes.
    pub(super) fn words(&mut self, label: &str, words: impl IntoIterator<Item = String>) {
        let mut line = format!("  {label}:");
        let mut words = words.into_iter().peekable();
        if words.peek().is_none() {
            line.push_str(" nothing");
        }
        for word in words {
            if line.len() + word.len() >= WIDTH {
                self.push(std::mem::replace(&mut line, "   ".to_owned()));
            }
            line.push(' ');
            line.push_str(&word);
        }
        self.push(line);
    }

    fn push(&mut self, line: String) {
        match self.lines.len() {
            0..LINES_MAX => self.lines.push(line),
            LINES_MAX => self.lines.push("…".to_owned()),
            _ => {}
        }
    }
}

/// `name=value`, of a name that is known. A value that is no short ASCII word is not shown.
pub(super) fn pair(name: &str, value: &str) -> String {
    let value = value.replace(' ', "_");
    match value.len() <= VALUE_MAX && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => format!("{name}={value}"),
        false => format!("{name}=(unreadable)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded_and_printable() {
        let mut page = Page::default();
        page.heading("one");
        page.line(&"x\u{1b}\n".repeat(1000));
        page.words("many", (0..100).map(|n| pair(&format!("number{n}"), "17")));
        page.words("none", Vec::new());
        page.heading("two");
        let text = page.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.len() < 2_000), "{text}");
        assert_eq!(lines[0], "one");
        assert!(lines[2].starts_with("  many: number0=17 ") && lines[3].starts_with("    number"));
        assert!(text.ends_with("\n  none: nothing\n\ntwo\n"), "{text}");
        (0..1_000).for_each(|_| page.line("x"));
        assert_eq!(page.text().lines().count(), LINES_MAX + 1);
    }

    #[test]
    fn a_value_of_others_is_a_short_word() {
        let rows = [
            ("7", "a=7"),
            ("Linux 6.1 x86_64", "a=Linux_6.1_x86_64"),
            ("", "a="),
            ("\u{1b}[2J", "a=(unreadable)"),
            ("é", "a=(unreadable)"),
        ];
        for (value, expected) in rows {
            assert_eq!(pair("a", value), expected);
        }
        assert_eq!(pair("a", &"x".repeat(VALUE_MAX + 1)), "a=(unreadable)");
    }
}
