//! Leased addresses, and the cards that they belong to.

use std::net::IpAddr;

use api::helper::Lease;
use model::vm::Interface;

/// Gives each card its address: the first one that was leased to its hardware address, an IPv4 one
/// where there is any.
pub(super) fn give(cards: &mut [Interface], leases: &[Lease]) {
    for card in cards {
        let Some(mac) = &card.mac else { continue };
        let own = leases.iter().filter(|lease| lease.mac.eq_ignore_ascii_case(mac));
        let mut own: Vec<IpAddr> = own.filter_map(|lease| lease.address.parse().ok()).collect();
        own.sort_by_key(IpAddr::is_ipv6);
        card.address = own.first().map(ToString::to_string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(mac: &str) -> Interface {
        Interface { mac: Some(mac.to_owned()), ..Interface::default() }
    }

    #[test]
    fn a_card_has_its_first_address_of_the_older_kind() {
        let lease =
            |mac: &str, address: &str| Lease { mac: mac.to_owned(), address: address.to_owned() };
        let leases = [
            lease("52:54:00:AB:00:01", "fd00::7"),
            lease("52:54:00:ab:00:01", "10.7.0.5"),
            lease("52:54:00:ab:00:01", "10.7.0.6"),
            lease("52:54:00:ab:00:02", "fd00::8"),
            lease("52:54:00:ab:00:03", "no address"),
        ];
        let mut cards = [
            card("52:54:00:ab:00:01"),
            card("52:54:00:ab:00:02"),
            card("52:54:00:ab:00:03"),
            card("52:54:00:ab:00:04"),
            Interface::default(),
        ];
        give(&mut cards, &leases);
        let told: Vec<Option<&str>> = cards.iter().map(|card| card.address.as_deref()).collect();
        assert_eq!(told, [Some("10.7.0.5"), Some("fd00::8"), None, None, None]);
    }
}
