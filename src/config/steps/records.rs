//! `[hosts]` and `[[template]]`: records that the operator writes, for everybody who reaches the block.

use super::{rcode, read_zones};
use crate::chain::{HostsOptions, Pattern, TemplateOptions, TemplateText, class_of};
use crate::config::document::Section;
use crate::config::text::shown;
use crate::wire::{Name, QClass, RType, Rcode};
use std::convert::Infallible;
use std::time::Duration;

/// Reads a `hosts` table.
pub(super) fn read_hosts(mut table: Section<'_>, zones: &[Name]) -> Option<HostsOptions> {
    let is_present = table.is_present();
    let mut options = HostsOptions::default();
    let lists = table.says("file") || table.says("inline");
    table.parsed("file", &mut options.file, "a file", |text| {
        Ok::<_, Infallible>(text.into())
    });
    table.list("inline", &mut options.inline, "lines", host_line);
    options.zones = read_zones(&mut table, "zones").unwrap_or_else(|| zones.to_vec());
    table.number(
        "ttl",
        &mut options.ttl,
        1..=65_535,
        "it is 1 to 65535 seconds",
    );
    table.flag("no_reverse", &mut options.no_reverse);
    table.duration(
        "reload",
        &mut options.reload,
        Duration::ZERO..=Duration::from_secs(86_400),
        "it is `0` (never) to `24h`",
    );
    options.fallthrough = read_zones(&mut table, "fallthrough").unwrap_or_default();
    if is_present && !lists {
        table.problem("lists nothing: it needs a `file` or lines in `inline`");
    }
    table.finish(&[]);
    is_present.then_some(options)
}

/// Checks a line of one's own: unlike those of a file, it is to be right.
fn host_line(line: &str) -> Result<Box<str>, String> {
    let mut words = line
        .split('#')
        .next()
        .unwrap_or("")
        .split_ascii_whitespace();
    let address = words.next().and_then(|word| word.split('%').next());
    let is_address = address.is_some_and(|word| word.parse::<std::net::IpAddr>().is_ok());
    let names: Vec<&str> = words.collect();
    let all_names = names.iter().all(|name| name.parse::<Name>().is_ok());
    match is_address && !names.is_empty() && all_names {
        true => Ok(line.into()),
        false => Err(format!(
            "`{}` is not an address and names, as in \"192.0.2.1 www.example\"",
            shown(line)
        )),
    }
}

/// Reads one `template` table.
pub(super) fn read_template(mut table: Section<'_>, zones: &[Name]) -> Option<TemplateOptions> {
    let mut options = TemplateOptions {
        class: QClass::IN,
        rtype: RType::ANY,
        zones: Vec::new(),
        patterns: Vec::new(),
        sections: [Vec::new(), Vec::new(), Vec::new()],
        rcode: Rcode::NOERROR,
        error: None,
        fallthrough: Vec::new(),
    };
    table.parsed("class", &mut options.class, "a class", |text| {
        class_of(text).ok_or_else(|| format!("`{}` is not IN, CH, HS or ANY", shown(text)))
    });
    table.parsed("type", &mut options.rtype, "a type", str::parse);
    options.zones = read_zones(&mut table, "zones").unwrap_or_else(|| zones.to_vec());
    table.list(
        "match",
        &mut options.patterns,
        "regular expressions",
        Pattern::new,
    );
    let [answer, authority, additional] = &mut options.sections;
    for (key, texts) in [
        ("answer", answer),
        ("authority", authority),
        ("additional", additional),
    ] {
        table.list(key, texts, "records", str::parse::<TemplateText>);
    }
    table.parsed("rcode", &mut options.rcode, "a response code", rcode);
    options.error = read_error(&mut table);
    options.fallthrough = read_zones(&mut table, "fallthrough").unwrap_or_default();
    table.finish(&[]);
    Some(options)
}

fn read_error(table: &mut Section<'_>) -> Option<(u16, Box<str>)> {
    let mut error = table.table("ederror");
    let is_present = error.is_present();
    let (mut code, mut reason) = (0, Box::<str>::default());
    error.number("code", &mut code, 0..=65_535, "it is 0 to 65535");
    error.parsed("reason", &mut reason, "a text", |text| match text.len() {
        0..=200 => Ok(text.into()),
        length => Err(format!("has {length} octets; at most 200 fit")),
    });
    error.finish(&[]);
    is_present.then_some((code, reason))
}
