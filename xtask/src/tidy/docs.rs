//! Every module says what it is for; libraries below the roof let the compiler ask for more.

use super::Finding;
use super::floors::Law;
use super::source::Source;

/// Reports missing module docs and a missing `#![warn(missing_docs)]`.
pub fn check(law: &Law, file: &Source, findings: &mut Vec<Finding>) {
    let mut report = |check, message: &str| {
        let message = message.to_owned();
        findings.push(Finding { path: file.path.clone(), line: 0, check, message });
    };
    let Some(owner) = law.crate_at(&file.path) else { return };
    let inside = file.path.strip_prefix(&format!("{}/src/", owner.path));
    if inside.is_some() && !file.is_test_file() && !begins_with_docs(file) {
        report("module-docs", "the file does not begin with //! saying what it is for");
    }
    let counted = matches!(owner.floor.as_str(), "0" | "1" | "2" | "3");
    let asks = file.code.iter().any(|line| line.trim() == "#![warn(missing_docs)]");
    if counted && inside == Some("lib.rs") && !asks {
        report("missing-docs", "#![warn(missing_docs)] is missing");
    }
}

fn begins_with_docs(file: &Source) -> bool {
    file.raw.iter().find(|line| !line.trim().is_empty()).is_some_and(|l| l.starts_with("//!"))
}
