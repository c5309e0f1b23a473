//! Words for why an upstream gave no reply: those that CoreDNS's `errors` writes, which are Go's, so that
//! patterns written for it match.

use crate::answer::{Attempt, Cause, Failure, Step};
use std::fmt::Write;

/// Returns what a line says of a failure.
pub fn failure_text(failure: &Failure) -> String {
    match failure {
        Failure::NoneHealthy => "no healthy proxies".to_owned(),
        Failure::TooMany(most) => format!("concurrent queries exceeded maximum {most}"),
        Failure::TooManyOfTenant(most) => {
            format!("concurrent queries of the tenant exceeded maximum {most}")
        }
        Failure::NoRoom => "no room for another query to an upstream".to_owned(),
        Failure::Upstream(attempt) => attempt_text(attempt),
    }
}

fn attempt_text(attempt: &Attempt) -> String {
    let to = attempt.to;
    // Go has these from its TLS and HTTP, without saying of whom.
    match attempt.cause {
        Cause::NotTrusted => return format!("tls: failed to verify certificate of {to}"),
        Cause::Handshake => return format!("remote error: tls: handshake failure with {to}"),
        Cause::Status(status) => return format!("HTTP status {status} of {to}"),
        Cause::Closed => return "EOF".to_owned(),
        _ => {}
    }
    let mut text = String::new();
    let network = if attempt.stream { "tcp" } else { "udp" };
    let (step, call) = match attempt.step {
        Step::Dial => ("dial", "connect: "),
        Step::Read => ("read", "read: "),
    };
    // Writing to a text can't fail.
    let _ = write!(text, "{step} {network} ");
    if let Some(from) = attempt.from.filter(|_| attempt.step == Step::Read) {
        let _ = write!(text, "{from}->");
    }
    let (call, cause) = match attempt.cause {
        Cause::Timeout => ("", "i/o timeout"),
        Cause::Refused => (call, "connection refused"),
        Cause::Reset => (call, "connection reset by peer"),
        Cause::NetworkUnreachable => (call, "network is unreachable"),
        Cause::HostUnreachable => (call, "no route to host"),
        Cause::NoAddress => ("bind: ", "cannot assign requested address"),
        Cause::NoSocket => ("socket: ", "too many open files"),
        Cause::NoReply => ("", "not a reply to the question"),
        _ => ("", "failed"),
    };
    let _ = write!(text, "{to}: {call}{cause}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_gos_words() {
        let attempt = |step, stream, cause| {
            failure_text(&Failure::Upstream(Attempt {
                step,
                stream,
                from: "10.0.0.1:40000".parse().ok(),
                to: "10.0.0.2:53".parse().unwrap(),
                cause,
            }))
        };
        for (text, expected) in [
            (
                attempt(Step::Read, false, Cause::Timeout),
                "read udp 10.0.0.1:40000->10.0.0.2:53: i/o timeout",
            ),
            (
                attempt(Step::Read, false, Cause::Refused),
                "read udp 10.0.0.1:40000->10.0.0.2:53: read: connection refused",
            ),
            (
                attempt(Step::Dial, true, Cause::Refused),
                "dial tcp 10.0.0.2:53: connect: connection refused",
            ),
            (
                attempt(Step::Dial, true, Cause::Timeout),
                "dial tcp 10.0.0.2:53: i/o timeout",
            ),
            (attempt(Step::Read, true, Cause::Closed), "EOF"),
            (
                attempt(Step::Dial, true, Cause::NotTrusted),
                "tls: failed to verify certificate of 10.0.0.2:53",
            ),
            (
                attempt(Step::Read, true, Cause::Status(503)),
                "HTTP status 503 of 10.0.0.2:53",
            ),
            (failure_text(&Failure::NoneHealthy), "no healthy proxies"),
            (
                failure_text(&Failure::TooMany(1000)),
                "concurrent queries exceeded maximum 1000",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }
}
