//! Plants a crate in memory and returns the report on it.

use chat_layers::{Crate, Sources, check_crate};

/// `low` below `middle` below `high`, with the root on top.
const LAYERS: &[&[&str]] = &[&["low"], &["middle"], &["high"], &["lib"]];

/// The report on a crate of these files below `src/`, or an empty text.
pub(crate) fn report(files: &[(&str, &str)]) -> String {
    report_with(files, LAYERS)
}

pub(crate) fn report_with(files: &[(&str, &str)], layers: &[&[&str]]) -> String {
    let files: Vec<(String, &str)> =
        files.iter().map(|(path, text)| (format!("src/{path}"), *text)).collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let sources = Sources::planted(&files);
    // A table that names files that a small case does not have is no fault of the case.
    let present = |entry: &&str| {
        sources.text(&format!("src/{entry}.rs")).is_some()
            || sources.paths_in(&format!("src/{entry}")).next().is_some()
            || sources.text(&format!("src/{entry}")).is_some()
    };
    let layers: Vec<Vec<&str>> =
        layers.iter().map(|layer| layer.iter().copied().filter(present).collect()).collect();
    let layers: Vec<&[&str]> = layers.iter().map(Vec::as_slice).collect();
    let one = Crate { roots: &["src/lib.rs"], layers: &layers };
    check_crate(&sources, &one).err().unwrap_or_default()
}

#[track_caller]
pub(crate) fn assert_names(report: &str, lines: &[&str]) {
    for line in lines {
        assert!(report.contains(line), "no {line:?} in\n{report}");
    }
}
