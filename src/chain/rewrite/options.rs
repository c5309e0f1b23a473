//! `rewrite edns0`: options of the message that goes to an upstream. They change nothing here: who asks
//! is known before, and is never read from what a rule wrote.

use crate::chain::text;
use crate::wire::{Name, OPTION_ECS, RType};
use std::net::IpAddr;

/// One rule about options of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionRule {
    /// `action`
    pub action: OptionAction,
    /// The option's code.
    pub code: u16,
    /// What it says.
    pub value: OptionValue,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionAction {
    /// The option says this, whether it was there or not.
    Set,
    /// It is there beside what was there before, if that is a fixed text; else where there was none.
    Append,
    /// It says this where it was there.
    Replace,
    /// It is not there.
    Unset,
}

/// What an option says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// These octets.
    Octets(Box<[u8]>),
    /// `{qname}`: the name that is asked for, as text.
    Qname,
    /// `{qtype}`: the type, in two octets.
    Qtype,
    /// `{client_ip}`: the client's address.
    ClientAddress,
    /// `{client_port}`: the port that it asks from.
    ClientPort,
    /// `{server_ip}`: the address that was asked.
    ServerAddress,
    /// `{kubernetes/client-namespace}`: the namespace of the pod that asks.
    ClientNamespace,
    /// `subnet`: so many bits of the client's address, of IPv4 and IPv6 (RFC 7871).
    ClientSubnet(u8, u8),
}

/// What rules may know of who asks.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// Its address.
    pub address: Option<IpAddr>,
    /// The port that it asks from, where the query comes from itself.
    pub port: Option<u16>,
    /// The address that was asked.
    pub local: Option<IpAddr>,
    /// The namespace of the pod that it is.
    pub namespace: Option<&'a [u8]>,
    /// The codes of the options that it sent.
    pub codes: &'a [u16],
}

/// A change of the options of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum OptionEdit {
    /// The one of this code says this; others of the code go.
    Set(u16, Box<[u8]>),
    /// One more.
    Append(u16, Box<[u8]>),
    /// None of this code.
    Remove(u16),
}

/// Changes of one message on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptionEdits {
    edits: Vec<OptionEdit>,
    tells: bool,
}

impl OptionEdits {
    /// Returns whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Returns whether some option depends on who asks, so that what is answered is for nobody else.
    pub fn tells_who_asks(&self) -> bool {
        self.tells
    }

    /// Adds changes that come after these.
    pub fn extend(&mut self, later: &Self) {
        self.edits.extend(later.edits.iter().cloned());
        self.tells |= later.tells;
    }

    /// Changes a message's options.
    pub fn apply(&self, options: &mut Vec<(u16, Vec<u8>)>) {
        for edit in &self.edits {
            match edit {
                OptionEdit::Append(code, value) => options.push((*code, value.to_vec())),
                OptionEdit::Remove(code) => options.retain(|(other, _)| other != code),
                OptionEdit::Set(code, value) => {
                    let at = options.iter().position(|(other, _)| other == code);
                    options.retain(|(other, _)| other != code);
                    let at = at.unwrap_or(options.len()).min(options.len());
                    options.insert(at, (*code, value.to_vec()));
                }
            }
        }
    }

    /// Returns whether there is an option of a code after these changes.
    fn has(&self, code: u16, asker: &Asker<'_>) -> bool {
        let last = self.edits.iter().rev().find_map(|edit| match edit {
            OptionEdit::Set(other, _) | OptionEdit::Append(other, _) => {
                (*other == code).then_some(true)
            }
            OptionEdit::Remove(other) => (*other == code).then_some(false),
        });
        last.unwrap_or_else(|| asker.codes.contains(&code))
    }

    /// Applies a rule, and returns whether it did something.
    pub(super) fn add(
        &mut self,
        rule: &OptionRule,
        asked: (&Name, RType),
        asker: &Asker<'_>,
    ) -> bool {
        let code = rule.code;
        if rule.action == OptionAction::Unset {
            self.edits.push(OptionEdit::Remove(code));
            return true;
        }
        let Some(octets) = rule.value.octets(asked, asker) else {
            // Not as in CoreDNS: what nobody is known to be a client must not say of itself.
            if rule.action != OptionAction::Append {
                self.edits.push(OptionEdit::Remove(code));
            }
            return false;
        };
        let edit = match (rule.action, self.has(code, asker)) {
            (OptionAction::Replace, false) => return false,
            (OptionAction::Set | OptionAction::Replace, _) => OptionEdit::Set(code, octets),
            // As in CoreDNS: only what is the same for everybody is added beside another.
            (OptionAction::Append, true) if !rule.value.is_fixed() => return false,
            _ => OptionEdit::Append(code, octets),
        };
        self.edits.push(edit);
        self.tells |= rule.value.tells_who_asks();
        true
    }
}

impl OptionValue {
    fn is_fixed(&self) -> bool {
        matches!(self, Self::Octets(_))
    }

    /// Returns whether it depends on more than the question.
    pub fn tells_who_asks(&self) -> bool {
        !matches!(self, Self::Octets(_) | Self::Qname | Self::Qtype)
    }

    /// Returns what it is for a question; `None` where that is not known.
    fn octets(&self, (name, qtype): (&Name, RType), asker: &Asker<'_>) -> Option<Box<[u8]>> {
        let port = |port: u16| port.to_be_bytes().into();
        match self {
            Self::Octets(octets) => Some(octets.clone()),
            Self::Qname => Some(text::shown(name.as_wire()).into_bytes().into()),
            Self::Qtype => Some(qtype.0.to_be_bytes().into()),
            Self::ClientAddress => asker.address.map(octets_of),
            Self::ClientPort => asker.port.map(port),
            Self::ServerAddress => asker.local.map(octets_of),
            Self::ClientNamespace => asker.namespace.map(Box::from),
            Self::ClientSubnet(v4, v6) => asker.address.map(|address| match address {
                IpAddr::V4(_) => subnet(1, address, *v4),
                IpAddr::V6(_) => subnet(2, address, *v6),
            }),
        }
    }
}

impl OptionRule {
    /// The code of a client subnet.
    pub const SUBNET: u16 = OPTION_ECS;
}

fn octets_of(address: IpAddr) -> Box<[u8]> {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

/// Returns a client subnet of so many bits (RFC 7871 section 6).
fn subnet(family: u8, address: IpAddr, bits: u8) -> Box<[u8]> {
    let mut octets = vec![0, family, bits, 0];
    let count = usize::from(bits.div_ceil(8));
    octets.extend(octets_of(address).iter().take(count));
    if let Some(last) = octets.get_mut(4..).and_then(<[u8]>::last_mut)
        && !bits.is_multiple_of(8)
    {
        *last &= 0xff << (8 - bits % 8);
    }
    octets.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: [u16; 2] = [65_001, 65_001];

    fn asker(address: &str) -> Asker<'static> {
        Asker {
            address: address.parse().ok(),
            port: Some(4242),
            local: None,
            namespace: Some(b"shop"),
            codes: &CODES,
        }
    }

    fn rule(action: OptionAction, code: u16, value: OptionValue) -> OptionRule {
        OptionRule {
            action,
            code,
            value,
        }
    }

    /// What two options of code 65001 become, and whether the rule did something.
    fn changed(rule: &OptionRule, address: &str) -> (Vec<(u16, Vec<u8>)>, bool, bool) {
        let mut edits = OptionEdits::default();
        let name: Name = "a.example".parse().unwrap();
        let done = edits.add(rule, (&name, RType::AAAA), &asker(address));
        let mut options = CODES.map(|code| (code, vec![1])).to_vec();
        edits.apply(&mut options);
        (options, done, edits.tells_who_asks())
    }

    #[test]
    fn an_option_is_set_appended_replaced_or_unset_as_coredns_does() {
        use OptionAction::{Append, Replace, Set, Unset};
        let fixed = || OptionValue::Octets(Box::new([7]));
        let (one, seven) = (|code| (code, vec![1]), |code| (code, vec![7]));
        let both = [65_001, 65_001].map(one).to_vec();
        let more = |code| [both.clone(), vec![seven(code)]].concat();
        for (action, code, expected, done) in [
            (Set, 65_001, vec![seven(65_001)], true),
            (Set, 65_002, more(65_002), true),
            (Replace, 65_001, vec![seven(65_001)], true),
            (Replace, 65_002, both.clone(), false),
            (Append, 65_001, more(65_001), true),
            (Append, 65_002, more(65_002), true),
            (Unset, 65_001, vec![], true),
            (Unset, 65_002, both.clone(), true),
        ] {
            let got = changed(&rule(action, code, fixed()), "192.0.2.7");
            assert_eq!(got, (expected, done, false), "{action:?} {code}");
        }
        let unknown = rule(Set, 65_001, OptionValue::ServerAddress);
        let nothing = (vec![], false, false);
        assert_eq!(changed(&unknown, "192.0.2.7"), nothing, "who is not known");
        let appended = rule(Append, 65_001, OptionValue::ClientAddress);
        assert_eq!(changed(&appended, "192.0.2.7"), (both, false, false));
    }

    #[test]
    fn values_are_what_coredns_writes() {
        use OptionValue as V;
        for (value, address, expected) in [
            (V::Qname, "", Some(&b"a.example."[..])),
            (V::Qtype, "", Some(b"\0\x1c")),
            (V::ClientAddress, "192.0.2.7", Some(b"\xc0\0\x02\x07")),
            (V::ClientAddress, "", None),
            (V::ClientPort, "", Some(b"\x10\x92")),
            (V::ServerAddress, "", None),
            (V::ClientNamespace, "", Some(b"shop")),
            (
                V::ClientSubnet(24, 56),
                "192.0.2.7",
                Some(b"\0\x01\x18\0\xc0\0\x02"),
            ),
            (
                V::ClientSubnet(23, 56),
                "192.0.3.7",
                Some(b"\0\x01\x17\0\xc0\0\x02"),
            ),
            (
                V::ClientSubnet(32, 56),
                "192.0.2.7",
                Some(b"\0\x01\x20\0\xc0\0\x02\x07"),
            ),
            (V::ClientSubnet(0, 0), "192.0.2.7", Some(b"\0\x01\0\0")),
            (
                V::ClientSubnet(24, 36),
                "2001:db8:ffff::1",
                Some(b"\0\x02\x24\0\x20\x01\x0d\xb8\xf0"),
            ),
            (V::ClientSubnet(24, 56), "", None),
            (V::ClientNamespace, "", Some(b"shop")),
        ] {
            let tells = value.tells_who_asks();
            let shown = format!("{value:?} {address}");
            let (options, done, told) = changed(&rule(OptionAction::Set, 8, value), address);
            let got = options.get(2).map(|(_, octets)| &**octets);
            assert_eq!((got, done), (expected, expected.is_some()), "{shown}");
            assert_eq!(told, tells && done, "{shown}");
        }
    }
}
