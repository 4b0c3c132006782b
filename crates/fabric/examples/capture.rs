//! Captures one domain by hand, without an engine: to look at a host, and for tests that need a
//! capture to kill.
//!
//! ```text
//! capture URI HELPER list
//! capture URI HELPER recover   SCRATCH SOCKETS DOMAIN [KNOWN CHECKPOINT]...
//! capture URI HELPER take      SCRATCH SOCKETS DOMAIN POINT FREEZE_MS HOLD_S keep|discard OUT
//!                              [TARGET=CHECKPOINT]...
//! ```
//!
//! `take` writes each disk to `OUT/TARGET.raw`, into what is there already, holds the capture
//! open for `HOLD_S` seconds, and ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::OpenOptions;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use fabric::libvirt::{Config, LibvirtHost};
use fabric::{Capture, CapturePlan, DiskPlan, Finish, Host, Method, RecoverScope};
use model::units::total;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [uri, helper, what, rest @ ..] = words.as_slice() else {
        return Err("usage: see the head of the source".into());
    };
    let config = Config { helper: Some(helper.into()), ..Config::new(uri) };
    let host = LibvirtHost::new(config);
    match (*what, rest) {
        ("list", []) => {
            for domain in host.inventory()? {
                println!("{domain:#?}");
            }
            Ok(())
        }
        ("recover", [scratch, sockets, domain, known @ ..]) => {
            let known: BTreeSet<String> = known.iter().map(|it| (*it).to_owned()).collect();
            let scope = RecoverScope {
                scratch_dir: scratch.into(),
                socket_dir: sockets.into(),
                known: BTreeMap::from([(domain.parse()?, known)]),
            };
            host.recover(&scope)?.iter().for_each(|word| println!("{word}"));
            Ok(())
        }
        ("take", [scratch, sockets, domain, point, freeze, hold, end, out, from @ ..]) => {
            let domain = domain.parse()?;
            let disks = host.domain(domain)?;
            let supported = |target: &str| !disks.unsupported.iter().any(|it| it.target == target);
            let method = |target: &str| {
                let checkpoint =
                    from.iter().filter_map(|it| it.split_once('=')).find(|it| it.0 == target);
                checkpoint.map_or(Method::Full, |(_, name)| Method::Incremental {
                    checkpoint: name.to_owned(),
                })
            };
            let plan =
                |target: &String| DiskPlan { target: target.clone(), method: method(target) };
            let budget: u64 = freeze.parse()?;
            let plan = CapturePlan {
                domain,
                point: point.parse()?,
                disks: disks
                    .disks
                    .iter()
                    .map(|disk| &disk.target)
                    .filter(|target| supported(target))
                    .map(plan)
                    .collect(),
                quiesce: (budget > 0).then_some(Duration::from_millis(budget)),
                scratch_dir: scratch.into(),
                socket_dir: sockets.into(),
            };
            let capture = host.begin_capture(&plan)?;
            let taken = take(capture.as_ref(), Path::new(out));
            std::thread::sleep(Duration::from_secs(hold.parse()?));
            capture.check()?;
            taken?;
            let how = if *end == "keep" { Finish::Keep } else { Finish::Discard };
            println!("{:?}", capture.finish(how)?);
            Ok(())
        }
        _ => Err("usage: see the head of the source".into()),
    }
}

fn take(capture: &dyn Capture, out: &Path) -> Result<(), Box<dyn Error>> {
    let evidence = capture.evidence();
    println!("{:?} {:?} {:?}", evidence.quiesce, evidence.skipped, evidence.checkpoint);
    for disk in &evidence.disks {
        let mut reader = capture.disk(&disk.target)?;
        let extents = reader.extents()?;
        let path = out.join(format!("{}.raw", disk.target));
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).open(path)?;
        file.set_len(disk.size)?;
        // A hole that is skipped must hide what an earlier take wrote there.
        let mut failed = None;
        let zeroes = vec![0; 1 << 20];
        for extent in &extents {
            let mut at = extent.start;
            while at < extent.end() {
                let length = (extent.end() - at).min(zeroes.len() as u64);
                file.write_all_at(&zeroes[..usize::try_from(length)?], at)?;
                at += length;
            }
        }
        let _ =
            reader.read(&extents, &mut |offset, bytes| match file.write_all_at(bytes, offset) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        let counters = reader.counters();
        println!(
            "{} {:?} size {} extents {} bytes {} read {:?} note {:?}",
            disk.target,
            disk.method,
            disk.size,
            extents.len(),
            total(&extents),
            counters,
            disk.note
        );
    }
    Ok(())
}
