//! `docs/languages.md` names each example, helpers stay short, and versions are locked.

use std::collections::BTreeSet;
use std::path::Path;

use chat_tests::documents::{read, root};

use super::example::{Example, FOLDER};

const LINES_MAX: usize = 100;

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_example_is_run_and_in_the_document() {
    let document = read("docs/languages.md");
    let folders = std::fs::read_dir(root().join(FOLDER)).expect("a folder").flatten();
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.file_name().into_string().expect("ASCII")).collect();
    let run: BTreeSet<String> = Example::ALL.map(|example| example.name().to_owned()).into();
    assert_eq!(folders, run);
    for name in run {
        assert!(document.contains(&format!("(../{FOLDER}/{name})")), "{name} is not linked");
    }
}

#[test]
fn no_helper_is_long() {
    for example in Example::ALL {
        let lines = text(&example.folder().join(example.helper())).lines().count();
        assert!(lines <= LINES_MAX, "{example:?}: {lines} lines");
    }
}

/// Whoever installs the packages says where they come from.
#[test]
fn no_file_names_a_server_of_packages() {
    for example in Example::ALL {
        for entry in std::fs::read_dir(example.folder()).expect("a folder").flatten() {
            if entry.path().is_file() {
                let text = text(&entry.path());
                for word in ["registry.", "\"resolved\"", "pypi.", "proxy.", "repo1", "repo."] {
                    assert!(!text.contains(word), "{}: {word}", entry.path().display());
                }
            }
        }
    }
}
