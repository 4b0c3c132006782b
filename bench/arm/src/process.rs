//! What this process has used, as Linux counts it.

use std::time::Duration;

use anyhow::{Context, Result};

/// What this process has used.
pub struct Usage {
    pub cpu: Duration,
    pub resident_mib: u64,
}

/// Clock ticks of a second in `/proc`: 100 on every Linux there is.
const TICKS: u64 = 100;

/// The sum of two fields of `/proc/self/stat`, counted behind the program's name.
fn ticks(at: [usize; 2]) -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has a name in brackets")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |at: usize| -> Result<u64> { Ok(fields.get(at).context("too short")?.parse()?) };
    Ok(Duration::from_millis((field(at[0])? + field(at[1])?) * 1000 / TICKS))
}

/// What children that have ended used.
pub fn cpu_of_children() -> Result<Duration> {
    ticks([13, 14])
}

/// Looks at `/proc`.
pub fn usage() -> Result<Usage> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mib = |key: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.with_context(|| format!("no {key}"))?.parse::<u64>()? / 1024)
    };
    Ok(Usage { cpu: ticks([11, 12])?, resident_mib: mib("VmRSS:")? })
}

/// How many programs wanted to run, over the last 1, 5 and 15 minutes.
pub fn machine_load() -> Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
