//! A line as JSON, for whoever reads it by program.

use super::entry::Entry;
use super::types::type_name;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'e> {
    ts: &'e str,
    client: Client<'e>,
    question: Question<'e>,
    id: u16,
    opcode: u8,
    proto: &'static str,
    size: usize,
    r#do: bool,
    bufsize: u16,
    answer: Answer<'e>,
    duration_s: f64,
}

#[derive(Serialize)]
struct Client<'e> {
    ip: std::net::IpAddr,
    port: u16,
    kind: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'e str>,
}

#[derive(Serialize)]
struct Question<'e> {
    name: &'e str,
    class: &'e str,
    r#type: &'e str,
}

#[derive(Serialize)]
struct Answer<'e> {
    rcode: &'e str,
    flags: &'e str,
    size: usize,
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'static str>,
}

impl Entry<'_> {
    /// Returns a line, without its end. `ts` is when the query came.
    pub fn json(&self, ts: &str) -> String {
        let Self {
            exchange, asker, ..
        } = self;
        let line = Line {
            ts,
            client: Client {
                ip: self.remote(),
                port: exchange.peer.port(),
                kind: asker.class,
                namespace: asker.namespace.as_deref(),
                pod: asker.pod.as_deref(),
                tenant: asker.tenant.as_deref(),
            },
            question: Question {
                name: &self.name.to_string(),
                class: &self.class_text(),
                r#type: &type_name(self.qtype),
            },
            id: self.id,
            opcode: self.opcode,
            proto: self.protocol(),
            size: exchange.query.len(),
            r#do: self.dnssec_ok,
            bufsize: self.size,
            answer: Answer {
                rcode: &self.rcode_text(),
                flags: &self.flags(),
                size: exchange.answer.len(),
                class: self.kind.class().as_str(),
                plugin: exchange.plugin.map(|plugin| plugin.as_str()),
            },
            duration_s: exchange.took.as_secs_f64(),
        };
        // Names and numbers: nothing that has no JSON.
        serde_json::to_string(&line).unwrap_or_default()
    }
}
