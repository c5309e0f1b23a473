//! What an HTTP request asks (RFC 8484 section 4.1): the query of a GET, or that a POST's body is one.

use super::super::tcp::MAX_MESSAGE;
use super::MEDIA_TYPE;
use crate::wire::{HEADER_LEN, Header};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode, Uri};

/// Where queries are taken, as in CoreDNS.
const PATH: &str = "/dns-query";
/// The parameter of a GET.
const PARAMETER: &str = "dns=";

/// What a request's head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is this query.
    Message(Vec<u8>),
    /// The query is its body.
    Body,
}

/// Reads a request's head.
///
/// # Errors
/// The status of the response where there is no query to be answered.
pub(super) fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Asked, StatusCode> {
    if uri.path() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    match *method {
        Method::GET => {
            let parameters = uri.query().unwrap_or_default().split('&');
            let mut values = parameters.filter_map(|each| each.strip_prefix(PARAMETER));
            match (values.next(), values.next()) {
                (Some(value), None) => decode(value)
                    .map(Asked::Message)
                    .ok_or(StatusCode::BAD_REQUEST),
                _ => Err(StatusCode::BAD_REQUEST),
            }
        }
        Method::POST => {
            let mut types = headers.get_all(CONTENT_TYPE).iter();
            let only = types.next().filter(|_| types.next().is_none());
            let media_type = only.and_then(|value| value.to_str().ok());
            let media_type = media_type.map(|text| text.split(';').next().unwrap_or("").trim());
            if !media_type.is_some_and(|text| text.eq_ignore_ascii_case(MEDIA_TYPE)) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
            let length = length.and_then(|text| text.parse::<u64>().ok());
            match length.is_some_and(|length| length > MAX_MESSAGE as u64) {
                true => Err(StatusCode::PAYLOAD_TOO_LARGE),
                false => Ok(Asked::Body),
            }
        }
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Returns whether a message may be answered: as over UDP, what is too short or a response is not.
pub(super) fn is_query(message: &[u8]) -> bool {
    message.len() >= HEADER_LEN
        && Header::parse(message).is_some_and(|header| !header.is_response())
}

/// Decodes base64url without padding (RFC 4648 section 5).
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for octet in group {
            bits = bits << 6 | digit(*octet)?;
        }
        // Bits that are left of the last octet must be zero: one spelling for each query.
        let (octets, left) = match group.len() {
            4 => (3, 0),
            3 => (2, 2),
            2 => (1, 4),
            _ => return None,
        };
        if bits & ((1 << left) - 1) != 0 {
            return None;
        }
        let [_, a, b, c] = (bits << (24 - 6 * group.len())).to_be_bytes();
        decoded.extend_from_slice(&[a, b, c][..octets]);
    }
    (decoded.len() <= MAX_MESSAGE).then_some(decoded)
}

fn digit(octet: u8) -> Option<u32> {
    Some(u32::from(match octet {
        b'A'..=b'Z' => octet - b'A',
        b'a'..=b'z' => octet - b'a' + 26,
        b'0'..=b'9' => octet - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Asked, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = hyper::header::HeaderName::try_from(*name).unwrap();
            map.append(name, value.parse().unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        read(&method, &uri.parse().unwrap(), &map).map_err(|status| status.as_u16())
    }

    #[test]
    fn a_get_has_one_query_in_its_url() {
        let octets = |octets: &[u8]| Ok(Asked::Message(octets.to_vec()));
        for (uri, expected) in [
            ("/dns-query?dns=AAABAA", octets(&[0, 0, 1, 0])),
            ("/dns-query?dns=-_8", octets(&[0xfb, 0xff])),
            ("/dns-query?a=b&dns=AAA&c", octets(&[0, 0])),
            ("/dns-query?dns=", octets(&[])),
            ("https://name/dns-query?dns=AA", octets(&[0])),
            ("/dns-query", Err(400)),
            ("/dns-query?", Err(400)),
            ("/dns-query?dns=AAA&dns=AAA", Err(400)),
            ("/dns-query?xdns=AAA", Err(400)),
            // A length that there is not, a padding, an alphabet, bits behind the end.
            ("/dns-query?dns=AAAAA", Err(400)),
            ("/dns-query?dns=AA==", Err(400)),
            ("/dns-query?dns=A+/A", Err(400)),
            ("/dns-query?dns=AB", Err(400)),
            ("/", Err(404)),
            ("/dns-query/?dns=AAA", Err(404)),
            ("/resolve?dns=AAA", Err(404)),
        ] {
            assert_eq!(asked("GET", uri, &[]), expected, "{uri}");
        }
        // Longer than a URL may be in any case.
        let longest = "A".repeat(MAX_MESSAGE / 3 * 4);
        assert_eq!(decode(&longest), Some(vec![0; MAX_MESSAGE]));
        assert_eq!(decode(&(longest + "AA")), None);
    }

    #[test]
    fn a_post_says_that_its_body_is_a_query() {
        let of = |value| ("content-type", value);
        for (headers, expected) in [
            (&[of("application/dns-message")][..], Ok(Asked::Body)),
            (&[of("Application/DNS-Message; a=b")], Ok(Asked::Body)),
            (
                &[of("application/dns-message"), ("content-length", "65535")],
                Ok(Asked::Body),
            ),
            (
                &[of("application/dns-message"), ("content-length", "65536")],
                Err(413),
            ),
            (&[], Err(415)),
            (&[of("application/dns-json")], Err(415)),
            (&[of("text/plain"), of("application/dns-message")], Err(415)),
        ] {
            assert_eq!(
                asked("POST", "/dns-query", headers),
                expected,
                "{headers:?}"
            );
        }
        for method in ["PUT", "HEAD", "OPTIONS", "DNS"] {
            assert_eq!(
                asked(method, "/dns-query?dns=AAA", &[]),
                Err(405),
                "{method}"
            );
        }
    }

    #[test]
    fn only_a_query_is_answered() {
        let query = [0; HEADER_LEN];
        assert!(is_query(&query));
        assert!(!is_query(&query[1..]));
        assert!(!is_query(&[]));
        let mut response = query;
        response[2] = 0x80;
        assert!(!is_query(&response));
    }
}
