//! The guests: what is on their disks now, and what was when each point was taken.
//!
//! A disk consists of cells. A cell's content has a number, and is made from it whenever it is
//! needed: so what a disk held at a moment is a list of numbers, and years of them fit in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fabric::fake::{FakeHost, NewDisk};
use model::point::PointId;
use model::units::KIB;
use model::vm::DiskFormat;
use uuid::Uuid;

use crate::chance::{Chance, mixed};

/// Bytes of a cell.
pub const CELL: u64 = 16 * KIB;

/// The cells of a disk, each by the number of its content. 0 is zeroes.
pub type Cells = Arc<Vec<u32>>;

/// What is in a cell: a kilobyte of noise, again and again, so that it costs little to keep.
pub fn content(number: u32) -> Vec<u8> {
    kilobyte(number).repeat((CELL / KIB) as usize)
}

fn kilobyte(number: u32) -> [u8; KIB as usize] {
    let mut bytes = [0; KIB as usize];
    if number != 0 {
        let first = (u64::from(number) << 20) + 1;
        for (noise, word) in (first..).zip(bytes.as_chunks_mut().0) {
            *word = mixed(noise).to_le_bytes();
        }
    }
    bytes
}

/// Whether bytes are the beginning of a cell's content.
fn is_of(number: u32, bytes: &[u8]) -> bool {
    let kilobyte = kilobyte(number);
    bytes.chunks(kilobyte.len()).all(|part| part == &kilobyte[..part.len()])
}

/// A disk of a guest.
#[derive(Debug, Clone)]
pub struct GuestDisk {
    /// Its target.
    pub target: String,
    /// Its format.
    pub format: DiskFormat,
    /// What is on it.
    pub cells: Cells,
}

/// A guest.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Which of the hosts it is on.
    pub host: usize,
    /// Whether it is there.
    pub is_there: bool,
    /// While it is not there: it comes back at one act of the operator in so many.
    pub stays_away: u64,
    /// Its disks.
    pub disks: Vec<GuestDisk>,
}

impl Guest {
    /// Puts it on its host, with empty disks.
    pub fn appear(&mut self, host: &FakeHost) {
        self.is_there = true;
        for disk in &mut self.disks {
            disk.cells = Arc::new(vec![0; disk.cells.len()]);
        }
        let new = |disk: &GuestDisk| NewDisk {
            target: disk.target.clone(),
            size: disk.cells.len() as u64 * CELL,
            format: disk.format,
        };
        host.add(self.uuid, &self.name, &self.disks.iter().map(new).collect::<Vec<_>>());
    }

    /// Takes it off its host.
    pub fn vanish(&mut self, host: &FakeHost) {
        self.is_there = false;
        host.remove(self.uuid);
    }

    /// Writes a few cells of one of its disks.
    pub fn write(&mut self, host: &FakeHost, chance: &mut Chance) {
        if !self.is_there || self.disks.is_empty() {
            return;
        }
        let at = chance.place(self.disks.len());
        let disk = &mut self.disks[at];
        for _ in 0..1 + chance.below(3) {
            let cell = chance.place(disk.cells.len());
            // Some of it is on many machines, some is zeroes, most is new.
            let number = match chance.below(8) {
                0 => 0,
                1 => 1 + chance.below(40),
                _ => chance.below(1 << 32),
            };
            let number = u32::try_from(number).expect("below 2^32");
            Arc::make_mut(&mut disk.cells)[cell] = number;
            host.write(self.uuid, &disk.target, cell as u64 * CELL, &content(number))
                .expect("the guest is there");
        }
    }
}

/// What a point was taken of.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The machine.
    pub vm: Uuid,
    /// Its disks at that moment, by target.
    pub disks: BTreeMap<String, Cells>,
}

/// All guests, and what points hold of them.
#[derive(Debug, Default)]
pub struct Guests {
    /// The guests.
    pub all: Vec<Guest>,
    /// What each point must hold, of all that were ever begun.
    pub taken: HashMap<PointId, Taken>,
}

impl Guests {
    /// The moment of a point.
    pub fn take(&mut self, point: PointId, vm: Uuid) {
        if let Some(guest) = self.all.iter().find(|guest| guest.uuid == vm) {
            let disks = guest.disks.iter();
            let disks = disks.map(|disk| (disk.target.clone(), Arc::clone(&disk.cells))).collect();
            self.taken.insert(point, Taken { vm, disks });
        }
    }
}

/// Whether bytes of a disk, from a cell's beginning on, are what these cells hold.
pub fn is_content(cells: &[u32], from: usize, bytes: &[u8]) -> bool {
    bytes
        .chunks(CELL as usize)
        .zip(cells.iter().skip(from))
        .all(|(bytes, number)| is_of(*number, bytes))
}
