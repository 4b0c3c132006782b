//! The files that tidy looks at. Hidden and built directories are left out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::source::Source;

/// Directories that hold no text of ours.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];

/// What was found under the root, each list sorted by path.
pub struct Tree {
    /// Where it was found.
    pub root: PathBuf,
    /// Rust sources.
    pub rust: Vec<Source>,
    /// Markdown: path and text.
    pub markdown: Vec<(String, String)>,
    /// `Cargo.toml` of packages: path and text.
    pub manifests: Vec<(String, String)>,
}

impl Tree {
    /// Reads every file that a check wants.
    pub fn read(root: &Path) -> Result<Tree> {
        let mut paths = Vec::new();
        walk(root, Path::new(""), &mut paths)?;
        paths.sort();
        let mut tree = Tree {
            root: root.to_path_buf(),
            rust: Vec::new(),
            markdown: Vec::new(),
            manifests: Vec::new(),
        };
        for path in paths {
            let text = || {
                fs::read_to_string(root.join(&path)).with_context(|| format!("cannot read {path}"))
            };
            if path.ends_with(".rs") {
                tree.rust.push(Source::new(&path, &text()?));
            } else if path.ends_with(".md") {
                tree.markdown.push((path.clone(), text()?));
            } else if path.ends_with("/Cargo.toml") {
                tree.manifests.push((path.clone(), text()?));
            }
        }
        Ok(tree)
    }
}

fn walk(root: &Path, below: &Path, paths: &mut Vec<String>) -> Result<()> {
    let directory = root.join(below);
    let entries =
        fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = below.join(&name);
        let kind = entry.file_type().with_context(|| format!("what is {}", path.display()))?;
        if kind.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, paths)?;
            }
        } else if kind.is_file() {
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
