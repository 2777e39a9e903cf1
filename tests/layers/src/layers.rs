//! The order of a crate's files, and the report of what breaks it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::arrows::arrows;
use crate::graph::{Arrow, circles, first_of_each};
use crate::javascript;
use crate::modules::Tree;
use crate::sources::{Sources, folder_of};

/// A crate and the order of its files.
#[derive(Clone, Copy, Debug)]
pub struct Crate<'a> {
    /// The root files: of the library, of programs, of test binaries.
    pub roots: &'a [&'a str],
    /// The layers, the lowest first. An entry is a path below the folder of the first root: a
    /// file (`state/room.rs`), or a module with all of its files (`state/room`). The longest entry
    /// decides.
    pub layers: &'a [&'a [&'a str]],
}

/// How many arrows of one circle are shown besides a shortest way round.
const SHOWN: usize = 30;

const HOW_TO_OPEN: &str = "\
    To open a circle, move what both files need into a file below them, pass the value in as an
    argument, or join the two files if they are one idea.
    A child that needs something of its parent's file: move that into a file of its own.";

const HOW_TO_LOWER: &str = "\
    To turn such an arrow, move the definition down to the lowest file that needs it, hand the
    upper code in as a function, or move the caller up.";

/// Checks one crate.
///
/// # Errors
/// The report: every circle, every arrow from a lower layer up, every file in no layer, and every
/// entry of the table that matches nothing.
pub fn check_crate(sources: &Sources, one: &Crate<'_>) -> Result<(), String> {
    let mut found = Vec::new();
    let (mut files, mut tests) = (BTreeSet::new(), BTreeSet::new());
    for root in one.roots {
        let tree = Tree::read(sources, root)?;
        found.extend(arrows(&tree));
        files.extend(tree.files.iter().cloned());
        tests.extend(tree.test_files.iter().cloned());
    }
    let folder = one.roots.first().map_or("", |root| folder_of(root));
    let mut report = Report::default();
    for path in sources.paths_in(folder) {
        if !files.contains(path) && !tests.contains(path) && path.ends_with(".rs") {
            report.line(&format!("{path}: no `mod` declares this file"));
        }
    }
    report.check(folder, &files, first_of_each(found), one.layers);
    report.finish()
}

/// Checks the JavaScript files in `folders`, the lowest first. Files whose path contains one of
/// `except` are left out.
///
/// # Errors
/// The report, as of [`check_crate`]; also every import of a file that is not there.
pub fn check_javascript(
    sources: &Sources,
    folders: &[&str],
    except: &[&str],
) -> Result<(), String> {
    let mut report = Report::default();
    let mut found = Vec::new();
    let mut files = BTreeSet::new();
    for folder in folders {
        for path in sources.paths_in(folder) {
            if !except.iter().any(|part| path.contains(part)) && javascript::is_javascript(path) {
                files.insert(path.to_owned());
                match javascript::arrows(sources, path) {
                    Ok(arrows) => found.extend(arrows),
                    Err(problem) => report.line(&problem),
                }
            }
        }
    }
    let layers: Vec<&[&str]> = folders.iter().map(std::slice::from_ref).collect();
    report.check("", &files, first_of_each(found), &layers);
    report.finish()
}

#[derive(Default)]
struct Report {
    text: String,
}

impl Report {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }

    fn arrow(&mut self, arrow: &Arrow) {
        let Arrow { from, to, line, path, re_export } = arrow;
        let verb = if *re_export { "passes through" } else { "is in" };
        let _ = writeln!(self.text, "  {from}:{line}: `{path}` {verb} {to}");
    }

    fn check(
        &mut self,
        folder: &str,
        files: &BTreeSet<String>,
        arrows: Vec<Arrow>,
        layers: &[&[&str]],
    ) {
        let order = Order { folder, layers };
        self.coverage(&order, files);
        let (upward, rest): (Vec<Arrow>, Vec<Arrow>) =
            arrows.into_iter().partition(|arrow| order.is_upward(arrow));
        self.upward(&order, &upward);
        // A circle through several layers has an arrow up, which is reported already.
        self.circles(&rest);
    }

    fn coverage(&mut self, order: &Order<'_>, files: &BTreeSet<String>) {
        let mut used = BTreeSet::new();
        for file in files {
            match order.of(file) {
                Some((_, entry)) => {
                    used.insert(entry);
                }
                None => self.line(&format!("{file}: in no layer: add it to the table")),
            }
        }
        for entry in order.layers.iter().flat_map(|layer| layer.iter()) {
            if !used.contains(entry) {
                self.line(&format!("{entry}: the table names it, but no file matches"));
            }
        }
    }

    fn upward(&mut self, order: &Order<'_>, arrows: &[Arrow]) {
        for arrow in arrows {
            if let (Some((from, lower)), Some((to, upper))) =
                (order.of(&arrow.from), order.of(&arrow.to))
            {
                self.line(&format!(
                    "arrow up, from layer {from} ({lower}) to layer {to} ({upper}):"
                ));
                self.arrow(arrow);
            }
        }
        if !arrows.is_empty() {
            self.line(HOW_TO_LOWER);
        }
    }

    fn circles(&mut self, arrows: &[Arrow]) {
        for circle in circles(arrows) {
            self.line(&format!("circle of imports among {} files:", circle.files));
            for arrow in &circle.way {
                self.arrow(arrow);
            }
            if !circle.others.is_empty() {
                self.line(" other arrows among these files:");
            }
            for arrow in circle.others.iter().take(SHOWN) {
                self.arrow(arrow);
            }
            if let more @ 1.. = circle.others.len().saturating_sub(SHOWN) {
                self.line(&format!("  and {more} more"));
            }
            self.line(HOW_TO_OPEN);
        }
    }

    fn finish(self) -> Result<(), String> {
        if self.text.is_empty() { Ok(()) } else { Err(self.text) }
    }
}

struct Order<'a> {
    folder: &'a str,
    layers: &'a [&'a [&'a str]],
}

impl<'a> Order<'a> {
    fn is_upward(&self, arrow: &Arrow) -> bool {
        matches!(
            (self.of(&arrow.from), self.of(&arrow.to)),
            (Some((from, _)), Some((to, _))) if from < to
        )
    }

    /// The layer of `file`, counted from 0, and the entry that decides.
    fn of(&self, file: &str) -> Option<(usize, &'a str)> {
        let below = file.strip_prefix(self.folder)?;
        let path = below.strip_prefix('/').unwrap_or(below);
        let fits = |entry: &str| {
            path.strip_prefix(entry)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
        };
        self.layers
            .iter()
            .enumerate()
            .flat_map(|(number, layer)| layer.iter().map(move |entry| (number, *entry)))
            .filter(|(_, entry)| fits(entry))
            .max_by_key(|(_, entry)| entry.len())
    }
}
