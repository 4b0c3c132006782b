//! The model explored, and with every defect planted that it must find.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use super::{Defect, MIXED, Protocol, SPLIT};

/// What the tests explore, with what they ask for on top.
const SMALL: Protocol = Protocol {
    defect: None,
    writers: 2,
    runs: 2,
    crashes: 2,
    fences: 1,
    lates: 0,
    first: SPLIT,
    repacks: false,
    merges: false,
    rots: 0,
    mends: false,
};
/// No crashes and no wrong fences.
const TINY: Protocol = Protocol { crashes: 0, fences: 0, ..SMALL };
/// One pack that is repacked when one of its two chunks is dead.
const REPACKS: Protocol = Protocol { first: MIXED, repacks: true, crashes: 1, fences: 1, ..SMALL };
/// A pack rots, is found, and repaired.
const DAMAGE: Protocol = Protocol { crashes: 0, fences: 0, rots: 1, mends: true, ..SMALL };

fn explore(name: &str, protocol: Protocol) {
    let any = HasDiscoveries::AnyFailures;
    let checker = protocol.checker().threads(2).finish_when(any).spawn_bfs().join();
    eprintln!(
        "{name}: {} states, {} of them different, up to {} steps deep ({protocol:?})",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
    );
    for (name, path) in checker.discoveries() {
        if checker.discovery_classification(name).to_string() == "counterexample" {
            panic!("{name}: {:?}", path.into_actions());
        }
    }
    checker.assert_properties();
}

fn long() -> bool {
    std::env::var_os("HOLDFAST_LONG").is_some_and(|value| value == "1")
}

#[test]
fn nothing_is_lost_in_any_order_with_two_crashes() {
    explore("two crashes", SMALL);
}

#[test]
fn nothing_is_lost_when_collectors_run_again() {
    // One writer; or everything, which takes many minutes.
    let protocol = match long() {
        true => Protocol { runs: 3, lates: 1, ..SMALL },
        false => Protocol { writers: 1, runs: 3, crashes: 1, ..SMALL },
    };
    explore("more runs", protocol);
}

#[test]
fn nothing_is_lost_when_log_entries_land_late() {
    explore(
        "late entries",
        Protocol { crashes: 1, fences: 0, lates: 1 + u8::from(long()), ..SMALL },
    );
}

#[test]
fn nothing_is_lost_when_packs_are_repacked() {
    explore("repacking", Protocol { crashes: 1 + u8::from(long()), ..REPACKS });
}

#[test]
fn nothing_is_lost_when_indexes_are_merged() {
    explore("merging", Protocol { merges: true, crashes: 1, fences: u8::from(long()), ..SMALL });
}

#[test]
fn nothing_is_lost_that_can_be_read_when_packs_rot() {
    let protocol = Protocol { crashes: u8::from(long()), ..DAMAGE };
    explore("damage", Protocol { mends: long(), ..protocol });
    explore("repaired damage", Protocol { writers: 1, ..protocol });
}

/// Explores until the defect is found.
#[track_caller]
fn finds(defect: Defect, protocol: Protocol, property: &'static str) {
    let protocol = Protocol { defect: Some(defect), ..protocol };
    let it = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = protocol.checker().threads(2).finish_when(it).spawn_bfs().join();
    let found = checker.discovery(property).map(|path| path.into_actions());
    eprintln!("{defect:?}: {} states, {found:?}", checker.unique_state_count());
    assert!(found.is_some(), "{defect:?} was not found");
}

macro_rules! defects {
    ($($test:ident: $defect:ident in $protocol:expr, $property:expr;)*) => {$(
        #[test]
        fn $test() {
            finds(Defect::$defect, $protocol, $property);
        }
    )*};
}

const LOST: &str = "nothing is lost";
const GOING: &str = "no point needs what is to go";
const GONE: &str = "no index names what is gone";
const GOOD: &str = "the last good copy stays";
const DAMAGED: &str = "no point is known to be damaged at once";
const CALM: Protocol = Protocol { crashes: 0, fences: 0, ..REPACKS };

defects! {
    a_commit_without_the_liveness_check_is_found: SkipLiveness in TINY, LOST;
    a_commit_without_a_look_at_its_parent_is_found: SkipParent in TINY, LOST;
    a_session_opened_on_a_parent_that_went_is_found: OpenUnchecked in TINY, LOST;
    a_commit_that_does_not_read_on_is_found: CommitUnread in TINY, LOST;
    a_commit_of_a_fenced_session_is_found: CommitFenced in SMALL, LOST;
    a_commit_before_its_packs_is_found: CommitFirst in TINY, LOST;
    a_failure_reported_too_early_is_found:
        FailUnsettled in Protocol { lates: 1, ..TINY }, "what is reported failed never exists";
    a_collector_of_open_sessions_is_found: CollectOpen in TINY, LOST;
    a_collector_that_lists_after_reading_is_found: LogFirst in TINY, LOST;
    a_collector_with_an_outdated_walk_is_found: CondemnOutdated in TINY, GOING;
    a_collector_that_deletes_what_is_not_condemned_is_found: DeleteLive in TINY, LOST;
    a_collector_that_retires_though_fenced_is_found:
        RetireFenced in Protocol { writers: 1, runs: 3, fences: 1, ..TINY }, LOST;
    a_collector_that_replaces_what_was_replaced_is_found:
        RetireOutdated in Protocol { writers: 1, runs: 4, ..TINY }, GONE;
    a_merge_that_deletes_too_early_is_found: MergeEarly in Protocol { merges: true, ..TINY }, LOST;
    an_original_condemned_before_its_copy_is_logged_is_found: CondemnUnnamed in CALM, GOOD;
    a_copier_that_names_copies_though_fenced_is_found:
        NameFenced in Protocol { writers: 1, runs: 3, ..REPACKS }, GONE;
    an_original_condemned_though_its_copy_went_is_found: CondemnUncopied in REPACKS, GOOD;
    an_original_condemned_though_more_is_needed_is_found: CondemnRelied in CALM, GOOD;
    a_writer_that_relies_on_a_suspect_pack_is_found: RelySuspect in DAMAGE, DAMAGED;
    an_incremental_that_takes_damage_over_is_found: SkipHeal in DAMAGE, DAMAGED;
    a_commit_that_does_not_ask_for_damage_is_found: CommitDoubted in DAMAGE, DAMAGED;
    a_collector_that_condemns_beside_damage_is_found: CondemnDoubted in DAMAGE, GOOD;
    a_collector_that_deletes_beside_damage_is_found: RetireDoubted in DAMAGE, GOOD;
    a_repair_that_frees_a_condemned_pack_is_found: ClearCondemned in DAMAGE, LOST;
}
