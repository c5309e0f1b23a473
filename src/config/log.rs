//! `[[log]]`, `[errors]`, `[dnstap]` and `[opentelemetry]` of a server block: what is written down of its
//! queries. Not how lines look: [`crate::querylog`].

use super::document::Section;
use super::text::duration;
use super::zones::zone;
use crate::observe::Share;
use crate::otlp;
use crate::querylog::{Classes, Consolidate, Format, Level, Output, Rule};
use crate::tap::{Destination, TapOptions};
use crate::wire::Name;
use regex::Regex;

/// CoreDNS's limit for a pattern, in octets.
const MAX_PATTERN: usize = 10_000;

/// What is written down of one server block's queries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// `[[log]]`: the first table that has the name's zone counts.
    pub log: Vec<Rule>,
    /// `[errors]`: the errors that are said together; `None` where failures have no lines.
    pub errors: Option<Vec<Consolidate>>,
    /// `[dnstap]`: where queries and answers are sent.
    pub dnstap: Option<TapOptions>,
    /// `[opentelemetry]`: the collector that is told of some.
    pub spans: Option<otlp::Options>,
}

/// Reads the tables of a block.
pub(super) fn read(block: &mut Section<'_>) -> Written {
    let mut written = Written::default();
    if let Some(field) = block.field("log") {
        let want = "tables [[log]]";
        for item in field.items(want).into_iter().flatten() {
            written.log.extend(item.table(want).map(rule));
        }
    }
    let errors = block.table("errors");
    if errors.is_present() {
        written.errors = Some(consolidations(errors));
    }
    let dnstap = block.table("dnstap");
    if dnstap.is_present() {
        written.dnstap = tap(dnstap);
    }
    let opentelemetry = block.table("opentelemetry");
    if opentelemetry.is_present() {
        written.spans = spans(opentelemetry);
    }
    written
}

fn rule(mut table: Section<'_>) -> Rule {
    let mut rule = Rule::default();
    let mut zones: Vec<Vec<Name>> = Vec::new();
    table.list("zones", &mut zones, "zones", zone);
    if !zones.is_empty() {
        rule.zones = zones.concat();
    }
    let mut format = String::new();
    let as_it_is = |text: &str| Ok::<_, &str>(text.to_owned());
    table.parsed("format", &mut format, "a text", as_it_is);
    if !format.is_empty() {
        rule.format = Format::parse(&format);
    }
    let mut classes: Vec<Classes> = Vec::new();
    table.list("class", &mut classes, "classes", class);
    if !classes.is_empty() {
        rule.classes = classes.into_iter().fold(Classes::NONE, Classes::or);
    }
    let words = [("text", Output::Text), ("json", Output::Json)];
    let field = table.choice("output", &mut rule.output, &words);
    if let Some(field) = field.filter(|_| rule.output == Output::Json && !format.is_empty()) {
        field.problem("a line of JSON has every part; drop `format`");
    }
    table.finish(&[]);
    rule
}

fn class(text: &str) -> Result<Classes, String> {
    let none = Classes::NONE;
    Ok(match text {
        "all" => Classes::ALL,
        "success" => Classes {
            success: true,
            ..none
        },
        "denial" => Classes {
            denial: true,
            ..none
        },
        "error" => Classes {
            error: true,
            ..none
        },
        other => {
            let other = super::text::shown(other);
            return Err(format!(
                "`{other}` is not one of `all`, `success`, `denial`, `error`"
            ));
        }
    })
}

fn consolidations(mut table: Section<'_>) -> Vec<Consolidate> {
    let mut all = Vec::new();
    if let Some(field) = table.field("consolidate") {
        let want = "tables { interval, pattern }";
        for item in field.items(want).into_iter().flatten() {
            all.extend(item.table(want).and_then(consolidate));
        }
    }
    table.finish(&[]);
    all
}

fn consolidate(mut table: Section<'_>) -> Option<Consolidate> {
    let (mut interval, mut pattern) = (None, None);
    for key in ["interval", "pattern"] {
        if !table.has(key) {
            table.problem(format_args!("needs `{key}`"));
        }
    }
    table.parsed(
        "interval",
        &mut interval,
        "a duration, as in \"5m\"",
        |text| duration(text).map(Some),
    );
    table.parsed("pattern", &mut pattern, "a regular expression", |text| {
        if text.len() > MAX_PATTERN {
            return Err(format!("has over {MAX_PATTERN} octets"));
        }
        Regex::new(text)
            .map(Some)
            .map_err(|error| error.to_string())
    });
    let mut level = Level::default();
    table.choice("level", &mut level, &Level::WORDS);
    let mut show_first = false;
    table.flag("show_first", &mut show_first);
    table.finish(&[]);
    Some(Consolidate {
        interval: interval?,
        pattern: pattern?,
        level,
        show_first,
    })
}

fn tap(mut table: Section<'_>) -> Option<TapOptions> {
    let mut to = None;
    if !table.says("to") {
        table.problem("needs `to`, where messages are sent");
    }
    let want = "\"unix:PATH\" or \"tcp://HOST:PORT\"";
    table.parsed("to", &mut to, want, |text| destination(text).map(Some));
    let mut options = TapOptions {
        // Without one there is a problem, and nothing is sent.
        to: to.unwrap_or_else(|| Destination::Unix("".into())),
        full: false,
        identity: "".into(),
        version: "".into(),
    };
    let text = |text: &str| Ok::<Box<str>, &str>(text.into());
    table.flag("full", &mut options.full);
    table.parsed("identity", &mut options.identity, "a text", text);
    table.parsed("version", &mut options.version, "a text", text);
    table.finish(&[]);
    Some(options)
}

fn spans(mut table: Section<'_>) -> Option<otlp::Options> {
    /// The part of the queries where nothing is said.
    const SAMPLE: f64 = 0.01;
    let mut to = None;
    if !table.says("to") {
        table.problem("needs `to`, where spans are sent");
    }
    let want = "\"http://HOST:PORT\" or \"https://HOST:PORT\"";
    table.parsed("to", &mut to, want, |text| {
        let read = text.parse::<otlp::Endpoint>();
        read.map(Some)
            .map_err(|error| format!("`{}` {error}", super::text::shown(text)))
    });
    let mut sample = SAMPLE;
    table.part("sample", &mut sample);
    let mut service: Box<str> = "tenantdns".into();
    let text = |text: &str| Ok::<Box<str>, &str>(text.into());
    table.parsed("service", &mut service, "a text", text);
    let mut ca = None;
    let path = |text: &str| Ok::<_, &str>((!text.is_empty()).then(|| text.into()));
    table.parsed("ca", &mut ca, "a path", path);
    table.finish(&[]);
    Some(otlp::Options {
        to: to?,
        sample: Share::of(sample),
        service,
        ca,
    })
}

fn destination(text: &str) -> Result<Destination, String> {
    let wrong = || {
        let text = super::text::shown(text);
        format!("`{text}` is neither `unix:PATH` nor `tcp://HOST:PORT`")
    };
    if let Some(place) = text.strip_prefix("tcp://") {
        let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() || port == 0 || bare.contains(['/', '@']) {
            return Err(wrong());
        }
        return Ok(Destination::Tcp(bare.into(), port));
    }
    let path = text
        .strip_prefix("unix://")
        .or_else(|| text.strip_prefix("unix:"));
    // CoreDNS takes a bare path, too.
    let path = path.unwrap_or(text);
    match path.is_empty() || (path == text && !path.starts_with('/')) {
        true => Err(wrong()),
        false => Ok(Destination::Unix(path.into())),
    }
}
