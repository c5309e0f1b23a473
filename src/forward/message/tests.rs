//! The question that goes out, and what is taken for a reply to it.

use super::*;
use crate::answer::Changes;
use crate::chain::{
    Asker, OptionAction, OptionRule, OptionValue, RewriteField, RewriteRule, UpstreamId, rewrite,
};
use crate::tenancy::Client;
use crate::wire::{HeaderFlags, NameBuf, QNameBuffer};

const RULES: Rules = Rules {
    authentic: false,
    private: false,
};

fn asked(bytes: &[u8], name: &[u8], rules: Rules) -> Question {
    changed(bytes, name, rules, Changes::default())
}

fn changed(bytes: &[u8], name: &[u8], rules: Rules, changes: Changes) -> Question {
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(bytes, &mut buffer).unwrap();
    let mut qname = NameBuf::new();
    qname.push_wire(name).unwrap();
    let plan = Plan {
        upstream: UpstreamId(0),
        qname,
        qtype: RType::A,
        client: Client::Unknown,
        changes,
    };
    Question::new(&query, bytes, &plan, rules)
}

/// A client's query with a size, DO, and an option.
const QUERY: &[u8] = b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\x01\x01A\0\0\x01\0\x01\
    \0\0\x29\x10\0\0\0\x80\0\0\x05\xfd\xe9\0\x01\x07";

#[test]
fn the_clients_own_question_is_its_own_octets() {
    let question = asked(QUERY, b"\x01A\0", RULES);
    let mut expected = QUERY.to_vec();
    (expected[0], expected[1]) = (0, 0);
    expected[22..24].copy_from_slice(&1232u16.to_be_bytes());
    assert_eq!(question.bytes, expected);
    assert_eq!(question.payload, 1232);
    let authentic = Rules {
        authentic: true,
        ..RULES
    };
    expected[3] |= 0x20;
    assert_eq!(asked(QUERY, b"\x01A\0", authentic).bytes, expected);
}

#[test]
fn another_question_is_asked_as_the_client_asked() {
    let question = asked(QUERY, b"\x02bb\0", RULES);
    let expected = b"\0\0\x01\x10\0\x01\0\0\0\0\0\x01\x02bb\0\0\x01\0\x01\
        \0\0\x29\x04\xd0\0\0\x80\0\0\x05\xfd\xe9\0\x01\x07";
    assert_eq!(question.bytes, expected);
}

#[test]
fn what_a_forwarder_says_of_its_clients_stays_here() {
    let private = Rules {
        private: true,
        ..RULES
    };
    let question = asked(QUERY, b"\x01A\0", private);
    let expected =
        b"\0\0\x01\x10\0\x01\0\0\0\0\0\x01\x01A\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\0";
    assert_eq!(question.bytes, expected);
}

#[test]
fn questions_are_one_that_differ_in_id_and_case_alone() {
    let folded = |bytes: &[u8]| {
        let name = bytes[12..15].to_vec();
        asked(bytes, &name, RULES).folded()
    };
    let change = |at: usize, octet: u8| {
        let mut bytes = QUERY.to_vec();
        bytes[at] = octet;
        bytes
    };
    assert_eq!(folded(QUERY), folded(&change(0, 9)));
    assert_eq!(folded(QUERY), folded(&change(13, b'a')));
    for (at, octet) in [(13, b'z'), (2, 0), (3, 0), (26, 0), (34, 9)] {
        assert_ne!(folded(QUERY), folded(&change(at, octet)), "octet {at}");
    }
}

#[test]
fn padding_is_not_passed_on() {
    let padded = |octets: u16| {
        let mut bytes = QUERY[..28].to_vec();
        bytes.extend((4 + octets).to_be_bytes());
        bytes.extend([0, 12]);
        bytes.extend(octets.to_be_bytes());
        bytes.resize(bytes.len() + usize::from(octets), 0);
        asked(&bytes, b"\x01A\0", RULES).bytes.len()
    };
    assert_eq!(padded(4000), 4034);
    assert_eq!(padded(60_000), 30);
}

#[test]
fn a_refusal_is_a_reply_to_the_question() {
    let question = asked(QUERY, b"\x01A\0", RULES);
    let refusal = question.refusal(Rcode::REFUSED);
    assert_eq!(
        refusal,
        b"\0\0\x81\x15\0\x01\0\0\0\0\0\0\x01A\0\0\x01\0\x01"
    );
    assert!(question.check(0, refusal, true).is_ok());
}

#[test]
fn a_header_alone_may_say_of_a_failure_and_of_nothing_else() {
    let question = asked(QUERY, b"\x01A\0", RULES);
    for rcode in 0..16 {
        let header = [0x12, 0x34, 0x81, rcode, 0, 0, 0, 0, 0, 0, 0, 0];
        let checked = question.check(0x1234, header.to_vec(), true);
        match rcode {
            1 | 2 | 4 | 5 => {
                let expected = question.refusal(Rcode(rcode.into()));
                assert_eq!(checked.unwrap()[2..], expected[2..], "{rcode}");
            }
            _ => assert_eq!(checked, Err(Lie::Question), "{rcode}"),
        }
    }
}

#[test]
fn anything_that_came_back_is_a_reply_or_is_refused() {
    let question = asked(QUERY, b"\x01A\0", RULES);
    let mut reply = QUERY.to_vec();
    reply[2] |= 0x80;
    for end in 0..reply.len() {
        assert!(
            question.check(0x1234, reply[..end].to_vec(), true).is_err(),
            "{end} octets"
        );
    }
    // Every octet changed: what is accepted is still for this question.
    for at in 0..reply.len() {
        for octet in 0..=255 {
            let mut changed = reply.clone();
            changed[at] = octet;
            if let Ok(accepted) = question.check(0x1234, changed, true) {
                assert_eq!(accepted[..2], [0x12, 0x34]);
                assert!(accepted[12..19].eq_ignore_ascii_case(b"\x01a\0\0\x01\0\x01"));
            }
        }
    }
}

#[test]
fn rules_change_flags_and_options_and_nothing_else() {
    let edits = |rules: &[(OptionAction, u16, &[u8])]| {
        let rules: Vec<RewriteRule> = rules
            .iter()
            .map(|&(action, code, octets)| RewriteRule {
                goes_on: true,
                field: RewriteField::Option(OptionRule {
                    action,
                    code,
                    value: OptionValue::Octets(octets.into()),
                }),
            })
            .collect();
        let asker = Asker {
            address: None,
            port: None,
            local: None,
            namespace: None,
            codes: &[65_001],
        };
        let name = "a".parse().unwrap();
        rewrite(&rules, &name, RType::A, QClass::IN, &asker)
            .unwrap()
            .edits
    };
    let flags = Changes {
        flags: Some(HeaderFlags::AA.or(HeaderFlags::RA)),
        ..Changes::default()
    };
    let mut expected = asked(QUERY, b"\x01A\0", RULES).bytes;
    (expected[2], expected[3]) = (0x04, 0x90);
    assert_eq!(changed(QUERY, b"\x01A\0", RULES, flags).bytes, expected);

    let set = |code| Changes {
        flags: None,
        options: edits(&[(OptionAction::Set, code, b"x")]),
    };
    let fixed =
        &b"\0\0\x01\x10\0\x01\0\0\0\0\0\x01\x01A\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\x80\0"[..];
    for (fact, changes, private, options) in [
        (
            "another is added",
            set(65_002),
            false,
            &b"\0\x0a\xfd\xe9\0\x01\x07\xfd\xea\0\x01x"[..],
        ),
        (
            "the same is replaced",
            set(65_001),
            false,
            b"\0\x05\xfd\xe9\0\x01x",
        ),
        (
            "a forwarder's own stays here",
            set(65_002),
            true,
            b"\0\x05\xfd\xea\0\x01x",
        ),
    ] {
        let rules = Rules { private, ..RULES };
        let question = changed(QUERY, b"\x01A\0", rules, changes);
        assert_eq!(question.bytes, [fixed, options].concat(), "{fact}");
    }
    let bare = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01A\0\0\x01\0\x01";
    let question = changed(bare, b"\x01A\0", RULES, set(65_002));
    let end = b"\0\0\x29\x02\0\0\0\0\0\0\x05\xfd\xea\0\x01x";
    assert!(question.bytes.ends_with(end), "{:02x?}", question.bytes);
    assert_eq!((question.bytes[11], question.payload), (1, 512));
    let unset = Changes {
        flags: None,
        options: edits(&[(OptionAction::Unset, 65_001, b"")]),
    };
    let question = changed(bare, b"\x01A\0", RULES, unset);
    assert_eq!(
        question.bytes[2..],
        bare[2..],
        "what is not there is not made"
    );
}
