//! The checker itself: each case plants a small crate with one fault, and the report must name both
//! files, the line and the path. Other cases plant what only looks like a fault.

#![forbid(unsafe_code)]

use chat_layers::{Crate, Sources, check_crate, check_javascript};

/// `low` below `middle` below `high`, with the root on top.
const LAYERS: &[&[&str]] = &[&["low"], &["middle"], &["high"], &["lib"]];

/// The report on a crate of these files below `src/`, or an empty text.
fn report(files: &[(&str, &str)]) -> String {
    report_with(files, LAYERS)
}

fn report_with(files: &[(&str, &str)], layers: &[&[&str]]) -> String {
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
fn assert_names(report: &str, lines: &[&str]) {
    for line in lines {
        assert!(report.contains(line), "no {line:?} in\n{report}");
    }
}

/// `low.rs` with the text `low`, beside a `high.rs` that defines what is not to be named.
fn low(text: &str) -> String {
    report(&[
        ("lib.rs", "mod high;\nmod low;\n"),
        (
            "high.rs",
            "pub(crate) struct Upper;\npub(crate) fn upper() {}\npub(crate) mod inner { pub(crate) fn deep() {} }\n",
        ),
        ("low.rs", text),
    ])
}

/// Every form in which `low.rs` may name something of `high.rs`, with the line and the path that
/// the report must show.
const FORMS: &[(&str, &str, &str)] = &[
    ("an import", "use crate::high::Upper;", "1: `crate::high::Upper`"),
    ("an import by super", "use super::high::Upper;", "1: `super::high::Upper`"),
    (
        "an import with another name",
        "\nuse crate::high::Upper as Lower;",
        "2: `crate::high::Upper`",
    ),
    ("an import without a name", "use crate::high::Upper as _;", "1: `crate::high::Upper`"),
    ("a module", "use crate::high;", "1: `crate::high`"),
    ("a module by self", "use crate::high::{self};", "1: `crate::high`"),
    ("a glob", "use crate::high::*;", "1: `crate::high::*`"),
    (
        "a group",
        "use crate::{low::x, high::Upper}; pub(crate) fn x() {}",
        "1: `crate::high::Upper`",
    ),
    (
        "a nested group over lines",
        "use crate::{\n  low::{self, y::{z}},\n  high::{\n    inner::{deep},\n  },\n};\nmod y { pub(super) fn z() {} }",
        "4: `crate::high::inner::deep`",
    ),
    ("a path in a function", "fn f() {\n  crate::high::upper();\n}", "2: `crate::high::upper`"),
    ("a path by super", "fn f() { super::high::upper(); }", "1: `super::high::upper`"),
    (
        "a path to an inline module",
        "fn f() { crate::high::inner::deep() }",
        "1: `crate::high::inner::deep`",
    ),
    (
        "a path in an inline module",
        "mod a { mod b {\nfn f() { super::super::super::high::upper() }\n} }",
        "2: `super::super::super::high::upper`",
    ),
    (
        "a path to an alias of a module",
        "use crate as all;\nfn f() { all::high::upper() }",
        "2: `all::high::upper`",
    ),
    (
        "an import in a function",
        "fn f() {\n  use crate::high::upper;\n  upper();\n}",
        "2: `crate::high::upper`",
    ),
    (
        "a path by an import in a function",
        "fn f() {\n  use crate as all;\n  all::high::upper();\n}",
        "3: `all::high::upper`",
    ),
    ("a type", "struct S {\n  field: Vec<crate::high::Upper>,\n}", "2: `crate::high::Upper`"),
    ("a bound", "fn f<T: Into<crate::high::Upper>>(_: T) {}", "1: `crate::high::Upper`"),
    (
        "a pattern",
        "fn f(a: u8) { match a { crate::high::LIMIT => {} _ => {} } }",
        "1: `crate::high::LIMIT`",
    ),
    ("a literal", "fn f() { let _ = crate::high::Upper { }; }", "1: `crate::high::Upper`"),
    ("an associated item", "fn f() { crate::high::Upper::new(); }", "1: `crate::high::Upper::new`"),
    (
        "an implementation",
        "struct S;\nimpl From<crate::high::Upper> for S {}",
        "2: `crate::high::Upper`",
    ),
    (
        "a trait in angle brackets",
        "fn f() { <u8 as crate::high::Upper>::new(); }",
        "1: `crate::high::Upper::new`",
    ),
    (
        "a type in angle brackets",
        "fn f() { <crate::high::Upper>::new(); }",
        "1: `crate::high::Upper`",
    ),
    ("a type alias", "type Mine = crate::high::Upper;", "1: `crate::high::Upper`"),
    (
        "the argument of a macro",
        "fn f() {\n  println!(\"{}\",\n    crate::high::upper());\n}",
        "3: `crate::high::upper`",
    ),
    (
        "an argument deep in a macro",
        "fn f() { vec![(1, { [super::high::upper()] })]; }",
        "1: `super::high::upper`",
    ),
    (
        "a group in a macro",
        "made! { use crate::{low::x, high::Upper}; }\npub fn x() {}",
        "1: `crate::high::Upper`",
    ),
    ("a glob in a macro", "made! { use crate::high::*; }", "1: `crate::high::*`"),
    (
        "the body of a macro",
        "macro_rules! m { ($a:expr) => { $crate::high::upper($a) } }",
        "1: `crate::high::upper`",
    ),
    ("an attribute", "#[derive(crate::high::Upper)]\nstruct S;", "1: `crate::high::Upper`"),
    (
        "a string of serde",
        "struct S {\n  #[serde(with = \"crate::high::inner\")]\n  a: u8,\n}",
        "2: `crate::high::inner`",
    ),
    (
        "a name that a macro call may define",
        "use crate::high::Generated;",
        "1: `crate::high::Generated`",
    ),
    (
        "code for some builds",
        "#[cfg(not(test))]\nuse crate::high::Upper;",
        "2: `crate::high::Upper`",
    ),
    (
        "code for tests or a feature",
        "#[cfg(any(test, feature = \"x\"))]\nuse crate::high::Upper;",
        "2: `crate::high::Upper`",
    ),
];

#[test]
fn every_form_of_an_upward_path_is_reported_with_both_files_line_and_path() {
    for (form, text, expected) in FORMS {
        let report = low(text);
        let line = format!("  src/low.rs:{expected} is in src/high.rs");
        assert!(report.contains(&line), "{form}: no {line:?} in\n{report}");
        assert!(
            report.contains("arrow up, from layer 0 (low) to layer 2 (high)"),
            "{form}: {report}"
        );
        assert!(!report.contains("circle"), "{form}: {report}");
    }
}

/// What looks like naming `high.rs` and does not.
const HARMLESS: &[(&str, &str)] = &[
    ("nothing", ""),
    ("a test module", "#[cfg(test)]\nmod tests { use crate::high::Upper; }"),
    ("a test function", "#[cfg(test)]\nfn f() { crate::high::upper() }"),
    ("a method for tests", "struct S;\nimpl S { #[cfg(test)] fn f() { crate::high::upper() } }"),
    ("a field for tests", "struct S { #[cfg(test)] a: crate::high::Upper }"),
    ("a statement for tests", "fn f() { #[cfg(test)] let _ = crate::high::upper(); }"),
    ("a test of all conditions", "#[cfg(all(test, unix))]\nuse crate::high::Upper;"),
    ("a comment", "// crate::high::Upper"),
    ("a documentation link", "/// See [`crate::high::Upper`].\nstruct S;"),
    ("a string", "const A: &str = \"crate::high::Upper\";"),
    ("another crate", "use ::high::Upper;\nfn f() { ::high::upper() }"),
    ("another crate without colons", "use serde::high::Upper;"),
    (
        "an own module of the same name",
        "mod high { pub(super) fn own() {} }\nfn f() { high::own() }",
    ),
    (
        "an own name in a block",
        "fn f() { mod_free(); let high = 1; println!(\"{}\", high); }\nfn mod_free() {}",
    ),
    ("a field", "fn f(a: A) { println!(\"{}\", a.high) }"),
    ("a visibility", "pub(in crate::high) struct S;"),
    ("the standard library", "use std::collections::HashMap;\nfn f() -> Option<u8> { None }"),
];

#[test]
fn what_only_looks_like_an_upward_path_is_no_fault() {
    for (form, text) in HARMLESS {
        let report = low(text);
        assert!(report.is_empty(), "{form}: {report}");
    }
}

#[test]
fn a_circle_of_two_files_is_reported_with_both_arrows() {
    let report = report_with(
        &[
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a.rs", "\nuse crate::b::B;\npub(crate) struct A;\n"),
            ("b.rs", "pub(crate) struct B;\nfn f() { crate::a::A; }\n"),
        ],
        &[&["a", "b"], &["lib"]],
    );
    assert_names(
        &report,
        &[
            "circle of imports among 2 files:",
            "  src/a.rs:2: `crate::b::B` is in src/b.rs",
            "  src/b.rs:2: `crate::a::A` is in src/a.rs",
            "To open a circle",
        ],
    );
}

#[test]
fn a_circle_of_three_files_is_reported_as_one_way_round() {
    let report = report_with(
        &[
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n"),
            ("a.rs", "use crate::b::B;\npub(crate) struct A;\n"),
            ("b.rs", "use super::c::*;\npub(crate) struct B;\n"),
            ("c.rs", "use super::{a::A};\nuse crate::d::D;\n"),
            ("d.rs", "pub(crate) struct D;\n"),
        ],
        &[&["d"], &["a", "b", "c"], &["lib"]],
    );
    assert_names(
        &report,
        &[
            "circle of imports among 3 files:",
            "  src/a.rs:1: `crate::b::B` is in src/b.rs",
            "  src/b.rs:1: `super::c::*` is in src/c.rs",
            "  src/c.rs:1: `super::a::A` is in src/a.rs",
        ],
    );
    assert!(!report.contains("d.rs"), "{report}");
}

#[test]
fn a_child_and_its_parent_that_import_from_each_other_are_a_circle() {
    let report = report(&[
        ("lib.rs", "mod high;\n"),
        ("high/mod.rs", "mod child;\npub(crate) use child::Small;\npub(crate) struct Big;\n"),
        ("high/child.rs", "use super::Big;\npub(crate) struct Small(Big);\n"),
    ]);
    assert_names(
        &report,
        &[
            "circle of imports among 2 files:",
            "  src/high/mod.rs:2: `child::Small` is in src/high/child.rs",
            "  src/high/child.rs:1: `super::Big` is in src/high/mod.rs",
        ],
    );
}

#[test]
fn a_declaration_of_a_module_is_no_arrow() {
    let report = report(&[
        ("lib.rs", "mod high;\n"),
        ("high.rs", "mod child;\npub(crate) struct Big;\n"),
        ("high/child.rs", "use super::Big;\nstruct Small(Big);\n"),
    ]);
    assert_eq!(report, "");
}

#[test]
fn a_re_export_makes_an_arrow_to_its_file_and_one_to_the_definition() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\nmod middle;\n"),
        ("high.rs", "pub(crate) struct Upper;\n"),
        ("middle.rs", "pub(crate) use crate::high::Upper as Renamed;\n"),
        ("low.rs", "\nuse crate::middle::Renamed;\n"),
    ]);
    assert_names(
        &report,
        &[
            "  src/low.rs:2: `crate::middle::Renamed` passes through src/middle.rs",
            "  src/low.rs:2: `crate::middle::Renamed` is in src/high.rs",
            "  src/middle.rs:1: `crate::high::Upper` is in src/high.rs",
        ],
    );
}

#[test]
fn a_re_export_by_glob_and_by_the_root_is_followed() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\nmod middle;\npub use middle::*;\n"),
        ("high.rs", "pub struct Upper;\n"),
        ("middle.rs", "pub use crate::high::*;\n"),
        ("low.rs", "fn f(_: &crate::Upper) {}\n"),
    ]);
    assert_names(
        &report,
        &[
            "  src/low.rs:1: `crate::Upper` passes through src/lib.rs",
            "  src/low.rs:1: `crate::Upper` passes through src/middle.rs",
            "  src/low.rs:1: `crate::Upper` is in src/high.rs",
        ],
    );
}

#[test]
fn a_private_import_of_the_parent_is_followed_where_a_child_uses_it() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\n"),
        ("high.rs", "pub(crate) struct Upper;\n"),
        ("low.rs", "mod child;\nuse crate::high::Upper;\n"),
        ("low/child.rs", "fn f() -> super::Upper { todo!() }\n"),
    ]);
    assert_names(&report, &["  src/low/child.rs:1: `super::Upper` is in src/high.rs"]);
}

#[test]
fn a_short_name_that_comes_by_a_glob_is_followed_to_its_definition() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\nmod middle;\n"),
        ("high.rs", "pub(crate) struct Upper;\npub(crate) fn upper() {}\n"),
        ("middle.rs", "pub(crate) use crate::high::{Upper, upper};\n"),
        ("low.rs", "use crate::middle::*;\nfn f(_: Upper) {}\nfn g(upper: u8) -> u8 { upper }\n"),
    ]);
    assert_names(&report, &["  src/low.rs:2: `Upper` is in src/high.rs"]);
    assert!(!report.contains("`upper`"), "a variable is no path: {report}");
}

#[test]
fn private_names_do_not_come_by_a_glob() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\nmod middle;\n"),
        ("high.rs", "use crate::middle::Common;\npub(crate) fn f(_: Common) {}\n"),
        ("middle.rs", "pub(crate) struct Common;\nuse std::fmt::Debug;\nfn g(_: &dyn Debug) {}\n"),
        ("low.rs", "use std::fmt::Debug;\nfn f(_: &dyn Debug) {}\n"),
    ]);
    assert_eq!(report, "");
}

#[test]
fn a_module_and_a_function_of_one_name_are_told_apart() {
    let files = |body: &'static str| {
        [
            ("lib.rs", "mod high;\nmod low;\nmod middle;\n"),
            ("high.rs", "pub(crate) fn name() {}\npub(crate) struct Upper;\n"),
            (
                "middle.rs",
                "pub(crate) mod name { pub(crate) fn f() {} }\npub(crate) use crate::high::name;\n",
            ),
            ("low.rs", body),
        ]
    };
    let module = report(&files("fn f() { crate::middle::name::f() }"));
    assert_names(&module, &["`crate::middle::name::f` is in src/middle.rs"]);
    assert!(!module.contains("low.rs:1: `crate::middle::name::f` is in src/high.rs"), "{module}");
    let function = report(&files("fn f() { crate::middle::name() }"));
    assert_names(&function, &["  src/low.rs:1: `crate::middle::name` is in src/high.rs"]);
}

#[test]
fn macros_are_found_by_path_by_scope_and_by_export() {
    let path = report(&[
        ("lib.rs", "mod high;\nmod low;\n"),
        ("high.rs", "macro_rules! shout { () => {} }\npub(crate) use shout;\n"),
        ("low.rs", "fn f() { crate::high::shout!(); }\n"),
    ]);
    assert_names(&path, &["  src/low.rs:1: `crate::high::shout!` is in src/high.rs"]);
    let import = report(&[
        ("lib.rs", "mod high;\nmod low;\n"),
        ("high.rs", "macro_rules! shout { () => {} }\npub(crate) use shout;\n"),
        ("low.rs", "use crate::high::shout;\nshout!();\n"),
    ]);
    assert_names(&import, &["  src/low.rs:1: `crate::high::shout` is in src/high.rs"]);
    let scope = report(&[
        ("lib.rs", "macro_rules! shout { () => {} }\nmod low;\n"),
        ("low.rs", "fn f() { shout!(); }\n"),
    ]);
    assert_names(&scope, &["  src/low.rs:1: `shout!` is in src/lib.rs"]);
    let marked = report(&[
        ("lib.rs", "#[macro_use]\nmod high;\nmod low;\n"),
        ("high.rs", "macro_rules! shout { () => {} }\n"),
        ("low.rs", "fn f() { vec![shout!()]; }\n"),
    ]);
    assert_names(&marked, &["  src/low.rs:1: `shout!` is in src/high.rs"]);
    let exported = report(&[
        ("lib.rs", "mod high;\nmod low;\n"),
        ("high.rs", "#[macro_export]\nmacro_rules! shout { () => {} }\n"),
        ("low.rs", "fn f() { crate::shout!(); }\n"),
    ]);
    assert_names(&exported, &["  src/low.rs:1: `crate::shout!` is in src/high.rs"]);
}

#[test]
fn modules_with_a_path_and_modules_in_folders_are_found() {
    let report = report_with(
        &[
            ("lib.rs", "#[path = \"odd/place.rs\"]\nmod high;\nmod low { mod inner; }\n"),
            ("odd/place.rs", "mod beside;\npub(crate) use beside::Upper;\n"),
            ("odd/beside.rs", "pub(crate) struct Upper;\n"),
            ("low/inner.rs", "use crate::high::Upper;\n"),
        ],
        &[&["low"], &["odd"], &["lib"]],
    );
    assert_names(
        &report,
        &[
            "  src/low/inner.rs:1: `crate::high::Upper` passes through src/odd/place.rs",
            "  src/low/inner.rs:1: `crate::high::Upper` is in src/odd/beside.rs",
        ],
    );
}

#[test]
fn a_generated_name_counts_for_the_file_of_the_macro_call_also_by_a_glob() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\nmod middle;\n"),
        ("high.rs", "table! { FIRST SECOND }\n"),
        ("middle.rs", "pub(crate) use crate::high::*;\n"),
        ("low.rs", "use crate::middle::FIRST;\n"),
    ]);
    assert_names(&report, &["  src/low.rs:1: `crate::middle::FIRST` is in src/high.rs"]);
}

#[test]
fn test_files_need_no_layer_and_may_import_all() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\n"),
        ("high.rs", "use crate::low::Lower;\npub(crate) struct Upper(Lower);\n"),
        (
            "low.rs",
            "pub(crate) struct Lower;\n#[cfg(test)]\n#[path = \"low_tests.rs\"]\nmod tests;\n",
        ),
        ("low_tests.rs", "mod more;\nuse crate::high::Upper;\n"),
        ("more.rs", "use crate::high::Upper;\n"),
    ]);
    assert_eq!(report, "");
}

#[test]
fn a_file_in_no_layer_and_an_entry_without_a_file_are_reported() {
    let sources = Sources::planted(&[
        ("src/lib.rs", "mod new;\n"),
        ("src/new.rs", ""),
        ("src/forgotten.rs", ""),
    ]);
    let one = Crate { roots: &["src/lib.rs"], layers: &[&["old"], &["lib"]] };
    let report = check_crate(&sources, &one).unwrap_err();
    assert_names(
        &report,
        &[
            "src/new.rs: in no layer: add it to the table",
            "old: the table names it, but no file matches",
            "src/forgotten.rs: no `mod` declares this file",
        ],
    );
}

#[test]
fn the_longest_entry_of_the_table_decides() {
    let report = report_with(
        &[
            ("lib.rs", "mod state;\n"),
            ("state/mod.rs", "mod number;\nmod room;\n"),
            ("state/number.rs", "use super::room::Room;\n"),
            ("state/room.rs", "pub(crate) struct Room;\n"),
        ],
        &[&["state/number"], &["state"], &["lib"]],
    );
    assert_names(
        &report,
        &[
            "arrow up, from layer 0 (state/number) to layer 1 (state):",
            "  src/state/number.rs:1: `super::room::Room` is in src/state/room.rs",
        ],
    );
}

#[test]
fn a_missing_file_and_broken_text_are_reported_with_their_line() {
    let one = Crate { roots: &["src/lib.rs"], layers: &[&["lib"]] };
    let missing = check_crate(&Sources::planted(&[("src/lib.rs", "\nmod gone;\n")]), &one);
    assert_names(&missing.unwrap_err(), &["src/lib.rs:2: mod gone", "src/gone/mod.rs"]);
    let broken = check_crate(&Sources::planted(&[("src/lib.rs", "\nfn (\n")]), &one);
    assert_names(&broken.unwrap_err(), &["src/lib.rs:2: not understood"]);
}

/// The report on JavaScript files, `sdk` below `page`.
fn javascript(files: &[(&str, &str)]) -> String {
    let sources = Sources::planted(files);
    check_javascript(&sources, &["sdk", "page"], &[".test."]).err().unwrap_or_default()
}

#[test]
fn an_import_from_the_library_to_the_page_is_reported() {
    for (form, text) in [
        ("a name", "\nimport { draw } from '../page/draw.js';"),
        ("all names", "\nimport * as draw from \"../page/draw.js\";"),
        ("no name", "\nimport '../page/draw.js';"),
        ("a re-export", "\nexport { draw } from '../page/draw.js';"),
        ("at run time", "\nconst a = await import('../page/draw.js');"),
        ("in a template", "\nconst a = `${await import('../page/draw.js')}`;"),
        ("after a pattern with quotes", "const a = /['\"`/]/;\nimport '../page/draw.js';"),
        ("after a template", "const a = `'${`'`}'`;\nimport '../page/draw.js';"),
        ("over lines", "import {\n draw } from '../page/draw.js';"),
    ] {
        let report = javascript(&[("sdk/client.js", text), ("page/draw.js", "")]);
        let line = "  sdk/client.js:2: `../page/draw.js` is in page/draw.js";
        assert!(report.contains("arrow up") && report.contains(line), "{form}: {report}");
    }
}

#[test]
fn comments_strings_packages_and_tests_are_no_imports_of_the_library() {
    let report = javascript(&[
        (
            "sdk/client.js",
            "// import '../page/draw.js'\n/* import('../page/draw.js') */\n\
             /** @type {import('../page/draw.js').A} */\n\
             const a = \"import '../page/draw.js'\";\nimport assert from 'node:assert';\n",
        ),
        ("sdk/client.test.js", "import '../page/draw.js';"),
        ("page/draw.js", "import '../sdk/client.js';"),
    ]);
    assert_eq!(report, "");
}

#[test]
fn a_circle_of_javascript_files_and_an_import_of_nothing_are_reported() {
    let report = javascript(&[
        ("sdk/a.js", "import './b.js';"),
        ("sdk/b.js", "import './a.js';\nimport './gone.js';"),
        ("sdk/c.js", "import './b.js';"),
        ("page/draw.js", "import '../sdk/none.js';"),
    ]);
    assert_names(&report, &["page/draw.js:1: ../sdk/none.js: there is no such file"]);
    assert_names(&report, &["sdk/b.js:2: ./gone.js: there is no such file"]);
    let report = javascript(&[
        ("sdk/a.js", "import './b.js';"),
        ("sdk/b.js", "import './a.js';"),
        ("page/draw.js", ""),
    ]);
    assert_names(
        &report,
        &[
            "circle of imports among 2 files:",
            "  sdk/a.js:1: `./b.js` is in sdk/b.js",
            "  sdk/b.js:1: `./a.js` is in sdk/a.js",
        ],
    );
}
