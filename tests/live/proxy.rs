//! A proxy between tenantdns and the API server that does what networks, load balancers and servers
//! do on bad days. It speaks plain HTTP on our side, so that a test sees every request, and every
//! event of an answer by itself.

use crate::apiserver::ApiServer;
use crate::process::{Folder, until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use ureq::Agent;
use ureq::http::Request;

/// How long a request is waited for at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that came by.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) uri: String,
    accept: String,
    /// What the client says of itself.
    pub(crate) authorization: String,
}

impl Asked {
    /// `pods`, `endpointslices` …
    pub(crate) fn plural(&self) -> &str {
        let path = self.uri.split('?').next().unwrap();
        path.rsplit('/').next().unwrap()
    }

    pub(crate) fn is_streamed_list(&self) -> bool {
        self.uri.contains("sendInitialEvents")
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.uri.contains("watch=1") && !self.is_streamed_list()
    }

    pub(crate) fn is_audit(&self) -> bool {
        self.accept.contains("PartialObjectMetadataList")
    }

    pub(crate) fn is_list(&self) -> bool {
        !self.is_audit() && !self.uri.contains("watch=1")
    }

    /// The version that was asked for; 0 for none.
    pub(crate) fn version(&self) -> u64 {
        let mut parameters = self.uri.split(['?', '&']);
        let version = parameters.find_map(|p| p.strip_prefix("resourceVersion="));
        version
            .and_then(|version| version.parse().ok())
            .unwrap_or(0)
    }
}

/// What the proxy does with a request.
pub(crate) enum Play {
    /// What it is there for.
    Pass,
    /// Asks the server for JSON.
    Json,
    /// Answers this itself: status, further header lines, body.
    Answer(u16, &'static str, String),
    /// Never answers.
    Hang,
    /// Passes on what the function makes of each event of a watch; of a list, of each piece.
    Edit(Edit),
}

/// What of an answer goes on.
pub(crate) enum Out {
    /// These bytes; for an event with its length before it.
    Bytes(Vec<u8>),
    /// Nothing before the next release.
    Wait,
    /// Nothing any more, and the connection stays until the next release.
    Hang,
    /// The connection ends.
    Cut,
}

/// What of an answer goes on, piece by piece.
type Edit = Box<dyn FnMut(Vec<u8>) -> Vec<Out> + Send>;

type Script = Box<dyn FnMut(&Asked) -> Play + Send>;

/// A running proxy. Ends when dropped.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    folder: Folder,
}

struct Shared {
    upstream: String,
    token: String,
    agent: Agent,
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    ended: AtomicBool,
    /// Raised by [`Proxy::release`]: what hangs goes on to its end.
    released: (Mutex<u64>, Condvar),
}

impl Proxy {
    /// Starts a proxy that asks the server as this user, and passes everything on.
    pub(crate) fn start(api: &ApiServer, user: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream: api.url(),
            token: ApiServer::token(user),
            agent: api.agent(None),
            script: Mutex::new(Box::new(|_| Play::Pass)),
            asked: Mutex::default(),
            ended: AtomicBool::new(false),
            released: (Mutex::new(0), Condvar::new()),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (shared, connection) = (accepting.clone(), connection.unwrap());
                std::thread::spawn(move || shared.serve(&connection));
            }
        });
        Self {
            port,
            shared,
            folder: Folder::new("proxy"),
        }
    }

    /// The file with which tenantdns finds the proxy.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("{}")
    }

    /// The same for a user of this description.
    pub(crate) fn kubeconfig_of(&self, user: &str) -> PathBuf {
        let text = format!(
            "apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
clusters: [{{name: test, cluster: {{server: 'http://127.0.0.1:{}'}}}}]
users: [{{name: test, user: {user}}}]
",
            self.port
        );
        self.folder.write("kubeconfig", &text)
    }

    /// From now on requests are played so; those under way go on.
    pub(crate) fn play(&self, script: impl FnMut(&Asked) -> Play + Send + 'static) {
        *lock(&self.shared.script) = Box::new(script);
    }

    /// Lets go on what waits, and ends what hangs.
    pub(crate) fn release(&self) {
        *lock(&self.shared.released.0) += 1;
        self.shared.released.1.notify_all();
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// Waits for a request behind the first `from`, and returns it with the number of those before.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        from: usize,
        wanted: impl Fn(&Asked) -> bool,
    ) -> (usize, Asked) {
        until(&format!("no request: {what}"), PATIENCE, || {
            let asked = self.asked();
            let mut behind = asked.into_iter().enumerate().skip(from);
            behind.find(|(_, asked)| wanted(asked))
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.release();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Shared {
    /// Serves one connection until either side ends it.
    fn serve(&self, connection: &TcpStream) {
        let mut reader = BufReader::new(connection);
        while let Some(asked) = read_request(&mut reader) {
            lock(&self.asked).push(asked.clone());
            let play = lock(&self.script)(&asked);
            if self.perform(&asked, play, connection).is_none() {
                break;
            }
        }
        let _ = connection.shutdown(Shutdown::Both);
    }

    /// Answers a request; `None` where the connection is to end.
    fn perform(&self, asked: &Asked, play: Play, mut connection: &TcpStream) -> Option<()> {
        let (mut edit, json): (Edit, _) = match play {
            Play::Pass => (Box::new(|piece| vec![Out::Bytes(piece)]), false),
            Play::Json => (Box::new(|piece| vec![Out::Bytes(piece)]), true),
            Play::Edit(edit) => (edit, false),
            Play::Hang => {
                self.hang();
                return None;
            }
            Play::Answer(status, headers, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Played\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
                );
                return connection.write_all(answer.as_bytes()).ok();
            }
        };
        let accept = if json {
            json_of(&asked.accept)
        } else {
            asked.accept.clone()
        };
        let request = Request::get(format!("{}{}", self.upstream, asked.uri))
            .header("Accept", accept)
            .header("Authorization", format!("Bearer {}", self.token))
            .body(())
            .unwrap();
        let answer = self.agent.run(request).ok()?;
        let mut head = format!(
            "HTTP/1.1 {}\r\nTransfer-Encoding: chunked\r\n",
            answer.status()
        );
        for name in ["content-type", "retry-after"] {
            if let Some(value) = answer.headers().get(name) {
                head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
            }
        }
        let framed = asked.uri.contains("watch=1") && answer.status() == 200;
        let text = head.contains("json");
        connection
            .write_all(format!("{head}\r\n").as_bytes())
            .ok()?;
        let mut body = answer.into_body().into_reader();
        loop {
            let piece = match (framed, text) {
                (false, _) => read_piece(&mut body),
                (true, false) => read_frame(&mut body),
                (true, true) => read_line(&mut body),
            };
            let Some(piece) = piece.ok()? else { break };
            for out in edit(piece) {
                match out {
                    Out::Bytes(bytes) => write_chunk(connection, &bytes)?,
                    Out::Wait => self.hang(),
                    Out::Hang => {
                        self.hang();
                        return None;
                    }
                    Out::Cut => return None,
                }
            }
        }
        connection.write_all(b"0\r\n\r\n").ok()
    }

    /// Waits until the test releases what hangs, or the proxy ends.
    fn hang(&self) {
        let (count, released) = &self.released;
        let before = *lock(count);
        let still = |now: &mut u64| *now == before;
        drop(released.wait_while(lock(count), still));
    }
}

fn json_of(accept: &str) -> String {
    let json = accept.split(", ").filter(|one| one.contains("json"));
    json.collect::<Vec<_>>().join(", ")
}

fn read_request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    let mut uri = String::new();
    let mut accept = String::new();
    let mut authorization = String::new();
    while reader.read_line(&mut line).ok()? > 0 {
        let text = line.trim_end();
        if text.is_empty() {
            return Some(Asked {
                uri,
                accept,
                authorization,
            });
        }
        if uri.is_empty() {
            text.split(' ').nth(1)?.clone_into(&mut uri);
        }
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("accept: ") {
            accept = text["accept: ".len()..].to_owned();
        }
        if lower.starts_with("authorization: ") {
            authorization = text["authorization: ".len()..].to_owned();
        }
        line.clear();
    }
    None
}

fn write_chunk(mut connection: &TcpStream, bytes: &[u8]) -> Option<()> {
    // An empty one would end the body.
    if bytes.is_empty() {
        return Some(());
    }
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    connection.write_all(&chunk).ok()
}

type Piece = std::io::Result<Option<Vec<u8>>>;

fn read_piece(body: &mut impl Read) -> Piece {
    let mut piece = vec![0; 4096];
    let length = body.read(&mut piece)?;
    piece.truncate(length);
    Ok((length > 0).then_some(piece))
}

/// Reads an event in Protocol Buffers, with the length before it.
fn read_frame(body: &mut impl Read) -> Piece {
    let mut frame = vec![0; 4];
    if body.read(&mut frame[..1])? == 0 {
        return Ok(None);
    }
    body.read_exact(&mut frame[1..])?;
    let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    frame.resize(4 + length, 0);
    body.read_exact(&mut frame[4..])?;
    Ok(Some(frame))
}

fn read_line(body: &mut impl Read) -> Piece {
    let mut line = Vec::new();
    let mut byte = [0];
    while body.read(&mut byte)? > 0 {
        line.push(byte[0]);
        if byte[0] == b'\n' {
            return Ok(Some(line));
        }
    }
    Ok((!line.is_empty()).then_some(line))
}
