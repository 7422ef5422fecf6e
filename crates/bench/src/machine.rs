//! What the machine says: which one it is, what else runs on it, and what a process uses. Read from `/proc`; where that
//! does not exist, nothing is known and the figures of processes are left out.

use anyhow::{Context as _, Result};
use std::fs;
use std::time::Duration;

/// Clock ticks of `/proc/PID/stat` in a second: 100 on every Linux there is (`USER_HZ`).
const TICKS: f64 = 100.0;
/// Processors that others use above which times mean little.
const QUIET: f64 = 0.25;

/// Processor, cores, memory and system in one line.
pub(crate) fn description() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = text("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        })
        .to_owned();
    let memory = text("/proc/meminfo");
    let kilobytes: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = text("/proc/sys/kernel/osrelease");
    format!(
        "{model}, {cores} cores, {} GiB memory, Linux {}",
        kilobytes / 1_048_576,
        kernel.trim()
    )
}

/// What else is running, if it is more than nothing: times are not to be trusted then. Looks for a second. (The load that
/// the system tells of is that of the last minute, our own included.)
pub(crate) async fn noise() -> Option<String> {
    let before = busy()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let cores = busy()?.saturating_sub(before).as_secs_f64();
    (cores > QUIET).then(|| format!("others use {cores:.1} processors: that slows what is measured"))
}

/// Processor time that was used by anybody since the machine started.
fn busy() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let times = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<f64> = times
        .split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect();
    // user, nice, system; idle, iowait; irq, softirq, steal; the rest is counted as user already.
    let used = times
        .iter()
        .take(3)
        .chain(times.iter().skip(5).take(3))
        .sum::<f64>();
    Some(Duration::from_secs_f64(used / TICKS))
}

/// Processor time that a process has used so far, all its threads together.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub(crate) fn cpu(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name stands in parentheses and may contain anything; utime and stime are the 12th and 13th field after it.
    let (_name, rest) = stat.rsplit_once(')').context("/proc/PID/stat")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = 0.0;
    for _field in 0..2 {
        ticks += fields.next().context("/proc/PID/stat")?.parse::<f64>()?;
    }
    Ok(Duration::from_secs_f64(ticks / TICKS))
}

/// Resident memory of a process in MiB: `VmRSS`, or `VmHWM` for its peak.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub(crate) fn memory(process: u32, line: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let found = status
        .lines()
        .find_map(|it| it.strip_prefix(line)?.strip_prefix(':'))
        .context("/proc/PID/status")?;
    let kilobytes: f64 = found
        .split_whitespace()
        .next()
        .context("/proc/PID/status")?
        .parse()?;
    Ok(kilobytes / 1_024.0)
}
