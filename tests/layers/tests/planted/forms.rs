//! Every form in which one file can name another, and what only looks like one.

use crate::planting::report;

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
        "a branch of select!",
        "async fn f() { tokio::select! {\n  x = crate::high::upper() => x,\n} }",
        "2: `crate::high::upper`",
    ),
    (
        "a pattern in matches!",
        "fn f(a: u8) -> bool { matches!(a, 1 | crate::high::LIMIT) }",
        "1: `crate::high::LIMIT`",
    ),
    (
        "an argument of format! by name",
        "fn f() { format!(\"{a}\", a = crate::high::upper()); }",
        "1: `crate::high::upper`",
    ),
    ("the variants of an enum", "use crate::high::Upper::*;", "1: `crate::high::Upper::*`"),
    (
        "an alias of an alias",
        "use crate as a;\nuse a::high as b;\nfn f() { b::upper() }",
        "2: `a::high`",
    ),
    (
        "an alias of a module by super",
        "use super::high as b;\nfn f() { b::inner::deep() }",
        "1: `super::high`",
    ),
    (
        "a path by self",
        "use crate as all;\nfn f() { self::all::high::upper() }",
        "2: `self::all::high::upper`",
    ),
    (
        "a condition of a trait",
        "fn f<T>() where T: Iterator<Item = crate::high::Upper> {}",
        "1: `crate::high::Upper`",
    ),
    ("a trait object", "fn f(_: &dyn crate::high::Upper) {}", "1: `crate::high::Upper`"),
    (
        "a trait in angle brackets in a macro",
        "fn f() { vec![<u8 as crate::high::Upper>::new()]; }",
        "1: `crate::high::Upper`",
    ),
    (
        "a module in a function",
        "fn f() { mod inner {\n  use crate::high::Upper;\n} }",
        "2: `crate::high::Upper`",
    ),
    (
        "a path by super from a module in a function",
        "fn f() { mod inner {\n  fn g() { super::super::high::upper() }\n} }",
        "2: `super::super::high::upper`",
    ),
    (
        "an alias in a module in a function",
        "fn f() { mod inner {\n  use crate as all;\n  fn g() { all::high::upper() }\n} }",
        "3: `all::high::upper`",
    ),
    (
        "a constant in a block of a constant",
        "const A: u8 = { crate::high::LIMIT };",
        "1: `crate::high::LIMIT`",
    ),
    ("a raw name", "use crate::r#high::r#Upper;", "1: `crate::high::Upper`"),
    ("the code of a file", "include!(\"high.rs\");", "1: `high.rs`"),
    ("the text of a file", "const A: &str = include_str!(\"./high.rs\");", "1: `./high.rs`"),
    (
        "the file of another module by #[path]",
        "#[path = \"high.rs\"]\nmod copy;\nuse copy::Upper;",
        "3: `copy::Upper`",
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
