//! Where a server block listens: its keys' ports, `bind`, `tls`, `timeouts`. And its tables, written
//! out.

use super::super::key::{Key, Transport};
use super::values::{duration, number};
use super::{Block, Cursor, Fault, Item, Out, Page, Place, Table, Token, Value, only_once, shown};
use crate::wire::Name;
use std::net::IpAddr;

/// An address that `bind` names.
#[derive(Clone)]
pub(super) struct Address {
    ip: IpAddr,
    place: Place,
}

/// `root PATH`: where relative paths of the block start.
pub(super) fn root(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    while cursor.next() {
        out.block.root = Some((&cursor.argument("a path")?.text).into());
    }
    Ok(())
}

/// `bind ADDRESS|INTERFACE… { except … }`
pub(super) fn bind(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    let mut all = Vec::new();
    let mut first = None;
    while cursor.next() {
        let word = cursor.token();
        first.get_or_insert(word);
        let named = cursor.some_arguments("an address or an interface")?;
        let addresses = resolve(&named, out)?;
        let mut except = Vec::new();
        while cursor.next_in_block() {
            if cursor.text() != "except" {
                return Err(cursor.unknown(&["except"]));
            }
            except = resolve(&cursor.some_arguments("an address or an interface")?, out)?;
        }
        let is_kept = |address: &Address| !except.iter().any(|other| other.ip == address.ip);
        all.extend(addresses.into_iter().filter(is_kept));
    }
    if let (true, Some(word)) = (all.is_empty(), first) {
        return Err(word.fault("no address is left to listen on"));
    }
    out.block.bind = Some(all);
    Ok(())
}

/// Returns the addresses that words name: interfaces first, as in CoreDNS.
fn resolve(tokens: &[&Token], out: &mut Out<'_>) -> Result<Vec<Address>, Fault> {
    let mut addresses = Vec::new();
    for token in tokens {
        let place = token.place.clone();
        let Some(ips) = out.around.addresses(&token.text) else {
            let ip = token.text.parse().map_err(|_| {
                token.fault(format!(
                    "`{}` is neither an address nor an interface of this host",
                    shown(&token.text)
                ))
            })?;
            addresses.push(Address { ip, place });
            continue;
        };
        let text = format!(
            "bind {}: the interface's addresses at this moment",
            token.text
        );
        out.block.comments.push(text);
        for ip in ips {
            match ip {
                IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                    let text = format!("`{ip}` of {} is link-local, and left out", token.text);
                    out.note(&place, text);
                }
                _ => addresses.push(Address {
                    ip,
                    place: place.clone(),
                }),
            }
        }
    }
    Ok(addresses)
}

/// `tls CERT KEY [CA] { client_auth … }`
pub(super) fn tls(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let word = cursor.token();
    let mut table = Table::new("block.tls", Some(&word.place));
    let files = cursor.arguments();
    if files.is_empty() {
        return Err(word.fault(
            "certificates by ACME are not supported; write `tls CERT KEY`, and let a controller \
             such as cert-manager keep the files new",
        ));
    }
    if !(2..=3).contains(&files.len()) {
        return Err(word.fault("`tls` takes a certificate, its key and perhaps an authority's"));
    }
    for (key, file) in ["certificate", "key", "ca"].into_iter().zip(files) {
        table.set(key, Value::text(out.path(&file.text)), &file.place);
    }
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "client_auth" => {
                let token = cursor.argument("how clients are authenticated")?;
                let words = [
                    "nocert",
                    "request",
                    "require",
                    "verify_if_given",
                    "require_and_verify",
                ];
                table.set(
                    "client_auth",
                    super::values::word(token, &words)?,
                    &option.place,
                );
            }
            "keylog" => {
                return Err(option.fault("session keys are not written to files; leave it out"));
            }
            _ => return Err(cursor.unknown(&["client_auth"])),
        }
    }
    only_once(cursor)?;
    out.block.tables.push(table);
    Ok(())
}

/// `timeouts { read D; write D; idle D }`: a number alone is seconds.
pub(super) fn timeouts(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    let mut table: Option<Table> = None;
    while cursor.next() {
        let word = cursor.token();
        cursor.no_argument()?;
        let table = table.get_or_insert_with(|| Table::new("block.timeouts", Some(&word.place)));
        while cursor.next_in_block() {
            let option = cursor.token();
            let value = cursor.argument("one value")?;
            let key = match &*option.text {
                "read" => "read",
                "write" => "write",
                "idle" => "idle",
                "maxtcpqueries" => {
                    number(value, -1..=i64::from(u32::MAX), "it is -1 or a number")?;
                    let text = "`maxtcpqueries` has no meaning here: a connection may ask as often \
                                as it likes, and `[server]` bounds how many there are";
                    out.note(&option.place, text);
                    continue;
                }
                _ => return Err(option.fault("the options are `read`, `write` and `idle`")),
            };
            let mut value = value.clone();
            if value.text.parse::<i64>().is_ok() {
                value.text.push('s');
            }
            table.set(key, duration(&value)?, &option.place);
        }
    }
    out.block.tables.extend(table);
    Ok(())
}

/// `multisocket [N]`: every worker has a socket of its own.
pub(super) fn multisocket(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    if let [_, second, ..] = cursor.arguments()[..] {
        return Err(second.fault("`multisocket` takes one number"));
    }
    let text = "multisocket: every worker has a socket; `[server] threads` says how many there are";
    out.block.comments.push(text.into());
    Ok(())
}

// === keys ===

/// Which zones are taken where, by blocks for everybody.
#[derive(Default)]
pub(super) struct Taken(Vec<Claim>);

struct Claim {
    transport: Transport,
    port: u16,
    zone: Name,
    /// `None` for every address.
    ip: Option<IpAddr>,
    place: Place,
}

impl Taken {
    /// Adds a block's zones, and returns what two blocks would have.
    pub(super) fn add(&mut self, keys: &[Key], block: &Block) -> Vec<Fault> {
        let everywhere = [None];
        let bound: Vec<Option<IpAddr>> = match &block.bind {
            None => everywhere.to_vec(),
            Some(addresses) => addresses.iter().map(|address| Some(address.ip)).collect(),
        };
        let mut faults = Vec::new();
        for key in keys {
            for zone in &key.zone.names {
                for ip in &bound {
                    let claim = Claim {
                        transport: key.transport,
                        port: key.port,
                        zone: zone.clone(),
                        ip: *ip,
                        place: key.token.place.clone(),
                    };
                    match self.clash(&claim, block.view.is_some()) {
                        Some(message) => faults.push(key.token.fault(message)),
                        None if block.view.is_none() => self.0.push(claim),
                        None => {}
                    }
                }
            }
        }
        faults
    }

    fn clash(&self, new: &Claim, has_view: bool) -> Option<String> {
        let same = |old: &&Claim| {
            old.transport == new.transport && old.port == new.port && old.zone == new.zone
        };
        let mut rivals = self.0.iter().filter(same);
        let exact = |old: &&Claim| old.ip == new.ip;
        let wider = |old: &&Claim| old.ip.is_none() != new.ip.is_none();
        let (zone, port) = (&new.zone, new.port);
        if let Some(old) = rivals.clone().find(exact).filter(|_| !has_view) {
            let place = &old.place;
            return Some(format!(
                "`{zone}` on port {port} is served already, by {place}"
            ));
        }
        rivals.find(wider).map(|old| {
            let place = &old.place;
            format!(
                "`{zone}` on port {port} is served by {place} too, and one of the two listens on \
                 every address: add `bind` there"
            )
        })
    }
}

/// Zones that are served on the same ports.
struct Group<'k> {
    ports: Vec<(Transport, u16)>,
    zones: Vec<&'k Key>,
}

/// Returns the keys by the ports that they share; ports with the same zones are listeners of one group.
fn grouped(keys: &[Key]) -> Vec<Group<'_>> {
    let mut by_port: Vec<Group<'_>> = Vec::new();
    for key in keys {
        let port = (key.transport, key.port);
        match by_port.iter_mut().find(|group| group.ports[0] == port) {
            Some(group) => group.zones.push(key),
            None => by_port.push(Group {
                ports: vec![port],
                zones: vec![key],
            }),
        }
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    for group in by_port {
        let has_same_zones = |other: &&mut Group<'_>| {
            let texts = |group: &Group<'_>| -> Vec<String> {
                let zones = group.zones.iter();
                zones.map(|key| key.zone.text.clone()).collect()
            };
            texts(other) == texts(&group)
        };
        match groups.iter_mut().find(has_same_zones) {
            Some(other) => other.ports.extend(group.ports),
            None => groups.push(group),
        }
    }
    groups
}

/// Writes a block: once for each set of zones that its ports have.
pub(super) fn write(page: &mut Page, keys: &[Key], block: &Block) {
    for Group { ports, zones } in grouped(keys) {
        let place = &zones[0].token.place;
        let mut table = Table::entry("block", Some(place));
        let names: Vec<&str> = zones.iter().map(|key| &*key.token.text).collect();
        table.comment(format!("{} ({place})", names.join(" ")));
        for comment in &block.comments {
            table.comment(comment);
        }
        let item = |key: &&Key| super::values::item(Value::text(&key.zone.text), &key.token);
        table.extend("zones", zones.iter().map(item).collect());
        table.extend("listen", listeners(&ports, block, place));
        if let Some((view, place)) = &block.view {
            table.set("view", view.clone(), place);
        }
        page.gap();
        page.table(&table);
        for table in &block.tables {
            page.table(table);
        }
    }
}

fn listeners(ports: &[(Transport, u16)], block: &Block, place: &Place) -> Vec<Item> {
    let mut items = Vec::new();
    for (transport, port) in ports {
        let scheme = match transport {
            Transport::Dns => "",
            other => other.scheme(),
        };
        let Some(addresses) = &block.bind else {
            let host = if scheme.is_empty() { "" } else { "[::]" };
            items.push(Item {
                value: Value::text(format!("{scheme}{host}:{port}")),
                place: place.clone(),
            });
            continue;
        };
        for address in addresses {
            let socket = std::net::SocketAddr::new(address.ip, *port);
            items.push(Item {
                value: Value::text(format!("{scheme}{socket}")),
                place: address.place.clone(),
            });
        }
    }
    items
}
