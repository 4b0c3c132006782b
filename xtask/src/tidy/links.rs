//! Links in Markdown that point into this tree must lead somewhere.

use std::path::Path;

use super::Finding;
use super::tree::Tree;

/// Reports dead links.
pub fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in &tree.markdown {
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let mut in_code = false;
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            if in_code {
                continue;
            }
            for target in targets(line).filter(|target| is_dead(&tree.root, folder, target)) {
                findings.push(Finding {
                    path: path.clone(),
                    line: index + 1,
                    check: "dead-link",
                    message: format!("nothing lies at {target}"),
                });
            }
        }
    }
}

/// The targets of `[text](target)` in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

fn is_dead(root: &Path, folder: &Path, target: &str) -> bool {
    let file = target.split('#').next().unwrap_or("");
    if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
        return false;
    }
    let place = match file.strip_prefix('/') {
        Some(from_root) => root.join(from_root),
        None => root.join(folder).join(file),
    };
    !place.exists()
}
