//! When a resource group may be deleted.

use model::fault::{Code, Fault};

/// What is in a resource group and does not go with it: names for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Hosts whose virtual machines are in the group, by their connections.
    pub hosts: Vec<String>,
    /// Virtual machines, as they were last seen.
    pub vms: Vec<String>,
    /// Items that protect virtual machines of the group, wherever their vaults are.
    pub items: Vec<String>,
}

/// How many of a kind a refusal names.
const NAMED_MAX: usize = 5;

/// Whether the group may be deleted, as far as it is not up to its vaults. `kept` is the group that
/// always exists.
///
/// # Errors
///
/// `GroupNotEmpty`, naming what is in it.
pub fn may_delete_group(group: &str, kept: &str, held: &Held) -> Result<(), Fault> {
    let refused = |why: String| {
        let message = format!("Resource group '{group}' cannot be deleted: {why}.");
        Err(Fault::new(Code::GroupNotEmpty, message))
    };
    let kinds =
        [("host", &held.hosts), ("virtual machine", &held.vms), ("backup item", &held.items)];
    let found: Vec<String> = kinds
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(kind, names)| told(kind, names))
        .collect();
    if !found.is_empty() {
        return refused(format!("it holds {}", found.join("; ")));
    }
    if group.eq_ignore_ascii_case(kept) {
        return refused("it is the one that always exists".to_owned());
    }
    Ok(())
}

fn told(kind: &str, names: &[String]) -> String {
    let mut listed: Vec<String> =
        names.iter().take(NAMED_MAX).map(|name| format!("{kind} '{name}'")).collect();
    if names.len() > NAMED_MAX {
        listed.push(format!("{} more of the kind", names.len() - NAMED_MAX));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(group: &str, held: Held, expected: &str) {
        let verdict = may_delete_group(group, "holdfast", &held);
        let told = verdict.map_or_else(|fault| fault.message, |()| "deleted".to_owned());
        assert_eq!(told, expected);
    }

    #[test]
    fn a_group_goes_once_nothing_is_in_it_but_empty_vaults() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        check("prod", Held::default(), "deleted");
        let refused = "Resource group 'prod' cannot be deleted: it holds";
        let hosts = names(&["qemu:///system"]);
        check(
            "prod",
            Held { hosts, ..Held::default() },
            &format!("{refused} host 'qemu:///system'."),
        );
        let held = Held { vms: names(&["a"]), items: names(&["b", "c"]), ..Held::default() };
        check(
            "prod",
            held,
            &format!("{refused} virtual machine 'a'; backup item 'b', backup item 'c'."),
        );
        let always =
            "Resource group 'HOLDFAST' cannot be deleted: it is the one that always exists.";
        check("HOLDFAST", Held::default(), always);
    }
}
