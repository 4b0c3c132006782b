//! Tags as resources of their own: `Microsoft.Resources/tags`, and the names in use.

use std::collections::BTreeMap;

use model::tags::Tags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;

/// The tags of a resource.
pub type TagsResource = Resource<TagsProperties>;

/// The tags of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagsProperties {
    /// Them.
    #[serde(default)]
    pub tags: Tags,
}

/// What a client sends to change a resource's tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagsRequest {
    /// `Replace`, `Merge` or `Delete`; missing where all are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The tags.
    pub properties: TagsRequestProperties,
}

/// The tags that a client sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagsRequestProperties {
    /// Them; `null` is no value.
    #[serde(default)]
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

/// The tags that were sent, a `null` value being an empty one.
pub fn sent(tags: BTreeMap<String, Option<String>>) -> Tags {
    tags.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}

/// Renders the tags of the resource with this id.
pub fn render(id: &str, tags: &Tags) -> TagsResource {
    let kind = "Microsoft.Resources/tags";
    let properties = TagsProperties { tags: tags.clone() };
    Resource::new(format!("{id}/providers/{kind}/default"), "default", kind, properties)
}

/// A name that tags have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagName {
    /// Its ARM id.
    pub id: String,
    /// It.
    pub tag_name: String,
    /// On how many resources it is.
    pub count: TagCount,
    /// With which values.
    pub values: Vec<TagValue>,
}

/// A value that tags of one name have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagValue {
    /// Its ARM id.
    pub id: String,
    /// It.
    pub tag_value: String,
    /// On how many resources it is.
    pub count: TagCount,
}

/// On how many resources a tag is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagCount {
    /// `Total`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many.
    pub value: usize,
}

/// The names that these tags have, in the letters of the first of each.
pub fn names<'a>(subscription: &str, tags: impl Iterator<Item = &'a Tags>) -> Vec<TagName> {
    let mut found: BTreeMap<String, (String, BTreeMap<String, usize>)> = BTreeMap::new();
    for (name, value) in tags.flatten() {
        let (_, values) =
            found.entry(name.to_lowercase()).or_insert_with(|| (name.clone(), BTreeMap::new()));
        *values.entry(value.clone()).or_default() += 1;
    }
    let total = |value| TagCount { kind: "Total".to_owned(), value };
    let render = |(name, values): (String, BTreeMap<String, usize>)| {
        let id = format!("{}/tagNames/{name}", model::arm_id::subscription(subscription));
        let value = |(value, count): (String, usize)| TagValue {
            id: format!("{id}/tagValues/{value}"),
            tag_value: value,
            count: total(count),
        };
        let count = total(values.values().sum());
        let values = values.into_iter().map(value).collect();
        TagName { id, tag_name: name, count, values }
    };
    found.into_values().map(render).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_in_any_case_of_letters() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let all = [tags(&[("Env", "prod"), ("a", "")]), tags(&[("ENV", "test")]), tags(&[])];
        let names = names("S", all.iter());
        let told: Vec<_> = names
            .iter()
            .map(|name| (name.tag_name.as_str(), name.count.value, name.values.len()))
            .collect();
        assert_eq!(told, [("a", 1, 1), ("Env", 2, 2)]);
        assert_eq!(names[1].id, "/subscriptions/S/tagNames/Env");
    }
}
