//! A server in its pod: a network and files of its own, where everything is what a Corefile takes it
//! for. Of the machine's files it has the libraries, read-only, and none that is written.

use super::upstream::RESOLVER;
use crate::coredns::LEASH;
use crate::hosts::{Network, get};
use crate::process::{Folder, Process, printed};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(60);

/// Where a pod finds the API server.
pub(super) const API: &str = "10.96.0.1";

/// Gives a program a root: the arguments are the root, the program, and the program's own arguments.
const ENTER: &str = r#"
set -eu
root=$1 program=$2
shift 2
for folder in lib lib64 usr/lib; do
    [ -e "/$folder" ] || continue
    mkdir -p "$root/$folder"
    mount --rbind "/$folder" "$root/$folder"
    mount -o remount,bind,ro "$root/$folder"
done
mkdir -p "$root/proc" "$root/tmp"
mount -t proc proc "$root/proc"
: >"$root/server"
mount --bind "$program" "$root/server"
exec env -i PATH="$PATH" HOSTNAME=dns-0 KUBERNETES_SERVICE_HOST=API KUBERNETES_SERVICE_PORT=443 \
    chroot "$root" /server "$@"
"#;

/// What the files of a pod hold.
#[derive(Clone, Copy)]
pub(super) struct Files<'f> {
    /// What is mounted at /etc/coredns.
    pub(super) config: &'f Path,
    /// Further files: their path from the root, and their text.
    pub(super) others: &'f [(&'f str, &'f str)],
    /// The service account's.
    pub(super) token: &'f str,
    pub(super) ca: &'f str,
}

/// A running server in its pod. Ends when dropped.
pub(super) struct Pod<'n> {
    network: &'n Network,
    host: &'static str,
    // Before the folder, which it reads.
    process: Process,
    folder: Folder,
}

impl<'n> Pod<'n> {
    /// Starts a program on a host of the network as CoreDNS's Deployment starts it.
    pub(super) fn start(
        network: &'n Network,
        host: &'static str,
        program: &Path,
        files: Files<'_>,
    ) -> Self {
        let folder = Folder::new("pod");
        let root = folder.path("root");
        let account = "var/run/secrets/kubernetes.io/serviceaccount";
        let resolv = format!("search corp.example\nnameserver {RESOLVER}\noptions ndots:5\n");
        let usual = [
            ("etc/resolv.conf", resolv.as_str()),
            ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
            (&format!("{account}/token"), files.token),
            (&format!("{account}/ca.crt"), files.ca),
            (&format!("{account}/namespace"), "kube-system"),
        ];
        for (path, text) in usual.iter().chain(files.others) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        copy(files.config, &root.join("etc/coredns"));
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", "ip", "netns", "exec"])
            .arg(network.name(host))
            .args(["unshare", "--mount", "--propagation", "private"])
            .args(["sh", "-c", &ENTER.replace("API", API), "enter"])
            .args([&root, program])
            .args(["-conf", "/etc/coredns/Corefile"]);
        let process = Process::spawn(host, &mut command, &folder.path("log"));
        Self {
            network,
            host,
            process,
            folder,
        }
    }

    /// Waits until it says that it is ready.
    pub(super) fn wait_until_ready(&mut self) {
        let (network, host) = (self.network, self.host);
        let ready = self.process.wait(START, || {
            let page = network.on(host, || get(LOOPBACK, 8181, "/ready"))?;
            page.starts_with("HTTP/1.1 200").then_some(())
        });
        assert!(ready.is_some(), "{host} ended:\n{}", self.log());
    }

    /// What an HTTP server says to whoever asks from within the pod; `None` where there is none.
    pub(super) fn page(&self, port: u16, path: &str) -> Option<String> {
        self.network.on(self.host, || get(LOOPBACK, port, path))
    }

    /// What it has printed.
    pub(super) fn log(&self) -> String {
        printed(&self.folder.path("log"))
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Copies the Corefile and the folders beside it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else if path.extension().is_none_or(|ending| ending != "toml") {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// The addresses of a pod of this number, as an interface gets them.
pub(super) fn interface(number: u8) -> [String; 2] {
    [
        format!("10.244.7.{number}/24"),
        format!("fd00:244:7::{number}/64"),
    ]
}

/// The address of a pod of this number, of one family.
pub(super) fn address(number: u8, v6: bool, port: u16) -> SocketAddr {
    let interface = &interface(number)[usize::from(v6)];
    let ip: IpAddr = interface.split('/').next().unwrap().parse().unwrap();
    (ip, port).into()
}
