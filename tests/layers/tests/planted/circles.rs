//! Circles, the order of the table, and files that are in no layer or in no module.

use chat_layers::{Crate, Sources, check_crate};

use crate::planting::{assert_names, report, report_with};

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

#[test]
fn an_arrow_up_that_closes_a_circle_is_reported_alone() {
    let report = report(&[
        ("lib.rs", "mod high;\nmod low;\n"),
        ("high.rs", "pub(crate) use crate::low::Lower;\npub(crate) struct Upper;\n"),
        ("low.rs", "pub(crate) struct Lower;\nfn f(_: crate::high::Upper) {}\n"),
    ]);
    assert_names(&report, &["  src/low.rs:2: `crate::high::Upper` is in src/high.rs"]);
    assert!(!report.contains("circle"), "{report}");
}
