//! The written exceptions. Each needs a sentence, and each must still be needed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;

const FILE: &str = "xtask/tidy-exceptions.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    path: String,
    check: String,
    because: String,
}

/// Takes the excused findings away and reports exceptions that excuse nothing.
pub fn apply(root: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    let path = root.join(FILE);
    if !path.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
    let table: Table = toml::from_str(&text).with_context(|| format!("cannot parse {FILE}"))?;
    for Exception { path, check, because } in table.exception {
        let before = findings.len();
        findings.retain(|finding| finding.path != path || finding.check != check);
        let needed = findings.len() < before;
        let mut report = |message| {
            findings.push(Finding { path: FILE.to_owned(), line: 0, check: "exception", message });
        };
        if because.split_whitespace().count() < 4 {
            report(format!("{path} [{check}]: say why in a sentence"));
        } else if !needed {
            report(format!("{path} [{check}] excuses nothing any more: remove it"));
        }
    }
    Ok(())
}
