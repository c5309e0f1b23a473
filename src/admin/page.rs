//! From a request line to a response. Neither the headers nor the body of a request matter.

use super::Pages;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

/// The pages of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Routes {
    health: bool,
    ready: bool,
    metrics: bool,
}

impl Routes {
    pub(super) const HEALTH: Self = Self {
        health: true,
        ready: false,
        metrics: false,
    };
    pub(super) const READY: Self = Self {
        health: false,
        ready: true,
        metrics: false,
    };
    pub(super) const METRICS: Self = Self {
        health: false,
        ready: false,
        metrics: true,
    };

    /// Returns the pages of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            health: self.health | other.health,
            ready: self.ready | other.ready,
            metrics: self.metrics | other.metrics,
        }
    }

    /// Returns the paths.
    pub fn paths(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.health, "/health"),
            (self.ready, "/ready"),
            (self.metrics, "/metrics"),
        ];
        all.into_iter()
            .filter(|(served, _)| *served)
            .map(|(_, path)| path)
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";
/// Prometheus' text format, as its content negotiation names it.
const SERIES: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a request.
pub(super) fn answer(
    method: &Method,
    path: &str,
    routes: Routes,
    pages: &dyn Pages,
) -> Response<Full<Bytes>> {
    if !routes.paths().any(|served| served == path) {
        return response(StatusCode::NOT_FOUND, PLAIN, "not found\n".to_owned());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let text = "method not allowed\n".to_owned();
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, text);
        let allowed = HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
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

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
