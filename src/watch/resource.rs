//! Where the API has each kind, and the requests for it.

use super::decode::Encoding;
use crate::index::Version;
use crate::model::{Kind, ObjectKey};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use kube::client::Body;
use std::fmt::Write;
use std::time::Duration;

/// A kind as the API has it.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    /// The API group; empty for the core group.
    group: &'static str,
    version: &'static str,
    /// Its name in URLs and roles.
    plural: &'static str,
    /// The API has it in Protocol Buffers; custom kinds it has in JSON only.
    proto: bool,
    /// What it means that a cluster does without it.
    pub(super) need: Need,
}

/// What it means that a cluster has none of a kind, or that we may not read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing can be answered without.
    Always,
    /// It is done without.
    Optional,
    /// One of ours, which most clusters don't have. What we may not read of it shows somebody less.
    Ours,
    /// One of ours as well. What we may not read of it may be what hides something.
    OursHiding,
}

const fn built_in(kind: Kind, group: &'static str, plural: &'static str) -> Resource {
    Resource {
        kind,
        group,
        version: "v1",
        plural,
        proto: true,
        need: Need::Always,
    }
}

static NAMESPACES: Resource = built_in(Kind::Namespace, "", "namespaces");
static NODES: Resource = built_in(Kind::Node, "", "nodes");
static SERVICES: Resource = built_in(Kind::Service, "", "services");
static SLICES: Resource = built_in(Kind::EndpointSlice, "discovery.k8s.io", "endpointslices");
static PODS: Resource = built_in(Kind::Pod, "", "pods");
static IMPORTS: Resource = Resource {
    kind: Kind::ServiceImport,
    group: "multicluster.x-k8s.io",
    version: "v1alpha1",
    plural: "serviceimports",
    proto: false,
    need: Need::Optional,
};

const fn ours(kind: Kind, plural: &'static str, need: Need) -> Resource {
    Resource {
        kind,
        group: "tenantdns.io",
        version: "v1alpha1",
        plural,
        proto: false,
        need,
    }
}

static GRANTS: Resource = ours(Kind::DnsGrant, "dnsgrants", Need::OursHiding);
static EXPORTS: Resource = ours(Kind::DnsExport, "dnsexports", Need::Ours);
static CONSENTS: Resource = ours(Kind::DnsImport, "dnsimports", Need::Ours);

/// Returns where the API has a kind.
pub(super) fn resource(kind: Kind) -> &'static Resource {
    match kind {
        Kind::Namespace => &NAMESPACES,
        Kind::Node => &NODES,
        Kind::Service => &SERVICES,
        Kind::EndpointSlice => &SLICES,
        Kind::Pod => &PODS,
        Kind::ServiceImport => &IMPORTS,
        Kind::DnsGrant => &GRANTS,
        Kind::DnsExport => &EXPORTS,
        Kind::DnsImport => &CONSENTS,
    }
}

/// What a role must permit for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Watch,
    /// To ask which kinds a group has.
    Discover,
    /// Of the subresource `status`.
    Patch,
}

/// Which state of the cluster a list is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Any that is at least as new as this version: a server answers from its cache.
    Version(Version),
    /// The newest, which a server asks etcd for.
    Now,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// What there is as events, then what changes.
    StreamedList(Since),
    /// What there is, or the next page of it.
    List(Since, Box<str>),
    /// What changes after a version, for so long.
    Watch(Version, Duration),
    /// The metadata of what there is, or the next page of it.
    Metadata(Since, Box<str>),
    /// The kinds of the resource's group and version.
    Kinds,
}

impl Ask {
    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::StreamedList(_) | Self::Watch(..) => Verb::Watch,
            Self::List(..) | Self::Metadata(..) => Verb::List,
            Self::Kinds => Verb::Discover,
        }
    }
}

impl Resource {
    /// Returns the name in URLs and roles, without the group.
    pub(super) fn plural(&self) -> &'static str {
        self.plural
    }

    /// Returns `pods`, or `endpointslices.discovery.k8s.io`.
    pub(super) fn name(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Returns a request for what these fields select.
    pub(super) fn request(&self, ask: &Ask, fields: Option<&str>) -> http::Request<Body> {
        let (group, version, plural) = (self.group, self.version, self.plural);
        let mut uri = match (group, ask) {
            (_, Ask::Kinds) => format!("/apis/{group}/{version}"),
            ("", _) => format!("/api/{version}/{plural}?"),
            _ => format!("/apis/{group}/{version}/{plural}?"),
        };
        query(&mut uri, ask);
        if let Some(fields) = fields {
            uri.push_str("&fieldSelector=");
            escape(&mut uri, fields);
        }
        let mut request = http::Request::new(Body::empty());
        // Of characters that a path may have alone; what is not is escaped.
        *request.uri_mut() = uri.parse().expect("a path and a query");
        let headers = request.headers_mut();
        headers.insert(ACCEPT, self.accept(ask).parse().expect("a header's text"));
        // Unpacking costs more than what it saves on a cluster's network.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        request
    }

    /// Returns a request that writes the status of an object by server-side apply, as one manager of
    /// its fields among all replicas.
    pub(super) fn apply_status(&self, key: &ObjectKey, body: Vec<u8>) -> http::Request<Body> {
        let (group, version, plural) = (self.group, self.version, self.plural);
        let mut uri = format!("/apis/{group}/{version}/");
        if !key.namespace.is_empty() {
            uri.push_str("namespaces/");
            escape(&mut uri, &key.namespace);
            uri.push('/');
        }
        uri.push_str(plural);
        uri.push('/');
        escape(&mut uri, &key.name);
        uri.push_str("/status?fieldManager=tenantdns&force=true");
        let mut request = http::Request::new(Body::from(body));
        *request.method_mut() = http::Method::PATCH;
        *request.uri_mut() = uri.parse().expect("a path and a query");
        let headers = request.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(ACCEPT, json);
        let apply = HeaderValue::from_static("application/apply-patch+yaml");
        headers.insert(CONTENT_TYPE, apply);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        request
    }

    fn accept(&self, ask: &Ask) -> String {
        let parameters = match ask {
            Ask::StreamedList(_) | Ask::Watch(..) => ";stream=watch",
            Ask::List(..) | Ask::Kinds => "",
            Ask::Metadata(..) => ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        };
        let json = format!("application/json{parameters}, application/json;q=0.8");
        match self.proto && *ask != Ask::Kinds {
            true => format!("{PROTOBUF}{parameters}, {json}"),
            false => json,
        }
    }
}

/// Who asks, in the API server's logs and metrics.
pub(super) const AGENT: &str = concat!("tenantdns/", env!("CARGO_PKG_VERSION"));

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Returns how an answer is written.
pub(super) fn encoding(headers: &HeaderMap) -> Encoding {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with(PROTOBUF)) {
        Encoding::Proto
    } else {
        Encoding::Json
    }
}

fn query(uri: &mut String, ask: &Ask) {
    let written = match ask {
        Ask::Kinds => Ok(()),
        Ask::StreamedList(since) => {
            uri.push_str("watch=1&sendInitialEvents=true&allowWatchBookmarks=true");
            uri.push_str("&resourceVersionMatch=NotOlderThan");
            match since {
                Since::Version(version) => write!(uri, "&resourceVersion={}", version.0),
                Since::Now => write!(uri, "&resourceVersion="),
            }
        }
        Ask::Watch(version, time) => {
            let seconds = time.as_secs().max(1);
            write!(
                uri,
                "watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={}",
                version.0
            )
        }
        Ask::List(_, next) | Ask::Metadata(_, next) if !next.is_empty() => {
            uri.push_str("continue=");
            escape(uri, next);
            Ok(())
        }
        Ask::List(Since::Version(version), _) | Ask::Metadata(Since::Version(version), _) => {
            write!(
                uri,
                "resourceVersionMatch=NotOlderThan&resourceVersion={}",
                version.0
            )
        }
        Ask::List(Since::Now, _) | Ask::Metadata(Since::Now, _) => write!(uri, "resourceVersion="),
    };
    written.expect("a String takes everything");
}

/// Adds a text, with what is not plain in a query escaped.
fn escape(uri: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            uri.push(byte.into());
        } else {
            write!(uri, "%{byte:02X}").expect("a String takes everything");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, ask: &Ask, fields: Option<&str>, expected: &str) {
        let request = resource(kind).request(ask, fields);
        assert_eq!(request.uri().to_string(), expected, "{ask:?}");
    }

    #[test]
    fn each_request_is_what_the_api_reads() {
        let seven = Version(7);
        check(
            Kind::Pod,
            &Ask::StreamedList(Since::Version(Version::UNKNOWN)),
            Some("status.phase!=Failed,spec.nodeName=a"),
            "/api/v1/pods?watch=1&sendInitialEvents=true&allowWatchBookmarks=true\
             &resourceVersionMatch=NotOlderThan&resourceVersion=0\
             &fieldSelector=status.phase%21%3DFailed%2Cspec.nodeName%3Da",
        );
        check(
            Kind::EndpointSlice,
            &Ask::Watch(seven, Duration::from_millis(25_900)),
            None,
            "/apis/discovery.k8s.io/v1/endpointslices?watch=1&allowWatchBookmarks=true\
             &timeoutSeconds=25&resourceVersion=7",
        );
        check(
            Kind::ServiceImport,
            &Ask::List(Since::Version(seven), "".into()),
            None,
            "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports?\
             resourceVersionMatch=NotOlderThan&resourceVersion=7",
        );
        check(
            Kind::Node,
            &Ask::Metadata(Since::Now, "a+/=".into()),
            None,
            "/api/v1/nodes?continue=a%2B%2F%3D",
        );
    }

    #[test]
    fn custom_kinds_are_asked_for_in_json_alone() {
        let accept = |kind| {
            let request = resource(kind).request(&Ask::List(Since::Now, "".into()), None);
            request.headers()[ACCEPT].to_str().unwrap().to_owned()
        };
        assert!(accept(Kind::Pod).starts_with("application/vnd.kubernetes.protobuf, "));
        assert!(!accept(Kind::ServiceImport).contains("protobuf"));
    }
}
