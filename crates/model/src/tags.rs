//! Tags: pairs of words by which operators find and group what they own.

use std::collections::BTreeMap;

/// Tags, by name. Names are unique without regard to case; values may be empty.
pub type Tags = BTreeMap<String, String>;
