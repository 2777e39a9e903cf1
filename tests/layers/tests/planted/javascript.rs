//! Imports between JavaScript files.

use chat_layers::{Sources, check_javascript};

use crate::planting::assert_names;

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
        ("all names at once", "\nexport * from '../page/draw.js';"),
        ("all names under one", "\nexport * as draw from '../page/draw.js';"),
        ("at run time over lines", "const a = import(\n '../page/draw.js');"),
        ("after a quote in a pattern", "if (a) /'/.test(a);\nimport '../page/draw.js';"),
        ("over lines", "import {\n draw } from '../page/draw.js';"),
    ] {
        let report = javascript(&[("sdk/client.js", text), ("page/draw.js", "")]);
        let line = "  sdk/client.js:2: `../page/draw.js` is in page/draw.js";
        assert!(report.contains("arrow up") && report.contains(line), "{form}: {report}");
    }
}

#[test]
fn imports_that_cannot_be_followed_are_reported() {
    for (text, expected) in [
        ("import '/page/draw.js';", "sdk/a.js:1: /page/draw.js: import by a relative path instead"),
        (
            "\nimport('https://a.example/draw.js');",
            "sdk/a.js:2: https://a.example/draw.js: import by a relative path instead",
        ),
        ("import(name);", "sdk/a.js:1: import(…) of a name that is put together"),
        ("import(`../page/${name}`);", "sdk/a.js:1: import(…) of a name that is put together"),
        ("import('../page/' + name);", "sdk/a.js:1: import(…) of a name that is put together"),
    ] {
        let report = javascript(&[("sdk/a.js", text), ("page/draw.js", "")]);
        assert_names(&report, &[expected]);
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
