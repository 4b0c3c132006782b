//! Text that may stand in few places or in none: the `[[ban]]` table, and two that need a rule.

use super::Finding;
use super::floors::Law;
use super::source::Source;

/// Crates whose types may be serialised. Elsewhere JSON would leak into nouns and decisions.
const SERIALIZING: [&str; 7] = ["api", "cli", "e2e", "ledger", "libvirt", "service", "xtask"];

/// Reports banned text in `file`.
pub fn check(law: &Law, file: &Source, findings: &mut Vec<Finding>) {
    let mut report = |line, check, message| {
        findings.push(Finding { path: file.path.clone(), line, check, message });
    };
    for ban in &law.bans {
        if !ban.reaches(&file.path) {
            continue;
        }
        for (index, code) in file.code.iter().enumerate() {
            if ban.tests && file.test[index] {
                continue;
            }
            for text in ban.texts.iter().filter(|text| code.contains(text.as_str())) {
                report(index + 1, "banned", format!("{text}: {}", ban.because));
            }
        }
    }
    let serializing = law.crate_of(&file.path).is_none_or(|owner| SERIALIZING.contains(&owner));
    for (index, raw) in file.raw.iter().enumerate() {
        if raw.contains(concat!("FIX", "ME")) {
            report(index + 1, "unfinished", "main holds finished work".to_owned());
        }
        if !serializing && !file.test[index] && derives_serialize(&file.code, index) {
            let message = "derive(Serialize) belongs to what crosses a process: see api".to_owned();
            report(index + 1, "serialize", message);
        }
    }
}

/// Whether a `derive` attribute that names Serialize or Deserialize begins on this line.
fn derives_serialize(code: &[String], index: usize) -> bool {
    let line = code[index].trim_start();
    if !line.starts_with("#[") || !line.contains("derive(") {
        return false;
    }
    let attribute = code[index..].iter().take(12);
    let mut text = String::new();
    for line in attribute {
        text.push_str(line);
        if line.contains(")]") {
            break;
        }
    }
    text.split(|c: char| !c.is_alphanumeric()).any(|w| w == "Serialize" || w == "Deserialize")
}
