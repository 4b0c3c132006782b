//! What went wrong, why, and what to do: the one table of error codes.

/// A failure as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code, from the table.
    pub code: &'static str,
}
