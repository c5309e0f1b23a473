//! The twelve octets at the front of a message (RFC 1035 section 4.1.1).

/// Octets of a header.
pub const HEADER_LEN: usize = 12;

const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const AD: u16 = 0x0020;
const CD: u16 = 0x0010;

/// A message's ID, flags and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The ID, copied into the reply.
    pub id: u16,
    flags: u16,
    /// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
    pub counts: [u16; 4],
}

impl Header {
    /// The flags that something else than a standard query has: QR, or another opcode.
    pub(super) const NO_QUERY: u16 = QR | 0x7800;

    /// Returns the flags of a reply to a query with these: QR, the opcode, and the query's RD and CD.
    pub(super) fn reply_to(flags: u16) -> u16 {
        QR | (flags & (0x7800 | RD | CD))
    }

    /// Reads a header, or returns `None` where there are fewer than twelve octets.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let (head, _) = message.split_first_chunk::<HEADER_LEN>()?;
        let [i0, i1, f0, f1, q0, q1, a0, a1, n0, n1, x0, x1] = *head;
        Some(Self {
            id: u16::from_be_bytes([i0, i1]),
            flags: u16::from_be_bytes([f0, f1]),
            counts: [
                u16::from_be_bytes([q0, q1]),
                u16::from_be_bytes([a0, a1]),
                u16::from_be_bytes([n0, n1]),
                u16::from_be_bytes([x0, x1]),
            ],
        })
    }

    /// Returns whether the message is a response.
    pub fn is_response(self) -> bool {
        self.flags & QR != 0
    }

    /// Returns the kind of query.
    pub fn opcode(self) -> Opcode {
        Opcode(((self.flags >> 11) & 0xf) as u8)
    }

    /// Returns the header's part of the response code.
    pub fn rcode(self) -> Rcode {
        Rcode(self.flags & 0xf)
    }

    /// Returns whether recursion is desired (RD).
    pub fn recursion_desired(self) -> bool {
        self.flags & RD != 0
    }

    /// Returns whether the message was cut (TC).
    pub fn truncated(self) -> bool {
        self.flags & TC != 0
    }

    /// Returns whether the answer is authoritative (AA).
    pub fn authoritative(self) -> bool {
        self.flags & AA != 0
    }

    /// Returns whether the data was authenticated, or that may be said (AD, RFC 6840 section 5.7).
    pub fn authentic_data(self) -> bool {
        self.flags & AD != 0
    }

    /// Returns whether unchecked data is welcome (CD).
    pub fn checking_disabled(self) -> bool {
        self.flags & CD != 0
    }

    /// Returns whether recursion is available (RA).
    pub fn recursion_available(self) -> bool {
        self.flags & RA != 0
    }

    /// Returns the flags of a reply: QR, the opcode, and the query's RD and CD.
    pub(super) fn reply_flags(self) -> u16 {
        Self::reply_to(self.flags)
    }

    /// Returns the message's flags.
    pub fn flags(self) -> HeaderFlags {
        HeaderFlags(self.flags & HeaderFlags::ALL)
    }

    /// Returns the header with other flags.
    #[must_use]
    pub fn with_flags(self, flags: HeaderFlags) -> Self {
        let kept = self.flags & !HeaderFlags::ALL;
        Self {
            flags: kept | flags.0,
            ..self
        }
    }

    /// Returns the flags of a reply that copies nothing but the opcode.
    pub(super) fn bare_reply_flags(self) -> u16 {
        QR | (self.flags & 0x7800)
    }
}

/// The flags of a message that are neither QR, opcode nor response code: AA, TC, RD, RA, Z, AD, CD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeaderFlags(pub(super) u16);

impl HeaderFlags {
    pub(super) const ALL: u16 = 0x07f0;
    /// Authoritative answer.
    pub const AA: Self = Self(AA);
    /// Truncated.
    pub const TC: Self = Self(TC);
    /// Recursion desired.
    pub const RD: Self = Self(RD);
    /// Recursion available.
    pub const RA: Self = Self(0x0080);
    /// Checking disabled.
    pub const CD: Self = Self(CD);

    /// Returns them as they stand in the header.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Returns the flags that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the flags that are in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the flags without those of `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

pub(super) const AA_BIT: u16 = AA;
pub(super) const TC_BIT: u16 = TC;

/// The kind of query (RFC 1035 section 4.1.1, IANA).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opcode(pub u8);

impl Opcode {
    /// A standard query.
    pub const QUERY: Self = Self(0);
}

/// A response code, with EDNS's upper eight bits where there are any (RFC 6891 section 6.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// No error.
    pub const NOERROR: Self = Self(0);
    /// The query can't be read.
    pub const FORMERR: Self = Self(1);
    /// We can't know yet.
    pub const SERVFAIL: Self = Self(2);
    /// The name does not exist, for this client.
    pub const NXDOMAIN: Self = Self(3);
    /// The kind of query is not supported.
    pub const NOTIMP: Self = Self(4);
    /// Not our zone, or policy refuses to speak.
    pub const REFUSED: Self = Self(5);
    /// An EDNS version that is not supported.
    pub const BADVERS: Self = Self(16);

    /// Returns what CoreDNS's log and series call it, which is 16's other name, BADSIG (miekg/dns
    /// `RcodeToString`); `None` for those that it has no name for.
    pub fn coredns_name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            6 => "YXDOMAIN",
            7 => "YXRRSET",
            8 => "NXRRSET",
            9 => "NOTAUTH",
            10 => "NOTZONE",
            11 => "DSOTYPENI",
            16 => "BADSIG",
            17 => "BADKEY",
            18 => "BADTIME",
            19 => "BADMODE",
            20 => "BADNAME",
            21 => "BADALG",
            22 => "BADTRUNC",
            23 => "BADCOOKIE",
            _ => return None,
        })
    }
}

impl std::fmt::Display for Rcode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match *self {
            Self::NOERROR => "NOERROR",
            Self::FORMERR => "FORMERR",
            Self::SERVFAIL => "SERVFAIL",
            Self::NXDOMAIN => "NXDOMAIN",
            Self::NOTIMP => "NOTIMP",
            Self::REFUSED => "REFUSED",
            Self::BADVERS => "BADVERS",
            Self(other) => return write!(f, "RCODE{other}"),
        })
    }
}
