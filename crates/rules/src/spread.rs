//! Where in a window of time something happens that many want to happen at once.

use jiff::SignedDuration;
use uuid::Uuid;

/// The place of an item in a window: how long after its beginning, and before its end. The same
/// item has the same place at every time, and many items fill a window evenly, so that what is due
/// at the same moment neither starts at once nor at another time every day.
pub fn place(item: Uuid, window: SignedDuration) -> SignedDuration {
    let Ok(millis) = u64::try_from(window.as_millis()) else {
        return SignedDuration::ZERO;
    };
    let place = (u128::from(hash(item)) * u128::from(millis)) >> 64;
    SignedDuration::from_millis(i64::try_from(place).unwrap_or_default())
}

/// Ids are random, but whoever chose them need not have meant all of their bits to be.
fn hash(id: Uuid) -> u64 {
    let (high, low) = id.as_u64_pair();
    let mix = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    };
    mix(mix(high).wrapping_add(0x9e37_79b9_7f4a_7c15) ^ low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_items_fill_a_window_evenly_and_stay_in_it() {
        let window = SignedDuration::from_secs(30);
        let mut tenths = [0; 10];
        for number in 0..1000 {
            let place = place(Uuid::from_u128(number), window);
            assert!(place >= SignedDuration::ZERO && place < window, "{place}");
            tenths[usize::try_from(place.as_secs() / 3).expect("small")] += 1;
        }
        assert!(tenths.iter().all(|count| (60..140).contains(count)), "{tenths:?}");
    }

    #[test]
    fn an_item_has_one_place_and_a_window_of_nothing_has_one_for_all() {
        let (item, window) = (Uuid::from_u128(7), SignedDuration::from_secs(30));
        assert_eq!(place(item, window), place(item, window));
        for nothing in [SignedDuration::ZERO, SignedDuration::from_secs(-1)] {
            assert_eq!(place(item, nothing), SignedDuration::ZERO);
        }
    }
}
