//! From a request line to a response. Neither the headers nor the body of a request matter, but for
//! the host that the administrator's pages are asked of, and beyond loopback the token.

use super::gate::Denied;
use super::{Details, Refusal, Shown};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, Response, StatusCode, Uri};
use std::net::IpAddr;
use std::sync::Arc;

/// The pages of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Routes {
    health: bool,
    ready: bool,
    metrics: bool,
    admin: bool,
    guarded: bool,
}

impl Routes {
    const NONE: Self = Self {
        health: false,
        ready: false,
        metrics: false,
        admin: false,
        guarded: false,
    };
    pub(super) const HEALTH: Self = Self {
        health: true,
        ..Self::NONE
    };
    pub(super) const READY: Self = Self {
        ready: true,
        ..Self::NONE
    };
    pub(super) const METRICS: Self = Self {
        metrics: true,
        ..Self::NONE
    };
    pub(super) const ADMIN: Self = Self {
        admin: true,
        ..Self::NONE
    };
    pub(super) const GUARDED: Self = Self {
        guarded: true,
        ..Self::ADMIN
    };

    /// Returns the pages of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            health: self.health | other.health,
            ready: self.ready | other.ready,
            metrics: self.metrics | other.metrics,
            admin: self.admin | other.admin,
            guarded: self.guarded | other.guarded,
        }
    }

    /// Returns whether they are shown over TLS, to whom the cluster permits.
    pub fn is_guarded(self) -> bool {
        self.guarded
    }

    /// Returns the paths.
    pub fn paths(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.health, "/health"),
            (self.ready, "/ready"),
            (self.metrics | self.admin, "/metrics"),
            (self.admin, "/snapshot"),
            (self.admin, "/explain"),
        ];
        all.into_iter()
            .filter(|(served, _)| *served)
            .map(|(_, path)| path)
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// Prometheus' text format, as its content negotiation names it.
const SERIES: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a request.
pub(super) async fn answer(
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    routes: Routes,
    shown: Shown,
) -> Response<Full<Bytes>> {
    let Some(path) = routes.paths().find(|served| *served == uri.path()) else {
        return response(StatusCode::NOT_FOUND, PLAIN, "not found\n".to_owned());
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let text = "method not allowed\n".to_owned();
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, text);
        let allowed = HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
    }
    let Shown {
        pages,
        details,
        gate,
    } = shown;
    if routes.guarded {
        let admitted = match gate {
            Some(gate) => gate.admit(headers, path).await,
            None => Err(Denied::Unavailable),
        };
        if let Err(denied) = admitted {
            return denial(denied);
        }
    }
    if routes.admin {
        // Nobody is led behind a guard: a browser has no token to show there.
        if !routes.guarded && !is_for_here(headers) {
            let text = "ask `localhost` or a loopback address\n".to_owned();
            return response(StatusCode::MISDIRECTED_REQUEST, PLAIN, text);
        }
        let query = uri.query().unwrap_or("").to_owned();
        // They may wait, and take long: no probe waits for them.
        let page = tokio::task::spawn_blocking(move || detail(path, &query, &details));
        let failed = |_| response(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "failed\n".into());
        return page.await.unwrap_or_else(failed);
    }
    match path {
        "/metrics" => response(StatusCode::OK, SERIES, pages.metrics()),
        "/ready" => {
            let (ready, text) = pages.ready();
            let status = match ready {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            };
            response(status, PLAIN, text)
        }
        _ => response(StatusCode::OK, PLAIN, "OK".to_owned()),
    }
}

/// Turns somebody away, with nothing that tells of the cluster.
fn denial(denied: Denied) -> Response<Full<Bytes>> {
    let (status, text) = denied.answer();
    let mut response = response(status, PLAIN, text.to_owned());
    let header = match denied {
        Denied::Unauthorized => (WWW_AUTHENTICATE, "Bearer"),
        Denied::Unavailable => (RETRY_AFTER, "1"),
        Denied::Forbidden => return response,
    };
    let value = HeaderValue::from_static(header.1);
    response.headers_mut().insert(header.0, value);
    response
}

/// Returns whether a request is for a name of this host. A browser beside the administrator's can be
/// led here under any other: the owner of a web page decides what address its name has.
fn is_for_here(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else {
        return true;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let port = |c: char| c.is_ascii_digit();
    let name = host
        .trim_end_matches(port)
        .strip_suffix(':')
        .unwrap_or(host);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: IpAddr| address.is_loopback();
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

/// Makes one of the administrator's pages.
fn detail(path: &str, query: &str, details: &Arc<dyn Details>) -> Response<Full<Bytes>> {
    let explained = match path {
        "/metrics" => return response(StatusCode::OK, SERIES, details.metrics()),
        "/snapshot" => return response(StatusCode::OK, JSON, details.snapshot()),
        _ => explain(query, &**details),
    };
    match explained {
        Ok(text) => response(StatusCode::OK, JSON, text),
        Err(Refusal::Wrong(text)) => response(StatusCode::BAD_REQUEST, PLAIN, text + "\n"),
        Err(Refusal::Busy(text)) => response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, text + "\n"),
    }
}

/// `from`, `name` and `type` of a query string to an explanation.
fn explain(query: &str, details: &dyn Details) -> Result<String, Refusal> {
    const USAGE: &str = "/explain?from=IP|NAMESPACE|NAMESPACE/POD&name=NAME&type=TYPE";
    let wrong = |text: String| Refusal::Wrong(format!("{text}; ask {USAGE}"));
    let (mut from, mut name, mut rtype) = (None, None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = match key {
            "from" => &mut from,
            "name" => &mut name,
            "type" => &mut rtype,
            _ => return Err(wrong("there is no such parameter".to_owned())),
        };
        let value = decoded(value);
        let value = value.ok_or_else(|| wrong(format!("`{key}` is not percent-encoded UTF-8")))?;
        if place.replace(value).is_some() {
            return Err(wrong(format!("`{key}` is given twice")));
        }
    }
    let missing = |key: &str| wrong(format!("`{key}` is missing"));
    let from = from.ok_or_else(|| missing("from"))?;
    let name = name.ok_or_else(|| missing("name"))?;
    details.explain(&from, &name, rtype.as_deref().unwrap_or("A"))
}

/// Decodes percent-encoding (RFC 3986, section 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digits = [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
        octets.push((digits[0]? * 16 + digits[1]?) as u8);
    }
    String::from_utf8(octets).ok()
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
