//! ARM resource ids: the paths by which Azure's API names things.
//!
//! Clients cut these ids with case-sensitive patterns, so what is written here has Azure's
//! canonical case. What clients send is read without regard to case.

use crate::item::Item;
use crate::point::PointId;

/// The resource provider of vaults.
pub const RECOVERY_SERVICES: &str = "Microsoft.RecoveryServices";

/// `/subscriptions/S`.
pub fn subscription(subscription: &str) -> String {
    format!("/subscriptions/{subscription}")
}

/// `/subscriptions/S/resourceGroups/G`.
pub fn resource_group(sub: &str, group: &str) -> String {
    format!("{}/resourceGroups/{group}", subscription(sub))
}

/// A vault.
pub fn vault(sub: &str, group: &str, name: &str) -> String {
    format!("{}/providers/{RECOVERY_SERVICES}/vaults/{name}", resource_group(sub, group))
}

/// A virtual machine.
pub fn vm(sub: &str, group: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.Compute/virtualMachines/{name}", resource_group(sub, group))
}

/// A storage account.
pub fn storage_account(sub: &str, group: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.Storage/storageAccounts/{name}", resource_group(sub, group))
}

/// A virtual network.
pub fn virtual_network(sub: &str, group: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.Network/virtualNetworks/{name}", resource_group(sub, group))
}

/// A subnet of the virtual network with this id.
pub fn subnet(network_id: &str, name: &str) -> String {
    format!("{network_id}/subnets/{name}")
}

/// A policy of the vault with this id.
pub fn policy(vault_id: &str, name: &str) -> String {
    format!("{vault_id}/backupPolicies/{name}")
}

/// A job of the vault with this id.
pub fn job(vault_id: &str, job: &str) -> String {
    format!("{vault_id}/backupJobs/{job}")
}

/// The last part of container and item names: `iaasvmcontainerv2;group;vm`, in lower case.
pub fn vm_tail(group: &str, vm: &str) -> String {
    format!("iaasvmcontainerv2;{};{}", group.to_lowercase(), vm.to_lowercase())
}

/// The container of a virtual machine in the vault with this id.
pub fn container(vault_id: &str, group: &str, vm: &str) -> String {
    format!(
        "{vault_id}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{}",
        vm_tail(group, vm)
    )
}

/// A protected item of the vault with this id.
pub fn item(vault_id: &str, item: &Item) -> String {
    let (group, vm) = (&item.vm_resource_group, &item.vm_name);
    format!("{}/protectedItems/VM;{}", container(vault_id, group, vm), vm_tail(group, vm))
}

/// A recovery point of the item with this id.
pub fn point(item_id: &str, point: PointId) -> String {
    format!("{item_id}/recoveryPoints/{point}")
}

/// The resource group and the VM's name in a container's or an item's name, in whatever case and
/// with whatever prefix the client uses: `[VM;]iaasvmcontainerv2;group;vm`.
pub fn parse_vm_tail(name: &str) -> Option<(&str, &str)> {
    let mut parts = name.rsplitn(4, ';');
    let (vm, group, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let known = kind.eq_ignore_ascii_case("iaasvmcontainerv2");
    (known && !vm.is_empty() && !group.is_empty()).then_some((group, vm))
}

/// The value behind `key` in an ARM id: `named("/subscriptions/S/…", "subscriptions")` is `S`.
pub fn named<'a>(id: &'a str, key: &str) -> Option<&'a str> {
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    while let Some(segment) = segments.next() {
        if segment.eq_ignore_ascii_case(key) {
            return segments.next();
        }
    }
    None
}

/// The subscription, the resource group and the name in the id of a resource of this type, such as
/// `Microsoft.Storage/storageAccounts`; nothing where it is the id of something else. A subnet has
/// the type of its network with `/subnets` behind it, and its network's name comes before its own.
pub fn parse<'a>(id: &'a str, kind: &str) -> Option<(&'a str, &'a str, Vec<&'a str>)> {
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    let mut expect = |key: &str| segments.next().filter(|it| it.eq_ignore_ascii_case(key));
    expect("subscriptions")?;
    let subscription = segments.next()?;
    let mut expect = |key: &str| segments.next().filter(|it| it.eq_ignore_ascii_case(key));
    expect("resourceGroups")?;
    let group = segments.next()?;
    if kind.is_empty() {
        return segments.next().is_none().then_some((subscription, group, Vec::new()));
    }
    let (provider, types) = kind.split_once('/')?;
    let mut expect = |key: &str| segments.next().filter(|it| it.eq_ignore_ascii_case(key));
    expect("providers")?;
    expect(provider)?;
    let mut names = Vec::new();
    for kind in types.split('/') {
        segments.next().filter(|it| it.eq_ignore_ascii_case(kind))?;
        names.push(segments.next()?);
    }
    segments.next().is_none().then_some((subscription, group, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_containers_and_items_are_read_in_any_case() {
        for name in [
            "iaasvmcontainerv2;rg;vm",
            "VM;iaasvmcontainerv2;rg;vm",
            "vm;IaasVMContainerV2;rg;vm",
            "IaasVMContainer;iaasvmcontainerv2;rg;vm",
        ] {
            assert_eq!(parse_vm_tail(name), Some(("rg", "vm")), "{name}");
        }
        for name in ["", "vm", "rg;vm", "sqlcontainer;rg;vm", "iaasvmcontainerv2;;vm"] {
            assert_eq!(parse_vm_tail(name), None, "{name}");
        }
    }

    #[test]
    fn an_id_is_of_its_type_or_of_none() {
        let network = virtual_network("S", "RG", "n");
        let kind = "Microsoft.Network/virtualNetworks";
        assert_eq!(parse(&network, kind), Some(("S", "RG", vec!["n"])));
        assert_eq!(parse(&network.to_uppercase(), kind), Some(("S", "RG", vec!["N"])));
        let subnet = subnet(&network, "default");
        let found = parse(&subnet, "Microsoft.Network/virtualNetworks/subnets");
        assert_eq!(found, Some(("S", "RG", vec!["n", "default"])));
        assert_eq!(parse(&resource_group("S", "RG"), ""), Some(("S", "RG", vec![])));
        for other in [subnet.as_str(), &vm("S", "RG", "n"), "", "/", "/subscriptions/S", "n"] {
            assert_eq!(parse(other, kind), None, "{other}");
        }
    }

    #[test]
    fn a_value_is_found_behind_its_key_in_any_case() {
        let id = vm("S", "RG", "web1");
        assert_eq!(named(&id, "resourcegroups"), Some("RG"));
        assert_eq!(named(&id, "virtualMachines"), Some("web1"));
        assert_eq!(named(&id, "vaults"), None);
    }
}
