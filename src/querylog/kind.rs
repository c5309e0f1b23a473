//! What an answer says, in CoreDNS's words (plugin/pkg/response). An expired signature makes no error of
//! an answer here: nothing is validated. Other opcodes than QUERY are answered before anything is logged.

use crate::wire::{RType, Rcode, Reply};

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There are records.
    NoError,
    /// There is no such name.
    NameError,
    /// The server failed.
    ServerError,
    /// There is the name, without records of the type.
    NoData,
    /// Another server knows.
    Delegation,
    /// A transfer.
    Meta,
    /// Something else is wrong.
    OtherError,
}

/// Which answers belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Something was found.
    Success,
    /// There is nothing.
    Denial,
    /// All others.
    Error,
}

impl Kind {
    /// Returns what an answer to a question for `qtype` says, whose whole response code is `rcode`.
    pub fn of(answer: &[u8], rcode: Rcode, qtype: RType) -> Self {
        let Some(reply) = Reply::parse(answer) else {
            return Self::OtherError;
        };
        let [_, answers, ..] = reply.header.counts;
        match (rcode, answers > 0) {
            _ if matches!(qtype, RType::AXFR | RType::IXFR) => Self::Meta,
            (Rcode::NOERROR, true) => Self::NoError,
            (Rcode::NXDOMAIN, true) => Self::OtherError,
            (Rcode::NXDOMAIN, false) => Self::NameError,
            (Rcode::SERVFAIL | Rcode::NOTIMP, _) => Self::ServerError,
            (Rcode::NOERROR, false) => {
                let (mut soa, mut ns) = (false, false);
                for rtype in reply.authority_types() {
                    soa |= rtype == RType::SOA;
                    ns |= rtype == RType::NS;
                }
                match (soa, ns) {
                    (true, _) => Self::NoData,
                    (false, true) => Self::Delegation,
                    (false, false) => Self::NoError,
                }
            }
            _ => Self::OtherError,
        }
    }

    /// Returns the class that it is of.
    pub fn class(self) -> Class {
        match self {
            Self::NoError | Self::Delegation => Class::Success,
            Self::NameError | Self::NoData => Class::Denial,
            Self::ServerError | Self::Meta | Self::OtherError => Class::Error,
        }
    }

    /// Returns CoreDNS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::NameError => "NXDOMAIN",
            Self::ServerError => "SERVERERROR",
            Self::NoData => "NODATA",
            Self::Delegation => "DELEGATION",
            Self::Meta => "META",
            Self::OtherError => "OTHERERROR",
        }
    }
}

impl Class {
    /// Returns its word in `class`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denial => "denial",
            Self::Error => "error",
        }
    }
}
