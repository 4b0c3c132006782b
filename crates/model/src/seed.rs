//! The randomness port. Only `engine::seed` implements it over the machine's generator.

use uuid::Uuid;

use crate::point::PointId;

/// Gives random bytes fit for keys. Everything that needs a random number or a new id takes one.
pub trait Seed: Send + Sync {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// A new random identifier (UUID version 4).
pub fn new_uuid(seed: &dyn Seed) -> Uuid {
    let mut bytes = [0; 16];
    seed.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// A new random id for a recovery point.
pub fn new_point_id(seed: &dyn Seed) -> PointId {
    let mut bytes = [0; 8];
    loop {
        seed.fill(&mut bytes);
        if let Some(id) = PointId::new(u64::from_le_bytes(bytes) >> 1) {
            return id;
        }
    }
}
