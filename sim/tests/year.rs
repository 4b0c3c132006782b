//! A year of fifty guests. Run alone to see how long it takes:
//! `cargo test --release --locked -p sim --test year -- --nocapture --ignored`; with
//! `HOLDFAST_DAYS=N` only its first days.

use std::env;

use sim::{Scenario, run};

fn year() -> Scenario {
    let scenario = Scenario::year(1);
    let days = env::var("HOLDFAST_DAYS").ok().and_then(|days| days.parse().ok());
    Scenario { days: days.unwrap_or(scenario.days), ..scenario }
}

#[test]
#[ignore = "a minute; ./test --long runs it"]
fn a_year_of_fifty_guests_breaks_no_invariant() {
    match run(&year()) {
        Ok(report) => println!("{report:#?}"),
        Err(failure) => panic!("{failure:#}"),
    }
}
