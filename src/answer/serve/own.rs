//! Steps that answer by themselves: `local`, `any`, `chaos`, `template`, `hosts`, and `dns64`, which
//! makes one answer of another.

use super::{Question, Served, Serving, look_up};
use crate::answer::message::{Message, Reply, fixed_name};
use crate::answer::steps::HostsSaid;
use crate::chain::{
    ChaosOptions, Data, Dns64Options, Matched, Plugin, Record, TemplateOptions, record,
};
use crate::wire::{HeaderFlags, Name, QClass, QName, RType, Rcode};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TTL of what is said of `localhost`: a week, as in CoreDNS.
const LOCAL_TTL: u32 = 604_800;
/// TTL of the answer to questions for everything, as in CoreDNS.
const ANY_TTL: u32 = 8482;
/// TTL of what an IPv6 address is made of, where nothing says how long the lack of one is known.
const NO_SOA_TTL: u32 = 600;

impl Serving<'_> {
    /// Answers for the names that are every host's own (RFC 6761, RFC 6303).
    pub(super) fn local(&self, question: &Question, qname: &QName<'_>) -> Option<Reply> {
        let (apex, is_host) = local_zone(qname)?;
        let mut message = Message::to(self.asked);
        let owner = &question.name;
        let is_apex = qname.label_count() == apex;
        let zone = || {
            let at = qname.suffix_offset(apex).unwrap_or(0);
            let mut name = crate::wire::NameBuf::new();
            let _ = name.push_wire(qname.as_wire().get(at..).unwrap_or(&[0]));
            name.to_name()
        };
        let localhost = fixed_name(b"\x09localhost\0");
        let has_addresses = is_host;
        match question.qtype {
            RType::A if has_addresses => {
                let octets = Ipv4Addr::LOCALHOST.octets();
                message.answer = vec![Record::octets(owner, RType::A, LOCAL_TTL, &octets)];
            }
            RType::AAAA if has_addresses => {
                let octets = Ipv6Addr::LOCALHOST.octets();
                message.answer = vec![Record::octets(owner, RType::AAAA, LOCAL_TTL, &octets)];
            }
            RType::SOA if is_apex => message.answer = vec![local_soa(owner)],
            RType::NS if is_apex => {
                message.answer = vec![Record::name(owner, RType::NS, LOCAL_TTL, &localhost)];
            }
            _ if is_apex || has_addresses => message.authority = vec![local_soa(owner)],
            qtype if qname.lower() == LOOPBACK => match qtype {
                RType::PTR => {
                    message.answer = vec![Record::name(owner, RType::PTR, LOCAL_TTL, &localhost)];
                }
                _ => message.authority = vec![local_soa(&zone())],
            },
            _ => {
                message.authority = vec![local_soa(&zone())];
                message.rcode = Some(Rcode::NXDOMAIN);
            }
        }
        Some(self.written(message, Plugin::Local))
    }

    /// Says that nobody gets everything (RFC 8482).
    pub(super) fn any(&self, question: &Question) -> Reply {
        let mut message = Message::to(self.asked);
        let data = b"\x0dANY obsoleted\x0cSee RFC 8482";
        message.answer = vec![Record::octets(&question.name, RType::HINFO, ANY_TTL, data)];
        self.written(message, Plugin::Any)
    }

    /// Says what the server is, to whoever asks in class CH.
    pub(super) fn chaos(&self, options: &ChaosOptions, question: &Question) -> Option<Reply> {
        if question.qclass != QClass::CH || question.qtype != RType::TXT {
            return None;
        }
        let lower = question.name.to_lowercase();
        let texts: Vec<&str> = match lower.as_wire() {
            b"\x07authors\x04bind\0" => options.authors.iter().map(|text| &**text).collect(),
            b"\x07version\x04bind\0" | b"\x07version\x06server\0" => vec![&options.version],
            b"\x08hostname\x04bind\0" | b"\x02id\x06server\0" => vec![&options.hostname],
            _ => return None,
        };
        let mut message = Message::to(self.asked);
        for text in texts {
            let text = text.as_bytes();
            let text = text.get(..text.len().min(255)).unwrap_or(&[]);
            let data = [&[text.len() as u8], text].concat();
            message.answer.push(Record {
                class: QClass::CH,
                ..Record::octets(&question.name, RType::TXT, 0, &data)
            });
        }
        Some(self.written(message, Plugin::Chaos))
    }

    /// Answers with the first table that is for the question.
    pub(super) fn template(
        &self,
        tables: &[TemplateOptions],
        question: &Question,
        qname: &QName<'_>,
        next: impl FnOnce() -> Served,
    ) -> Served {
        let text = question.text();
        let servfail = || Ok(self.unwritten(Rcode::SERVFAIL, Some(Plugin::Template)));
        for table in tables {
            let parts = match table.matches(qname, &text, (question.qclass, question.qtype)) {
                Matched::Next => continue,
                Matched::Unmatched => return servfail(),
                Matched::With(parts) => parts,
            };
            if table.rcode == Rcode::SERVFAIL {
                return servfail();
            }
            let mut message = Message::to(self.asked).with_rcode(table.rcode);
            message.flags = message.flags.or(HeaderFlags::AA);
            message.error = table.error.clone();
            let [answers, authorities, additionals] = &table.sections;
            let made = |text: &crate::chain::TemplateText| record(&text.filled(&parts)?);
            for text in answers {
                let Some(made) = made(text) else {
                    return servfail();
                };
                let leads_on = matches!(question.qtype, RType::A | RType::AAAA);
                let target = match &*made.data {
                    [Data::Name(target)] if leads_on && made.rtype == RType::CNAME => {
                        Some(target.clone())
                    }
                    _ => None,
                };
                message.answer.push(made);
                if let Some(target) = target {
                    let found = look_up(self.asked, &target, question.qtype, self.depth)?;
                    let cut = found.flags.and(HeaderFlags::TC);
                    message.flags = message.flags.without(HeaderFlags::TC).or(cut);
                    message.answer.extend(found.answer);
                }
            }
            for (texts, section) in [
                (additionals, &mut message.additional),
                (authorities, &mut message.authority),
            ] {
                for text in texts {
                    match made(text) {
                        Some(made) => section.push(made),
                        None => return servfail(),
                    }
                }
            }
            return Ok(self.written(message, Plugin::Template));
        }
        next()
    }

    /// Answers with what hosts tables say, or returns `None` where they say nothing.
    pub(super) fn hosts(
        &self,
        said: Option<HostsSaid>,
        ttl: u32,
        question: &Question,
    ) -> Option<Reply> {
        let owner = &question.name;
        let answer = match said? {
            HostsSaid::NoName => return Some(self.unwritten(Rcode::SERVFAIL, Some(Plugin::Hosts))),
            HostsSaid::Addresses(addresses) => addresses
                .into_iter()
                .map(|address| match address {
                    IpAddr::V4(v4) => Record::octets(owner, RType::A, ttl, &v4.octets()),
                    IpAddr::V6(v6) => Record::octets(owner, RType::AAAA, ttl, &v6.octets()),
                })
                .collect(),
            HostsSaid::Names(names) => names
                .iter()
                .map(|name| Record::name(owner, RType::PTR, ttl, name))
                .collect(),
        };
        let mut message = Message::to(self.asked);
        message.flags = message.flags.or(HeaderFlags::AA);
        message.answer = answer;
        Some(self.written(message, Plugin::Hosts))
    }

    /// Makes IPv6 addresses of a name's IPv4 addresses where `reply` has none (RFC 6147 section 5).
    pub(super) fn dns64(
        &self,
        options: &Dns64Options,
        question: &Question,
        reply: Reply,
    ) -> Served {
        let over_ipv4 = self.asked.address().is_none_or(|address| address.is_ipv4());
        let is_asked = question.qtype == RType::AAAA && question.qclass == QClass::IN;
        let lacks = options.translate_all || !reply.message.has_answer(RType::AAAA);
        let is_absent = reply.message.rcode() == Rcode::NXDOMAIN && reply.message.answer.is_empty();
        let is_for_it = is_asked && (options.allow_ipv4 || !over_ipv4);
        if !is_for_it || !reply.is_written || is_absent || !lacks {
            return Ok(reply);
        }
        let found = look_up(self.asked, &question.name, RType::A, self.depth)?;
        // Not as in CoreDNS: what can't be said does not become an answer that caches keep.
        if !matches!(found.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) {
            return Ok(self.unwritten(found.rcode(), Some(Plugin::Dns64)));
        }
        let mut records = reply.message.authority.iter();
        let soa = records.rfind(|record| record.rtype == RType::SOA);
        let most = soa.map_or(NO_SOA_TTL, |soa| soa.ttl);
        let mut message = Message::to(self.asked);
        message.flags = message.flags.or(found.flags.and(HeaderFlags::TC));
        message.authority = found.authority;
        message.additional = found.additional;
        message.answer = found.answer;
        for record in &mut message.answer {
            let [Data::Octets(octets)] = &*record.data else {
                continue;
            };
            if let (RType::A, Ok(v4)) = (record.rtype, <[u8; 4]>::try_from(&**octets)) {
                let v6 = options.translate(v4.into()).octets();
                *record = Record {
                    ttl: record.ttl.min(most),
                    ..Record::octets(&record.owner, RType::AAAA, 0, &v6)
                };
            }
        }
        Ok(self.written(message, Plugin::Dns64))
    }
}

const LOOPBACK: &[u8] = b"\x011\x010\x010\x03127\x07in-addr\x04arpa\0";

/// Returns how many labels the zone has in which a name is every host's own, and whether the name is
/// the host.
pub(in crate::answer) fn local_zone(qname: &QName<'_>) -> Option<(usize, bool)> {
    let count = qname.label_count();
    let from_right = |n: usize| count.checked_sub(n).and_then(|at| qname.label(at));
    if from_right(1)? == b"localhost" {
        return Some((1, true));
    }
    // `localhost` in front of a search list's zone.
    if qname.label(0)? == b"localhost" {
        return Some((0, true));
    }
    let is_reverse = from_right(1) == Some(b"arpa") && from_right(2) == Some(b"in-addr");
    let host = is_reverse.then(|| from_right(3)).flatten()?;
    matches!(host, b"0" | b"127" | b"255").then_some((3, false))
}

fn local_soa(owner: &Name) -> Record {
    let server = fixed_name(b"\x09localhost\0");
    let mailbox = fixed_name(b"\x04root\x09localhost\0");
    let numbers = [1, 0, 0, 0, LOCAL_TTL];
    Record::soa(owner, LOCAL_TTL, [&server, &mailbox], numbers)
}
