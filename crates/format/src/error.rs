//! Why bytes are not the object they should be.

use crate::header::Kind;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes end too early, or more follow than should.
    #[error("the object is cut short or too long")]
    Length,
    /// The bytes do not start with Holdfast's magic.
    #[error("not a Holdfast object")]
    Magic,
    /// The object is of another kind.
    #[error("an object of kind {found} where {expected:?} was expected")]
    Kind {
        /// The kind that the object's name promised.
        expected: Kind,
        /// The kind byte found.
        found: u8,
    },
    /// The object was written by a newer Holdfast.
    #[error("format version {version} is not supported")]
    Version {
        /// The version found.
        version: u8,
    },
    /// The object belongs to another vault.
    #[error("the object belongs to another vault")]
    Vault,
    /// The clear hash at the end does not match: damage.
    #[error("the object's hash does not match its bytes")]
    Hash,
    /// The seal does not open: damage, a swap, or the wrong key.
    #[error("the seal does not open")]
    Seal,
    /// Decompression failed or gave another size than the authenticated one.
    #[error("the compressed text is broken")]
    Compression,
    /// A field holds what it cannot hold.
    #[error("invalid {what}")]
    Invalid {
        /// The field.
        what: &'static str,
    },
}
