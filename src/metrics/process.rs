//! What the kernel counts for this process, read from /proc. What can't be read has no sample.

use super::page::Page;
use super::series;
use std::fs;

/// Ticks a second in /proc: USER_HZ, which is 100 wherever Rust's Linux targets run.
const TICKS: f64 = 100.0;

/// Adds the samples of this process.
pub(super) fn write(page: &mut Page) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let stat = Stat::of(&read("/proc/self/stat"));
    let fds = fs::read_dir("/proc/self/fd").map(|entries| entries.count() as f64);
    let boot =
        field(&read("/proc/stat"), "btime ").and_then(|text| text.trim().parse::<f64>().ok());
    let status = read("/proc/self/status");
    for (series, value) in [
        (&series::CPU, stat.as_ref().map(|stat| stat.cpu)),
        (&series::VIRTUAL, kibibytes(&status, "VmSize:")),
        (&series::RSS, kibibytes(&status, "VmRSS:")),
        // The folder itself is open while it is read.
        (&series::OPEN_FDS, fds.ok().map(|count| count - 1.0)),
        (&series::MAX_FDS, most_fds(&read("/proc/self/limits"))),
        (
            &series::START,
            boot.zip(stat).map(|(boot, stat)| boot + stat.start),
        ),
    ] {
        if let Some(value) = value {
            page.add(series, &[], value);
        }
    }
}

/// Fields of /proc/self/stat, in seconds.
struct Stat {
    /// User and system time.
    cpu: f64,
    /// Start, after boot.
    start: f64,
}

impl Stat {
    fn of(text: &str) -> Option<Self> {
        // The name in parentheses may hold blanks and parentheses; the fields after it are numbers.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Numbered from 1 in proc(5); the third is the first after the name.
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu: (ticks(14)? + ticks(15)?) / TICKS,
            start: ticks(22)? / TICKS,
        })
    }
}

/// Returns what follows `name` in its line.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

fn kibibytes(text: &str, name: &str) -> Option<f64> {
    let number = field(text, name)?.trim().strip_suffix(" kB")?;
    Some(number.parse::<f64>().ok()? * 1024.0)
}

/// Returns the soft limit of open files.
fn most_fds(text: &str) -> Option<f64> {
    match field(text, "Max open files")?.split_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_shift_its_fields() {
        let numbers: Vec<String> = (4..=52).map(|n| n.to_string()).collect();
        for name in ["tenantdns", "a b) 7 (c"] {
            let text = format!("1 ({name}) S {}", numbers.join(" "));
            let stat = Stat::of(&text).expect(name);
            assert_eq!((stat.cpu, stat.start), (0.29, 0.22), "{name}");
        }
        assert!(Stat::of("1 (tenantdns) S 4").is_none());
    }

    #[test]
    fn limits_and_sizes_are_read_with_their_units() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(most_fds(limits), Some(1024.0));
        let none = limits.replace("1024   ", "unlimited");
        assert_eq!(most_fds(&none), Some(f64::INFINITY));
        assert_eq!(
            kibibytes("VmPeak:\t 9 kB\nVmRSS:\t   12 kB\n", "VmRSS:"),
            Some(12_288.0)
        );
        assert_eq!(kibibytes("VmRSS:\t12 pages\n", "VmRSS:"), None);
    }
}
