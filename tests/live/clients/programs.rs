//! Programs that look names up, each by a resolver of its own. What is not on the machine is built in the
//! test's folder, or said to be missing and how to get it.

use super::cluster::{Cluster, SERVER};
use crate::upstreams::program;
use std::collections::BTreeSet;
use std::process::{Command, Output};

/// By `getaddrinfo`: addresses, one a line; 2 where there are none, 1 where something failed.
const C: &str = r#"
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    struct addrinfo hints, *found, *each;
    char text[64];
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    int failed = getaddrinfo(argv[argc - 1], 0, &hints, &found);
    if (failed) {
        fprintf(stderr, "%s\n", gai_strerror(failed));
        return failed == EAI_NONAME ? 2 : 1;
    }
    for (each = found; each; each = each->ai_next) {
        getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, 0, 0, NI_NUMERICHOST);
        puts(text);
    }
    return 0;
}
"#;

const GO: &str = r#"
package main

import (
    "errors"
    "fmt"
    "net"
    "os"
)

func main() {
    addresses, err := net.LookupHost(os.Args[1])
    var failed *net.DNSError
    if errors.As(err, &failed) && failed.IsNotFound {
        os.Exit(2)
    }
    if err != nil {
        fmt.Fprintln(os.Stderr, err)
        os.Exit(1)
    }
    for _, address := range addresses {
        fmt.Println(address)
    }
}
"#;

const JAVA: &str = r#"
import java.net.InetAddress;
import java.net.UnknownHostException;

public class Lookup {
    public static void main(String[] names) {
        try {
            for (InetAddress address : InetAddress.getAllByName(names[0])) {
                System.out.println(address.getHostAddress());
            }
        } catch (UnknownHostException e) {
            // It says so of what failed, too, but in other words.
            System.err.println(e.getMessage());
            System.exit(String.valueOf(e.getMessage()).contains("Temporary") ? 1 : 2);
        }
    }
}
"#;

const PYTHON: &str = r#"
import socket, sys
try:
    found = socket.getaddrinfo(sys.argv[1], None, type=socket.SOCK_STREAM)
except socket.gaierror as error:
    print(error, file=sys.stderr)
    sys.exit(2 if error.errno == socket.EAI_NONAME else 1)
print("\n".join(address[4][0] for address in found))
"#;

/// One resolver, and how to have it look a name up.
pub(super) struct Lookup<'p> {
    name: &'p str,
    /// In front of the name.
    command: Vec<String>,
}

impl<'p> Lookup<'p> {
    fn new(name: &'p str, command: &[&str]) -> Self {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Self { name, command }
    }

    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// glibc's `getent`.
    pub(super) fn getent() -> Option<Self> {
        let getent = program("getent", "libc-bin")?;
        Some(Self::new("getent", &[&getent, "ahosts"]))
    }

    /// glibc by Python.
    pub(super) fn python() -> Option<Self> {
        let python = program("python3", "python3")?;
        Some(Self::new("Python", &[&python, "-c", PYTHON]))
    }

    /// A program of our own with musl.
    pub(super) fn musl(cluster: &Cluster) -> Option<Self> {
        let compiler = program("musl-gcc", "musl-tools")?;
        let (source, out) = (
            cluster.folder.write("lookup.c", C),
            cluster.folder.path("musl"),
        );
        let mut command = Command::new(compiler);
        command.args(["-static", "-o"]).arg(&out).arg(source);
        built(&mut command);
        Some(Self::new("musl", &[out.to_str().unwrap()]))
    }

    /// A program of our own by Go, with its own resolver (`go`) or the C library's (`cgo`).
    pub(super) fn go(cluster: &Cluster, resolver: &'p str) -> Option<Self> {
        let go = ["go", "/usr/local/go/bin/go"].into_iter().find(|go| {
            let version = Command::new(go).arg("version").output();
            version.is_ok_and(|output| output.status.success())
        });
        let Some(go) = go else {
            return crate::hosts::skip("go is not installed: https://go.dev/doc/install");
        };
        if resolver == "cgo" {
            program("gcc", "gcc libc6-dev")?;
        }
        let (source, out) = (
            cluster.folder.write("lookup.go", GO),
            cluster.folder.path("lookup"),
        );
        let mut command = Command::new(go);
        command
            .args(["build", "-o"])
            .arg(&out)
            .arg(source)
            // Nothing beside its own library, and nothing from elsewhere.
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "")
            .env("GOPROXY", "off")
            .env("CGO_ENABLED", if resolver == "cgo" { "1" } else { "0" });
        built(&mut command);
        let debug = format!("GODEBUG=netdns={resolver}");
        Some(Self::new(resolver, &["env", &debug, out.to_str().unwrap()]))
    }

    /// A program of our own by Java.
    pub(super) fn java(cluster: &Cluster) -> Option<Self> {
        let compiler = program("javac", "default-jdk-headless")?;
        let java = program("java", "default-jdk-headless")?;
        let source = cluster.folder.write("Lookup.java", JAVA);
        let folder = cluster.folder.path("");
        let mut command = Command::new(compiler);
        built(command.arg("-d").arg(&folder).arg(source));
        let folder = folder.to_str().unwrap();
        Some(Self::new(
            "Java",
            &[&java, "-Xshare:auto", "-cp", folder, "Lookup"],
        ))
    }

    /// kdig, which knows no search list.
    pub(super) fn kdig() -> Option<Self> {
        let kdig = program("kdig", "knot-dnsutils")?;
        let at = format!("@{SERVER}");
        Some(Self::new("kdig", &[&kdig, &at, "+short", "+nocrypto"]))
    }

    /// Returns what a name has for addresses in a pod; none where it is not there.
    ///
    /// # Panics
    /// Where that could not be found out.
    pub(super) fn addresses(&self, cluster: &Cluster, pod: &str, name: &str) -> BTreeSet<String> {
        if self.name == "kdig" {
            let both = ["A", "AAAA"].map(|rtype| self.run(cluster, pod, &[name, rtype]));
            let is_address = |line: &String| line.parse::<std::net::IpAddr>().is_ok();
            return both.into_iter().flatten().filter(is_address).collect();
        }
        let found = self.run(cluster, pod, &[name]).into_iter();
        found.filter_map(|line| normal(&line)).collect()
    }

    /// Returns the name of an address, by `getent hosts`; empty where it has none.
    pub(super) fn name_of(&self, cluster: &Cluster, pod: &str, address: &str) -> String {
        let output = cluster.run(pod, &[&self.command[0], "hosts", address]);
        let line = lines(self.name, address, &output).into_iter().next();
        let line = line.unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    }

    fn run(&self, cluster: &Cluster, pod: &str, words: &[&str]) -> Vec<String> {
        let own = self.command.iter().map(|word| &**word);
        let command: Vec<&str> = own.chain(words.iter().copied()).collect();
        lines(self.name, words[0], &cluster.run(pod, &command))
    }
}

/// An address at the front of a line, as it is usually written.
fn normal(line: &str) -> Option<String> {
    let address = line.split_whitespace().next()?;
    let ip: std::net::IpAddr = address.parse().unwrap_or_else(|_| panic!("{line}"));
    Some(ip.to_string())
}

/// What a program printed; nothing where it says that there is nothing.
fn lines(who: &str, about: &str, output: &Output) -> Vec<String> {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    match output.status.code() {
        Some(0) => stdout.lines().map(str::to_owned).collect(),
        Some(2) => Vec::new(),
        _ => panic!("{who}, {about}: {}: {stdout}{stderr}", output.status),
    }
}

fn built(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
