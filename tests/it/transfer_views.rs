//! What a transfer shows, over random clusters where tenancy is enforced: nothing that the client does not
//! see, to the byte, and no record that a question would not be answered with.

use crate::decode::decode;
use crate::noninterference::{change, clients, serve, settings};
use crate::random::{cluster, object, objects};
use crate::sampling::{Tally, sampled};
use crate::transfer::records;
use proptest::prelude::*;
use proptest::sample::select;
use tenantdns::answer::Transport;
use tenantdns::testing::{ask, query, transfer};
use tenantdns::wire::RType;

const ZONES: [&str; 2] = ["cluster.local.", "clusterset.local."];

fn transferred(config: &str) -> String {
    format!("{config}[transfer]\nto = [\"*\"]\n")
}

#[test]
fn e05_what_a_client_cannot_see_changes_no_byte_of_a_transfer() {
    let strategy = || {
        let others = prop::collection::vec(object(), 0..40);
        (objects(), others, settings(), select(clients()))
    };
    let tally = sampled("e05", 96, strategy, |(base, other, config, client)| {
        let config = transferred(&config);
        let mut tally = Tally::default();
        let other = change(&base, &cluster(other), &config, client);
        tally.pairs = u64::from(other != base);
        let (g, h) = (serve(base, &config), serve(other, &config));
        for zone in ZONES {
            let bytes = query(zone, RType::AXFR);
            let [before, after] = [&g, &h].map(|snapshot| transfer(snapshot, client, &bytes));
            tally.samples += 1;
            tally.telling += u64::from(records(&before, true).is_ok_and(|all| all.len() > 4));
            prop_assert!(
                before == after,
                "{zone} to {client}: {:?} or {:?}\n{config}",
                records(&before, true),
                records(&after, true)
            );
        }
        Ok(tally)
    });
    assert!(tally.pairs >= 48, "few clusters changed: {tally:?}");
    assert!(tally.telling >= 24, "few transfers showed much: {tally:?}");
}

#[test]
fn e05_a_transfer_holds_nothing_that_a_question_would_not_be_answered_with() {
    let strategy = || (objects(), settings(), select(clients()));
    let tally = sampled("e05", 96, strategy, |(objects, config, client)| {
        let mut tally = Tally::default();
        // Without steps, which change answers and not what is transferred.
        let end = "multicluster = [\"clusterset.local\"]\n";
        let (front, _) = config.split_once(end).expect("a zone of imports");
        let config = transferred(&format!("{front}{end}"));
        let snapshot = serve(objects, &config);
        let plain = |rr: &str| {
            let words: Vec<&str> = rr.split(' ').collect();
            let data = match words[2] {
                // The weight, which is shared out among other entries.
                "SRV" => [&words[3..4], &words[5..]].concat(),
                _ => words[3..].to_vec(),
            };
            (words[0].to_lowercase(), data.join(" ").to_lowercase())
        };
        for zone in ZONES {
            let messages = transfer(&snapshot, client, &query(zone, RType::AXFR));
            let Ok(all) = records(&messages, true) else {
                continue;
            };
            tally.pairs += 1;
            for rr in &all {
                let words: Vec<&str> = rr.split(' ').collect();
                // Of no number there is no answer: only the transfer has it, as CoreDNS's.
                if words[2] == "SRV" && words[5] == "65535" {
                    continue;
                }
                let is_glue = words[1] == "0";
                let bytes = match is_glue {
                    true => query(zone, RType::NS),
                    false => query(words[0], words[2].parse().unwrap()),
                };
                let reply = ask(&snapshot, client, Transport::Tcp, &bytes);
                let reply = decode(&reply.expect("a reply"));
                let answer = match is_glue {
                    true => reply.additional,
                    false => reply.answer,
                };
                tally.samples += 1;
                tally.telling += u64::from(rr.contains(".svc."));
                prop_assert!(
                    answer.iter().any(|answered| plain(answered) == plain(rr)),
                    "{rr} to {client}, but {answer:?}\n{config}"
                );
            }
        }
        Ok(tally)
    });
    assert!(tally.telling >= 40, "few records of services: {tally:?}");
}
