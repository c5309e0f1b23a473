//! A page of samples, gathered by series. Not which series there are.

use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram as Buckets, LabelPair, Metric, MetricFamily, MetricType,
};
use std::collections::BTreeMap;

/// One series: its name, and what it says.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Goes up, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// How many values were how great.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// The upper bound of each bucket.
    pub bounds: Vec<f64>,
    /// The values in each bucket alone, and those above the last bound.
    pub counts: Vec<u64>,
    /// The sum of the values.
    pub sum: f64,
}

impl Histogram {
    /// Returns how many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Series {
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            labels,
            help,
        }
    }

    pub(super) const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Gauge,
            labels,
            help,
        }
    }

    pub(super) const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Histogram,
            labels,
            help,
        }
    }
}

/// The samples so far. A series without a sample is not on the page.
#[derive(Debug, Default)]
pub(super) struct Page(BTreeMap<&'static str, MetricFamily>);

impl Page {
    /// Adds a sample; `labels` are the values of the series' labels, in their order.
    pub(super) fn add(&mut self, series: &Series, labels: &[&str], value: f64) {
        let mut metric = metric(series, labels);
        match series.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            Kind::Histogram => debug_assert!(false, "{} is no number", series.name),
        }
        self.family(series).mut_metric().push(metric);
    }

    /// Adds the samples of a histogram.
    pub(super) fn observe(&mut self, series: &Series, labels: &[&str], values: &Histogram) {
        debug_assert!(matches!(series.kind, Kind::Histogram), "{}", series.name);
        let mut buckets = Buckets::default();
        let mut cumulative = 0;
        let mut all = Vec::with_capacity(values.bounds.len());
        for (bound, count) in values.bounds.iter().zip(&values.counts) {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative);
            all.push(bucket);
        }
        buckets.set_bucket(all);
        buckets.set_sample_count(values.count());
        buckets.set_sample_sum(values.sum);
        let mut metric = metric(series, labels);
        metric.set_histogram(buckets);
        self.family(series).mut_metric().push(metric);
    }

    fn family(&mut self, series: &Series) -> &mut MetricFamily {
        self.0.entry(series.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(series.name.to_owned());
            family.set_help(series.help.to_owned());
            family.set_field_type(match series.kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
                Kind::Histogram => MetricType::HISTOGRAM,
            });
            family
        })
    }

    /// Adds a sample of a count.
    pub(super) fn count(&mut self, series: &Series, labels: &[&str], count: u64) {
        // Exact up to 2^53, as every value of Prometheus.
        self.add(series, labels, count as f64);
    }

    /// Returns the page in Prometheus' text format, sorted by series.
    pub(super) fn text(self) -> String {
        let families: Vec<MetricFamily> = self.0.into_values().collect();
        let text = TextEncoder::new().encode_to_string(&families);
        text.expect("every family has a name and a sample")
    }
}

/// Returns a sample with its labels and no value yet.
fn metric(series: &Series, labels: &[&str]) -> Metric {
    debug_assert_eq!(series.labels.len(), labels.len(), "{}", series.name);
    let pairs = series.labels.iter().zip(labels).map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}
