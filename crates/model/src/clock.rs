//! The clock port. Only `engine::clock` implements it over the machine's clock.

use jiff::Timestamp;

/// Tells the time. Everything that needs the time takes one of these, or the time itself.
pub trait Clock: Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> Timestamp;
}
