//! A server on a loopback port, and clients with addresses of their own.

use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tenantdns::answer::Transport;
use tenantdns::chain::ListenerId;
use tenantdns::drain::Drain;
use tenantdns::forward::Forwarder;
use tenantdns::index::Index;
use tenantdns::server::{
    Core, Count, ListenAddress, Options, Scheme, Server, Setup, Timeouts, Upstream, bind,
};
use tenantdns::snapshot::{Publisher, cell};
use tenantdns::testing::Cluster;

/// How long a client waits for an answer at most. Nothing is expected to take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running server. Ends when dropped.
pub(crate) struct Live {
    pub(crate) address: SocketAddr,
    pub(crate) index: Index,
    /// What asks upstreams, where there are any.
    pub(crate) forwarder: Option<Arc<Forwarder>>,
    publisher: Publisher,
    drain: Drain,
    server: Option<Server>,
}

impl Live {
    /// Serves a cluster on a port of its own.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster, Timeouts::default())
    }

    /// Serves a cluster with timeouts of its own.
    pub(crate) fn start_with(cluster: &Cluster, timeouts: Timeouts) -> Self {
        let listen = ListenAddress {
            id: ListenerId(0),
            scheme: Scheme::Dns,
            address: "127.0.0.1:0".parse().unwrap(),
        };
        let options = Options {
            listen: vec![listen],
            threads: 1,
            ..cluster.config.server.clone()
        };
        let mut index = cluster.index();
        let (publisher, reader) = cell(index.snapshot(cluster.serial));
        let bound = bind(&options).unwrap();
        let (_, address) = bound.local_addresses().next().unwrap();
        let drain = Drain::new();
        let config = &cluster.config;
        let forwarder = (!config.forward.is_empty())
            .then(|| Arc::new(Forwarder::new(&config.forward, &config.caches, &[]).unwrap()));
        let setup = Setup {
            options,
            timeouts,
            reader,
            drain: drain.clone(),
            upstream: forwarder.clone().map(|f| f as Arc<dyn Upstream>),
            limits: None,
            answerer: Core,
        };
        let server = Server::start_with(bound, &setup).unwrap();
        Self {
            address,
            index,
            forwarder,
            publisher,
            drain,
            server: Some(server),
        }
    }

    /// Returns what the server has counted.
    pub(crate) fn count(&self, what: Count) -> u64 {
        let server = self.server.as_ref();
        server.map_or(0, |server| server.stats().get(what))
    }

    /// Shows what the index holds now.
    pub(crate) fn publish(&mut self) {
        let snapshot = self.index.snapshot(0);
        self.publisher.publish(snapshot);
    }

    /// Asks from an address of the loopback network, over the given transport.
    pub(crate) fn ask(&self, source: IpAddr, transport: Transport, bytes: &[u8]) -> Vec<u8> {
        match transport {
            Transport::Udp => {
                let socket = self.send(source, bytes);
                receive(&socket)
            }
            Transport::Tcp | Transport::Exchange => ask_tcp(self.address, source, bytes),
        }
    }

    /// Sends a query over UDP; the answer comes to the socket that is returned.
    pub(crate) fn send(&self, source: IpAddr, bytes: &[u8]) -> UdpSocket {
        let socket = UdpSocket::bind(SocketAddr::new(source, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.address).unwrap();
        socket.send(bytes).unwrap();
        socket
    }
}

/// Asks over TCP from an address of the loopback network.
pub(crate) fn ask_tcp(server: SocketAddr, source: IpAddr, bytes: &[u8]) -> Vec<u8> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, bytes].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// Waits for the answer to a query that was sent.
pub(crate) fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut answer = vec![0; 65_535];
    let len = loop {
        match socket.recv(&mut answer) {
            // A signal to the process, such as that of a child that ended, may come in between.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            received => break received.expect("an answer"),
        }
    };
    answer.truncate(len);
    answer
}

impl Drop for Live {
    fn drop(&mut self) {
        self.drain.start();
        if let Some(server) = self.server.take() {
            let ended = server.join();
            assert!(
                ended || std::thread::panicking(),
                "a thread of the server panicked"
            );
        }
    }
}
