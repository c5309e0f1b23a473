//! `[[log]]`, `[errors]`, `[dnstap]` and `[opentelemetry]`: what they become, and what is wrong with them.

use super::{Config, parse};
use crate::observe::Share;
use crate::otlp;
use crate::querylog::{Classes, Format, Level, Output, Rule};
use crate::tap::{Destination, TapOptions};
use std::time::Duration;

#[test]
fn tables_are_what_is_written_down_of_their_block() {
    let config = parse(
        "[[log]]\n\
         zones = [\"Example.org\", \"10.0.0.0/8\"]\n\
         class = [\"denial\", \"error\"]\n\
         format = \"{combined}\"\n\
         [[log]]\n\
         output = \"json\"\n\
         [dnstap]\n\
         to = \"tcp://[fd00::1]:6000\"\n\
         full = true\n\
         identity = \"ns1\"\n\
         [opentelemetry]\n\
         to = \"https://collector\"\n\
         sample = 0.25\n\
         service = \"dns\"\n\
         ca = \"/ca.pem\"\n\
         [[block]]\n\
         zones = [\"example.org\"]\n\
         [block.kubernetes]\n\
         [block.errors]\n\
         consolidate = [{ interval = \"5m\", pattern = \"x$\", level = \"warning\", show_first = true }]\n",
    );
    let [top, block] = &config.written[..] else {
        panic!("{:?}", config.written)
    };
    let names = |names: [&str; 2]| names.map(|name| name.parse().unwrap()).to_vec();
    assert_eq!(
        top.log,
        [
            Rule {
                zones: names(["example.org.", "10.in-addr.arpa."]),
                format: Format::parse("{combined}"),
                classes: Classes {
                    denial: true,
                    error: true,
                    ..Classes::NONE
                },
                output: Output::Text,
            },
            Rule {
                output: Output::Json,
                ..Rule::default()
            },
        ]
    );
    let tap = TapOptions {
        to: Destination::Tcp("fd00::1".into(), 6000),
        full: true,
        identity: "ns1".into(),
        version: "".into(),
    };
    assert_eq!((&top.errors, &top.dnstap), (&None, &Some(tap)));
    let spans = otlp::Options {
        to: "https://collector:4318/v1/traces".parse().unwrap(),
        sample: Share::of(0.25),
        service: "dns".into(),
        ca: Some("/ca.pem".into()),
    };
    assert_eq!(top.spans, Some(spans));
    let [rule] = &block.errors.as_ref().unwrap()[..] else {
        panic!("{block:?}")
    };
    assert_eq!(
        (
            rule.interval,
            rule.pattern.as_str(),
            rule.level,
            rule.show_first
        ),
        (Duration::from_secs(300), "x$", Level::Warning, true)
    );
    assert!(block.log.is_empty() && block.dnstap.is_none() && block.spans.is_none());
}

#[test]
fn an_empty_table_has_the_defaults() {
    let config = parse("[[log]]\n[errors]\n[opentelemetry]\nto = \"http://10.0.0.1\"\n");
    assert_eq!(config.written[0].log, [Rule::default()]);
    let spans = config.written[0].spans.as_ref().unwrap();
    assert_eq!(
        (spans.sample, &*spans.service, &spans.ca),
        (Share::of(0.01), "tenantdns", &None)
    );
    assert_eq!(config.written[0].errors, Some(Vec::new()));
}

#[test]
fn receivers_are_named_as_coredns_names_them() {
    for (text, to) in [
        ("/run/tap.sock", Destination::Unix("/run/tap.sock".into())),
        ("unix:tap.sock", Destination::Unix("tap.sock".into())),
        ("unix:///run/tap", Destination::Unix("/run/tap".into())),
        (
            "tcp://tap.example:6000",
            Destination::Tcp("tap.example".into(), 6000),
        ),
    ] {
        let config = parse(&format!("[dnstap]\nto = \"{text}\"\n"));
        assert_eq!(config.written[0].dnstap.as_ref().unwrap().to, to, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    for (text, expected) in [
        (
            "[[log]]\nclass = [\"all\", \"good\"]\n",
            "f.toml:2:17: log[0].class[1]: `good` is not one of `all`, `success`, `denial`, `error`",
        ),
        (
            "[[log]]\noutput = \"json\"\nformat = \"{name}\"\n",
            "f.toml:2:10: log[0].output: a line of JSON has every part; drop `format`",
        ),
        (
            "[log]\n",
            "f.toml:1:1: log: needs tables [[log]], not a table",
        ),
        (
            "[errors]\nconsolidate = [{ interval = \"5m\" }]\n",
            "f.toml:2:16: errors.consolidate[0]: needs `pattern`",
        ),
        (
            "[dnstap]\nfull = true\n",
            "f.toml:1:2: dnstap: needs `to`, where messages are sent",
        ),
        (
            "[dnstap]\nto = \"tcp://host\"\n",
            "f.toml:2:6: dnstap.to: `tcp://host` is neither `unix:PATH` nor `tcp://HOST:PORT`",
        ),
        (
            "[dnstap]\nto = \"tls://host:1\"\n",
            "f.toml:2:6: dnstap.to: `tls://host:1` is neither `unix:PATH` nor `tcp://HOST:PORT`",
        ),
        (
            "[opentelemetry]\nsample = 1\n",
            "f.toml:1:2: opentelemetry: needs `to`, where spans are sent",
        ),
        (
            "[opentelemetry]\nto = \"grpc://c:4317\"\n",
            "f.toml:2:6: opentelemetry.to: `grpc://c:4317` is not `http://HOST:PORT` or `https://HOST:PORT`",
        ),
        (
            "[opentelemetry]\nto = \"http://c\"\nsample = 1.5\n",
            "f.toml:3:10: opentelemetry.sample: 1.5 is out of range; it is a part: from 0 to 1",
        ),
        (
            "[opentelemetry]\nto = \"http://c\"\nsample = \"1%\"\n",
            "f.toml:3:10: opentelemetry.sample: needs a number from 0 to 1, not a string",
        ),
    ] {
        let error = Config::from_toml(text, "f.toml").expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let pattern = "[errors]\nconsolidate = [{ interval = \"5m\", pattern = \"(\" }]\n";
    let error = Config::from_toml(pattern, "f.toml")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("f.toml:2:45: errors.consolidate[0].pattern: regex"),
        "{error}"
    );
}
