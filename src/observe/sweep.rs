//! Who looks for names instead of asking for them: more different reverse names, or more different
//! absent names, within a minute than the thresholds say. Not what is done about it.
//!
//! What is kept is bounded whatever is sent: a small sketch for each client and sort of names, a cap
//! on clients, and one on what is reported.

use super::Options;
use super::sketch::Sketch;
use foldhash::quality::RandomState;
use std::collections::HashMap;
use std::net::IpAddr;

/// How long names are gathered before everybody starts anew, in milliseconds.
pub(super) const WINDOW: u64 = 60_000;
/// Clients of whom names are gathered at a time: pods and nodes, and networks of clients that we
/// don't know. The second can't take places of the first: their addresses may be forged.
const KNOWN: usize = 32_768;
const UNKNOWN: usize = 1024;
/// Suspicions that are reported within a window.
pub(super) const REPORTS: usize = 100;

/// A sort of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Sort {
    /// Reverse names: who has the addresses of a range?
    Reverse,
    /// Absent names: which of these words is a name?
    Absent,
}

pub(super) const SORTS: usize = 2;

impl Sort {
    /// Returns the sort as metrics and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reverse => "ptr",
            Self::Absent => "nxdomain",
        }
    }
}

/// Of whom names are gathered: an address, or a network of which no address tells who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) address: IpAddr,
    pub(super) is_network: bool,
}

/// What came of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Judged {
    /// The client passed the threshold with this name.
    pub(super) suspected: bool,
    /// It is to be reported: the first time in this window, and not too many have been.
    pub(super) report: bool,
}

/// The names of one window.
#[derive(Debug)]
pub(super) struct Detector {
    /// Bits that are set at the threshold of each sort; `None` where it is not looked at.
    thresholds: [Option<u32>; SORTS],
    clients: HashMap<Source, Client, RandomState>,
    networks: usize,
    until: u64,
    reports: usize,
    /// Suspicions that were not reported in this window.
    unreported: u64,
    overlooked: u64,
}

#[derive(Debug, Default)]
struct Client {
    // Most clients ask for names of one sort.
    sketches: [Option<Box<Sketch>>; SORTS],
    suspected: [bool; SORTS],
}

impl Detector {
    pub(super) fn new(options: &Options) -> Self {
        let thresholds = [options.reverse_names, options.absent_names];
        Self {
            thresholds: thresholds.map(|names| (names > 0).then(|| Sketch::ones_of(names))),
            clients: HashMap::default(),
            networks: 0,
            until: WINDOW,
            reports: 0,
            unreported: 0,
            overlooked: 0,
        }
    }

    /// Begins the next window where `now`, in milliseconds, is past this one. Returns how many
    /// clients of the last one were suspected and not reported.
    pub(super) fn turn(&mut self, now: u64) -> u64 {
        if now < self.until {
            return 0;
        }
        self.until = now - now % WINDOW + WINDOW;
        self.clients.clear();
        (self.networks, self.reports) = (0, 0);
        std::mem::take(&mut self.unreported)
    }

    /// Takes a name in.
    pub(super) fn see(&mut self, source: Source, sort: Sort, name: u64) -> Judged {
        let Some(threshold) = self.thresholds[sort as usize] else {
            return Judged::default();
        };
        if !self.clients.contains_key(&source) && !self.admit(source) {
            self.overlooked += 1;
            return Judged::default();
        }
        let client = self.clients.entry(source).or_default();
        let sketch = client.sketches[sort as usize].get_or_insert_default();
        if !sketch.insert(name) || sketch.ones() <= threshold || client.suspected[sort as usize] {
            return Judged::default();
        }
        let first = !client.suspected.contains(&true);
        client.suspected[sort as usize] = true;
        let report = first && self.reports < REPORTS;
        self.reports += usize::from(report);
        self.unreported += u64::from(first && !report);
        Judged {
            suspected: true,
            report,
        }
    }

    /// Returns how many names were not taken in because too many clients were.
    pub(super) fn overlooked(&self) -> u64 {
        self.overlooked
    }

    /// Returns whether there is room for one client more, and takes it.
    fn admit(&mut self, source: Source) -> bool {
        let known = self.clients.len() - self.networks;
        let room = match source.is_network {
            true => self.networks < UNKNOWN,
            false => known < KNOWN,
        };
        self.networks += usize::from(room && source.is_network);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::hash;
    use super::*;

    const OPTIONS: Options = Options {
        reverse_names: 100,
        absent_names: 300,
        tenants: 0,
        audited: crate::observe::Audited::Nobodys,
    };

    fn source(number: u32) -> Source {
        Source {
            address: IpAddr::from((0x0a00_0000 + number).to_be_bytes()),
            is_network: false,
        }
    }

    /// Takes in so many names, and returns after how many a suspicion arose, and was reported.
    fn names(
        detector: &mut Detector,
        source: Source,
        sort: Sort,
        names: std::ops::Range<u32>,
    ) -> (Vec<u32>, usize) {
        let (mut suspected, mut reports) = (Vec::new(), 0);
        for n in names {
            let judged = detector.see(
                source,
                sort,
                hash(7, format!("\x06n{n:05}\x05local\0").as_bytes()),
            );
            if judged.suspected {
                suspected.push(n);
            }
            reports += usize::from(judged.report);
        }
        (suspected, reports)
    }

    #[test]
    fn above_its_threshold_a_client_is_suspected_once_a_window() {
        for (sort, threshold) in [(Sort::Reverse, 100), (Sort::Absent, 300)] {
            let mut detector = Detector::new(&OPTIONS);
            for window in 0..3 {
                let (at, reports) = names(&mut detector, source(1), sort, 0..5_000);
                assert_eq!((at.len(), reports), (1, 1), "{sort:?}");
                let few = threshold - threshold / 5..threshold + threshold / 5;
                assert!(few.contains(&at[0]), "{sort:?}: after {at:?}");
                assert_eq!(detector.turn((window + 1) * WINDOW), 0);
            }
        }
    }

    #[test]
    fn whoever_asks_for_few_names_often_is_not_suspected() {
        let mut detector = Detector::new(&OPTIONS);
        for _ in 0..1_000 {
            for sort in [Sort::Reverse, Sort::Absent] {
                assert!(names(&mut detector, source(1), sort, 0..75).0.is_empty());
            }
        }
    }

    #[test]
    fn what_was_asked_before_the_window_does_not_count() {
        let mut detector = Detector::new(&OPTIONS);
        for window in 1..10 {
            let asked = window as u32 * 80..window as u32 * 80 + 80;
            assert!(
                names(&mut detector, source(1), Sort::Reverse, asked)
                    .0
                    .is_empty()
            );
            detector.turn(window * WINDOW + 59_999);
        }
    }

    #[test]
    fn a_window_ends_with_its_minute_and_not_before() {
        let mut detector = Detector::new(&OPTIONS);
        names(&mut detector, source(1), Sort::Reverse, 0..60);
        detector.turn(WINDOW - 1);
        let (at, _) = names(&mut detector, source(1), Sort::Reverse, 60..200);
        assert_eq!(at.len(), 1, "still the same window");
    }

    #[test]
    fn a_sort_without_a_threshold_is_not_looked_at() {
        let mut detector = Detector::new(&Options {
            reverse_names: 0,
            ..OPTIONS
        });
        assert!(
            names(&mut detector, source(1), Sort::Reverse, 0..5_000)
                .0
                .is_empty()
        );
        assert!(detector.clients.is_empty());
    }

    #[test]
    fn who_sweeps_both_sorts_is_reported_once() {
        let mut detector = Detector::new(&OPTIONS);
        assert_eq!(names(&mut detector, source(1), Sort::Reverse, 0..500).1, 1);
        let (at, reports) = names(&mut detector, source(1), Sort::Absent, 0..500);
        assert_eq!((at.len(), reports), (1, 0));
    }

    #[test]
    fn reports_are_bounded_and_what_is_left_out_is_counted() {
        let mut detector = Detector::new(&OPTIONS);
        let sweeps = REPORTS as u32 + 20;
        let reports: usize = (0..sweeps)
            .map(|n| names(&mut detector, source(n), Sort::Reverse, 0..200).1)
            .sum();
        assert_eq!(reports, REPORTS);
        assert_eq!(detector.turn(WINDOW), 20);
        assert_eq!(detector.turn(2 * WINDOW), 0);
    }

    #[test]
    fn forged_addresses_take_no_place_of_a_pod() {
        let mut detector = Detector::new(&OPTIONS);
        for n in 0..100_000u32 {
            let network = Source {
                is_network: true,
                ..source(n << 8)
            };
            detector.see(network, Sort::Absent, u64::from(n));
        }
        assert_eq!(detector.clients.len(), UNKNOWN);
        assert_eq!(detector.overlooked(), 100_000 - UNKNOWN as u64);
        assert_eq!(names(&mut detector, source(1), Sort::Reverse, 0..200).1, 1);
        for n in 0..2 * KNOWN as u32 {
            detector.see(source(n), Sort::Absent, 1);
        }
        assert_eq!(detector.clients.len(), UNKNOWN + KNOWN);
        detector.turn(WINDOW);
        assert!(detector.clients.is_empty());
    }
}
