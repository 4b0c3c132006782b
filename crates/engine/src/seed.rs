//! The machine's random generator: the one place that draws from it.

use aws_lc_rs::rand;
use model::seed::Seed;

/// The machine's cryptographic random generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSeed;

impl Seed for SystemSeed {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes)
            .expect("the operating system's random generator never fails once it runs");
    }
}
