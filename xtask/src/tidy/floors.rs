//! The floors: which crate may use which, read from `xtask/floors.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;
use super::tree::Tree;

const FILE: &str = "xtask/floors.toml";

/// The tables of `xtask/floors.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Law {
    /// Every crate of the workspace.
    #[serde(rename = "crate", default)]
    pub crates: Vec<Crate>,
    /// Crates from outside that only some may use.
    #[serde(default)]
    pub outside: Vec<Outside>,
    /// Text that may stand in few places.
    #[serde(rename = "ban", default)]
    pub bans: Vec<Ban>,
}

/// A crate of the workspace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// Its folder.
    pub path: String,
    /// 0 to 3, `roof` or `side`.
    pub floor: String,
    /// The crates of the workspace it may depend on.
    pub uses: Vec<String>,
}

/// Crates from outside and who may use them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outside {
    names: Vec<String>,
    only: Option<Vec<String>>,
    #[serde(default)]
    never: Vec<String>,
    because: String,
}

/// Text that may stand in few places, or in none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// What is banned.
    pub texts: Vec<String>,
    /// Where the ban holds (path prefixes); everywhere if empty.
    #[serde(default)]
    within: Vec<String>,
    /// Where it does not (path prefixes).
    allowed: Vec<String>,
    /// Whether test code may use it.
    pub tests: bool,
    /// Why.
    pub because: String,
}

impl Ban {
    /// Whether the ban holds in this file.
    pub fn reaches(&self, path: &str) -> bool {
        let under = |places: &[String]| places.iter().any(|place| path.starts_with(place.as_str()));
        (self.within.is_empty() || under(&self.within)) && !under(&self.allowed)
    }
}

impl Law {
    /// Reads the law of the tree under `root`.
    pub fn read(root: &Path) -> Result<Law> {
        let text = fs::read_to_string(root.join(FILE)).with_context(|| format!("no {FILE}"))?;
        toml::from_str(&text).with_context(|| format!("cannot parse {FILE}"))
    }

    /// The crate that a file belongs to.
    pub fn crate_at(&self, path: &str) -> Option<&Crate> {
        self.crates.iter().find(|owner| {
            path.strip_prefix(owner.path.as_str()).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// The name of the crate that a file belongs to.
    pub fn crate_of(&self, path: &str) -> Option<&str> {
        self.crate_at(path).map(|owner| owner.name.as_str())
    }
}

/// The part of a manifest that the floors are about. Test dependencies are free.
#[derive(Deserialize)]
struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: toml::Table,
    #[serde(rename = "build-dependencies", default)]
    build_dependencies: toml::Table,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

/// Holds every manifest against the law, and the law against the tree.
pub fn check(law: &Law, tree: &Tree, findings: &mut Vec<Finding>) -> Result<()> {
    let ours: BTreeSet<&str> = law.crates.iter().map(|c| c.name.as_str()).collect();
    let mut seen = BTreeSet::new();
    for (path, text) in &tree.manifests {
        let manifest: Manifest =
            toml::from_str(text).with_context(|| format!("cannot parse {path}"))?;
        let mut report = |message: String| {
            findings.push(Finding { path: path.clone(), line: 0, check: "floors", message });
        };
        let name = manifest.package.name.as_str();
        let Some(owner) = law.crates.iter().find(|c| format!("{}/Cargo.toml", c.path) == *path)
        else {
            report(format!("the crate {name} is not in {FILE}"));
            continue;
        };
        seen.insert(owner.name.as_str());
        if owner.name != name {
            report(format!("the crate is called {name} here and {} in {FILE}", owner.name));
        }
        let used = manifest.dependencies.keys().chain(manifest.build_dependencies.keys());
        for dependency in used {
            if ours.contains(dependency.as_str()) && !owner.uses.contains(dependency) {
                report(format!("{name} may not use {dependency} (see {FILE})"));
            }
            for rule in &law.outside {
                if let Some(because) = rule.forbids(name, dependency) {
                    report(format!("{name} may not use {dependency}: {because}"));
                }
            }
        }
    }
    for absent in law.crates.iter().filter(|c| !seen.contains(c.name.as_str())) {
        let message = format!("the crate {} is not at {}", absent.name, absent.path);
        findings.push(Finding { path: FILE.to_owned(), line: 0, check: "floors", message });
    }
    check_order(law, findings);
    Ok(())
}

impl Outside {
    /// Why `name` may not use `dependency`, if it may not.
    fn forbids(&self, name: &str, dependency: &str) -> Option<&str> {
        let about = self.names.iter().any(|named| named == dependency);
        let listed = self.only.as_ref().is_none_or(|only| only.iter().any(|o| o == name));
        let never = self.never.iter().any(|n| n == name);
        (about && (!listed || never)).then_some(self.because.as_str())
    }
}

/// The table itself may not point up or sideways: on a numbered floor, only lower numbers.
fn check_order(law: &Law, findings: &mut Vec<Finding>) {
    for owner in &law.crates {
        let Ok(floor) = owner.floor.parse::<u8>() else { continue };
        for used in &owner.uses {
            let below = law.crates.iter().find(|c| c.name == *used);
            let lower = below.and_then(|c| c.floor.parse::<u8>().ok()).is_some_and(|f| f < floor);
            if !lower {
                findings.push(Finding {
                    path: FILE.to_owned(),
                    line: 0,
                    check: "floors",
                    message: format!("{} uses {used}, which is not on a lower floor", owner.name),
                });
            }
        }
    }
}
