//! Two programs in turn, A B A B …, so that a machine whose speed drifts drifts for both.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is run, and how long one run of it took.
pub(crate) type Side<'a> = (&'a str, &'a mut dyn FnMut() -> Duration);

/// Runs both sides in turn, prints the median of each and the ratio of the medians.
pub(crate) fn compare(what: &str, runs: usize, (a, run_a): Side<'_>, (b, run_b): Side<'_>) {
    let (mut took_a, mut took_b): (Vec<_>, Vec<_>) = (0..runs).map(|_| (run_a(), run_b())).unzip();
    report(what, (a, &mut took_a), (b, &mut took_b));
}

/// Prints the median of each side and the ratio of the medians.
pub(crate) fn report(what: &str, a: (&str, &mut [Duration]), b: (&str, &mut [Duration])) {
    let (median_a, median_b) = (median(a.1), median(b.1));
    let ratio = median_a.as_secs_f64() / median_b.as_secs_f64();
    println!("{what}: {} {median_a:.1?}, {} {median_b:.1?}, ratio {ratio:.2}", a.0, b.0);
}

fn median(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

/// How long the whole process takes. Its output is thrown away; it must succeed.
pub(crate) fn wall(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let status = silent(command).status().expect("the command starts");
    let took = begun.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

/// The most memory that a process ever had, in KiB: `VmHWM`, read every millisecond as long as it is there.
pub(crate) fn peak_kib(command: &mut Command) -> u64 {
    let mut child: Child = silent(command).spawn().expect("the command starts");
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child can be waited for").is_none() {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|l| l.trim_end_matches(" kB").trim().parse().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
    peak
}

pub(crate) fn silent(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
