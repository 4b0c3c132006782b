//! Prometheus' text format, version 0.0.4.
//!
//! A family is told once: its help, its type, then all of its samples together. What stands in a
//! label may come from anywhere, so it is escaped; names come from the code.

use std::fmt::{Display, Write};

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of figure a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows, and begins at zero with the service.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts in steps.
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The labels of a sample.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

/// An exposition while it is written.
#[derive(Default)]
pub(crate) struct Exposition {
    text: String,
}

/// The samples of one family.
pub(crate) struct Samples<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family. It stands there also without any sample.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Samples<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.text += &format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name());
        Samples { text: &mut self.text, name }
    }

    /// The whole text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

impl Samples<'_> {
    /// Adds a sample.
    pub(crate) fn put(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, &value);
    }

    /// Adds the samples of a histogram: how many are in each step, by its upper end and not counted
    /// in the steps before; how many there are in all, and their sum.
    pub(crate) fn put_steps<E: Display>(
        &mut self,
        labels: Labels<'_>,
        steps: impl IntoIterator<Item = (E, u64)>,
        count: u64,
        sum: f64,
    ) {
        let mut so_far = 0;
        for (end, inside) in steps {
            so_far += inside;
            self.line("_bucket", labels, Some(&end.to_string()), &so_far);
        }
        self.line("_bucket", labels, Some("+Inf"), &count);
        self.line("_sum", labels, None, &sum);
        self.line("_count", labels, None, &count);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, end: Option<&str>, value: &dyn Display) {
        let le = end.map(|end| ("le", end));
        let mut told = String::new();
        for (name, value) in labels.iter().copied().chain(le) {
            let comma = if told.is_empty() { "" } else { "," };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            told += &format!("{comma}{name}=\"{value}\"");
        }
        let name = self.name;
        let told = if told.is_empty() { told } else { format!("{{{told}}}") };
        writeln!(self.text, "{name}{suffix}{told} {value}").expect("text takes everything");
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn whatever_stands_in_a_label_stays_in_it() {
        let mut exposition = Exposition::default();
        let mut samples = exposition.family("a", Kind::Gauge, "Of \\ and\nlines.");
        samples.put(&[], 1_u64);
        samples.put(&[("x", "a\"b\\c\nd"), ("y", "ü {},=")], -1.5);
        exposition.family("b", Kind::Counter, "None.");
        expect![[r#"
            # HELP a Of \\ and\nlines.
            # TYPE a gauge
            a 1
            a{x="a\"b\\c\nd",y="ü {},="} -1.5
            # HELP b None.
            # TYPE b counter
        "#]]
        .assert_eq(&exposition.into_text());
    }

    #[test]
    fn a_histogram_counts_what_is_at_most_so_much() {
        let mut exposition = Exposition::default();
        let mut samples = exposition.family("a", Kind::Histogram, "H.");
        samples.put_steps(&[("x", "1")], [(10, 2), (30, 0), (60, 1)], 5, 500.25);
        expect![[r#"
            # HELP a H.
            # TYPE a histogram
            a_bucket{x="1",le="10"} 2
            a_bucket{x="1",le="30"} 2
            a_bucket{x="1",le="60"} 3
            a_bucket{x="1",le="+Inf"} 5
            a_sum{x="1"} 500.25
            a_count{x="1"} 5
        "#]]
        .assert_eq(&exposition.into_text());
    }
}
