//! Values as people read them. Text from outside loses its control characters, so that no name of
//! a guest can move the cursor or recolour the terminal.

use jiff::{SignedDuration, Timestamp};
use model::units::{GIB, KIB, MIB};

/// What stands where there is nothing to tell.
pub const NOTHING: &str = "-";

/// A number of bytes, with one decimal from KiB on.
pub fn bytes(count: u64) -> String {
    let tib = 1024 * GIB;
    for (unit, name) in [(tib, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")] {
        if count >= unit {
            return format!("{:.1} {name}", count as f64 / unit as f64);
        }
    }
    format!("{count} B")
}

/// An RFC 3339 time, to the second, in UTC. What is no time stays as it is.
pub fn time(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => printable(text),
    }
}

/// An ISO 8601 duration such as `PT24M6.97S`, to the second. What is no duration stays as it is.
pub fn duration(text: &str) -> String {
    let Ok(duration) = text.parse::<SignedDuration>() else { return printable(text) };
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

/// The text without control characters; [`NOTHING`] where it is empty.
pub fn printable(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// How long ago a moment was, or how long it is until then, in its largest unit.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let told = match seconds.abs() {
        0..60 => return "now".to_owned(),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    };
    if seconds > 0 { format!("{told} ago") } else { format!("in {told}") }
}

/// The text without control characters, at most `width` characters long.
pub fn cut(text: &str, width: usize) -> String {
    let text = printable(text);
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// The text without control characters, broken between words into lines of at most `width`
/// characters. `first` stands before the first line, as many blanks before the others.
pub fn wrapped(first: &str, text: &str, width: usize) -> String {
    let blank = " ".repeat(first.chars().count());
    let (mut lines, mut line) = (Vec::new(), first.to_owned());
    let mut is_empty = true;
    for word in printable(text).split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, blank.clone()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (20 * GIB, "20.0 GiB"),
            (3 * 512 * GIB, "1.5 TiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_and_durations_are_told_to_the_second() {
        assert_eq!(time("2026-09-14T08:08:04.5606237Z"), "2026-09-14 08:08:04Z");
        assert_eq!(time("soon"), "soon");
        assert_eq!(duration("PT24M6.9716846S"), "24m 06s");
        assert_eq!(duration("PT0S"), "0s");
        assert_eq!(duration("PT26H3M"), "26h 03m");
        assert_eq!(duration(""), "-");
    }

    #[test]
    fn distances_have_one_unit() {
        let now = Timestamp::from_second(1_780_000_000).expect("in range");
        for (seconds, text) in [
            (0, "now"),
            (-59, "now"),
            (60, "1 min ago"),
            (-3_600, "in 1 h"),
            (172_799, "47 h ago"),
            (172_800, "2 d ago"),
        ] {
            assert_eq!(distance(now - SignedDuration::from_secs(seconds), now), text);
        }
    }

    #[test]
    fn long_texts_are_cut_or_broken_between_words() {
        assert_eq!(cut("a-long-name", 11), "a-long-name");
        assert_eq!(cut("a-long-name", 6), "a-lon…");
        assert_eq!(wrapped("- ", "one two three", 9), "- one two\n  three");
        assert_eq!(wrapped("- ", "endless-word x", 6), "- endless-word\n  x");
        assert_eq!(wrapped("- ", "", 6), "- -");
    }

    #[test]
    fn names_cannot_speak_to_the_terminal() {
        assert_eq!(printable("vm\u{1b}[31m\n"), "vm\u{fffd}[31m\u{fffd}");
    }
}
