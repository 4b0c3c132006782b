use std::fs;

use expect_test::{Expect, expect};

use super::check as tidy;
use super::source::Source;

const LAW: &str = r#"
[[crate]]
name = "model"
path = "crates/model"
floor = "0"
uses = []
[[crate]]
name = "repo"
path = "crates/repo"
floor = "2"
uses = ["model"]
[[outside]]
names = ["tokio"]
only = ["service"]
because = "blocking below the roof"
[[outside]]
names = ["serde_json"]
never = ["model"]
because = "no JSON"
[[ban]]
texts = [".unwrap()"]
allowed = []
tests = true
because = "say why"
[[ban]]
texts = ["Instant::now"]
allowed = ["crates/repo/src/clock.rs"]
tests = true
because = "ask the port"
[[ban]]
texts = ["std::fs"]
within = ["crates/model/"]
allowed = []
tests = true
because = "no IO"
"#;

const MODEL: &str = "[package]\nname = \"model\"\n";
const REPO: &str = "[package]\nname = \"repo\"\n[dependencies]\nmodel.workspace = true\n";
const LIB: &str = "//! For.\n#![warn(missing_docs)]\n";

/// Lays a good tree of two crates, puts `files` over it, and tells what tidy says.
fn check(files: &[(&str, &str)], expected: Expect) {
    let root = tempfile::tempdir().unwrap();
    let good = [
        ("xtask/floors.toml", LAW),
        ("crates/model/Cargo.toml", MODEL),
        ("crates/model/src/lib.rs", LIB),
        ("crates/repo/Cargo.toml", REPO),
        ("crates/repo/src/lib.rs", LIB),
    ];
    for (path, text) in good.iter().chain(files) {
        let place = root.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }
    let told: Vec<String> = tidy(root.path()).unwrap().iter().map(ToString::to_string).collect();
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn a_good_tree_has_no_findings() {
    check(&[], expect![""]);
}

#[test]
fn a_crate_may_not_use_a_floor_above_or_what_is_not_for_it() {
    let manifest = "[package]\nname = \"model\"\n[dependencies]\nrepo = {}\ntokio = \"1\"\n\
                    [build-dependencies]\nserde_json = \"1\"\n[dev-dependencies]\nrepo = {}\n";
    check(
        &[("crates/model/Cargo.toml", manifest)],
        expect![[r#"
        crates/model/Cargo.toml: [floors] model may not use repo (see xtask/floors.toml)
        crates/model/Cargo.toml: [floors] model may not use serde_json: no JSON
        crates/model/Cargo.toml: [floors] model may not use tokio: blocking below the roof"#]],
    );
}

#[test]
fn a_crate_outside_the_table_is_reported() {
    let manifest = "[package]\nname = \"common\"\n";
    check(
        &[("crates/common/Cargo.toml", manifest)],
        expect!["crates/common/Cargo.toml: [floors] the crate common is not in xtask/floors.toml"],
    );
}

#[test]
fn the_table_itself_may_not_point_up_nor_name_what_is_not_there() {
    let law = "[[crate]]\nname = \"model\"\npath = \"crates/model\"\nfloor = \"0\"\n\
               uses = [\"repo\"]\n[[crate]]\nname = \"repo\"\npath = \"crates/repo\"\n\
               floor = \"2\"\nuses = [\"model\"]\n[[crate]]\nname = \"gone\"\n\
               path = \"crates/gone\"\nfloor = \"roof\"\nuses = []\n";
    check(
        &[("xtask/floors.toml", law)],
        expect![[r#"
        xtask/floors.toml: [floors] model uses repo, which is not on a lower floor
        xtask/floors.toml: [floors] the crate gone is not at crates/gone"#]],
    );
}

#[test]
fn long_files_functions_and_lines_are_reported() {
    let long_file = format!("//! For.\n{}", "// x\n".repeat(600));
    let long_function =
        format!("//! For.\npub fn f(\n    a: [u8; 4],\n) {{\n{}}}\n", "    g();\n".repeat(67));
    let just_right = format!("//! For.\nfn f() {{\n{}}}\n", "    g();\n".repeat(68));
    let long_line = format!("//! For.\n// {}\n", "x".repeat(98));
    let long_string = format!("//! For.\nconst A: &str = \"{}\";\n", "x".repeat(98));
    let address = format!("//! For.\n// https://{}\n", "x".repeat(98));
    check(
        &[
            ("crates/repo/src/a.rs", &long_file),
            ("crates/repo/src/b.rs", &long_function),
            ("crates/repo/src/c.rs", &just_right),
            ("crates/repo/src/d.rs", &long_line),
            ("crates/repo/src/e.rs", &long_string),
            ("crates/repo/src/f.rs", &address),
        ],
        expect![[r#"
            crates/repo/src/a.rs: [file-length] 601 lines; the limit is 600
            crates/repo/src/b.rs:2: [function-length] fn f has 71 lines; the limit is 70
            crates/repo/src/d.rs:2: [line-length] 101 columns; the limit is 100"#]],
    );
}

#[test]
fn missing_docs_are_reported_but_not_in_tests() {
    check(
        &[
            ("crates/repo/src/lib.rs", "//! For.\n// #![warn(missing_docs)]\n"),
            ("crates/repo/src/a.rs", "use x;\n"),
            ("crates/repo/src/a/tests.rs", "use x;\n"),
            ("crates/repo/tests/b.rs", "use x;\n"),
        ],
        expect![[r#"
            crates/repo/src/a.rs: [module-docs] the file does not begin with //! saying what it is for
            crates/repo/src/lib.rs: [missing-docs] #![warn(missing_docs)] is missing"#]],
    );
}

#[test]
fn banned_text_counts_in_code_and_not_in_comments_strings_or_tests() {
    let source = "//! x.unwrap()\n\
                  // x.unwrap()\n\
                  const A: &str = \"x.unwrap()\";\n\
                  const B: &str = r#\"\"x.unwrap()\"#;\n\
                  /* x.unwrap() /* */ x.unwrap() */\n\
                  fn f<'a>(c: char) { if c == '\"' { x.unwrap() } }\n\
                  #[cfg(test)]\n\
                  mod tests {\n\
                  fn f() { x.unwrap(); }\n\
                  }\n\
                  fn g() { Instant::now(); x.unwrap() }\n";
    let clock = "//! For.\nfn f() { Instant::now(); }\n";
    let model = "//! For.\nuse std::fs::File;\n";
    check(
        &[
            ("crates/repo/src/a.rs", source),
            ("crates/repo/src/clock.rs", clock),
            ("crates/repo/src/io.rs", model),
            ("crates/model/src/a.rs", model),
        ],
        expect![[r#"
            crates/model/src/a.rs:2: [banned] std::fs: no IO
            crates/repo/src/a.rs:6: [banned] .unwrap(): say why
            crates/repo/src/a.rs:11: [banned] .unwrap(): say why
            crates/repo/src/a.rs:11: [banned] Instant::now: ask the port"#]],
    );
}

#[test]
fn unfinished_work_and_misplaced_json_are_reported() {
    let source =
        concat!("//! For.\n// FIX", "ME later\n#[derive(\n    Debug,\n    Serialize,\n)]\n");
    let words = "//! For.\n#[derive(Debug, SerializeIt)]\nstruct A;\n";
    check(
        &[("crates/repo/src/a.rs", source), ("crates/repo/src/b.rs", words)],
        expect![[r#"
        crates/repo/src/a.rs:2: [unfinished] main holds finished work
        crates/repo/src/a.rs:3: [serialize] derive(Serialize) belongs to what crosses a process: see api"#]],
    );
}

#[test]
fn dead_links_are_reported() {
    let text = "[a](docs/a.md) [b](docs/none.md#x) [c](https://x.y/z) [d](#here)\n\
                ```\n[e](none.md)\n```\n";
    let below = "[up](../README.md) [root](/README.md) [gone](README.md)\n";
    check(
        &[("README.md", text), ("docs/a.md", below)],
        expect![[r#"
        README.md:1: [dead-link] nothing lies at docs/none.md#x
        docs/a.md:1: [dead-link] nothing lies at README.md"#]],
    );
}

#[test]
fn exceptions_need_a_sentence_and_a_use() {
    let table = "[[exception]]\npath = \"crates/repo/src/a.rs\"\ncheck = \"module-docs\"\n\
                 because = \"The file is generated by a tool.\"\n\
                 [[exception]]\npath = \"crates/repo/src/b.rs\"\ncheck = \"module-docs\"\n\
                 because = \"It was once long.\"\n\
                 [[exception]]\npath = \"crates/repo/src/c.rs\"\ncheck = \"module-docs\"\n\
                 because = \"No.\"\n";
    check(
        &[
            ("xtask/tidy-exceptions.toml", table),
            ("crates/repo/src/a.rs", "use x;\n"),
            ("crates/repo/src/c.rs", "use x;\n"),
        ],
        expect![[r#"
            xtask/tidy-exceptions.toml: [exception] crates/repo/src/b.rs [module-docs] excuses nothing any more: remove it
            xtask/tidy-exceptions.toml: [exception] crates/repo/src/c.rs [module-docs]: say why in a sentence"#]],
    );
}

#[test]
fn functions_are_found_by_their_braces() {
    let text = "trait T {\n    fn a(&self) -> [u8; 4];\n    fn b(&self) {\n        \"}\";\n    }\n}\n\
                pub(crate) async fn c<F: Fn() -> u8>(\n    f: F,\n) where\n    F: Send,\n{\n    '{';\n}\n";
    let found = Source::new("a.rs", text).functions();
    let told: Vec<String> = found.iter().map(|f| format!("{} {:?}", f.name, f.lines)).collect();
    expect![[r#"
        b 3..=5
        c 7..=13"#]]
    .assert_eq(&told.join("\n"));
}
