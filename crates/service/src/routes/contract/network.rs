//! Virtual networks and network cards.

use api::arm::network::{NetworkInterface, Subnet, VirtualNetwork};
use api::openapi::Operation;

use super::get;

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = networks();
    operations.extend(cards());
    operations.extend(nothing());
    operations
}

fn networks() -> Vec<Operation> {
    vec![
        get(
            "VirtualNetworks_ListAll",
            subscription!("/providers/Microsoft.Network/virtualNetworks"),
            "The virtual networks of all hosts.",
        )
        .lists::<VirtualNetwork>(),
        get(
            "VirtualNetworks_List",
            group!("/providers/Microsoft.Network/virtualNetworks"),
            "The virtual networks of a resource group's hosts.",
        )
        .lists::<VirtualNetwork>(),
        get(
            "VirtualNetworks_Get",
            group!("/providers/Microsoft.Network/virtualNetworks/{network}"),
            "A virtual network.",
        )
        .gives::<VirtualNetwork>(200)
        .refuses(&[503]),
        get(
            "Subnets_List",
            group!("/providers/Microsoft.Network/virtualNetworks/{network}/subnets"),
            "A virtual network's one subnet.",
        )
        .lists::<Subnet>()
        .refuses(&[503]),
        get(
            "Subnets_Get",
            group!("/providers/Microsoft.Network/virtualNetworks/{network}/subnets/{subnet}"),
            "A virtual network's one subnet.",
        )
        .gives::<Subnet>(200)
        .refuses(&[503]),
    ]
}

fn cards() -> Vec<Operation> {
    vec![
        get(
            "NetworkInterfaces_ListAll",
            subscription!("/providers/Microsoft.Network/networkInterfaces"),
            "The network cards of all virtual machines.",
        )
        .lists::<NetworkInterface>(),
        get(
            "NetworkInterfaces_List",
            group!("/providers/Microsoft.Network/networkInterfaces"),
            "The network cards of a resource group's virtual machines.",
        )
        .lists::<NetworkInterface>(),
        get(
            "NetworkInterfaces_Get",
            group!("/providers/Microsoft.Network/networkInterfaces/{card}"),
            "A network card.",
        )
        .gives::<NetworkInterface>(200),
    ]
}

/// What does not exist here: the lists are empty.
fn nothing() -> Vec<Operation> {
    vec![
        get(
            "PublicIPAddresses_ListAll",
            subscription!("/providers/Microsoft.Network/publicIPAddresses"),
            "Public addresses: there are none.",
        )
        .lists::<NetworkInterface>(),
        get(
            "PublicIPAddresses_List",
            group!("/providers/Microsoft.Network/publicIPAddresses"),
            "Public addresses: there are none.",
        )
        .lists::<NetworkInterface>(),
        get(
            "NetworkSecurityGroups_ListAll",
            subscription!("/providers/Microsoft.Network/networkSecurityGroups"),
            "Security groups: there are none.",
        )
        .lists::<NetworkInterface>(),
        get(
            "NetworkSecurityGroups_List",
            group!("/providers/Microsoft.Network/networkSecurityGroups"),
            "Security groups: there are none.",
        )
        .lists::<NetworkInterface>(),
    ]
}
