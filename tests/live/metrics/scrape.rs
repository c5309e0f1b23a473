//! A page in Prometheus' text format, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Labels of a sample, the port of a server's address left out: it is another on each side.
pub(crate) type Labels = BTreeMap<String, String>;

/// A page.
pub(crate) struct Scrape {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, BTreeMap<Labels, f64>>,
}

/// Gets a page over HTTP.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let (head, body) = asked(address, path);
    assert!(head.contains(" 200 "), "{head}");
    body
}

/// Asks for a page over HTTP, and returns the head and the body of the answer.
pub(crate) fn asked(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

impl Scrape {
    pub(crate) fn parse(text: &str) -> Self {
        let mut scrape = Self {
            kinds: BTreeMap::new(),
            samples: BTreeMap::new(),
        };
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                scrape.kinds.insert(name.to_owned(), kind.to_owned());
            }
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let mut values = Labels::new();
            // No value on either page has a quotation mark in it.
            let parts: Vec<&str> = labels.trim_end_matches('}').split('"').collect();
            for pair in parts.chunks_exact(2) {
                let label = pair[0].trim_start_matches(',').trim_end_matches('=');
                let mut value = pair[1].to_owned();
                if label == "server" {
                    let port = value.rfind(':').unwrap();
                    value.truncate(port);
                }
                values.insert(label.to_owned(), value);
            }
            let samples = scrape.samples.entry(name.to_owned()).or_default();
            samples.insert(values, value.parse().unwrap());
        }
        scrape
    }

    /// The names of all series.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// The samples of a series, as the page names them.
    pub(crate) fn samples(&self, name: &str) -> BTreeMap<Labels, f64> {
        self.samples.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.samples(name).values().sum()
    }

    pub(crate) fn kind(&self, name: &str) -> Option<&str> {
        self.kinds.get(name).map(String::as_str)
    }

    /// The names of a series' labels, sorted; `None` where it is not on the page.
    pub(crate) fn labels(&self, name: &str) -> Option<String> {
        let counts = self.samples.get(&format!("{name}_count"));
        let samples = self.samples.get(name).or(counts)?;
        let names: BTreeSet<&str> = samples
            .keys()
            .flat_map(|l| l.keys().map(String::as_str))
            .collect();
        Some(names.into_iter().collect::<Vec<_>>().join(" "))
    }

    /// The bounds of a histogram's buckets; none where it is no histogram.
    pub(crate) fn bounds(&self, name: &str) -> Vec<f64> {
        let samples = self.samples(&format!("{name}_bucket"));
        let bounds = samples.keys().map(|labels| match &*labels["le"] {
            "+Inf" => f64::INFINITY,
            bound => bound.parse().unwrap(),
        });
        let mut bounds: Vec<f64> = bounds.collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        bounds
    }
}
