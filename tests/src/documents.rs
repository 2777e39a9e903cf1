//! The Markdown documents of the repository: their sections, code blocks, tables and links.
//!
//! Scenarios in `it/documents/` compare what documents say with real servers and relays. What needs
//! no server is tested here: links, and the paths that source files mention.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// The text of a document, by its path from the root.
///
/// # Panics
/// If there is no such document.
#[track_caller]
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a document, each with whether it is inside a fenced code block.
fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut inside = false;
    text.lines().map(move |line| {
        let fence = line.trim_start().starts_with("```");
        let was_inside = inside;
        inside ^= fence;
        (line, was_inside || fence)
    })
}

/// The fenced code blocks of a language, such as `json`, in their order.
pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        match (&mut current, line.strip_prefix("```")) {
            (None, Some(tag)) if tag.trim() == language => current = Some(String::new()),
            (None, Some(_)) => current = None,
            (Some(_), Some(_)) => blocks.extend(current.take()),
            (Some(block), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The part of a document from a heading, such as `## Errors`, to the next one of its level or above.
///
/// # Panics
/// If there is no such heading.
#[track_caller]
pub fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let level = heading.bytes().take_while(|&byte| byte == b'#').count();
    let mut at = 0;
    let (mut start, mut end) = (None, text.len());
    for ((line, inside), whole) in lines(text).zip(text.split_inclusive('\n')) {
        let depth = line.bytes().take_while(|&byte| byte == b'#').count();
        if !inside && start.is_some() && (1..=level).contains(&depth) {
            end = at;
            break;
        }
        if !inside && line == heading {
            start = Some(at);
        }
        at += whole.len();
    }
    &text[start.unwrap_or_else(|| panic!("no heading {heading}"))..end]
}

/// The rows of all tables in a text as their cells, without headings and rulers.
pub fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        let inner = inner.replace("\\|", "\u{0}");
        inner.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
    };
    let is_ruler = |line: &str| line.starts_with("|---") || line.starts_with("|:");
    let table = |(at, line): (usize, &&str)| {
        let is_heading = lines.get(at + 1).is_some_and(|next| is_ruler(next));
        (line.starts_with('|') && !is_ruler(line) && !is_heading).then(|| cells(line))
    };
    lines.iter().enumerate().filter_map(table).collect()
}

/// The words of a text in backticks.
pub fn code_words(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The rights that a relay's Redis user needs, from `docs/operations.md`: words of `ACL SETUSER`.
///
/// # Panics
/// If the document has no such line.
pub fn acl_line() -> Vec<String> {
    acl_line_of("docs/operations.md")
}

/// As [`acl_line`], from another document. A line that is shown shortened does not count.
///
/// # Panics
/// If the document has no such line.
pub fn acl_line_of(path: &str) -> Vec<String> {
    let text = read(path);
    let is_it = |line: &&str| line.trim().starts_with("user relay on ") && !line.ends_with('…');
    let line = text.lines().find(is_it);
    line.expect("the line").split_whitespace().skip(1).map(str::to_owned).collect()
}

/// The commands of that line without which a relay does not work anywhere.
pub fn commands_of_relays() -> Vec<String> {
    let (_, needed) = commands_by_need();
    needed
}

/// The commands of that line that a relay needs in a cluster only.
pub fn commands_in_clusters() -> Vec<String> {
    let (only_in_clusters, _) = commands_by_need();
    only_in_clusters
}

/// Redis allows HELLO for every user, so it is in neither list.
fn commands_by_need() -> (Vec<String>, Vec<String>) {
    let line = acl_line();
    let commands = line.iter().filter_map(|word| word.strip_prefix('+'));
    let commands = commands.filter(|name| *name != "hello").map(str::to_owned);
    let only_in_clusters =
        |name: &str| matches!(name, "asking" | "readonly") || name.starts_with("cluster|");
    commands.partition(|name| only_in_clusters(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Folders that hold nothing of ours, or what tools left.
    const OTHERS: &[&str] = &["target", "servers", "node_modules", "data", "found", "artifacts"];

    /// All files below a folder whose names end so.
    fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                let hidden = name.starts_with('.') && name != ".github";
                if !hidden && !OTHERS.contains(&name.as_str()) {
                    files(&path, endings, found);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }

    fn all(endings: &[&str]) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        files(&root(), endings, &mut found);
        let text = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            (path, text)
        };
        found.into_iter().map(text).collect()
    }

    /// The anchors of a document, as GitHub makes them of its headings.
    fn anchors(text: &str) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for (line, inside) in lines(text) {
            let Some((marks, heading)) = line.split_once(' ') else { continue };
            if inside || marks.is_empty() || marks.bytes().any(|byte| byte != b'#') {
                continue;
            }
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let slug: String = heading.trim().to_lowercase().chars().filter(kept).collect();
            let slug = slug.replace(' ', "-");
            let repeated = (1..).map(|n| format!("{slug}-{n}"));
            let free = [slug.clone()].into_iter().chain(repeated).find(|s| !anchors.contains(s));
            anchors.extend(free);
        }
        anchors
    }

    /// The targets of a document's links, those in code left out.
    fn links(text: &str) -> Vec<String> {
        let mut links = Vec::new();
        for (line, inside) in lines(text) {
            if inside || line.starts_with("    ") {
                continue;
            }
            let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            let ends = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            links.extend(ends.map(|(target, _)| target.to_owned()));
        }
        links
    }

    #[test]
    fn every_link_of_a_document_leads_somewhere() {
        let mut broken = Vec::new();
        for (path, text) in all(&[".md"]) {
            for link in links(&text) {
                if link.contains("://") || link.starts_with("mailto:") {
                    continue;
                }
                let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
                let folder = path.parent().expect("a folder");
                let target = if file.is_empty() { path.clone() } else { folder.join(file) };
                let is_there = target.exists()
                    && (anchor.is_empty()
                        || std::fs::read_to_string(&target)
                            .is_ok_and(|text| anchors(&text).contains(anchor)));
                if !is_there {
                    broken.push(format!("{}: {link}", path.display()));
                }
            }
        }
        assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    }

    #[test]
    fn every_document_that_a_source_file_names_exists() {
        let mut missing = Vec::new();
        for (path, text) in all(&[".rs", ".js", ".mjs", ".conf", ".toml", "Makefile"]) {
            for (at, _) in text.match_indices("docs/") {
                let is_path = |c: &char| c.is_ascii_alphanumeric() || "-_./".contains(*c);
                let name: String = text[at..].chars().take_while(is_path).collect();
                let name = name.split_inclusive(".md").next().unwrap_or_default();
                if name.ends_with(".md") && !root().join(name).exists() {
                    missing.push(format!("{}: {name}", path.display()));
                }
            }
        }
        assert!(missing.is_empty(), "documents that do not exist:\n{}", missing.join("\n"));
    }

    #[test]
    fn every_file_that_a_document_names_exists() {
        let mut missing = Vec::new();
        let folders = ["protocol/", "module/", "relay/", "sdk/", "tests/", "fuzz/", "docs/"];
        for (path, text) in all(&[".md"]) {
            for word in code_words(&text) {
                let is_path = folders.iter().any(|folder| word.starts_with(folder))
                    && !word.contains("NAME")
                    && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
                if is_path && !root().join(word).exists() {
                    missing.push(format!("{}: {word}", path.display()));
                }
            }
        }
        assert!(missing.is_empty(), "files that do not exist:\n{}", missing.join("\n"));
    }

    #[test]
    fn headings_links_and_tables_are_found() {
        let text = "# A `b` c!\n[x](#a-b-c) `[no](no)`\n```sh\n# no\n[no](no)\n```\n## A b c\n\n\
                    | h | i |\n|---|---|\n| 1 \\| 2 | `x` |\n";
        assert_eq!(anchors(text), ["a-b-c".to_owned(), "a-b-c-1".to_owned()].into());
        assert_eq!(links(text), ["#a-b-c"]);
        assert_eq!(blocks(text, "sh"), ["# no\n[no](no)\n"]);
        assert_eq!(rows(text), [["1 | 2", "`x`"]]);
        assert!(section(text, "## A b c").starts_with("## A b c\n\n| h"));
        assert_eq!(code_words("a `b` c `d`"), ["b", "d"]);
    }
}
