//! Every decision of Holdfast, apart from its execution.
//!
//! Facts go in as values, verdicts come out as values, and each verdict says why. Nothing here does
//! IO, reads a clock or knows bytes; the engine gathers the facts and carries the verdicts out.

#![warn(missing_docs)]

pub mod access;
pub mod alerts;
pub mod chain;
pub mod consistency;
pub mod disks;
pub mod health;
pub mod item_life;
pub mod job_life;
pub mod naming;
pub mod policy;
pub mod protection;
pub mod restore;
pub mod retain;
pub mod retention;
pub mod retry;
pub mod schedule;
pub mod spread;
pub mod tags;
pub mod tenancy;
pub mod vault;
pub mod zone;
