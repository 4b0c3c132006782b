//! A seed is a run: the same things happen every time.

use sim::{Scenario, run};

#[test]
fn a_seed_gives_the_same_run_every_time() {
    for seed in [3, 14, 159] {
        let once = run(&Scenario::short(seed)).expect("no invariant is broken");
        let again = run(&Scenario::short(seed)).expect("no invariant is broken");
        assert_eq!(once, again, "seed {seed}");
        let other = run(&Scenario::short(seed + 1)).expect("no invariant is broken");
        assert_ne!(once.digest, other.digest, "seeds {seed} and {}", seed + 1);
    }
}
