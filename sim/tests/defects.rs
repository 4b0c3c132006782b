//! Planted defects: each must break the invariant that it is about, within 200 seeds. A simulator
//! that finds none of them would find no real one either.

use sim::{Defect, Scenario, run};

/// How many seeds a defect may take to be found.
const SEEDS: u64 = 200;

/// What is planted, and what is said of it.
const DEFECTS: [(Defect, &[&str]); 13] = [
    (Defect::PacksAreNotDurable, &["is missing", "is damaged"]),
    (Defect::LogEntriesAreNotDurable, &["Log entry", "log entry", "not in the repository"]),
    (Defect::PacksRot, &["is damaged"]),
    (Defect::PointIsNotRecorded, &["is not listed"]),
    (Defect::EndIsNotRecorded, &["does not end"]),
    (Defect::RunIsNotSettled, &["was repeated"]),
    (Defect::ItemIsNotLeased, &["of one item at once"]),
    (Defect::PolicyIsStale, &["too late", "became no job", "begins at"]),
    (Defect::PlanIsNotStored, &["no plan says so", "is not listed"]),
    (Defect::NothingIsDirty, &["is not what was on the disk", "was not restored as it was"]),
    (Defect::DiscardForgets, &["is not what was on the disk", "was not restored as it was"]),
    (Defect::SnapshotIsTorn, &["is not what was on the disk", "was not restored as it was"]),
    (Defect::ClockLies, &["begins at", "became no job"]),
];

/// Runs seeds until one breaks an invariant: which it was, and what was wrong.
fn found(defect: Defect) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| {
        let failure = run(&Scenario::short(seed).with(defect)).err()?;
        Some((seed, failure.what))
    })
}

#[test]
fn every_planted_defect_is_found_within_200_seeds() {
    let mut missed = Vec::new();
    for (defect, words) in DEFECTS {
        match found(defect) {
            Some((seeds, what)) if words.iter().any(|words| what.contains(words)) => {
                println!("{defect:?}: after {seeds} seeds: {what}");
            }
            found => missed.push((defect, found)),
        }
    }
    assert!(missed.is_empty(), "not found, or for another reason: {missed:#?}");
}
