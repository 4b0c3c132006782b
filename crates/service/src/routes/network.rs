//! Virtual networks and network cards.

use super::{Route, get, list};
use crate::arm::networks;

pub(super) const ROUTES: &[Route] = &[
    list(
        subscription!("/providers/Microsoft.Network/virtualNetworks"),
        NETWORK_READ,
        networks::list_all,
    ),
    get(
        group!("/providers/Microsoft.Network/virtualNetworks"),
        NETWORK_READ,
        networks::list_of_group,
    ),
    get(
        group!("/providers/Microsoft.Network/virtualNetworks/{network}"),
        NETWORK_READ,
        networks::get,
    ),
    get(
        group!("/providers/Microsoft.Network/virtualNetworks/{network}/subnets"),
        SUBNET_READ,
        networks::subnets,
    ),
    get(
        group!("/providers/Microsoft.Network/virtualNetworks/{network}/subnets/{subnet}"),
        SUBNET_READ,
        networks::subnet,
    ),
    list(
        subscription!("/providers/Microsoft.Network/networkInterfaces"),
        CARD_READ,
        networks::cards,
    ),
    get(
        group!("/providers/Microsoft.Network/networkInterfaces"),
        CARD_READ,
        networks::cards_of_group,
    ),
    get(group!("/providers/Microsoft.Network/networkInterfaces/{card}"), CARD_READ, networks::card),
    list(
        subscription!("/providers/Microsoft.Network/publicIPAddresses"),
        ADDRESS_READ,
        networks::none,
    ),
    get(
        group!("/providers/Microsoft.Network/publicIPAddresses"),
        ADDRESS_READ,
        networks::none_of_group,
    ),
    list(
        subscription!("/providers/Microsoft.Network/networkSecurityGroups"),
        SECURITY_READ,
        networks::none,
    ),
    get(
        group!("/providers/Microsoft.Network/networkSecurityGroups"),
        SECURITY_READ,
        networks::none_of_group,
    ),
];

pub(crate) const NETWORK_READ: &str = "Microsoft.Network/virtualNetworks/read";
const SUBNET_READ: &str = "Microsoft.Network/virtualNetworks/subnets/read";
pub(crate) const CARD_READ: &str = "Microsoft.Network/networkInterfaces/read";
const ADDRESS_READ: &str = "Microsoft.Network/publicIPAddresses/read";
const SECURITY_READ: &str = "Microsoft.Network/networkSecurityGroups/read";
