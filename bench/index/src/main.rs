//! The index at scale: `index-bench DIR [CHUNKS]` builds, opens and asks an index of 50 million
//! chunks that are made up, and prints a table. Files go to DIR: 58 bytes a chunk.
//!
//! Every phase is a process of its own, so that its peak of memory is its own.

mod generate;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use generate::Generated;
use repo::Repository;

const CHUNKS: u64 = 50_000_000;
/// Chunks of the repository that is rebuilt from packs.
const PACKED: u64 = 2_000_000;
const LOOKUPS: u64 = 1_000_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let directory = arguments.first().context("usage: index-bench DIR [CHUNKS]")?;
    let directory = PathBuf::from(directory);
    let chunks = arguments.get(1).map_or(Ok(CHUNKS), |text| text.parse())?;
    let phases = ["generate", "build", "open", "misses", "hits", "hits-cold", "hits-2", "packs"];
    match arguments.get(2) {
        Some(phase) => run(phase, &directory, chunks),
        None => {
            std::fs::create_dir_all(&directory)?;
            println!(
                "{chunks} chunks\n\n| phase | s | CPU s | per s | peak MiB |\n|---|---|---|---|---|"
            );
            for phase in phases {
                let mut command = Command::new(std::env::current_exe()?);
                let command = command.arg(&directory).args([&chunks.to_string(), phase]);
                ensure!(command.status()?.success(), "{phase} failed");
            }
            Ok(())
        }
    }
}

fn run(phase: &str, directory: &Path, chunks: u64) -> Result<()> {
    let caches = directory.join("caches");
    let packs = directory.join("packs");
    let generated = Arc::new(Generated::new(chunks)?);
    let open = |salt| generated.open(salt, &caches);
    match phase {
        "generate" => {
            measured("generate the index objects alone", chunks, || generated.read_all().map(drop))
        }
        "build" => measured("build from index objects", chunks, || {
            let repository = open(2)?;
            ensure!(repository.has_chunk(&generate::chunk(chunks - 1))?, "the last one is there");
            Ok(())
        }),
        "open" => measured("open", 1, || {
            ensure!(open(3)?.has_chunk(&generate::chunk(0))?, "the first one is there");
            Ok(())
        }),
        "misses" => {
            let repository = open(4)?;
            measured("look up what is not there", LOOKUPS * 4, || {
                ask(&repository, (0..LOOKUPS * 4).map(|number| (number + (1 << 40), false)))
            })
        }
        "hits" | "hits-cold" => {
            let repository = open(5)?;
            let (name, count) = if phase == "hits" {
                ("look up what is there", LOOKUPS)
            } else {
                drop_cached(&caches)?;
                ("look up what is there, nothing in the page cache", LOOKUPS / 20)
            };
            measured(name, count, || ask(&repository, hits(0, count, chunks)))
        }
        "hits-2" => {
            let repository = open(6)?;
            measured("look up what is there, two threads", LOOKUPS * 2, || {
                thread::scope(|scope| {
                    let ask = |start| ask(&repository, hits(start, LOOKUPS, chunks));
                    let other = scope.spawn(move || ask(LOOKUPS));
                    ask(0)?;
                    other.join().ok().context("a thread panicked")?
                })
            })
        }
        "packs" => {
            generate::packs_without_index(&packs, PACKED)?;
            measured("rebuild from 2 million chunks' packs", PACKED, || {
                let repository = generate::open_packs(&packs, &directory.join("caches-of-packs"))?;
                ensure!(repository.has_chunk(&generate::chunk(PACKED - 1))?, "it is there");
                Ok(())
            })
        }
        phase => bail!("there is no phase {phase}"),
    }
}

/// Numbers of chunks that are there, in no order.
fn hits(start: u64, count: u64, chunks: u64) -> impl Iterator<Item = (u64, bool)> {
    (start..start + count).map(move |number| (number * 48_271 % chunks, true))
}

fn ask(repository: &Repository, numbers: impl Iterator<Item = (u64, bool)>) -> Result<()> {
    for (number, expected) in numbers {
        let found = repository.has_chunk(&generate::chunk(number))?;
        ensure!(found == expected, "chunk {number}: {found}");
    }
    Ok(())
}

fn measured(name: &str, count: u64, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let (start, before) = (Instant::now(), cpu()?);
    work()?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu()? - before);
    let per_second = count as f64 / seconds;
    println!("| {name} | {seconds:.2} | {cpu:.2} | {per_second:.0} | {} |", peak_mib()?);
    Ok(())
}

/// The seconds that processors worked for this process.
fn cpu() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has a name in brackets")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> Result<f64> { Ok(fields.next().context("too short")?.parse()?) };
    // 100 ticks a second on every Linux there is.
    Ok((ticks()? + ticks()?) / 100.0)
}

/// The most memory this process had at a time.
fn peak_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(kib.parse::<u64>()? / 1024)
}

/// Makes the kernel forget what it holds of the cache's files.
fn drop_cached(caches: &Path) -> Result<()> {
    for vault in std::fs::read_dir(caches)? {
        for file in std::fs::read_dir(vault?.path())? {
            let path = file?.path();
            std::fs::File::open(&path)?.sync_all()?;
            let path = path.to_str().context("a name in UTF-8")?.to_owned();
            let status = Command::new("dd")
                .args([&format!("if={path}"), "iflag=nocache", "count=0", "status=none"])
                .status()?;
            ensure!(status.success(), "dd could not drop {path}");
        }
    }
    Ok(())
}
