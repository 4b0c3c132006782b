//! How much of something is used: a vault's `usages` and `backupUsageSummaries`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of something is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// `Count` or `Bytes`.
    pub unit: String,
    /// How much is used.
    pub current_value: u64,
    /// How much may be used: −1 where nothing limits it.
    pub limit: i64,
    /// Of what.
    pub name: UsageName,
}

/// Of what something is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageName {
    /// For programs.
    pub value: String,
    /// For people.
    pub localized_value: String,
}

fn usage(unit: &str, current_value: u64, value: &str, localized_value: &str) -> Usage {
    let (value, localized_value) = (value.to_owned(), localized_value.to_owned());
    let name = UsageName { value, localized_value };
    Usage { unit: unit.to_owned(), current_value, limit: -1, name }
}

/// A number of things.
pub fn count(current: u64, value: &str, localized: &str) -> Usage {
    usage("Count", current, value, localized)
}

/// A number of bytes.
pub fn bytes(current: u64, value: &str, localized: &str) -> Usage {
    usage("Bytes", current, value, localized)
}
