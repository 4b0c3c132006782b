//! The machine's floor: what the stages of a backup cost by themselves, without a repository.
//!
//! ```text
//! floor store IMAGE PACK [EXTENTS.json]    read, 64 KiB grid, BLAKE3, zstd 1, AES-256-GCM, one
//!                                          file, one fsync
//! floor restore PACK IMAGE                 open, decompress, hash, compare, write sparse, fsync
//! floor verify PACK                        the same without the writing
//! floor stages IMAGE                       every stage alone, in MB/s of input
//! ```
//!
//! Two threads, each of which takes the next MiB when it is done with one. There is no index and no
//! deduplication, and the keys are constants: PACK is good for measuring only.

mod pack;
mod stages;

use std::path::Path;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["store", image, pack] => pack::store(Path::new(image), Path::new(pack), None),
        ["store", image, pack, extents] => {
            pack::store(Path::new(image), Path::new(pack), Some(Path::new(extents)))
        }
        ["restore", pack, image] => pack::read(Path::new(pack), Some(Path::new(image))),
        ["verify", pack] => pack::read(Path::new(pack), None),
        ["stages", image] => stages::run(Path::new(image)),
        _ => bail!(
            "usage: floor store IMAGE PACK [EXTENTS.json] | restore PACK IMAGE | verify PACK | stages IMAGE"
        ),
    }
}
