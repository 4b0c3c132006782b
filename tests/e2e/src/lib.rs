//! The harness of the end-to-end tests: real guests under libvirt, a real `holdfast serve`, and
//! its command line.
//!
//! The tests lie in `tests/e2e/tests`, one file per promise. They run only where `./test` asks for
//! it ([`on_guests`]), because they boot guests, need root and a libvirt, and take their time. Each
//! test has a [`lab::Lab`] of its own: a directory, domains whose names begin with `hf-e2e-`, and
//! nothing else on the machine is touched.

pub mod beats;
pub mod disk;
pub mod guest;
pub mod lab;
pub mod run;
pub mod service;
pub mod stall;
pub mod wait;

/// Whether tests on guests were asked for. Says so on stderr if not.
pub fn on_guests(test: &str) -> bool {
    let asked = std::env::var_os("HOLDFAST_E2E").is_some_and(|value| value == "1");
    if !asked {
        eprintln!("{test}: skipped, it needs guests (./test runs it, or HOLDFAST_E2E=1)");
    }
    asked
}

/// Whether long campaigns were asked for. Says so on stderr if not.
pub fn at_length(test: &str) -> bool {
    let asked = std::env::var_os("HOLDFAST_LONG").is_some_and(|value| value == "1");
    if !asked {
        eprintln!("{test}: skipped, it takes long (./test --long runs it, or HOLDFAST_LONG=1)");
    }
    asked
}
