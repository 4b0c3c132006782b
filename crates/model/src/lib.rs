//! The nouns of Holdfast: what every other crate talks about.
//!
//! Plain values without IO, without serialisation and without a clock of their own: time and
//! randomness come in through the ports in [`clock`] and [`seed`]. A value that exists is valid;
//! the constructors refuse what the field's rules do not allow and say why.

#![warn(missing_docs)]

pub mod alert;
pub mod arm_id;
pub mod clock;
pub mod fault;
pub mod host;
pub mod item;
pub mod job;
pub mod network;
pub mod point;
pub mod policy;
pub mod principal;
pub mod retention;
pub mod role;
pub mod seed;
pub mod space;
pub mod store;
pub mod tags;
pub mod units;
pub mod vault;
pub mod verification;
pub mod vm;
