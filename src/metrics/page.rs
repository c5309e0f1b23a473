//! A page of samples, gathered by series. Not which series there are.

use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
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
}

/// The samples so far. A series without a sample is not on the page.
#[derive(Debug, Default)]
pub(super) struct Page(BTreeMap<&'static str, MetricFamily>);

impl Page {
    /// Adds a sample; `labels` are the values of the series' labels, in their order.
    pub(super) fn add(&mut self, series: &Series, labels: &[&str], value: f64) {
        debug_assert_eq!(series.labels.len(), labels.len(), "{}", series.name);
        let pairs = series.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        let family = self.0.entry(series.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(series.name.to_owned());
            family.set_help(series.help.to_owned());
            family.set_field_type(match series.kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
            });
            family
        });
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
        }
        family.mut_metric().push(metric);
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
