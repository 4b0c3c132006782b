//! Time travel: the whole engine in one thread, over the real repository and its format, with a
//! clock, hypervisors, a ledger's disk and stores that do what one seed says.
//!
//! ```text
//!  seed ──► what guests write, what operators do, when what fails, when the process dies
//!             │
//!  Sim ──────►│ sets the clock to the next moment at which something is due
//!             │ Engine::turn, and each task that it began, in any order and within each other
//!             ▼
//!  Engine ──► ports: SimClock · SimHost · SimLedger · SimStore · Queue
//!             │
//!  Audit ◄────┘ looks at ledger, repositories and hosts from outside, and compares
//! ```
//!
//! # Invariants
//!
//! What must hold whatever happens; the first time that it does not, a run ends with what happened
//! before:
//!
//! - **S1. Every point that is listed gives back, byte for byte, what was on the disks at its
//!   moment.**
//! - **S2. Points do not go** but by a stored plan, and the newest of an item not at all; none
//!   while the clock is doubted, none of an immutable vault before its time, and not most of an
//!   item's without an operator's word. The ledger lists what the repository's log has, and nothing
//!   else.
//! - **S3. A backup that is completed has its point.**
//! - **S4. Jobs end**, and one fails only where something went wrong.
//! - **S5. One backup job per item.**
//! - **S6. Runs are neither lost nor repeated**: at every quiet moment the last run of each item
//!   has become a job; no run becomes two; what was missed is caught up by one.
//! - **S7. Nothing panics**, and nothing is called a bug.
//! - **S8. The engine starts**, whatever it died in.
//!
//! The engine's own threads are tasks here. The repository's stay threads: they only compute, and
//! what becomes of a request to a store depends on the request and not on their order. So a seed
//! gives the same run every time; a test holds it to that.

#![warn(missing_docs)]

mod acts;
mod audit;
pub mod chance;
mod clock;
mod defect;
mod guests;
mod host;
mod keeping;
mod ledger;
mod policies;
mod process;
mod run;
mod store;
mod tasks;
mod town;
mod watch;

pub use defect::Defect;
pub use run::{Failure, Report, Scenario, run};
