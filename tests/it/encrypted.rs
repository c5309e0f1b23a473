//! A cluster asked over every transport: the same octets, by whom is told in the same way, and what a
//! tenant may not see it sees over none of them.

use crate::decode::decode;
use crate::identity::ip;
use crate::live::ask_tcp;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tenantdns::chain::ListenerId;
use tenantdns::drain::Drain;
use tenantdns::server::{ListenAddress, Options, Scheme, Server, bind};
use tenantdns::snapshot::{Publisher, cell};
use tenantdns::testing::{Cluster, SelfSigned, objects, query, query_edns, self_signed, transfer};
use tenantdns::tls::PairFiles;
use tenantdns::wire::RType;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const PATIENCE: Duration = Duration::from_secs(10);

const CLUSTER: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {tenant: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {tenant: b}}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: a, name: web}, spec: {clusterIP: 10.96.1.1}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: b, name: web}, spec: {clusterIP: 10.96.1.2}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: a, name: p, uid: u1}, status: {phase: Running, podIP: 127.0.1.1, podIPs: [{ip: 127.0.1.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: b, name: p, uid: u2}, status: {phase: Running, podIP: 127.0.2.1, podIPs: [{ip: 127.0.2.1}]}}
"#;

/// A server with a listener of each scheme. Ends when dropped.
struct Served {
    addresses: [SocketAddr; 4],
    pair: SelfSigned,
    files: PairFiles,
    drain: Drain,
    server: Option<Server>,
    _publisher: Publisher,
}

impl Served {
    fn start(cluster: &Cluster, name: &str) -> Self {
        let pair = self_signed("tenantdns");
        let file = |end: &str, text: &str| {
            let name = format!("tenantdns-it-{name}-{}.{end}", std::process::id());
            let path: PathBuf = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = PairFiles {
            certificate: file("crt", &pair.certificate),
            key: file("key", &pair.key),
        };
        let listen: Vec<_> = Scheme::ALL
            .map(|scheme| ListenAddress {
                // Blocks know one listener.
                id: ListenerId(0),
                scheme,
                address: "127.0.0.1:0".parse().unwrap(),
            })
            .into();
        let tls = listen
            .iter()
            .map(|listen| (listen.endpoint(), files.clone().into()));
        let options = Options {
            threads: 1,
            tls: tls.collect(),
            listen: listen.clone(),
            ..cluster.config.server.clone()
        };
        let mut index = cluster.index();
        let (publisher, reader) = cell(index.snapshot(cluster.serial));
        let bound = bind(&options).unwrap();
        let addresses: Vec<_> = bound
            .local_addresses()
            .map(|(_, address)| address)
            .collect();
        let drain = Drain::new();
        let server = Server::start(bound, options, reader, drain.clone()).unwrap();
        Self {
            addresses: addresses.try_into().unwrap(),
            pair,
            files,
            drain,
            server: Some(server),
            _publisher: publisher,
        }
    }

    fn client(&self, protocol: &str) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.pair.certificate.as_bytes());
        roots.add(certificate.unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config
    }

    fn tls(
        &self,
        (source, scheme, protocol): (IpAddr, Scheme, &str),
        first: &[u8],
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket
            .connect(&self.addresses[scheme as usize].into())
            .unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(first).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(self.client(protocol)), name).unwrap();
        StreamOwned::new(session, stream)
    }

    fn over_tls(&self, source: IpAddr, first: &[u8], message: &[u8]) -> Vec<u8> {
        let mut stream = self.tls((source, Scheme::Tls, "dot"), first);
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, message].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        answer
    }

    fn over_https(&self, source: IpAddr, first: &[u8], message: &[u8]) -> Vec<u8> {
        let mut stream = self.tls((source, Scheme::Https, "http/1.1"), first);
        let head = format!(
            "POST /dns-query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/dns-message\r\n\
             x-forwarded-for: 127.0.1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            message.len()
        );
        stream
            .write_all(&[head.as_bytes(), message].concat())
            .unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n"));
        let end = response
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        response.split_off(end + 4)
    }

    fn over_quic(&self, source: IpAddr, message: &[u8]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let asking = async {
            let client = quinn::Endpoint::client(SocketAddr::new(source, 0)).unwrap();
            let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(self.client("doq"));
            let config = quinn::ClientConfig::new(Arc::new(crypto.unwrap()));
            let server = self.addresses[Scheme::Quic as usize];
            let connecting = client.connect_with(config, server, "localhost").unwrap();
            let connection = connecting.await.unwrap();
            let (mut send, mut receive) = connection.open_bi().await.unwrap();
            let length = u16::try_from(message.len()).unwrap().to_be_bytes();
            send.write_all(&[&length, message].concat()).await.unwrap();
            send.finish().unwrap();
            receive.read_to_end(1 << 17).await.unwrap().split_off(2)
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.unwrap() })
    }

    fn over_udp(&self, source: IpAddr, message: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind(SocketAddr::new(source, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.addresses[0]).unwrap();
        socket.send(message).unwrap();
        crate::live::receive(&socket)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.drain.start();
        let ended = self.server.take().is_some_and(Server::join);
        assert!(ended || std::thread::panicking());
        let _ = std::fs::remove_file(&self.files.certificate);
        let _ = std::fs::remove_file(&self.files.key);
    }
}

fn enforced(more: &str) -> Cluster {
    let tenancy = "[tenancy]\nmode = \"enforce\"\nunknown_wait = \"20ms\"\ntenant_from = [{ label = \"tenant\" }]\n";
    Cluster::new(CLUSTER, &format!("{tenancy}{more}"))
}

/// Returns a query with the ID that QUIC wants.
fn anonymous(mut query: Vec<u8>) -> Vec<u8> {
    query[..2].fill(0);
    query
}

#[test]
fn the_same_octets_come_over_every_transport_and_each_tenant_sees_its_own() {
    let served = Served::start(&enforced(""), "same");
    let names = [
        ("web.a.svc.cluster.local.", RType::A),
        ("web.b.svc.cluster.local.", RType::A),
        ("web.b.svc.cluster.local.", RType::AAAA),
        ("_x._tcp.web.a.svc.cluster.local.", RType::SRV),
        ("none.a.svc.cluster.local.", RType::A),
        ("1.1.96.10.in-addr.arpa.", RType(12)),
        ("cluster.local.", RType::SOA),
        ("outside.example.", RType::A),
    ];
    for (source, own) in [("127.0.1.1", "a"), ("127.0.2.1", "b"), ("127.0.3.1", "")] {
        let source = ip(source);
        for (name, rtype) in names {
            let queries = [query(name, rtype), query_edns(name, rtype, 1232)];
            for message in queries.map(anonymous) {
                let what = format!("{name} {rtype} from {own}");
                let expected = served.over_udp(source, &message);
                let tcp = ask_tcp(served.addresses[0], source, &message);
                assert_eq!(tcp, expected, "{what}");
                assert_eq!(served.over_tls(source, b"", &message), expected, "{what}");
                assert_eq!(served.over_https(source, b"", &message), expected, "{what}");
                assert_eq!(served.over_quic(source, &message), expected, "{what}");
                for tenant in ["a", "b"] {
                    if name.starts_with(&format!("web.{tenant}.")) && rtype == RType::A {
                        let answers = decode(&expected).answer.len();
                        assert_eq!(answers, usize::from(own == tenant), "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_padded_query_has_a_padded_answer_where_it_is_encrypted() {
    let served = Served::start(&enforced(""), "padded");
    let source = ip("127.0.1.1");
    let mut message = anonymous(query_edns("web.a.svc.cluster.local.", RType::A, 1232));
    // An option of padding: eight octets in all.
    let length = message.len();
    message[length - 1] = 8;
    message.extend_from_slice(&[0, 12, 0, 4, 0, 0, 0, 0]);
    let plain = ask_tcp(served.addresses[0], source, &message);
    assert!(plain.len() < 200);
    let padded = served.over_tls(source, b"", &message);
    assert_eq!(padded.len(), 468);
    assert_eq!(decode(&padded).answer, decode(&plain).answer);
    assert_eq!(served.over_https(source, b"", &message), padded);
    assert_eq!(served.over_quic(source, &message), padded);
}

#[test]
fn a_zone_is_transferred_over_tls_and_not_over_what_carries_one_reply() {
    let addresses = (0..1000u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
    let objects = vec![
        objects::headless("a", "many"),
        objects::slice("a", "many", addresses),
    ];
    let config = "[tenancy]\nmode = \"off\"\n[transfer]\nto = [\"127.0.1.1\"]\n";
    let cluster = Cluster::of(objects, config);
    let served = Served::start(&cluster, "zone");
    let (source, other) = (ip("127.0.1.1"), ip("127.0.2.1"));
    let zone = anonymous(query("cluster.local.", RType::AXFR));
    let expected = transfer(&cluster.snapshot(), source, &zone);
    assert!(expected.len() > 2);
    let mut stream = served.tls((source, Scheme::Tls, "dot"), b"");
    let length = u16::try_from(zone.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, &zone[..]].concat()).unwrap();
    for message in &expected {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut got = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut got).unwrap();
        assert!(got == *message);
    }
    for refused in [
        served.over_tls(other, b"", &zone),
        served.over_https(source, b"", &zone),
        served.over_quic(source, &zone),
    ] {
        let refused = decode(&refused);
        assert_eq!(
            (refused.rcode.as_str(), refused.answer.len()),
            ("REFUSED", 0)
        );
    }
}

#[test]
fn a_proxy_header_in_front_of_tls_names_the_client() {
    let cluster = enforced(
        "[[tenancy.forwarder]]\npeers = { cidrs = [\"127.0.9.1/32\"] }\nidentity = \"proxy_v2\"\n",
    );
    let served = Served::start(&cluster, "proxy");
    let message = anonymous(query("web.a.svc.cluster.local.", RType::A));
    let header = |client: [u8; 4]| {
        let block = [&client[..], &[127, 0, 0, 1, 0x10, 0, 0, 53]].concat();
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &block].concat()
    };
    let (proxy, other) = (ip("127.0.9.1"), ip("127.0.2.1"));
    for (what, first, answers) in [
        ("its own tenant's client", header([127, 0, 1, 1]), 1),
        ("another's", header([127, 0, 2, 1]), 0),
        ("none", Vec::new(), 0),
    ] {
        let tls = decode(&served.over_tls(proxy, &first, &message));
        assert_eq!(tls.answer.len(), answers, "{what}");
        let https = decode(&served.over_https(proxy, &first, &message));
        assert_eq!(https.answer.len(), answers, "{what}");
    }
    // From who is no forwarder it is no beginning of TLS.
    let mut stream = served.tls((other, Scheme::Tls, "dot"), &header([127, 0, 1, 1]));
    assert!(
        stream
            .write_all(b"\0\0")
            .and_then(|()| stream.read(&mut [0; 1]))
            .is_err()
    );
}
