//! A Rust source as tidy sees it: which characters are code, which lines are tests, where the
//! functions are.
//!
//! This is a lexer for comments, strings and braces, no parser. It is exact on formatted code that
//! compiles, and good enough on everything else.

use std::ops::RangeInclusive;

/// One Rust file.
pub struct Source {
    /// Relative to the root, with `/`.
    pub path: String,
    /// The lines as written.
    pub raw: Vec<String>,
    /// The same lines with comments blanked and the insides of strings removed.
    pub code: Vec<String>,
    /// For each line, whether it is test code.
    pub test: Vec<bool>,
}

/// A function: its name and its lines, counted from 1, from `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// The name.
    pub name: String,
    /// First and last line.
    pub lines: RangeInclusive<usize>,
}

impl Source {
    /// Reads the text of `path`.
    pub fn new(path: &str, text: &str) -> Source {
        let raw: Vec<String> = text.lines().map(str::to_owned).collect();
        let code: Vec<String> = mask(text).lines().map(str::to_owned).collect();
        let test = match is_test_file(path) {
            true => vec![true; raw.len()],
            false => test_lines(&code, raw.len()),
        };
        Source { path: path.to_owned(), raw, code, test }
    }

    /// Whether the whole file is test code, by its place.
    pub fn is_test_file(&self) -> bool {
        is_test_file(&self.path)
    }

    /// Every function with a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (index, line) in self.code.iter().enumerate() {
            let Some(name) = function_name(line) else { continue };
            if let Some(end) = closing_line(&self.code, index) {
                found.push(Function { name, lines: index + 1..=end + 1 });
            }
        }
        found
    }
}

/// Tests live in `tests/` directories and in files `tests.rs` or `*_tests.rs`.
fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let in_directory = path.starts_with("tests/") || path.contains("/tests/");
    // The harness of the end-to-end tests is a program of its own.
    let harness = path.starts_with("tests/e2e/src/");
    (in_directory && !harness) || name == "tests.rs" || name.ends_with("_tests.rs")
}

/// Marks what stands in a block behind `#[cfg(test)]`.
fn test_lines(code: &[String], len: usize) -> Vec<bool> {
    let mut test = vec![false; len];
    let mut index = 0;
    while index < code.len() {
        if code[index].trim_start().starts_with("#[cfg(test)]") {
            let end = closing_line(code, index).unwrap_or(index);
            test[index..=end].fill(true);
            index = end;
        }
        index += 1;
    }
    test
}

/// The name of the function that begins on this line, if one does.
fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    loop {
        match words.next()? {
            "fn" => break,
            "pub" | "const" | "async" | "unsafe" | "extern" | "\"\"" => {}
            word if word.starts_with("pub(") || word.ends_with(')') => {}
            _ => return None,
        }
    }
    let name: String = words.next()?.chars().take_while(|c| is_word(*c)).collect();
    (!name.is_empty()).then_some(name)
}

/// The line of the brace that closes the first block opened from line `from` on; none if a `;`
/// comes before any brace.
fn closing_line(code: &[String], from: usize) -> Option<usize> {
    let (mut braces, mut others) = (0_i64, 0_i64);
    for (index, line) in code.iter().enumerate().skip(from) {
        for character in line.chars() {
            match character {
                '{' => braces += 1,
                '}' => {
                    braces -= 1;
                    if braces <= 0 {
                        return Some(index);
                    }
                }
                '(' | '[' => others += 1,
                ')' | ']' => others -= 1,
                ';' if braces == 0 && others == 0 => return None,
                _ => {}
            }
        }
    }
    None
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Blanks comments and empties strings; line breaks stay where they are.
fn mask(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        at += match rest {
            ['/', '/', ..] => skip(rest, line_comment(rest), &mut out),
            ['/', '*', ..] => skip(rest, block_comment(rest), &mut out),
            ['"', ..] => quoted(rest, string(rest), &mut out),
            ['r' | 'b' | 'c', ..] if !out.ends_with(is_word) => match prefixed(rest) {
                Some(length) => quoted(rest, length, &mut out),
                None => keep(rest, 1, &mut out),
            },
            ['\'', ..] => match character(rest) {
                Some(length) => quoted(rest, length, &mut out),
                None => keep(rest, 1, &mut out),
            },
            _ => keep(rest, 1, &mut out),
        };
    }
    out
}

fn keep(rest: &[char], length: usize, out: &mut String) -> usize {
    out.extend(&rest[..length]);
    length
}

/// Drops a comment, keeping its line breaks.
fn skip(rest: &[char], length: usize, out: &mut String) -> usize {
    out.extend(rest[..length].iter().filter(|c| **c == '\n'));
    length
}

/// Replaces a literal by `""`, keeping its line breaks.
fn quoted(rest: &[char], length: usize, out: &mut String) -> usize {
    out.push('"');
    skip(rest, length, out);
    out.push('"');
    length
}

fn line_comment(rest: &[char]) -> usize {
    rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string literal that `rest` begins with.
fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a literal with a prefix: `r"…"`, `br#"…"#`, `b"…"`, `c"…"`, `b'…'`.
fn prefixed(rest: &[char]) -> Option<usize> {
    let letters = rest.iter().take(2).take_while(|c| matches!(c, 'r' | 'b' | 'c')).count();
    let raw = rest[..letters].contains(&'r');
    let hashes = rest[letters..].iter().take_while(|c| **c == '#').count();
    match rest.get(letters + hashes)? {
        '"' if raw => {
            let body = letters + hashes + 1;
            let end: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
            let found = rest[body..].windows(end.len()).position(|window| window == end);
            Some(found.map_or(rest.len(), |position| body + position + end.len()))
        }
        '"' if hashes == 0 => Some(letters + string(&rest[letters..])),
        '\'' if hashes == 0 && rest[0] == 'b' => Some(letters + character(&rest[letters..])?),
        _ => None,
    }
}

/// The length of a character literal; none for a lifetime.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', ..] => Some(2 + rest[3..].iter().position(|c| *c == '\'')? + 2),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}
