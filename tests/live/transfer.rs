//! Transfers beside the real things: CoreDNS on the same API server, over random clusters, and Knot as a
//! secondary that fetches the zone and is notified.

use crate::apiserver::{ADMIN, ApiServer};
use crate::coredns::{CoreDns, LEASH};
use crate::corefiles::Ours;
use crate::decode::decode;
use crate::differential::changes::{Writer, Writes};
use crate::differential::cluster::Maker;
use crate::differential::dice::Dice;
use crate::differential::facts::Facts;
use crate::hosts::skip;
use crate::parts::{expect, namespace, service, slice};
use crate::process::{Folder, Process, free_port, peers, until};
use crate::serving::{PATIENCE, Serving};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// Random clusters of a run.
const CLUSTERS: u64 = 6;
/// A name of a port of one octet more than the label holds that it is in: of a zone with one CoreDNS
/// transfers nothing (docs/compatibility.md).
const NO_LABEL: &str = "p23456789-123456789-123456789-123456789-123456789-123456789-123";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn corefile(kubeconfig: &Path) -> String {
    let block = |zone: &str, options: &str| {
        format!(
            "{zone}:{{$DNS_PORT}} {{\n    errors\n    kubernetes {zone} {{\n        \
             kubeconfig {}\n    }}\n{options}}}\n",
            kubeconfig.display()
        )
    };
    [
        block(
            "cluster.local",
            "    ready 127.0.0.1:{$READY_PORT}\n    transfer {\n        to *\n    }\n",
        ),
        block(
            "few.test",
            "    transfer {\n        to 127.0.0.7:5300 127.0.0.8\n    }\n",
        ),
        block(
            "ruled.test",
            "    acl {\n        allow type AXFR net 127.0.0.7/32\n        filter type AXFR net 127.0.0.8/32\n        \
             block type AXFR net *\n    }\n    transfer {\n        to *\n    }\n",
        ),
        block("none.test", ""),
    ]
    .concat()
}

/// What a server sends to a query for a zone: the flags AA of its messages, and every record, or the
/// response code of the one that has none.
type Given = Result<(bool, Vec<String>), String>;

fn ask(server: SocketAddr, source: IpAddr, bytes: &[u8]) -> Given {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, bytes].concat()).unwrap();
    // Both answer what was asked, and close then.
    stream.shutdown(Shutdown::Write).unwrap();
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).unwrap();
    let (mut rest, mut authoritative, mut records) = (&octets[..], true, Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (message, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
        rest = tail;
        let message = decode(message);
        authoritative &= message.aa;
        assert!(message.authority.is_empty() && message.additional.is_empty() && !message.tc);
        if message.answer.is_empty() {
            return Err(message.rcode);
        }
        records.extend(message.answer);
    }
    Ok((authoritative, records))
}

/// Returns an object without the port's name that is in no label.
fn mended(object: &Value) -> Value {
    let text = object.to_string();
    let mended = text.replace(NO_LABEL, "p23456789");
    serde_json::from_str(&mended).unwrap()
}

/// A query for the difference to a serial.
fn ixfr(zone: &str, serial: u32) -> Vec<u8> {
    let mut bytes = query(zone, RType::IXFR);
    bytes[9] = 1;
    bytes.extend(b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x18\xc0\x0c\xc0\x0c");
    bytes.extend(serial.to_be_bytes());
    bytes.extend([0; 16]);
    bytes
}

/// Returns a record by words: owner, TTL, type, data.
fn words(record: &str) -> Vec<&str> {
    record.split(' ').collect()
}

/// Returns namespace and name of the service that a record belongs to.
fn service_of(record: &str) -> Option<[String; 2]> {
    let (front, _) = words(record)[0].split_once(".svc.cluster.local.")?;
    let mut labels = front.rsplit('.').map(str::to_owned);
    Some([labels.next()?, labels.next()?])
}

/// Returns what both must agree on of a record: not the serial, and not the weight of an endpoint whose
/// service has several slices (docs/compatibility.md).
fn compared(record: &str, facts: &Facts) -> String {
    let mut parts: Vec<String> = words(record).iter().map(|&word| word.into()).collect();
    match &*parts[2] {
        "SOA" => parts[5] = "*".into(),
        "SRV" => {
            let of = service_of(record);
            let is_its = |key: &(String, String), name: &str| {
                of.as_ref()
                    .is_some_and(|of| of[0] == key.0 && of[1] == name)
            };
            let slices = facts.slices.iter();
            let count = slices.filter(|slice| is_its(&slice.key, &slice.service));
            if count.count() > 1 && parts[4] != "100" || parts[6] != parts[0] {
                parts[4] = "*".into();
            }
        }
        _ => {}
    }
    parts.join(" ")
}

/// The names of the services in the order in which they come.
fn order(records: &[String]) -> Vec<String> {
    // Behind the zone's own records, of which the glue may have a service's name.
    let glue = records.iter().rposition(|record| words(record)[1] == "0");
    let behind = records.iter().skip(glue.map_or(0, |at| at + 1));
    let mut names: Vec<String> = behind
        .filter_map(|record| service_of(record).map(|[_, name]| name))
        .collect();
    names.dedup();
    names
}

#[test]
fn a_zone_is_transferred_as_by_coredns() {
    let Some(peers) = peers() else { return };
    let seed = match std::env::var("TENANTDNS_SEED") {
        Ok(seed) => seed.parse().expect("TENANTDNS_SEED: a number"),
        Err(_) => RandomState::new().hash_one("transfer") >> 32,
    };
    let api = ApiServer::start(&peers);
    let corefile = corefile(&api.kubeconfig(ADMIN));
    let coredns = CoreDns::start(&peers, &corefile);
    let ours = Ours::start(&corefile);
    let servers = [coredns.address, ours.address];
    let zone = |name: &str| query(name, RType::AXFR);
    let mut compared_records = 0;
    for number in 0..CLUSTERS {
        let mut dice = Dice::new(seed + (number << 32));
        let mut writer = Writer {
            api: &api,
            writes: Writes::default(),
        };
        let mut maker = Maker::new(&mut dice, &[], false);
        for object in maker.cluster() {
            writer.create(&mended(&object));
        }
        // Each kind comes in its order: what was made before is there with what was made last.
        let last = format!("last-{number}");
        api.create(&namespace(&last));
        let mut headless = service(&last, "last");
        headless["spec"]["clusterIP"] = "None".into();
        api.create(&headless);
        api.create(&slice(&last, "last", "10.255.0.1"));
        let facts = Facts::read(&api);
        let mut given = servers.map(|server| {
            until(&format!("{server} has not seen all"), PATIENCE, || {
                let given = ask(server, LOCALHOST, &zone("cluster.local"));
                let (authoritative, records) = given.expect("a zone");
                assert!(authoritative);
                let sign = format!("10-255-0-1.last.{last}.svc.cluster.local.");
                records
                    .iter()
                    .any(|record| words(record)[0] == sign)
                    .then_some(records)
            })
        });
        let orders = given.each_ref().map(|records| order(records));
        let mut sorted = orders[1].clone();
        sorted.sort();
        assert_eq!(orders[1], sorted, "TENANTDNS_SEED={seed}, cluster {number}");
        assert_eq!(
            orders[0], orders[1],
            "TENANTDNS_SEED={seed}, cluster {number}"
        );
        for records in &mut given {
            let ends = [&records[0], &records[records.len() - 1]];
            assert!(ends.iter().all(|record| words(record)[2] == "SOA"));
            assert_eq!(words(&records[1])[2], "NS");
            for record in records {
                *record = compared(record, &facts);
            }
        }
        let [theirs, own] = given.map(|records| records.into_iter().collect::<BTreeSet<_>>());
        compared_records += own.len();
        assert!(
            theirs == own,
            "TENANTDNS_SEED={seed}, cluster {number}\nCoreDNS alone {:#?}\nours alone {:#?}",
            theirs.difference(&own).collect::<Vec<_>>(),
            own.difference(&theirs).collect::<Vec<_>>()
        );
        writer.clear();
    }
    assert!(compared_records > 100, "{compared_records}");

    // Who gets one: equal in code, AA and how much there is.
    let [seventh, eighth, ninth] = [7, 8, 9].map(|n| IpAddr::from([127, 0, 0, n]));
    let mut cases = Vec::new();
    for source in [LOCALHOST, seventh, eighth, ninth] {
        for name in [
            "cluster.local",
            "few.test",
            "ruled.test",
            "none.test",
            "absent.test",
        ] {
            cases.push((source, zone(name)));
            cases.push((source, query(name, RType::IXFR)));
            cases.push((source, ixfr(name, 1)));
        }
    }
    for (source, bytes) in cases {
        let [theirs, own] = servers.map(|server| {
            let given = ask(server, source, &bytes);
            given.map(|(authoritative, records)| (authoritative, records.len()))
        });
        assert_eq!(theirs, own, "{source} {bytes:02x?}");
    }
    // Who has the zone as it is: each server's own serial.
    for server in servers {
        let (_, records) = ask(server, LOCALHOST, &zone("cluster.local")).unwrap();
        let serial: u32 = words(&records[0])[5].parse().unwrap();
        let given = ask(server, LOCALHOST, &ixfr("cluster.local", serial));
        assert_eq!(given, Ok((false, vec![records[0].clone()])), "{server}");
    }
}

/// Knot, as a secondary of a server. Ends when dropped.
struct Knot {
    address: SocketAddr,
    process: Process,
    // Behind the process, which reads it.
    _folder: Folder,
}

impl Knot {
    fn start(address: SocketAddr, primary: SocketAddr) -> Self {
        let folder = Folder::new("knot");
        let at = |address: SocketAddr| format!("{}@{}", address.ip(), address.port());
        let config = format!(
            "server:\n    rundir: \".\"\n    listen: {}\nlog:\n  - target: stderr\n    any: info\n\
             database:\n    storage: \".\"\nremote:\n  - id: primary\n    address: {}\n\
             acl:\n  - id: primary\n    address: {}\n    action: notify\n\
             template:\n  - id: default\n    storage: \".\"\n    zonefile-sync: -1\n    \
             semantic-checks: off\nzone:\n  - domain: cluster.local.\n    master: primary\n    \
             acl: primary\n",
            at(address),
            at(primary),
            primary.ip(),
        );
        folder.write("knot.conf", &config);
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", "knotd", "-c", "knot.conf"])
            .current_dir(folder.path("."));
        let process = Process::spawn("Knot", &mut command, &folder.path("log"));
        Self {
            address,
            process,
            _folder: folder,
        }
    }
}

/// Waits for the next second: serials count them, and what changes in the same one is not told apart.
fn next_second() {
    let second = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let now = second();
    until("a second", PATIENCE, || (second() > now).then_some(()));
}

fn has_knot() -> bool {
    let mut command = Command::new("knotd");
    command
        .arg("-V")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok()
}

#[test]
fn a_secondary_fetches_the_zone_and_is_notified_of_changes() {
    let Some(peers) = peers() else { return };
    if !has_knot() {
        skip::<()>("Debian's package knot is not installed");
        return;
    }
    let api = ApiServer::start(&peers);
    api.create(&namespace("shop"));
    let address_of = |name: &str| {
        let created = api.create(&service("shop", name));
        created["spec"]["clusterIP"].as_str().unwrap().to_owned()
    };
    let web = address_of("web");
    api.create(&json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": "outside"},
        "spec": {"type": "ExternalName", "externalName": "www.example"},
    }));
    let at: SocketAddr = (LOCALHOST, free_port()).into();
    let config = format!("[tenancy]\nmode = \"off\"\n[transfer]\nto = [\"{at}\"]\n");
    let mut serving =
        Serving::start_with("primary", &api.kubeconfig(ADMIN), "127.0.0.1:0", &config);
    let mut knot = Knot::start(at, serving.address());
    let record = |name: &str, address: &str| {
        let name = format!("{name}.shop.svc.cluster.local.");
        (name.clone(), vec![format!("{name} 5 A {address}")])
    };
    let (name, records) = record("web", &web);
    expect(knot.address, &name, RType::A, &records);
    let alias = "outside.shop.svc.cluster.local.";
    let records = [format!("{alias} 5 CNAME www.example.")];
    expect(knot.address, alias, RType::CNAME, &records);
    // The SOA says to look again after two hours: only who is told sees this.
    for new in ["one", "two"] {
        next_second();
        let address = address_of(new);
        let (name, records) = record(new, &address);
        expect(knot.address, &name, RType::A, &records);
    }
    assert!(
        knot.process.log().contains("notify, incoming"),
        "{}",
        knot.process.log()
    );
    assert!(knot.process.ended().is_none());
}
