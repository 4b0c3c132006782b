use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use model::clock::Clock;
use model::seed::Seed;
use uuid::Uuid;

use super::*;
use crate::objects::Memory;
use crate::repository::{Environment, Repository};

#[derive(Default)]
struct Outside(AtomicU64);

impl Seed for Outside {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        bytes.iter_mut().zip(number.iter().cycle()).for_each(|(byte, part)| *byte = *part);
    }
}

impl Clock for Outside {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

#[test]
fn a_long_session_forgets_the_ids_that_its_indexes_name_and_still_knows_them() {
    let outside = Arc::new(Outside::default());
    let actor = "a test".to_owned();
    let environment = Environment { seed: outside.clone(), clock: outside, actor, caches: None };
    let kek = crate::Kek::new([7; 32]);
    let store = Arc::new(Memory::default());
    let repository = Repository::init(store, Uuid::from_u128(1), &kek, environment)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut stow = Stow::new(&repository.shared, SessionId([1; 8]));
    stow.index_size = 1;
    let chunk = |number: u32| {
        let mut bytes = vec![0; 16 << 10];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    // Three packs and more.
    let count = 1800;
    for round in 0..2 {
        let mut tickets = Vec::new();
        for number in 0..count {
            stow.append(&chunk(number));
            tickets.push(stow.close().unwrap_or_else(|error| panic!("{error}")).0);
        }
        stow.settle().unwrap_or_else(|error| panic!("{error}"));
        for ticket in tickets {
            let outcome = stow.outcome(ticket).expect("all are settled");
            assert_eq!(outcome.new, round == 0, "{ticket:?} in round {round}");
        }
        stow.flush(ChunkKind::Map).unwrap_or_else(|error| panic!("{error}"));
        stow.write_indexes(1).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(!stow.indexes.is_empty());
    assert!(stow.fresh.is_empty(), "{} ids are still in memory", stow.fresh.len());
    stow.abandon();
}
