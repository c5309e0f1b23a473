//! `[[log]]`, `[errors]` and `[dnstap]`: what they become, and what is wrong with them.

use super::{Config, parse};
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
    assert!(block.log.is_empty() && block.dnstap.is_none());
}

#[test]
fn an_empty_table_has_the_defaults() {
    let config = parse("[[log]]\n[errors]\n");
    assert_eq!(config.written[0].log, [Rule::default()]);
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
