//! Resource providers: which kinds of resources exist here, and under which versions clients ask
//! for them. All are always registered: there is nothing to switch on.

use model::arm_id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A resource provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Its ARM id.
    pub id: String,
    /// Its name.
    pub namespace: String,
    /// Whether it must be registered: `RegistrationFree`.
    pub registration_policy: String,
    /// `Registered`.
    pub registration_state: String,
    /// What kinds of resources it has.
    pub resource_types: Vec<ResourceType>,
}

/// A kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceType {
    /// Its name within the provider.
    pub resource_type: String,
    /// The regions it can be in; none where it is in no region.
    pub locations: Vec<String>,
    /// Versions of the API that clients ask for, the newest first. Others are answered too.
    pub api_versions: Vec<String>,
    /// The one to take when in doubt.
    pub default_api_version: String,
    /// What it takes, with commas.
    pub capabilities: String,
}

/// One provider of the table.
struct Known {
    namespace: &'static str,
    versions: &'static [&'static str],
    /// Each with whether it is in a region and takes tags.
    types: &'static [(&'static str, Kind)],
}

/// How a kind of resource is found and marked.
#[derive(Clone, Copy)]
enum Kind {
    /// It is in a region and takes tags.
    Tracked,
    /// It is in a region.
    Placed,
    /// It hangs on another resource.
    Within,
}

use Kind::{Placed, Tracked, Within};

/// The providers, with the versions that the newest clients ask for.
const PROVIDERS: &[Known] = &[
    Known { namespace: "Holdfast.Fabric", versions: &["2026-08-01"], types: &[("hosts", Placed)] },
    Known {
        namespace: "Microsoft.Authorization",
        versions: &["2022-04-01", "2018-01-01-preview", "2015-07-01"],
        types: &[("roleAssignments", Within), ("roleDefinitions", Within)],
    },
    Known {
        namespace: "Microsoft.Compute",
        versions: &["2026-04-01", "2025-01-02", "2024-07-01", "2023-03-01"],
        types: &[("virtualMachines", Placed)],
    },
    Known {
        namespace: "Microsoft.Network",
        versions: &["2024-05-01", "2022-01-01", "2019-11-01"],
        types: &[("virtualNetworks", Placed)],
    },
    Known {
        namespace: "Microsoft.RecoveryServices",
        versions: &["2026-08-01", "2026-07-01", "2025-08-01", "2024-10-01", "2023-02-01"],
        types: &[
            ("vaults", Tracked),
            ("vaults/backupPolicies", Within),
            ("vaults/backupJobs", Within),
            ("vaults/backupFabrics/protectionContainers/protectedItems", Within),
            ("locations", Within),
            ("locations/deletedVaults", Within),
            ("locations/backupStatus", Within),
            ("locations/checkNameAvailability", Within),
        ],
    },
    Known {
        namespace: "Microsoft.Resources",
        versions: &["2024-11-01", "2023-07-01", "2022-12-01", "2021-04-01"],
        types: &[
            ("tenants", Within),
            ("subscriptions", Within),
            ("subscriptions/locations", Within),
            ("subscriptions/providers", Within),
            ("subscriptions/resourceGroups", Tracked),
            ("resourceGroups", Tracked),
            ("tags", Within),
        ],
    },
    Known {
        namespace: "Microsoft.Storage",
        versions: &["2024-01-01", "2023-05-01", "2016-01-01"],
        types: &[("storageAccounts", Placed)],
    },
];

/// Every provider, in the order of their names.
pub fn all(subscription: &str, regions: &[String]) -> Vec<Provider> {
    PROVIDERS.iter().map(|known| render(subscription, regions, known)).collect()
}

/// The provider of this name, in any case of letters.
pub fn named(subscription: &str, regions: &[String], namespace: &str) -> Option<Provider> {
    let mut known = PROVIDERS.iter();
    let known = known.find(|known| known.namespace.eq_ignore_ascii_case(namespace))?;
    Some(render(subscription, regions, known))
}

fn render(subscription: &str, regions: &[String], known: &Known) -> Provider {
    let resource_type = |&(name, kind): &(&str, Kind)| ResourceType {
        resource_type: name.to_owned(),
        locations: match kind {
            Tracked | Placed => regions.to_vec(),
            Within => Vec::new(),
        },
        api_versions: known.versions.iter().map(|&version| version.to_owned()).collect(),
        default_api_version: known.versions[0].to_owned(),
        capabilities: match kind {
            Tracked => "SupportsTags, SupportsLocation",
            Placed => "SupportsLocation",
            Within => "None",
        }
        .to_owned(),
    };
    Provider {
        id: format!("{}/providers/{}", arm_id::subscription(subscription), known.namespace),
        namespace: known.namespace.to_owned(),
        registration_policy: "RegistrationFree".to_owned(),
        registration_state: "Registered".to_owned(),
        resource_types: known.types.iter().map(resource_type).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_found_in_any_case_of_letters_and_knows_its_regions() {
        let regions = ["local".to_owned(), "north".to_owned()];
        let found = named("S", &regions, "microsoft.recoveryservices").expect("known");
        assert_eq!(found.id, "/subscriptions/S/providers/Microsoft.RecoveryServices");
        assert_eq!(found.resource_types[0].locations, regions);
        assert_eq!(found.resource_types[1].locations, [""; 0]);
        assert_eq!(named("S", &regions, "Microsoft.Sql"), None);
        let names: Vec<String> =
            all("S", &regions).into_iter().map(|provider| provider.namespace).collect();
        assert!(names.is_sorted(), "{names:?}");
    }
}
