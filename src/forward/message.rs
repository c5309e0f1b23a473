//! The question that goes to an upstream, and whether what comes back is a reply to it.

use super::stats::Lie;
use crate::answer::Plan;
use crate::wire::{
    HEADER_LEN, Header, MIN_PAYLOAD, Message, Opcode, PAYLOAD_SIZE, QClass, Query, RType, Rcode,
    eq_ignore_case, write_option,
};

const AD: u8 = 0x20;
/// AA, RD and RA, as they stand in the header.
const FLAGS: [u8; 2] = [0x05, 0x80];
const TC: u8 = 0x02;
/// Octets of a client's message, or of its options, that are passed on at most: what is longer is
/// padding, and many of them would be held.
const LONGEST: usize = 4096;

/// What is done to a client's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// Whether the upstream is to say what it has authenticated: one answer is then for everybody.
    pub(super) authentic: bool,
    /// Whether EDNS options stay here: those of a forwarder tell of its clients.
    pub(super) private: bool,
}

/// A question without an ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) bytes: Vec<u8>,
    /// Octets of the name, behind the header.
    name: usize,
    /// Octets that a datagram may have which answers it.
    pub(super) payload: usize,
    /// Whether any reply will do: it is asked to hear whether somebody is there.
    any_reply: bool,
    /// Whether some client asks it, not this server.
    pub(super) is_clients: bool,
}

impl Question {
    /// Returns what to ask: the client's own octets where it is the client's own question, with its
    /// EDNS options; else the other question, asked as the client asked.
    pub(super) fn new(query: &Query<'_>, bytes: &[u8], plan: &Plan, rules: Rules) -> Self {
        let is_own = plan.qtype == query.qtype
            && plan.qname.as_wire() == query.qname.as_wire()
            && plan.changes.options.is_empty();
        let whole = Message::parse(bytes)
            .filter(|whole| is_own && !rules.private && whole.bytes().len() <= LONGEST);
        let mut question = match whole {
            Some(message) => Self::copied(&message),
            None => Self::built(query, plan, rules),
        };
        if let Some(header) = question.bytes.first_chunk_mut::<HEADER_LEN>() {
            (header[0], header[1]) = (0, 0);
            if let Some(flags) = plan.changes.flags {
                let [high, low] = flags.bits().to_be_bytes();
                (header[2], header[3]) = (
                    header[2] & !FLAGS[0] | high & FLAGS[0],
                    header[3] & !FLAGS[1] | low & FLAGS[1],
                );
            }
            if rules.authentic {
                header[3] |= AD;
            }
        }
        question
    }

    fn copied(message: &Message<'_>) -> Self {
        let mut bytes = message.bytes().to_vec();
        let mut payload = MIN_PAYLOAD;
        if let Some(opt) = message.opt() {
            payload = opt.class.0.clamp(MIN_PAYLOAD, PAYLOAD_SIZE);
            // No more than what passes every path unfragmented, and than the client can be sent.
            if let Some(class) = bytes.get_mut(opt.ttl_at - 2..opt.ttl_at) {
                class.copy_from_slice(&payload.to_be_bytes());
            }
        }
        Self {
            bytes,
            name: message.question().qname.as_wire().len(),
            payload: usize::from(payload),
            any_reply: false,
            is_clients: true,
        }
    }

    fn built(query: &Query<'_>, plan: &Plan, rules: Rules) -> Self {
        let header = query.header;
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        let asked = bit(header.recursion_desired(), 0x01);
        let checked = bit(header.authentic_data(), AD) | bit(header.checking_disabled(), 0x10);
        let edns = query.edns;
        let sent = edns.iter().flat_map(|edns| edns.options());
        let mut sent: Vec<_> = sent
            .filter(|_| !rules.private)
            .map(|(code, value)| (code, value.to_vec()))
            .collect();
        plan.changes.options.apply(&mut sent);
        let has_opt = edns.is_some() || !sent.is_empty();
        let opts = u8::from(has_opt);
        let mut bytes = vec![0, 0, asked, checked, 0, 1, 0, 0, 0, 0, 0, opts];
        bytes.extend(plan.qname.as_wire());
        bytes.extend(plan.qtype.0.to_be_bytes());
        bytes.extend(QClass::IN.0.to_be_bytes());
        let mut payload = MIN_PAYLOAD;
        if has_opt {
            let (size, dnssec_ok) = edns.map_or((0, false), |e| (e.payload_size, e.dnssec_ok));
            payload = size.clamp(MIN_PAYLOAD, PAYLOAD_SIZE);
            bytes.push(0);
            bytes.extend(RType::OPT.0.to_be_bytes());
            bytes.extend(payload.to_be_bytes());
            bytes.extend([0, 0, bit(dnssec_ok, 0x80), 0]);
            let mut options = Vec::new();
            for (code, value) in &sent {
                if options.len() + 4 + value.len() > LONGEST {
                    break;
                }
                write_option(&mut options, *code, value);
            }
            bytes.extend(u16::try_from(options.len()).unwrap_or(0).to_be_bytes());
            bytes.extend(options);
        }
        Self {
            bytes,
            name: plan.qname.as_wire().len(),
            payload: usize::from(payload),
            any_reply: false,
            is_clients: true,
        }
    }

    /// Returns a question of the server's own.
    pub(super) fn own(name: &[u8], qtype: RType, recursive: bool) -> Self {
        let mut bytes = vec![0, 0, u8::from(recursive), 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(name);
        bytes.extend(qtype.0.to_be_bytes());
        bytes.extend(QClass::IN.0.to_be_bytes());
        Self {
            bytes,
            name: name.len(),
            payload: usize::from(MIN_PAYLOAD),
            any_reply: false,
            is_clients: false,
        }
    }

    /// Returns the same question, for which any reply under its ID will do.
    pub(super) fn for_health(self) -> Self {
        Self {
            any_reply: true,
            ..self
        }
    }

    /// Returns the message under this ID.
    pub(super) fn with_id(&self, id: u16) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(first) = bytes.first_chunk_mut::<2>() {
            *first = id.to_be_bytes();
        }
        bytes
    }

    /// Returns the message with its name in lower case: the same for all who ask the same in the same
    /// way.
    pub(super) fn folded(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(name) = bytes.get_mut(HEADER_LEN..HEADER_LEN + self.name) {
            // Length octets are below the letters.
            name.make_ascii_lowercase();
        }
        bytes
    }

    fn question(&self) -> &[u8] {
        let end = HEADER_LEN + self.name + 4;
        self.bytes.get(HEADER_LEN..end).unwrap_or(&[])
    }

    /// Returns a reply that says this and nothing else.
    pub(super) fn refusal(&self, rcode: Rcode) -> Vec<u8> {
        let mut bytes = self.bytes.get(..HEADER_LEN).unwrap_or(&[]).to_vec();
        bytes.extend(self.question());
        if let Some(header) = bytes.first_chunk_mut::<HEADER_LEN>() {
            let [rd, cd] = [header[2] & 0x01, header[3] & 0x10];
            *header = [
                0,
                0,
                0x80 | rd,
                cd | (rcode.0 & 0xf) as u8,
                0,
                1,
                0,
                0,
                0,
                0,
                0,
                0,
            ];
        }
        bytes
    }

    /// Checks what came back under `id`: header, question and every record. What is cut is accepted
    /// without its records, so that the client comes by TCP.
    ///
    /// # Errors
    /// It is no reply to this question.
    pub(super) fn check(&self, id: u16, reply: Vec<u8>, is_datagram: bool) -> Result<Vec<u8>, Lie> {
        let header = Header::parse(&reply).ok_or(Lie::Malformed)?;
        if header.id != id {
            return Err(Lie::Id);
        }
        if !header.is_response() || opcode(&reply) != Opcode::QUERY {
            return Err(Lie::Malformed);
        }
        if self.any_reply {
            return Ok(reply);
        }
        if let Some(rcode) = bare_failure(&header, &reply) {
            let mut reply = self.refusal(rcode);
            if let Some(first) = reply.first_chunk_mut::<2>() {
                *first = id.to_be_bytes();
            }
            return Ok(reply);
        }
        let end = HEADER_LEN + self.name + 4;
        let question = reply.get(HEADER_LEN..end).unwrap_or(&[]);
        if header.counts[0] != 1 || !self.is_for(question) {
            return Err(Lie::Question);
        }
        if is_datagram && reply.len() > self.payload {
            return Ok(cut(reply, end));
        }
        match Message::parse(&reply) {
            Some(message) => {
                let length = message.bytes().len();
                let mut reply = reply;
                reply.truncate(length);
                Ok(reply)
            }
            None if header.truncated() => Ok(cut(reply, end)),
            None => Err(Lie::Malformed),
        }
    }

    /// Compares a question with ours; the name's case does not count.
    fn is_for(&self, question: &[u8]) -> bool {
        let ours = self.question();
        let split = ours.split_at_checked(self.name);
        match (split, question.split_at_checked(self.name)) {
            (Some((name, fixed)), Some((other, other_fixed))) => {
                eq_ignore_case(name, other) && fixed == other_fixed
            }
            _ => false,
        }
    }
}

/// Returns the response code of a header alone that says of a failure: so Unbound refuses, and others say
/// that they can't read a question. Who forges it has to know no less than for a whole reply.
fn bare_failure(header: &Header, reply: &[u8]) -> Option<Rcode> {
    let rcode = header.rcode();
    let is_failure = matches!(
        rcode,
        Rcode::FORMERR | Rcode::SERVFAIL | Rcode::NOTIMP | Rcode::REFUSED
    );
    (is_failure && header.counts == [0; 4] && reply.len() == HEADER_LEN).then_some(rcode)
}

fn opcode(message: &[u8]) -> Opcode {
    Header::parse(message).map_or(Opcode(15), Header::opcode)
}

/// Leaves header and question, and says that it is cut.
fn cut(mut reply: Vec<u8>, end: usize) -> Vec<u8> {
    reply.truncate(end);
    if let Some(header) = reply.first_chunk_mut::<HEADER_LEN>() {
        header[2] |= TC;
        header[6..].fill(0);
    }
    reply
}

#[cfg(test)]
mod tests;
