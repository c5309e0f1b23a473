//! What is written is what OpenTelemetry's own messages read.

use super::*;
use crate::chain::{BlockId, ListenerId, Plugin};
use crate::observe::Exchange;
use crate::protobuf::Malformed;
use crate::querylog::{Asker, Entry};
use crate::testing::query;
use crate::wire::{RType, Rcode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

fn exchange(name: &str) -> Exchange {
    let asked = query(name, RType::A);
    let mut answer = asked.clone();
    answer[2] |= 0x80;
    Exchange {
        listener: ListenerId(0),
        block: Some(BlockId(0)),
        plugin: Some(Plugin::Forward),
        rcode: Rcode::NOERROR,
        peer: "[::ffff:10.244.1.7]:40212".parse().unwrap(),
        local: None,
        named: None,
        stream: false,
        failure: None,
        received: Duration::ZERO,
        took: Duration::from_nanos(123_456),
        query: asked,
        answer,
    }
}

/// Returns what is read of a span: itself, and its attributes as texts.
fn read(exchange: &Exchange, server: &str) -> (Span, BTreeMap<String, String>) {
    let asker = Asker {
        class: "external",
        ..Asker::default()
    };
    let entry = Entry::of(exchange, &asker).unwrap();
    let came = Duration::new(1_700_000_000, 5);
    let span = span(&entry, server, came, &mut Ids::new(1));
    let span = Span::decode(&*span).unwrap();
    let attributes = span.attributes.iter().map(|pair| {
        let text = match pair.value.clone().unwrap().value.unwrap() {
            Value::StringValue(text) => text,
            Value::IntValue(number) => number.to_string(),
            other => panic!("{other:?}"),
        };
        (pair.key.clone(), text)
    });
    let attributes = attributes.collect();
    (span, attributes)
}

#[test]
fn where_a_query_came_from_is_told_by_every_way() {
    let v4 = exchange("A.example.");
    let v6 = Exchange {
        peer: "[fd00::7]:1".parse().unwrap(),
        stream: true,
        ..v4.clone()
    };
    // A forwarder says for whom it asks.
    let named = Exchange {
        named: Some("10.244.9.9".parse().unwrap()),
        local: Some("::ffff:10.96.0.10".parse().unwrap()),
        ..v4.clone()
    };
    for (exchange, server, expected) in [
        (
            &v4,
            "dns://:53",
            [
                ("network.transport", Some("udp")),
                ("network.type", Some("ipv4")),
                ("network.peer.address", Some("10.244.1.7")),
                ("client.address", Some("10.244.1.7")),
                ("client.port", Some("40212")),
                ("server.address", None),
            ],
        ),
        (
            &v6,
            "tls://:853",
            [
                ("network.transport", Some("tcp")),
                ("network.type", Some("ipv6")),
                ("network.peer.address", Some("fd00::7")),
                ("client.address", Some("fd00::7")),
                ("client.port", Some("1")),
                ("server.address", None),
            ],
        ),
        (
            &named,
            "quic://:853",
            [
                ("network.transport", Some("quic")),
                ("network.type", Some("ipv4")),
                ("network.peer.address", Some("10.244.1.7")),
                ("client.address", Some("10.244.9.9")),
                ("client.port", None),
                ("server.address", Some("10.96.0.10")),
            ],
        ),
    ] {
        let (span, attributes) = read(exchange, server);
        for (key, text) in expected {
            assert_eq!(
                attributes.get(key).map(|text| &**text),
                text,
                "{server} {key}"
            );
        }
        assert_eq!(attributes["tenantdns.server"], server);
        assert!(!attributes.contains_key("tenantdns.client.namespace"));
        let times = [span.start_time_unix_nano, span.end_time_unix_nano];
        assert_eq!(
            times,
            [1_700_000_000_000_000_005, 1_700_000_000_000_123_461]
        );
        assert_eq!(span.status, None);
    }
}

#[test]
fn names_are_told_as_they_are_written_without_the_last_dot() {
    for (name, told) in [
        (".", "."),
        ("WwW.Example.", "WwW.Example"),
        (r"a\.b.\000c.", r"a\.b.\000c"),
    ] {
        let (_, attributes) = read(&exchange(name), "dns://:53");
        assert_eq!(attributes["dns.question.name"], told);
    }
}

#[test]
fn a_request_has_its_sender_and_its_spans_in_their_order() {
    let asker = Asker::default();
    let exchange = exchange("a.");
    let mut ids = Ids::new(7);
    let spans = [(); 3].map(|()| {
        let entry = Entry::of(&exchange, &asker).unwrap();
        span(&entry, "dns://:53", Duration::ZERO, &mut ids)
    });
    let resource = Resource {
        service: "dns".into(),
        instance: "host".into(),
    };
    let body = request(&resource, spans.iter().map(Vec::as_slice));
    let read = ExportTraceServiceRequest::decode(&*body).unwrap();
    let [of_resource] = &read.resource_spans[..] else {
        panic!("{read:?}")
    };
    let sender = &of_resource.resource.as_ref().unwrap().attributes;
    let keys: Vec<_> = sender.iter().map(|pair| &*pair.key).collect();
    assert_eq!(
        keys,
        ["service.name", "service.instance.id", "service.version"]
    );
    let [scoped] = &of_resource.scope_spans[..] else {
        panic!("{read:?}")
    };
    assert_eq!(scoped.scope.as_ref().unwrap().name, "tenantdns");
    let written = spans.map(|span| Span::decode(&*span).unwrap());
    assert_eq!(scoped.spans, written);
    let empty = ExportTraceServiceRequest::decode(&*request(&resource, [])).unwrap();
    assert!(empty.resource_spans[0].scope_spans[0].spans.is_empty());
}

#[test]
fn what_a_collector_took_is_read() {
    for (rejected, message) in [(0, ""), (0, "slower, please"), (7, "too old"), (-1, "odd")] {
        let said = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: message.to_owned(),
            }),
        };
        let taken = Taken {
            rejected: rejected.try_into().unwrap_or(0),
            message: message.into(),
        };
        assert_eq!(read_taken(&said.encode_to_vec()), Ok(taken));
    }
    assert_eq!(read_taken(b""), Ok(Taken::default()));
    assert_eq!(read_taken(b"<html>"), Err(Malformed::Type(7)));
}
