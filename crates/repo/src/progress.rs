//! How far a transfer is, and whether it should go on: the progress port.

/// How far the transfer of one disk is. All counts are sums so far, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// What there is to go through. May still grow by a little.
    pub total: u64,
    /// Of it, gone through, holes included.
    pub scanned: u64,
    /// Read from the source, or from the store.
    pub read: u64,
    /// Of the read ones, new to the vault. For a restore: written to the target.
    pub new: u64,
    /// Added to the store.
    pub stored: u64,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop as soon as possible, with [`RepoError::Cancelled`](crate::RepoError::Cancelled).
    Cancel,
}

/// Is told how far a transfer is. Called about once per MiB: it must be quick.
pub trait Progress: Send + Sync {
    /// The transfer is so far.
    fn report(&self, transfer: Transfer) -> Flow;
}

/// Nobody looks, nobody cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&self, _: Transfer) -> Flow {
        Flow::Continue
    }
}
