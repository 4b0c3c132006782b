//! What a command answers, and how it is printed.
//!
//! A command returns a [`Reply`]: one JSON document and the same for people. Which of the two is
//! printed is decided in one place, so `--json` is always exactly one document on stdout.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, LineStyle, Table, presets};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::text::printable;

/// The answer of a command.
#[derive(Debug)]
pub struct Reply {
    /// For scripts.
    pub document: Value,
    /// For people; without a line break at the end.
    pub human: String,
    /// What went wrong with what the document tells, such as a failed job.
    pub problem: Option<Failure>,
    /// How the process ends.
    pub exit: Exit,
}

impl Reply {
    /// Done.
    pub fn done(document: Value, human: impl Into<String>) -> Self {
        Self { document, human: human.into(), problem: None, exit: Exit::Done }
    }

    /// Done, but with this problem to tell.
    pub fn with_problem(self, problem: Failure) -> Self {
        Self { exit: problem.exit, problem: Some(problem), ..self }
    }

    /// Prints the reply.
    ///
    /// # Errors
    ///
    /// Whatever the two writers say.
    pub fn print(self, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
        if json {
            print_document(out, &self.with_error_in_document())?;
        } else if !self.human.is_empty() {
            writeln!(out, "{}", self.human)?;
        }
        if let Some(problem) = &self.problem {
            writeln!(err, "{}", problem.to_text())?;
        }
        Ok(self.exit)
    }

    fn with_error_in_document(&self) -> Value {
        let mut document = self.document.clone();
        if let (Some(problem), Some(fields)) = (&self.problem, document.as_object_mut()) {
            fields.insert("error".to_owned(), json!(problem.to_error()));
        }
        document
    }
}

/// Prints the failure of a command that has no other answer.
///
/// # Errors
///
/// Whatever the two writers say.
pub fn print_failure(
    failure: &Failure,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    if json {
        print_document(out, &json!({"error": failure.to_error()}))?;
    }
    writeln!(err, "{}", failure.to_text())?;
    Ok(failure.exit)
}

fn print_document(out: &mut dyn Write, document: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Text, from the left.
    Text(&'static str),
    /// Numbers and sizes, to the right.
    Number(&'static str),
}

/// A table, or `empty` where it has no rows. Cells are cleaned of control characters.
pub fn table(columns: &[Column], rows: Vec<Vec<String>>, empty: &str) -> String {
    if rows.is_empty() {
        return empty.to_owned();
    }
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(presets::NOTHING.header_separator(line));
    table.set_header(columns.iter().map(|column| match column {
        Column::Text(name) | Column::Number(name) => Cell::new(name),
    }));
    for row in rows {
        table.add_row(row.iter().map(|cell| Cell::new(printable(cell))));
    }
    for (drawn, column) in table.column_iter_mut().zip(columns) {
        if let Column::Number(_) = column {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Facts about one thing, a line each; those without a value are left out.
pub fn facts(facts: &[(&str, String)]) -> String {
    let told = || facts.iter().filter(|(_, value)| !value.is_empty() && value != "-");
    let width = told().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, value): &(&str, String)| {
        format!("{:<width$}  {}", format!("{name}:"), printable(value), width = width + 1)
    };
    told().map(line).collect::<Vec<_>>().join("\n")
}

/// Blocks of lines with an empty line between them; empty blocks are left out.
pub fn blocks(blocks: &[String]) -> String {
    let told: Vec<&str> =
        blocks.iter().map(String::as_str).filter(|block| !block.is_empty()).collect();
    told.join("\n\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_table_aligns_numbers_to_the_right() {
        let rows = vec![
            vec!["vda".to_owned(), "20.0 GiB".to_owned()],
            vec!["a\u{1b}[31mb".to_owned(), "4 B".to_owned()],
        ];
        let drawn = table(&[Column::Text("Disk"), Column::Number("Size")], rows, "none");
        expect![[r#"
             Disk          Size
            ────────────────────
             vda       20.0 GiB
             a�[31mb        4 B"#]]
        .assert_eq(&drawn);
        assert_eq!(table(&[Column::Text("Disk")], Vec::new(), "No disks."), "No disks.");
    }

    #[test]
    fn facts_stand_under_each_other() {
        let drawn =
            facts(&[("Name", "v".into()), ("Region", String::new()), ("Stored", "1".into())]);
        expect![[r#"
            Name:    v
            Stored:  1"#]]
        .assert_eq(&drawn);
    }

    #[track_caller]
    fn check(reply: Reply, json: bool, exit: Exit, out: &str, err: &str) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        assert_eq!(reply.print(json, &mut stdout, &mut stderr).expect("memory"), exit);
        assert_eq!(String::from_utf8(stdout).expect("text"), out);
        assert_eq!(String::from_utf8(stderr).expect("text"), err);
    }

    #[test]
    fn a_problem_goes_into_the_document_and_to_stderr() {
        let problem = Failure::usage("no");
        let reply = || Reply::done(json!({}), "text").with_problem(problem.clone());
        let told = "Usage: no\nDo this: Run the command with --help.\n";
        check(reply(), false, Exit::Usage, "text\n", told);
        let document = json!({"error": problem.to_error()});
        let document = format!("{}\n", serde_json::to_string_pretty(&document).expect("json"));
        check(reply(), true, Exit::Usage, &document, told);
    }
}
