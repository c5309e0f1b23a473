//! Messages in Protocol Buffers, as the API writes them.

use crate::watch::proto::MAGIC;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field that is a number.
pub(super) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field that is a text, or a message.
pub(super) fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let length = varint(value.len() as u64);
    [&varint(field << 3 | 2), &length, value].concat()
}

/// An object in its envelope.
pub(super) fn envelope(kind: &str, object: &[u8]) -> Vec<u8> {
    let types = [bytes(1, "v1"), bytes(2, kind)].concat();
    let unknown = [
        bytes(1, types),
        bytes(2, object),
        bytes(3, ""),
        bytes(4, ""),
    ];
    [&MAGIC[..], &unknown.concat()].concat()
}

/// One event of a watch, without its length.
pub(super) fn event(what: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let raw = bytes(1, envelope(kind, object));
    [bytes(1, what), bytes(2, raw)].concat()
}

/// The same with its length.
pub(super) fn frame(what: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let event = event(what, kind, object);
    let length = u32::try_from(event.len()).unwrap();
    [&length.to_be_bytes()[..], &event].concat()
}

/// A list in its envelope.
pub(super) fn list(version: u64, next: &str, items: &[Vec<u8>]) -> Vec<u8> {
    let head = [bytes(1, ""), bytes(2, version.to_string()), bytes(3, next)].concat();
    let items: Vec<u8> = items.iter().flat_map(|item| bytes(2, item)).collect();
    envelope("PodList", &[bytes(1, head), items].concat())
}

/// `ObjectMeta` in the field in which every object has it.
pub(super) fn meta(name: &str, version: u64, more: &[Vec<u8>]) -> Vec<u8> {
    let fields = [
        bytes(1, name),
        bytes(2, ""),
        bytes(3, "shop"),
        bytes(5, "u-1"),
        bytes(6, version.to_string()),
        number(7, 0),
        bytes(8, ""),
    ];
    bytes(1, [fields.concat(), more.concat()].concat())
}

/// An entry of a map.
pub(super) fn entry(field: u64, key: &str, value: &str) -> Vec<u8> {
    bytes(field, [bytes(1, key), bytes(2, value)].concat())
}

/// A Pod that has every field that is read, and fields beside them that are not.
pub(super) fn pod(name: &str, version: u64) -> Vec<u8> {
    let meta = meta(
        name,
        version,
        &[
            bytes(9, number(1, 1)),
            entry(11, "tier", "front"),
            entry(12, "note", "x"),
            bytes(17, vec![b'm'; 300]),
        ],
    );
    let ended = bytes(2, bytes(3, number(1, 1)));
    let status = [
        bytes(1, "Running"),
        bytes(
            2,
            [bytes(1, "PodReadyToStartContainers"), bytes(2, "False")].concat(),
        ),
        bytes(6, "10.244.1.7"),
        bytes(12, bytes(1, "10.244.1.7")),
        bytes(12, bytes(1, "fd00::7")),
        bytes(8, [bytes(1, "main"), ended, number(4, 1)].concat()),
    ];
    let spec = [
        bytes(2, "container"),
        number(4, 30),
        bytes(10, "node-1"),
        number(11, 1),
    ];
    [meta, bytes(2, spec.concat()), bytes(3, status.concat())].concat()
}
