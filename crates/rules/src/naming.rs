//! The names under which libvirt's domains are known in Azure's API.
//!
//! libvirt takes nearly any text as a domain's name; Azure does not. The identity of a virtual
//! machine is its UUID; its name is what operators and scripts type, so it stays the domain's name
//! wherever that is possible.

use std::collections::BTreeMap;

use uuid::Uuid;

/// The longest name Azure gives a virtual machine, in characters.
const NAME_CHARS_MAX: usize = 64;
/// How many hexadecimal digits of the UUID go behind a name that cannot stand alone.
const SUFFIX_DIGITS: usize = 8;

/// A domain that needs a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// The domain's UUID.
    pub uuid: Uuid,
    /// The domain's name in libvirt.
    pub domain: String,
    /// The resource group: names are unique within one, without regard to case.
    pub resource_group: String,
}

/// The names of `domains`, in their order.
///
/// A valid name that nobody else in its group has stays as it is. Otherwise its invalid characters
/// become hyphens, and the first eight digits of the UUID go behind it: of several domains with one
/// name all get the suffix, so that a name never depends on the order of discovery.
pub fn names(domains: &[Unnamed]) -> Vec<String> {
    let key =
        |domain: &Unnamed| (domain.resource_group.to_lowercase(), domain.domain.to_lowercase());
    let mut holders: BTreeMap<(String, String), usize> = BTreeMap::new();
    for domain in domains {
        *holders.entry(key(domain)).or_default() += 1;
    }
    let name = |domain: &Unnamed| {
        let alone = holders.get(&key(domain)) == Some(&1);
        if alone && is_valid(&domain.domain) {
            domain.domain.clone()
        } else {
            with_suffix(&domain.domain, domain.uuid)
        }
    };
    domains.iter().map(name).collect()
}

/// Whether Azure takes `name` for a virtual machine: 1 to 64 characters, letters, digits, hyphens,
/// dots and underscores, beginning with a letter or digit, not ending in a hyphen or dot.
pub fn is_valid(name: &str) -> bool {
    let mut chars = name.chars();
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && name.chars().all(is_allowed)
        && !name.ends_with(['-', '.'])
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

fn with_suffix(domain: &str, uuid: Uuid) -> String {
    let room = NAME_CHARS_MAX - SUFFIX_DIGITS - 1;
    let stem: String =
        domain.chars().take(room).map(|c| if is_allowed(c) { c } else { '-' }).collect();
    let stem = stem.trim_matches(['-', '.', '_']);
    let suffix = &uuid.simple().to_string()[..SUFFIX_DIGITS];
    if stem.is_empty() { format!("vm-{suffix}") } else { format!("{stem}-{suffix}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(domains: &[(&str, &str)], expected: &[&str]) {
        let unnamed = |(at, (group, domain)): (usize, &(&str, &str))| Unnamed {
            uuid: Uuid::from_u128((at as u128 + 1) << 96),
            domain: (*domain).to_owned(),
            resource_group: (*group).to_owned(),
        };
        let domains: Vec<Unnamed> = domains.iter().enumerate().map(unnamed).collect();
        let names = names(&domains);
        assert_eq!(names, expected);
        assert!(names.iter().all(|name| is_valid(name)), "{names:?}");
    }

    #[test]
    fn a_good_name_stays() {
        check(&[("rg", "web1"), ("rg", "db.example_2")], &["web1", "db.example_2"]);
    }

    #[test]
    fn names_that_differ_only_in_case_collide_within_a_group_only() {
        check(&[("rg", "web"), ("RG", "WEB")], &["web-00000001", "WEB-00000002"]);
        check(&[("rg1", "web"), ("rg2", "web")], &["web", "web"]);
    }

    #[test]
    fn what_azure_does_not_take_is_replaced() {
        check(
            &[("rg", "my vm"), ("rg", "…"), ("rg", "-x-"), ("rg", "")],
            &["my-vm-00000001", "vm-00000002", "x-00000003", "vm-00000004"],
        );
        let long = "n".repeat(80);
        check(&[("rg", &long)], &[&format!("{}-00000001", "n".repeat(55))]);
    }
}
