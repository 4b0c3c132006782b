//! A year of fifty guests. Run alone to see how long it takes:
//! `cargo test --release --locked -p sim --test year -- --nocapture --ignored`.

use sim::{Scenario, run};

#[test]
#[ignore = "a minute; ./test --long runs it"]
fn a_year_of_fifty_guests_breaks_no_invariant() {
    match run(&Scenario::year(1)) {
        Ok(report) => println!("{report:#?}"),
        Err(failure) => panic!("{failure:#}"),
    }
}
