//! Planted defects: each must break the invariant that it is about, within 200 seeds. A simulator
//! that finds none of them would find no real one either.
//!
//! Each has a seed that is known to find it, which is run first. Whatever changes what a seed means
//! may change that; then others are tried, and the test says which one finds it now.

use sim::{Defect, Scenario, run};

/// How many seeds a defect may take to be found.
const SEEDS: u64 = 200;

/// What is wrong in this seed's run with the defect, if anything is.
fn wrong(seed: u64, defect: Defect) -> Option<String> {
    run(&Scenario::short(seed).with(defect)).err().map(|failure| failure.what)
}

#[track_caller]
fn check(defect: Defect, known: u64, words: &[&str]) {
    let others = (1..=SEEDS).filter(|seed| *seed != known);
    let mut seeds = std::iter::once(known).chain(others);
    let found = seeds.find_map(|seed| Some((seed, wrong(seed, defect)?)));
    let Some((seed, what)) = found else {
        panic!("{defect:?} is not found within {SEEDS} seeds");
    };
    let is_about_it = words.iter().any(|words| what.contains(words));
    assert!(is_about_it, "{defect:?}, seed {seed}: found for another reason: {what}");
    if seed == known {
        println!("{defect:?}: seed {seed}: {what}");
    } else {
        println!("{defect:?}: seed {seed} finds it, and not {known} any more: {what}");
    }
}

const NOT_AS_IT_WAS: &[&str] = &["is not what was on the disk", "was not restored as it was"];

macro_rules! planted {
    ($($name:ident: $defect:ident, $seed:literal, $words:expr;)*) => {$(
        #[test]
        fn $name() {
            check(Defect::$defect, $seed, $words);
        }
    )*};
}

planted! {
    a_commit_that_goes_before_its_packs_is_found:
        PacksAreNotDurable, 1, &["is missing", "is damaged"];
    log_entries_that_a_store_loses_are_missed:
        LogEntriesAreNotDurable, 1,
        &["Log entry", "log entry", "not in the repository", "there is no recovery point"];
    a_bit_that_flips_in_a_pack_is_seen:
        PacksRot, 1, &["is damaged"];
    a_completed_backup_without_its_point_is_found:
        PointIsNotRecorded, 1, &["is not listed"];
    a_job_that_never_ends_is_found:
        EndIsNotRecorded, 1, &["does not end"];
    a_run_that_is_not_settled_is_repeated:
        RunIsNotSettled, 1, &["was repeated"];
    two_backups_of_one_item_at_once_are_seen:
        ItemIsNotLeased, 1, &["of one item at once"];
    a_policy_that_is_read_from_a_stale_copy_is_found:
        PolicyIsStale, 10, &["too late", "became no job", "begins at"];
    points_that_go_outside_a_stored_plan_are_missed:
        PlanIsNotStored, 1, &["no plan says so", "is not listed"];
    without_its_rule_the_newest_point_goes_and_that_is_seen:
        NewestMayGo, 9, &["the newest"];
    a_plan_that_nobody_confirmed_is_not_carried_out_unseen:
        PlanNeedsNoConfirmation, 1, &["nobody confirmed it"];
    a_point_of_an_immutable_vault_does_not_go_early_unseen:
        PromisesAreForgotten, 17, &["was promised until"];
    a_clock_that_jumped_is_not_trusted_unseen:
        ClockSightIsLost, 1, &["the clock is trusted at"];
    writes_that_the_hypervisor_did_not_track_are_missed:
        NothingIsDirty, 1, NOT_AS_IT_WAS;
    writes_that_a_discarded_capture_forgot_are_missed:
        DiscardForgets, 1, NOT_AS_IT_WAS;
    a_snapshot_that_sees_later_writes_is_found:
        SnapshotIsTorn, 1, NOT_AS_IT_WAS;
    a_clock_that_is_ahead_for_a_moment_is_found:
        ClockLies, 12, &["begins at", "became no job"];
}
