//! Record types and classes (RFC 1035 section 3.2, IANA "DNS Parameters").

use std::fmt;
use std::str::FromStr;

/// A record type or a QTYPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RType(pub u16);

/// A class or a QCLASS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QClass(pub u16);

impl QClass {
    /// The Internet.
    pub const IN: Self = Self(1);
    /// Chaos: what servers say of themselves.
    pub const CH: Self = Self(3);
    /// Any class, in a question.
    pub const ANY: Self = Self(255);
}

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        impl RType {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// Returns the mnemonic of a type that has one here.
            pub fn mnemonic(self) -> Option<&'static str> {
                match self.0 { $($value => Some($text),)* _ => None }
            }
        }

        impl FromStr for RType {
            type Err = UnknownType;

            /// Parses a mnemonic, letter case aside, or RFC 3597's `TYPE123`.
            fn from_str(text: &str) -> Result<Self, UnknownType> {
                let upper = text.to_ascii_uppercase();
                match upper.as_str() {
                    $($text => Ok(Self($value)),)*
                    other => other
                        .strip_prefix("TYPE")
                        .and_then(|n| n.parse().ok())
                        .map(Self)
                        .ok_or_else(|| UnknownType(text.into())),
                }
            }
        }
    };
}

types! {
    /// IPv4 address.
    A = 1, "A";
    /// Authoritative name server.
    NS = 2, "NS";
    /// Alias.
    CNAME = 5, "CNAME";
    /// Start of authority.
    SOA = 6, "SOA";
    /// Pointer: the reverse record.
    PTR = 12, "PTR";
    /// Host information; the answer to ANY in RFC 8482.
    HINFO = 13, "HINFO";
    /// Mail exchange.
    MX = 15, "MX";
    /// Text.
    TXT = 16, "TXT";
    /// IPv6 address (RFC 3596).
    AAAA = 28, "AAAA";
    /// Service location (RFC 2782).
    SRV = 33, "SRV";
    /// Naming authority pointer (RFC 3403).
    NAPTR = 35, "NAPTR";
    /// The EDNS pseudo record (RFC 6891).
    OPT = 41, "OPT";
    /// Delegation signer (RFC 4034).
    DS = 43, "DS";
    /// Signature (RFC 4034).
    RRSIG = 46, "RRSIG";
    /// Next secure (RFC 4034).
    NSEC = 47, "NSEC";
    /// Key (RFC 4034).
    DNSKEY = 48, "DNSKEY";
    /// Service binding (RFC 9460).
    SVCB = 64, "SVCB";
    /// Service binding for HTTPS (RFC 9460).
    HTTPS = 65, "HTTPS";
    /// Transaction signature (RFC 8945).
    TSIG = 250, "TSIG";
    /// Incremental transfer (RFC 1995).
    IXFR = 251, "IXFR";
    /// Full transfer (RFC 5936).
    AXFR = 252, "AXFR";
    /// Any type (RFC 8482).
    ANY = 255, "ANY";
    /// Certification authority authorization (RFC 8659).
    CAA = 257, "CAA";
}

/// A text that names no record type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a record type (A, AAAA, SRV, PTR, TXT, … or TYPE123)")]
pub struct UnknownType(Box<str>);

impl fmt::Display for RType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(text) => f.write_str(text),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}
