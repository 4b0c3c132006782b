//! The house rules as a check: floors, sizes, module docs, banned text, dead links.
//!
//! [`check`] reads a tree and returns findings, sorted by place. It changes nothing and runs no
//! other program, so it is also a test. The rules that are data lie in `xtask/floors.toml`, the
//! exceptions in `xtask/tidy-exceptions.toml`; an exception that is no longer needed is a finding.

use std::fmt;
use std::path::Path;

use anyhow::Result;

mod bans;
mod docs;
mod exceptions;
mod floors;
mod links;
mod sizes;
mod source;
#[cfg(test)]
mod tests;
mod tree;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root, with `/`.
    pub path: String,
    /// The line, counted from 1; 0 means the whole file.
    pub line: usize,
    /// The rule's short name, as `tidy-exceptions.toml` spells it.
    pub check: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { path, line, check, message } = self;
        match line {
            0 => write!(f, "{path}: [{check}] {message}"),
            _ => write!(f, "{path}:{line}: [{check}] {message}"),
        }
    }
}

/// Holds the tree under `root` against the house rules.
///
/// # Errors
///
/// A file that cannot be read, or tables of tidy itself that do not parse.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let law = floors::Law::read(root)?;
    let tree = tree::Tree::read(root)?;
    let mut findings = Vec::new();
    floors::check(&law, &tree, &mut findings)?;
    for file in &tree.rust {
        sizes::check(file, &mut findings);
        bans::check(&law, file, &mut findings);
        docs::check(&law, file, &mut findings);
    }
    links::check(&tree, &mut findings);
    exceptions::apply(root, &mut findings)?;
    findings.sort();
    Ok(findings)
}
