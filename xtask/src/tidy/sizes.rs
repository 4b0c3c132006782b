//! How long a file, a function and a line may be.

use super::Finding;
use super::source::Source;

/// Lines of a file. A reader holds one screenful of outline in mind.
const FILE_LINES: usize = 600;
/// Lines of a function, from `fn` to its brace.
const FUNCTION_LINES: usize = 70;
/// Columns of a line; the insides of strings and addresses do not count.
const COLUMNS: usize = 100;

/// Reports what is too long in `file`.
pub fn check(file: &Source, findings: &mut Vec<Finding>) {
    let mut report = |line, check, message| {
        findings.push(Finding { path: file.path.clone(), line, check, message });
    };
    if file.raw.len() > FILE_LINES {
        let message = format!("{} lines; the limit is {FILE_LINES}", file.raw.len());
        report(0, "file-length", message);
    }
    for function in file.functions() {
        let length = function.lines.clone().count();
        if length > FUNCTION_LINES {
            let name = function.name;
            let message = format!("fn {name} has {length} lines; the limit is {FUNCTION_LINES}");
            report(*function.lines.start(), "function-length", message);
        }
    }
    for (index, line) in file.raw.iter().enumerate() {
        let width = line.chars().count();
        if width > COLUMNS && !excused(line, &file.code[index]) {
            let message = format!("{width} columns; the limit is {COLUMNS}");
            report(index + 1, "line-length", message);
        }
    }
}

/// A long string or address is better whole than cut.
fn excused(raw: &str, code: &str) -> bool {
    let comment = raw.trim_start().starts_with("//");
    raw.contains("://") || (!comment && code.chars().count() <= COLUMNS && code != raw)
}
