//! The tables of steps: what they become. What is wrong in them is in errors/steps.rs.

use super::parse;
use crate::chain::{BlockOptions, NameMatch, RewriteField, Secondary};

fn block(text: &str) -> BlockOptions {
    parse(text).blocks.remove(0)
}

#[test]
fn a_step_is_there_where_its_table_is_written() {
    let none = block("");
    assert!(!none.any && !none.local && !none.minimal && none.loadbalance.is_none());
    assert!(none.hosts.is_none() && none.nsid.is_none() && none.bufsize.is_none());
    let all = block(
        "[any]\n[local]\n[minimal]\n[loadbalance]\n[nsid]\n[bufsize]\n[chaos]\n[dns64]\n[autopath]\n",
    );
    assert!(all.any && all.local && all.minimal && all.loadbalance.is_some());
    assert_eq!((all.nsid.as_deref(), all.bufsize), (Some(""), Some(1232)));
    assert!(
        all.chaos
            .is_some_and(|chaos| chaos.version.starts_with("tenantdns-"))
    );
    assert_eq!(all.dns64.map(|dns64| dns64.prefix.1), Some(96));
    assert!(all.autopath.is_some());
}

#[test]
fn a_table_of_external_names_is_read_as_coredns_reads_it() {
    assert!(block("").external.is_none());
    let names = |zones: &[crate::wire::Name]| zones.iter().map(ToString::to_string).collect();
    let plain = block("[k8s_external]\n").external.unwrap();
    let whole: Vec<String> = names(&plain.origins);
    assert_eq!(
        (whole, &*plain.apex, plain.ttl),
        (vec![".".into()], "dns", 5)
    );
    assert!(!plain.headless && plain.fallthrough.is_empty());
    let text = "[k8s_external]\nzones = [\"LB.example\", \"192.0.2.0/24\"]\napex = \"NS\"\nttl = 0\n\
                headless = true\nfallthrough = [\"/.\"]\n";
    let all = block(text).external.unwrap();
    let origins: Vec<String> = names(&all.origins);
    assert_eq!(origins, ["lb.example.", "2.0.192.in-addr.arpa."]);
    assert_eq!((&*all.apex, all.ttl, all.headless), ("ns", 0, true));
    let fallthrough: Vec<String> = names(&all.fallthrough);
    assert_eq!(fallthrough, ["."]);
    let text = "[[block]]\nzones = [\"a.example\"]\n[block.kubernetes]\n[block.k8s_external]\n";
    let of_block: Vec<String> = names(&block(text).external.unwrap().origins);
    assert_eq!(of_block, ["a.example."]);
}

#[test]
fn zones_are_by_default_the_block_s() {
    let text = "[[block]]\nzones = [\"example\"]\n[block.kubernetes]\n[block.hosts]\n\
                inline = [\"192.0.2.1 a.example\"]\n[[block.acl]]\nrules = []\n[[block.template]]\n\
                zones = [\"10.0.0.0/8\"]\n";
    let block = parse(text).blocks.remove(0);
    let zone = |zones: &[crate::wire::Name]| zones.first().map(ToString::to_string);
    assert_eq!(
        zone(&block.hosts.as_ref().expect("hosts").zones).as_deref(),
        Some("example.")
    );
    assert_eq!(zone(&block.acl[0].zones).as_deref(), Some("example."));
    assert_eq!(
        zone(&block.template[0].zones).as_deref(),
        Some("10.in-addr.arpa.")
    );
}

#[test]
fn a_transfer_names_addresses_with_the_port_of_their_notifications() {
    let text = "[[block]]\nzones = [\"example\"]\n[block.kubernetes]\n[block.transfer]\n\
                to = [\"192.0.2.1\", \"*\", \"2001:db8::1\", \"[2001:db8::2]:5300\", \"::ffff:192.0.2.3\"]\n\
                source = \"192.0.2.9\"\n";
    let transfer = parse(text).blocks.remove(0).transfer.expect("transfer");
    let zones: Vec<String> = transfer.zones.iter().map(ToString::to_string).collect();
    assert_eq!(zones, ["example."]);
    let notified: Vec<String> = transfer.notified().map(|at| at.to_string()).collect();
    let expected = [
        "192.0.2.1:53",
        "[2001:db8::1]:53",
        "[2001:db8::2]:5300",
        "192.0.2.3:53",
    ];
    assert_eq!(notified, expected);
    assert!(transfer.to.contains(&Secondary::Anybody));
    assert_eq!(
        transfer.source,
        Some("192.0.2.9".parse().expect("an address"))
    );
    assert!(block("").transfer.is_none());
}

#[test]
fn texts_of_rewrite_rules_are_names_in_lower_case_with_a_dot() {
    for (words, expected) in [
        (
            "from = \"A.Example\"",
            NameMatch::Exact("a.example.".into()),
        ),
        (
            "match = \"prefix\"\nfrom = \"a\"",
            NameMatch::Prefix("a.".into()),
        ),
        (
            "match = \"suffix\"\nfrom = \".b.\"",
            NameMatch::Suffix(".b.".into()),
        ),
        (
            "match = \"substring\"\nfrom = 'x\\.'",
            NameMatch::Substring("x\\..".into()),
        ),
    ] {
        let block = block(&format!("[[rewrite]]\n{words}\nto = \"c\"\n"));
        match &block.rewrite[0].field {
            RewriteField::Name { matches, to, .. } => {
                assert_eq!((matches, &**to), (&expected, "c."), "{words}");
            }
            other => panic!("{other:?}"),
        }
    }
}
