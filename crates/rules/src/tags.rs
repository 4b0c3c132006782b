//! Which tags a resource may have, and what becomes of them when a client changes them.

use model::fault::{Code, Fault};
use model::tags::Tags;

/// The most tags of one resource. This and the other limits are Azure's ("Tag resources").
const TAGS_MAX: usize = 50;
/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 512;
/// The longest value, in characters.
const VALUE_CHARS_MAX: usize = 256;

/// How a change of tags is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The new tags are all there are.
    Replace,
    /// The new tags join the others, or take the place of those with their names.
    Merge,
    /// The tags of these names go.
    Delete,
}

impl Change {
    /// The change with this Azure name, in any case of letters.
    pub fn from_azure_name(name: &str) -> Option<Self> {
        let known = [("Replace", Self::Replace), ("Merge", Self::Merge), ("Delete", Self::Delete)];
        known
            .into_iter()
            .find(|(azure, _)| azure.eq_ignore_ascii_case(name))
            .map(|(_, change)| change)
    }
}

/// The tags after a change.
///
/// # Errors
///
/// `InvalidTags` where they would be too many or one of them cannot be.
pub fn changed(now: &Tags, change: Change, given: Tags) -> Result<Tags, Fault> {
    let mut tags = match change {
        Change::Replace => Tags::new(),
        Change::Merge | Change::Delete => now.clone(),
    };
    for (name, value) in given {
        tags.retain(|other, _| !other.eq_ignore_ascii_case(&name));
        if change != Change::Delete {
            tags.insert(name, value);
        }
    }
    check(&tags)?;
    Ok(tags)
}

/// Whether a resource may have these tags.
///
/// # Errors
///
/// `InvalidTags`, naming what is wrong with which.
pub fn check(tags: &Tags) -> Result<(), Fault> {
    let refused = |message: String| Err(Fault::new(Code::InvalidTags, message));
    if tags.len() > TAGS_MAX {
        return refused(format!("{} tags are more than {TAGS_MAX}.", tags.len()));
    }
    for (name, value) in tags {
        let forbidden = |c: char| c.is_control() || "<>%&\\?/".contains(c);
        if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
            return refused(format!("The name of a tag has 1 to {NAME_CHARS_MAX} characters."));
        }
        if name.contains(forbidden) {
            return refused(format!(
                "The tag name '{name}' holds one of <, >, %, &, \\, ?, / or a control character."
            ));
        }
        if value.chars().count() > VALUE_CHARS_MAX {
            return refused(format!(
                "The value of tag '{name}' has more than {VALUE_CHARS_MAX} characters."
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[track_caller]
    fn check_change(change: Change, given: &[(&str, &str)], expected: &[(&str, &str)]) {
        let now = tags(&[("env", "prod"), ("Owner", "ann")]);
        assert_eq!(changed(&now, change, tags(given)), Ok(tags(expected)), "{change:?}");
    }

    #[test]
    fn names_are_the_same_in_any_case_of_letters() {
        check_change(Change::Replace, &[("a", "b")], &[("a", "b")]);
        check_change(Change::Replace, &[], &[]);
        check_change(Change::Merge, &[("OWNER", "bob")], &[("OWNER", "bob"), ("env", "prod")]);
        check_change(Change::Merge, &[("a", "")], &[("Owner", "ann"), ("a", ""), ("env", "prod")]);
        check_change(Change::Delete, &[("owner", "whatever")], &[("env", "prod")]);
        check_change(Change::Delete, &[("nobody", "")], &[("Owner", "ann"), ("env", "prod")]);
    }

    #[test]
    fn tags_beyond_azures_limits_are_refused() {
        let (long_name, long_value) = ("n".repeat(513), "v".repeat(257));
        for bad in [("", "x"), (" ", "x"), ("a/b", "x"), ("a\nb", "x"), (&long_name, "x")] {
            let fault = check(&tags(&[bad])).expect_err("refused");
            assert_eq!(fault.code, Code::InvalidTags, "{bad:?}");
        }
        assert!(check(&tags(&[("a", &long_value)])).is_err());
        let many: Tags = (0..51).map(|n| (format!("tag{n}"), String::new())).collect();
        assert!(check(&many).is_err());
        assert!(check(&tags(&[(&"n".repeat(512), &"v".repeat(256)), ("ä", "")])).is_ok());
    }
}
