//! `Microsoft.Network`: virtual networks with their subnets, and virtual machines' cards, to be
//! read. Public addresses and security groups do not exist here; their lists are empty.

use std::collections::HashMap;

use api::arm::network as shape;
use model::fault::{Code, Fault};
use model::network::{Network, SUBNET};
use model::role::Scope;
use model::vm::Vm;
use uuid::Uuid;

use super::vms::{self, host_uris};
use super::{list, tenancy};
use crate::call::{Call, Reply};
use crate::routes::network::{CARD_READ, NETWORK_READ};

/// `GET …/providers/Microsoft.Network/virtualNetworks`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let mut networks = call.engine().networks();
    let reach = call.reach(NETWORK_READ)?;
    networks.retain(|network| reach.holds(&Scope::Group(network.resource_group.clone())));
    render_list(call, &networks)
}

/// `GET …/resourceGroups/G/providers/Microsoft.Network/virtualNetworks`
pub(crate) fn list_of_group(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?.name;
    let mut networks = call.engine().networks();
    networks.retain(|network| network.resource_group.eq_ignore_ascii_case(&group));
    render_list(call, &networks)
}

/// `GET …/virtualNetworks/N`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&render(call, &named(call)?, &host_uris(call)?)))
}

/// `GET …/virtualNetworks/N/subnets`
pub(crate) fn subnets(call: &Call) -> Result<Reply, Fault> {
    list(call, [shape::subnet(&call.subscription(), &named(call)?)])
}

/// `GET …/virtualNetworks/N/subnets/S`
pub(crate) fn subnet(call: &Call) -> Result<Reply, Fault> {
    let network = named(call)?;
    let name = call.name("subnet");
    if !name.eq_ignore_ascii_case(SUBNET) {
        return Err(no_subnet(&network, name));
    }
    Ok(Reply::ok(&shape::subnet(&call.subscription(), &network)))
}

/// That a network has no subnet of this name.
pub(super) fn no_subnet(network: &Network, name: &str) -> Fault {
    let network = &network.name;
    let message = format!("Virtual network '{network}' has no subnet '{name}', only '{SUBNET}'.");
    Fault::new(Code::ResourceNotFound, message)
}

/// `GET …/providers/Microsoft.Network/networkInterfaces`
pub(crate) fn cards(call: &Call) -> Result<Reply, Fault> {
    render_cards(call, &vms::visible(call, CARD_READ)?)
}

/// `GET …/resourceGroups/G/providers/Microsoft.Network/networkInterfaces`
pub(crate) fn cards_of_group(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?.name;
    let mut vms = call.engine().vms()?;
    vms.retain(|vm| vm.resource_group.eq_ignore_ascii_case(&group));
    render_cards(call, &vms)
}

/// `GET …/networkInterfaces/N`
pub(crate) fn card(call: &Call) -> Result<Reply, Fault> {
    let (group, name) = (call.name("group"), call.name("card"));
    let networks = call.engine().networks();
    for vm in call.engine().vms()? {
        if !vm.resource_group.eq_ignore_ascii_case(group) {
            continue;
        }
        let mut cards = vm.interfaces.iter().enumerate();
        let found = cards
            .find(|(number, _)| shape::interface_name(&vm, *number).eq_ignore_ascii_case(name));
        if let Some(found) = found {
            let card = shape::interface(&call.subscription(), &vm, found, &networks);
            return Ok(Reply::ok(&card));
        }
    }
    let message = format!(
        "The Resource 'Microsoft.Network/networkInterfaces/{name}' under resource group '{group}' \
         was not found."
    );
    Err(Fault::new(Code::ResourceNotFound, message))
}

/// A list of what there is none of in this subscription.
pub(crate) fn none(call: &Call) -> Result<Reply, Fault> {
    list(call, std::iter::empty::<()>())
}

/// A list of what there is none of in this group.
pub(crate) fn none_of_group(call: &Call) -> Result<Reply, Fault> {
    tenancy::find_group(call)?;
    none(call)
}

fn named(call: &Call) -> Result<Network, Fault> {
    call.engine().network(call.name("group"), call.name("network"))
}

fn render_list(call: &Call, networks: &[Network]) -> Result<Reply, Fault> {
    let uris = host_uris(call)?;
    list(call, networks.iter().map(|network| render(call, network, &uris)))
}

fn render(call: &Call, network: &Network, uris: &HashMap<Uuid, String>) -> shape::VirtualNetwork {
    let host = uris.get(&network.host).map_or("", String::as_str);
    shape::render(&call.subscription(), network, host)
}

fn render_cards(call: &Call, vms: &[Vm]) -> Result<Reply, Fault> {
    let (subscription, networks) = (call.subscription(), call.engine().networks());
    let numbered = |vm: &'_ Vm| {
        let cards = vm.interfaces.iter().enumerate();
        let render = |card| shape::interface(&subscription, vm, card, &networks);
        cards.map(render).collect::<Vec<_>>()
    };
    list(call, vms.iter().flat_map(numbered))
}
