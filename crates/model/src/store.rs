//! Staging stores: directories on the service's machine that restored disks and their descriptions
//! go into. Azure's noun for them is the storage account.

use std::path::PathBuf;

/// The name of a region's own staging store.
pub const STAGING: &str = "staging";

/// A staging store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its name: Azure's rule for storage accounts, see [`is_valid_name`].
    pub name: String,
    /// Its resource group.
    pub resource_group: String,
    /// Its region: only vaults of this region restore into it.
    pub region: String,
    /// Where its files lie, by an absolute path.
    pub directory: PathBuf,
    /// Whether it came with its region's first host. Such a store cannot be removed.
    pub builtin: bool,
}

/// Whether Azure takes `name` for a storage account: 3 to 24 lower-case letters and digits.
pub fn is_valid_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=24).contains(&name.len()) && name.bytes().all(allowed)
}

/// The name of the staging store that a region gets with its first host, beside those that its
/// resource group has: `staging`, or with the region's name behind it.
pub fn builtin_name(region: &str, taken: impl Fn(&str) -> bool) -> String {
    let letters = region.bytes().filter(u8::is_ascii_alphanumeric).map(char::from);
    let region: String = letters.collect::<String>().to_lowercase();
    let of_region = |end: &str| {
        let room = 24 - STAGING.len() - end.len();
        format!("{STAGING}{}{end}", &region[..region.len().min(room)])
    };
    let numbered = (2_u32..).map(|number| of_region(&number.to_string()));
    let mut names = [STAGING.to_owned(), of_region("")].into_iter().chain(numbered);
    names.find(|name| !taken(name)).expect("numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_azures_rule() {
        for bad in ["", "ab", "Staging", "a-b-c", "a/b", "..a", "ä12", &"a".repeat(25)] {
            assert!(!is_valid_name(bad), "{bad:?}");
        }
        for good in ["abc", "staging", "123", &"a".repeat(24)] {
            assert!(is_valid_name(good), "{good:?}");
        }
    }

    #[test]
    fn a_regions_store_is_called_staging_while_its_group_has_none() {
        let long = "n".repeat(50);
        let all_of = format!("staging{}", "n".repeat(17));
        let all_but_one = format!("staging{}2", "n".repeat(16));
        for (region, taken, expected) in [
            ("local", &[][..], "staging"),
            ("north-1", &["staging"], "stagingnorth1"),
            ("North", &["staging", "stagingnorth"], "stagingnorth2"),
            ("--", &["staging"], "staging2"),
            (&long, &["staging"], all_of.as_str()),
            (&long, &["staging", &all_of], all_but_one.as_str()),
        ] {
            let name = builtin_name(region, |name| taken.contains(&name));
            assert_eq!(name, expected, "{region}");
            assert!(is_valid_name(&name), "{name}");
        }
    }
}
