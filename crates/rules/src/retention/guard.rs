//! When letting go of many points at once waits for an operator.
//!
//! What would let go of more than half of an item's points, or of over a tenth of a vault's, in
//! one run waits until somebody has looked at it: a policy with a digit too few, a clock that ran
//! away, or a mistake of ours.
//!
//! What a schedule does day by day is not that. An item with seven daily points lets go of one of
//! them each day, which is more than a tenth of a small vault; an item with two of one. So no item
//! counts that lets go of at most as many points as its schedule makes on one day, and a vault does
//! not wait where no item counts. Not more than one day is allowed for, although a service that was
//! down for longer has more to make up for: how long it was down, only its clock tells.

/// The share of an item's points, in percent, above which letting go of them waits.
pub const ITEM_PERCENT: u64 = 50;
/// The share of a vault's points, in percent, above which letting go of them waits.
pub const VAULT_PERCENT: u64 = 10;

/// How many points of an item would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// How many it has.
    pub points: u64,
    /// How many of them would go.
    pub released: u64,
    /// How many its schedule makes on one day, at least one.
    pub a_day: u64,
}

impl Tally {
    const fn is_usual(&self) -> bool {
        self.released <= self.a_day
    }

    const fn is_most_of_an_item(&self) -> bool {
        !self.is_usual() && self.released * 100 > self.points * ITEM_PERCENT
    }
}

/// What waits, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// Nothing.
    Nothing,
    /// What would go of these items, by their places in the list: most of their points.
    Items(Vec<usize>),
    /// Everything: too many points of the vault.
    Vault {
        /// How many would go, apart from those of items that would wait by themselves.
        released: u64,
        /// How many the vault has.
        points: u64,
    },
}

/// What waits for a confirmation, of what would go of a vault's items.
pub fn waits(items: &[Tally]) -> Waits {
    let most: Vec<usize> = items
        .iter()
        .enumerate()
        .filter(|(_, tally)| tally.is_most_of_an_item())
        .map(|(at, _)| at)
        .collect();
    let points: u64 = items.iter().map(|tally| tally.points).sum();
    let others = items.iter().filter(|tally| !tally.is_most_of_an_item());
    let released: u64 = others.clone().map(|tally| tally.released).sum();
    let all_usual = others.clone().all(Tally::is_usual);
    if !all_usual && released * 100 > points * VAULT_PERCENT {
        Waits::Vault { released, points }
    } else if most.is_empty() {
        Waits::Nothing
    } else {
        Waits::Items(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(items: &[(u64, u64, u64)], expected: Waits) {
        let tallies: Vec<Tally> = items
            .iter()
            .map(|&(points, released, a_day)| Tally { points, released, a_day })
            .collect();
        assert_eq!(waits(&tallies), expected, "{items:?}");
    }

    #[test]
    fn more_than_half_of_an_item_waits() {
        check(&[(10, 6, 1), (1000, 0, 1)], Waits::Items(vec![0]));
        check(&[(10, 5, 1), (1000, 0, 1)], Waits::Nothing);
        check(&[(3, 2, 1), (100, 0, 1)], Waits::Items(vec![0]));
    }

    #[test]
    fn more_than_a_tenth_of_a_vault_waits() {
        check(&[(50, 11, 1), (50, 0, 1)], Waits::Vault { released: 11, points: 100 });
        check(&[(50, 10, 1), (50, 0, 1)], Waits::Nothing);
        // Items that wait by themselves do not make the others wait.
        check(&[(20, 11, 1), (80, 8, 1)], Waits::Items(vec![0]));
        check(&[(20, 11, 1), (80, 11, 1)], Waits::Vault { released: 11, points: 100 });
    }

    #[test]
    fn what_a_schedule_does_day_by_day_does_not_wait() {
        // Seven daily points: one goes as one comes.
        check(&[(8, 1, 1)], Waits::Nothing);
        check(&[(8, 1, 1); 100], Waits::Nothing);
        check(&[(2, 1, 1)], Waits::Nothing);
        // Every 15 minutes, kept for a day.
        check(&[(220, 96, 96)], Waits::Nothing);
        // After two days without the service, it does.
        check(&[(8, 2, 1)], Waits::Vault { released: 2, points: 8 });
    }

    #[test]
    fn nothing_is_nothing() {
        check(&[], Waits::Nothing);
        check(&[(0, 0, 1)], Waits::Nothing);
    }
}
