//! The steps of a block that change questions or answers, each around those behind it, as CoreDNS's
//! plugins are. What a block has no such step for never comes here.

mod back;
mod own;
mod search;

use super::asks::Heard;
use super::message::{Message, Reply, Stop};
use super::{
    Asked, By, Changes, Done, DropReason, Outcome, Request, Source, Transport, clients, external,
    finish_unchanged, kubernetes, unsaid,
};
use crate::chain::{
    AclAction, Asker, Block, FlagRules, ForwardOptions, OptionEdits, Plugin, RewriteRule, Step,
    WeightTable, judge, lowered, prefer, rewrite,
};
use crate::wire::{
    ExtendedError, Name, QClass, QName, QNameBuffer, Query, RType, Rcode, ResponseBuilder,
    write_option,
};
use std::cell::Cell;

pub(super) use own::local_zone;
pub(super) use search::concerns as may_search;

/// Look-ups within look-ups at most: DNS64 behind an alias, and some more.
const MAX_DEPTH: u8 = 4;

/// Octets that nearly every answer fits in. One that does not is made again, with room for any.
const SHORT: usize = 4096;

/// A question on its way.
#[derive(Clone)]
pub(super) struct Question {
    /// As it was spelled.
    pub(super) name: Name,
    pub(super) qtype: RType,
    pub(super) qclass: QClass,
    /// What becomes of the options of a message that goes to an upstream.
    pub(super) options: OptionEdits,
}

type Served = Result<Reply, Stop>;

/// One look-up in a block.
struct Serving<'a> {
    asked: &'a Asked<'a>,
    block: &'a Block,
    depth: u8,
    /// Whether some step was for the name and passed it on.
    passed_on: Cell<bool>,
}

/// Answers the query by way of whole messages.
#[inline(never)]
pub(super) fn answer(asked: &Asked<'_>, block: &Block, limit: usize, out: &mut [u8]) -> Outcome {
    let query = asked.query;
    let mut name = crate::wire::NameBuf::new();
    // A QNAME fits: it was read from a query.
    let _ = name.push_wire(query.qname.as_wire());
    let question = Question {
        name: name.to_name(),
        qtype: query.qtype,
        qclass: query.qclass,
        options: OptionEdits::default(),
    };
    match serve(asked, block, &question, 0) {
        Ok(mut reply) => {
            if block.rotates() {
                // Other bits than those that the cluster's records were rotated by.
                let entropy = asked.request.entropy.rotate_left(29);
                super::rotate::rotate_records(&mut reply.message, entropy);
            }
            let by = By {
                block: Some(block.id()),
                ..reply.by
            };
            reply.message.write(asked, by, limit, out)
        }
        Err(Stop::Hold) => Outcome::Hold,
        Err(Stop::Ask(plan)) => Outcome::Ask(plan),
        Err(Stop::Drop(reason)) => Outcome::Drop(reason),
    }
}

/// Looks a name up as if this client had asked for it: by the block that is for it.
pub(super) fn look_up(
    asked: &Asked<'_>,
    name: &Name,
    qtype: RType,
    depth: u8,
) -> Result<Message, Stop> {
    let mut buffer = QNameBuffer::default();
    let Some((qname, _)) = QName::parse(name.as_wire(), &mut buffer) else {
        return Ok(Message::to(asked).with_rcode(Rcode::SERVFAIL));
    };
    let Some(block) = asked.select(&qname) else {
        return Ok(Message::to(asked).with_rcode(Rcode::REFUSED));
    };
    if depth >= MAX_DEPTH {
        return Ok(Message::to(asked).with_rcode(Rcode::SERVFAIL));
    }
    let question = Question {
        name: name.clone(),
        qtype,
        qclass: QClass::IN,
        options: OptionEdits::default(),
    };
    serve(asked, block, &question, depth + 1).map(|reply| reply.message)
}

/// Returns whether a look-up by this block goes by way of whole messages.
pub(super) fn is_for(asked: &Asked<'_>, block: &Block, qname: &QName<'_>, qtype: RType) -> bool {
    super::steps::is_touched(asked, block, qname, qtype)
}

fn serve(asked: &Asked<'_>, block: &Block, question: &Question, depth: u8) -> Served {
    let serving = Serving {
        asked,
        block,
        depth,
        passed_on: Cell::new(false),
    };
    serving.from(0, question)
}

impl Serving<'_> {
    /// Lets the steps from one on answer a question.
    fn from(&self, at: usize, question: &Question) -> Served {
        let Some(step) = self.block.steps().get(at) else {
            let rcode = match self.passed_on.get() {
                true => unsaid(self.asked.snapshot),
                false => Rcode::REFUSED,
            };
            return Ok(Reply::unwritten(self.asked, rcode, By::default()));
        };
        let next = || self.from(at + 1, question);
        let mut buffer = QNameBuffer::default();
        let Some((qname, _)) = QName::parse(question.name.as_wire(), &mut buffer) else {
            return Ok(self.unwritten(Rcode::SERVFAIL, None));
        };
        match step {
            Step::Nsid(id) => {
                let mut reply = next()?;
                if super::steps::asks_nsid(self.asked.query) {
                    reply.message.nsid = Some(id.clone());
                }
                Ok(reply)
            }
            Step::Local => self.local(question, &qname).map_or_else(next, Ok),
            Step::Dns64(options) => self.dns64(options, question, next()?),
            Step::Any if question.qtype == RType::ANY => Ok(self.any(question)),
            Step::Any => next(),
            Step::Chaos(options) => match self.chaos(options, question) {
                Some(reply) => Ok(reply),
                None if question.qclass == QClass::IN => next(),
                None => Ok(self.unwritten(Rcode::REFUSED, None)),
            },
            Step::Prefer(nets) => {
                let mut reply = next()?;
                if is_arranged(&reply, question) {
                    let message = &mut reply.message;
                    super::rotate::rotate_records(message, self.random(0));
                    prefer(nets, &mut message.answer);
                    prefer(nets, &mut message.additional);
                }
                Ok(reply)
            }
            Step::Weighted(id, _) => {
                let mut reply = next()?;
                if is_arranged(&reply, question) && is_weighted(question.qtype) {
                    let nothing = WeightTable::default();
                    let table = self.asked.snapshot.weights(*id).unwrap_or(&nothing);
                    table.arrange(&mut reply.message.answer, self.random(1));
                    table.arrange(&mut reply.message.additional, self.random(2));
                }
                Ok(reply)
            }
            Step::Rewrite(rules) => self.rewrite(rules, at, question),
            Step::Autopath(options) => self.autopath(options, at, question, &qname),
            Step::Acl(tables) => {
                let address = self.asked.address();
                match judge(tables, &qname, question.qtype, address) {
                    None | Some(AclAction::Allow) => next(),
                    Some(action) => self.acl(action),
                }
            }
            Step::Cache(options) => {
                let mut reply = next()?;
                // What upstreams said has been bound where it was kept, and has grown older since.
                // Flags that a step behind changed are not the server's own errors'.
                if !reply.is_written {
                    reply.message.flags = Message::to(self.asked).flags;
                }
                let is_own = reply.is_written && reply.by.plugin != Some(Plugin::Forward);
                if is_own && options.is_for(&qname) {
                    let bytes = question.to_query(self.asked.query);
                    let mut buffer = QNameBuffer::default();
                    if let Ok(query) = Query::parse(&bytes, &mut buffer) {
                        reply.message.bound(&options.lifetimes, &query);
                    }
                }
                Ok(reply)
            }
            Step::Header(options) => {
                let mut reply = self.with_flags(options.query, at + 1, question)?;
                if reply.is_written {
                    reply.message.flags = options.response.applied(reply.message.flags);
                }
                Ok(reply)
            }
            Step::Minimal => {
                let mut reply = next()?;
                if reply.is_written {
                    minimize(&mut reply.message);
                }
                Ok(reply)
            }
            Step::Template(tables) => self.template(tables, question, &qname, next),
            Step::Hosts(id, options, inline) => {
                let said = super::steps::hosts(
                    self.asked.snapshot,
                    (*id, options, inline),
                    &qname,
                    question.qtype,
                );
                self.hosts(said, options.ttl, question)
                    .map_or_else(next, Ok)
            }
            Step::External(_) | Step::Kubernetes(_) => match self.cluster(step, question)? {
                Some(reply) => Ok(reply),
                None => next(),
            },
            Step::Forward(table) if self.is_asked(table, &qname) => {
                self.forward(table, at, question, &qname)
            }
            Step::Forward(_) => next(),
        }
    }

    /// Returns bits that have nothing to do with those that the cluster's records were rotated by.
    fn random(&self, number: u64) -> u64 {
        let mixed = self.asked.request.entropy.wrapping_add(number) ^ 0x9e37_79b9_7f4a_7c15;
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unwritten(&self, rcode: Rcode, plugin: Option<Plugin>) -> Reply {
        let by = By {
            plugin,
            ..By::default()
        };
        Reply::unwritten(self.asked, rcode, by)
    }

    fn written(&self, message: Message, plugin: Plugin) -> Reply {
        let by = By {
            plugin: Some(plugin),
            ..By::default()
        };
        Reply::written(message, by)
    }

    /// Lets the steps from one on answer a query with other flags.
    fn with_flags(&self, rules: FlagRules, at: usize, question: &Question) -> Served {
        if rules == FlagRules::default() {
            return self.from(at, question);
        }
        let header = self.asked.query.header;
        let mut query = self.asked.query.clone();
        query.header = header.with_flags(rules.applied(header.flags()));
        let behind = Serving {
            asked: &Asked {
                query: &query,
                ..*self.asked
            },
            block: self.block,
            depth: self.depth,
            passed_on: Cell::new(self.passed_on.get()),
        };
        let served = behind.from(at, question);
        self.passed_on.set(behind.passed_on.get());
        served
    }

    /// Asks what the rules make of the question, and turns the answer back.
    fn rewrite(&self, rules: &[RewriteRule], at: usize, question: &Question) -> Served {
        let (qtype, qclass) = (question.qtype, question.qclass);
        let codes = super::steps::option_codes(self.asked.query);
        let asker = self.asker(&codes);
        let Ok(rewritten) = rewrite(rules, &question.name, qtype, qclass, &asker) else {
            return Ok(self.unwritten(Rcode::SERVFAIL, Some(Plugin::Rewrite)));
        };
        let mut question = match rewritten.is_touched {
            false => question.clone(),
            true => Question {
                name: rewritten.name,
                qtype: rewritten.qtype,
                qclass: rewritten.qclass,
                options: question.options.clone(),
            },
        };
        question.options.extend(&rewritten.edits);
        if question.qclass != QClass::IN || super::transfer::is_asked(question.qtype) {
            // As where a client asks that.
            return Ok(self.unwritten(Rcode::REFUSED, Some(Plugin::Rewrite)));
        }
        let mut reply = self.from(at + 1, &question)?;
        if !rewritten.rewriters.is_empty() {
            self.turn_back(&rewritten.rewriters, &question, &mut reply.message)?;
            reply.is_written = true;
        }
        Ok(reply)
    }

    fn asker<'a>(&'a self, codes: &'a [u16]) -> Asker<'a> {
        let asked = self.asked;
        let is_peer = matches!(asked.source, Source::Peer);
        Asker {
            address: asked.address(),
            port: is_peer.then(|| asked.request.peer.port()),
            local: asked.request.local,
            namespace: asked.snapshot.view(asked.client).own_namespace(),
            codes,
        }
    }

    fn acl(&self, action: AclAction) -> Served {
        let message = Message::to(self.asked);
        let (rcode, error) = match action {
            AclAction::Drop => return Err(Stop::Drop(DropReason::Policy)),
            AclAction::Block => (Rcode::REFUSED, ExtendedError::BLOCKED),
            AclAction::Filter | AclAction::Allow => (Rcode::NOERROR, ExtendedError::FILTERED),
        };
        let message = Message {
            error: Some(error.into()),
            ..message.with_rcode(rcode)
        };
        Ok(self.written(message, Plugin::Acl))
    }

    /// Answers from the cluster's data what is asked for now, or returns `None` where it is for the next step.
    fn cluster(&self, step: &Step, question: &Question) -> Result<Option<Reply>, Stop> {
        let bytes = question.to_query(self.asked.query);
        let mut buffer = QNameBuffer::default();
        let Ok(query) = Query::parse(&bytes, &mut buffer) else {
            return Ok(Some(self.unwritten(Rcode::SERVFAIL, None)));
        };
        let request = Request {
            // It is cut when it is sent.
            transport: Transport::Tcp,
            bytes: &bytes,
            ..*self.asked.request
        };
        let asked = Asked {
            request: &request,
            query: &query,
            depth: self.depth,
            ..*self.asked
        };
        let mut out = vec![0; SHORT];
        let mut builder = ResponseBuilder::new(&query, SHORT, &mut out);
        let answer = |builder: &mut ResponseBuilder<'_>| match step {
            Step::External(id) => external::answer(&asked, *id, builder),
            Step::Kubernetes(id) => kubernetes::answer(&asked, *id, builder),
            _ => None,
        };
        let mut done = answer(&mut builder);
        if builder.is_full() {
            out = vec![0; usize::from(u16::MAX)];
            builder = ResponseBuilder::new(&query, usize::from(u16::MAX), &mut out);
            done = answer(&mut builder);
        }
        match done {
            None => Ok(None),
            Some(Done::Next) => {
                self.passed_on.set(true);
                Ok(None)
            }
            Some(Done::Hold) => Err(Stop::Hold),
            Some(Done::Ask(plan)) => Err(Stop::Ask(plan)),
            Some(Done::Drop(reason)) => Err(Stop::Drop(reason)),
            Some(Done::Answer(by) | Done::Relay(_, by)) => {
                let length = finish_unchanged(builder);
                let message = Message::parse(out.get(..length).unwrap_or(&[]));
                let message =
                    message.unwrap_or_else(|| Message::to(self.asked).with_rcode(Rcode::SERVFAIL));
                Ok(Some(Reply::written(message, by)))
            }
        }
    }

    fn is_asked(&self, table: &ForwardOptions, qname: &QName<'_>) -> bool {
        table.is_for(qname) && clients::is_for_tenant(self.asked, table)
    }

    /// Asks an upstream what is asked for now.
    fn forward(
        &self,
        table: &ForwardOptions,
        at: usize,
        question: &Question,
        qname: &QName<'_>,
    ) -> Served {
        if !clients::is_listed(self.asked, table) {
            return Err(Stop::Drop(DropReason::NoClient));
        }
        let (name, qtype) = (question.name.as_wire(), question.qtype);
        match self.asked.said.to(table.upstream, name, qtype) {
            Heard::NotAsked => {
                let mut plan = super::Plan::new(table.upstream, name, qtype);
                plan.changes = Changes {
                    flags: Some(self.asked.query.header.flags()),
                    options: question.options.clone(),
                };
                Err(Stop::Ask(plan))
            }
            Heard::Nothing => Ok(self.unwritten(Rcode::SERVFAIL, Some(Plugin::Forward))),
            Heard::Reply(reply, bytes) => {
                let [_, answers, ..] = reply.header.counts;
                let is_left = table.passes_on(reply.header.rcode(), answers > 0);
                let is_next = |step: &Step| matches!(step, Step::Forward(table) if self.is_asked(table, qname));
                let behind = self.block.steps().get(at + 1..).unwrap_or(&[]);
                if is_left && behind.iter().any(is_next) {
                    self.passed_on.set(true);
                    return self.from(at + 1, question);
                }
                match Message::parse(bytes) {
                    Some(message) => Ok(self.written(message, Plugin::Forward)),
                    None => Ok(self.unwritten(Rcode::SERVFAIL, Some(Plugin::Forward))),
                }
            }
        }
    }
}

impl Question {
    /// Returns this question as a query like another.
    fn to_query(&self, query: &Query<'_>) -> Vec<u8> {
        let kept = query.header.flags().bits() & 0x0110;
        let mut bytes = Vec::with_capacity(12 + self.name.as_wire().len() + 15);
        bytes.extend(query.header.id.to_be_bytes());
        bytes.extend(kept.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 0, 0, u8::from(query.edns.is_some())]);
        bytes.extend(self.name.as_wire());
        bytes.extend(self.qtype.0.to_be_bytes());
        bytes.extend(self.qclass.0.to_be_bytes());
        if let Some(edns) = query.edns {
            let mut options = Vec::new();
            for (code, value) in edns.options() {
                write_option(&mut options, code, value);
            }
            bytes.extend([0, 0, 41, 0xff, 0xff, 0, 0, 0, 0]);
            bytes.extend(u16::try_from(options.len()).unwrap_or(0).to_be_bytes());
            bytes.extend(options);
        }
        bytes
    }

    /// Returns its name as rules see it.
    fn text(&self) -> String {
        lowered(self.name.as_wire())
    }
}

/// Returns whether the order of an answer's records is changed.
fn is_arranged(reply: &Reply, question: &Question) -> bool {
    let is_transfer = super::transfer::is_asked(question.qtype);
    reply.is_written && reply.message.rcode() == Rcode::NOERROR && !is_transfer
}

/// Returns whether weights are for answers to such a question.
pub(super) fn is_weighted(qtype: RType) -> bool {
    matches!(qtype, RType::A | RType::AAAA | RType::SRV)
}
/// Leaves out what was not asked for, but where it says that there is nothing, or who knows more.
fn minimize(message: &mut Message) {
    let is_negative = message.answer.is_empty()
        && message
            .authority
            .iter()
            .any(|record| matches!(record.rtype, RType::SOA | RType::NS));
    if message.rcode() == Rcode::NOERROR && !is_negative {
        message.authority.clear();
        message.additional.clear();
    }
}
