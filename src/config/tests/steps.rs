//! The tables of steps: what they become. What is wrong in them is in errors/steps.rs.

use super::parse;
use crate::chain::{BlockOptions, NameMatch, RewriteField};

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
