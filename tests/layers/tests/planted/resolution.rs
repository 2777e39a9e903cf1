//! Where a path leads: re-exports, globs, macros, and the files of modules.

use crate::planting::{assert_names, report, report_with};

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
fn a_module_and_a_function_of_one_name_are_distinguished() {
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
fn a_second_name_for_the_crate_is_refused() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\nextern crate self as me;\n"),
        ("high.rs", "pub(crate) struct Upper;\n"),
        ("low.rs", "use me::high::Upper;\n"),
    ]);
    assert_names(&report, &["src/lib.rs:3: `extern crate self`: write `crate` instead"]);
}

#[test]
fn a_method_apart_from_its_type_is_an_arrow_where_it_is_called() {
    let files = |high: &'static str| {
        [
            ("lib.rs", "mod high;\nmod low;\nmod middle;\n"),
            ("high.rs", high),
            ("middle.rs", "pub(crate) struct Common;\nimpl Common { fn own(&self) {} }\n"),
            ("low.rs", "fn f() {\n  let a = made();\n  a.publish();\n  a.own();\n}\n"),
        ]
    };
    let apart =
        report(&files("use crate::middle::Common;\nimpl Common { fn publish(&self) {} }\n"));
    assert_names(&apart, &["  src/low.rs:3: `.publish()` is in src/high.rs"]);
    assert!(!apart.contains(".own()"), "{apart}");
    // The call may mean the method of another type.
    let several = report(&files(
        "use crate::middle::Common;\nimpl Common { fn publish(&self) {} }\nstruct Own;\nimpl Own { fn publish(&self) {} }\n",
    ));
    assert_eq!(several, "");
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
