//! The configuration file as a whole: its blocks and their listeners, and what is wrong between
//! tables. Not the words inside `[kubernetes]` and `[tenancy]`, which have files of their own.

use super::document::{Placed, Section};
use super::kubernetes::{self, Around, flat, report_repeated};
use super::text::listener;
use super::zones::zone;
use super::{Config, Source};
use crate::chain::{BlockOptions, ListenerId};
use crate::server::{self, ListenAddress};
use crate::tenancy::Mode;
use crate::wire::Name;
use crate::zone;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Keys of the contract that this version does not have.
const LATER: &[&str] = &[
    "acl",
    "admin",
    "any",
    "audit",
    "autopath",
    "cache",
    "dns64",
    "dnstap",
    "forward",
    "health",
    "hosts",
    "k8s_external",
    "loadbalance",
    "log",
    "metrics",
    "minimal",
    "ready",
    "rewrite",
    "template",
    "transfer",
];
const LATER_BLOCK: &[&str] = &[
    "acl",
    "any",
    "autopath",
    "cache",
    "dns64",
    "forward",
    "hosts",
    "k8s_external",
    "loadbalance",
    "log",
    "minimal",
    "rewrite",
    "template",
    "transfer",
    "view",
];
const LATER_SERVER: &[&str] = &["handover"];
const LATER_KUBERNETES_SOURCE: &[&str] = &[
    "checkpoint",
    "identity_max_age",
    "identity_scope",
    "node_name",
];

/// What the command line says instead of the file; `None` where it says nothing.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) listen: Option<Vec<SocketAddr>>,
    pub(super) manifests: Option<Vec<PathBuf>>,
    pub(super) kubeconfig: Option<PathBuf>,
}

/// Reads the whole document.
pub(super) fn read(mut root: Section<'_>, overrides: &Overrides) -> Config {
    let (mut server, listen) = read_server(root.table("server"), overrides);
    let source = read_source(root.table("source"), overrides);
    let tenancy = super::tenancy::read(root.table("tenancy"));
    server.unknown_wait = tenancy.unknown_wait;

    let mut blocks = Blocks {
        server: &mut server,
        claimed: Vec::new(),
        done: Vec::new(),
        mode: tenancy.mode,
    };
    blocks.add_top_level(root.table("kubernetes"), &listen);
    if let Some(field) = root.field("block") {
        let want = "tables [[block]]";
        for item in field.items(want).into_iter().flatten() {
            if let Some(table) = item.table(want) {
                blocks.add(table, &listen);
            }
        }
    }
    let blocks = blocks.done;
    root.finish(LATER);
    Config {
        server,
        source,
        blocks,
        tenancy,
    }
}

fn read_server(
    mut table: Section<'_>,
    overrides: &Overrides,
) -> (server::Options, Vec<SocketAddr>) {
    let mut options = server::Options::default();
    let written = read_listen(&mut table, &[]);
    let listen = overrides
        .listen
        .clone()
        .or(written)
        .unwrap_or_else(|| vec![super::DEFAULT_LISTEN]);
    table.number(
        "threads",
        &mut options.threads,
        0..=1024,
        "it is 0 (one per core) to 1024",
    );
    table.number(
        "tcp_connections",
        &mut options.tcp_connections,
        1..=1_000_000,
        "it is 1 to 1000000",
    );
    table.number(
        "tcp_connections_per_client",
        &mut options.tcp_connections_per_client,
        1..=1_000_000,
        "it is 1 to 1000000",
    );
    table.duration(
        "tcp_idle_timeout",
        &mut options.tcp_idle_timeout,
        Duration::from_millis(1)..=Duration::from_secs(3600),
        "it is `1ms` to `1h`",
    );
    table.finish(LATER_SERVER);
    (options, listen)
}

fn read_source(mut table: Section<'_>, overrides: &Overrides) -> Source {
    let mut source = Source::default();
    table.list(
        "manifests",
        &mut source.manifests,
        "paths",
        |text| match text {
            "" => Err("is empty; a path to a file or folder is needed"),
            path => Ok(PathBuf::from(path)),
        },
    );
    let mut kubernetes = table.table("kubernetes");
    let in_file = kubernetes.is_present();
    let (mut kubeconfig, mut context) = (PathBuf::new(), String::new());
    let path = |text: &str| Ok::<_, &str>(PathBuf::from(text));
    kubernetes.parsed("kubeconfig", &mut kubeconfig, "a path", path);
    kubernetes.parsed("context", &mut context, "a name", |text| {
        Ok::<_, &str>(text.to_owned())
    });
    let defaults = super::Kubernetes::default();
    let (mut watch_timeout, mut audit_interval) = (defaults.watch_timeout, defaults.audit_interval);
    let seconds = |from, to| Duration::from_secs(from)..=Duration::from_secs(to);
    let rule = "a watch lasts `1s` to `5m`";
    kubernetes.duration("watch_timeout", &mut watch_timeout, seconds(1, 300), rule);
    let rule = "comparisons are `1s` to `24h` apart";
    kubernetes.duration(
        "audit_interval",
        &mut audit_interval,
        seconds(1, 86_400),
        rule,
    );
    if in_file && !source.manifests.is_empty() && overrides.manifests.is_none() {
        kubernetes
            .problem("can't stand beside `manifests`: objects come from files or from the API");
    }
    kubernetes.finish(LATER_KUBERNETES_SOURCE);
    table.finish(&[]);
    let given = |path: PathBuf| (!path.as_os_str().is_empty()).then_some(path);
    source.kubernetes = super::Kubernetes {
        kubeconfig: overrides.kubeconfig.clone().or_else(|| given(kubeconfig)),
        context: (!context.is_empty()).then(|| context.into()),
        watch_timeout,
        audit_interval,
    };
    if let Some(manifests) = &overrides.manifests {
        source.manifests.clone_from(manifests);
    } else if overrides.kubeconfig.is_some() {
        source.manifests.clear();
    }
    source
}

/// Reads `listen` of a table; `others` are the listeners of the tables before it.
fn read_listen(table: &mut Section<'_>, others: &[ListenAddress]) -> Option<Vec<SocketAddr>> {
    let empty = "without an address nobody is answered";
    let placed = table.filled(
        "listen",
        ("addresses, as in [\"[::]:53\"]", empty),
        listener,
    )?;
    let mut others: Vec<SocketAddr> = others.iter().map(|other| other.address).collect();
    let mut own = Vec::new();
    for Placed { value, field } in placed {
        let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, value.port()));
        let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, value.port()));
        if own.contains(&value) {
            field.problem(format_args!("`{value}` is in the list already"));
        } else if (value == any_v4 && others.contains(&any_v6))
            || (value == any_v6 && others.contains(&any_v4))
        {
            field.problem(format_args!("`{any_v6}` takes IPv4 too; drop `{any_v4}`"));
        }
        own.push(value);
        others.push(value);
    }
    Some(own)
}

/// The blocks so far, with the listeners that they share.
struct Blocks<'s> {
    server: &'s mut server::Options,
    /// Which block's zones are taken on which listener.
    claimed: Vec<(ListenerId, Name)>,
    done: Vec<BlockOptions>,
    mode: Mode,
}

impl Blocks<'_> {
    /// Adds the block that the top-level tables are. It always has a `kubernetes` step: a server
    /// without configuration is a cluster's DNS.
    fn add_top_level(&mut self, kubernetes: Section<'_>, listen: &[SocketAddr]) {
        let zones = vec![Name::root()];
        let listeners = self.listeners(listen);
        for &id in &listeners {
            self.claimed.push((id, Name::root()));
        }
        let around = Around {
            block_zones: &zones,
            mode: self.mode,
        };
        let options = zone::Options {
            own_addresses: explicit(listen),
            ..zone::Options::default()
        };
        let kubernetes = Some(kubernetes::read(kubernetes, options, &around));
        self.done.push(BlockOptions {
            zones,
            listeners,
            kubernetes,
            forward: Vec::new(),
        });
    }

    /// Adds one `[[block]]`.
    fn add(&mut self, mut table: Section<'_>, default_listen: &[SocketAddr]) {
        let listen =
            read_listen(&mut table, &self.server.listen).unwrap_or_else(|| default_listen.to_vec());
        let listeners = self.listeners(&listen);
        let zones = self.read_zones(&mut table, &listeners);
        let kubernetes = table.table("kubernetes");
        if !kubernetes.is_present() {
            table.problem("has no [block.kubernetes] table, so it answers nothing");
        }
        let around = Around {
            block_zones: &zones,
            mode: self.mode,
        };
        // As in CoreDNS: without zones of its own the table takes its block's.
        let options = zone::Options {
            origins: zones.clone(),
            own_addresses: explicit(&listen),
            ..zone::Options::default()
        };
        let kubernetes = kubernetes::read(kubernetes, options, &around);
        table.finish(LATER_BLOCK);
        self.done.push(BlockOptions {
            zones,
            listeners,
            kubernetes: Some(kubernetes),
            forward: Vec::new(),
        });
    }

    fn read_zones(&mut self, table: &mut Section<'_>, listeners: &[ListenerId]) -> Vec<Name> {
        let empty = "a block without a zone is never chosen";
        if !table.has("zones") {
            table.problem("needs `zones`, the names that choose this block");
        }
        let Some(placed) = table.filled("zones", ("zones", empty), zone) else {
            return Vec::new();
        };
        report_repeated(&placed);
        for Placed { value, field } in &placed {
            let taken = value.iter().find_map(|name| {
                let claim = |id: &&ListenerId| self.claimed.contains(&(**id, name.clone()));
                Some((name, *listeners.iter().find(claim)?))
            });
            if let Some((name, id)) = taken {
                let address = self.address(id);
                field.problem(format_args!("another block has `{name}` on {address}"));
            }
        }
        let zones = flat(&placed);
        for &id in listeners {
            self.claimed
                .extend(zones.iter().map(|name| (id, name.clone())));
        }
        zones
    }

    /// Returns the listeners of these addresses; an address that several blocks have is one.
    fn listeners(&mut self, addresses: &[SocketAddr]) -> Vec<ListenerId> {
        let all = &mut self.server.listen;
        let number = |&address: &SocketAddr| {
            if let Some(known) = all.iter().find(|listener| listener.address == address) {
                return known.id;
            }
            // More listeners than a u16 counts can't be opened.
            let id = ListenerId(u16::try_from(all.len()).unwrap_or(u16::MAX));
            all.push(ListenAddress { id, address });
            id
        };
        addresses.iter().map(number).collect()
    }

    fn address(&self, id: ListenerId) -> String {
        let listener = self.server.listen.iter().find(|listener| listener.id == id);
        listener.map_or_else(String::new, |listener| listener.address.to_string())
    }
}

/// The addresses that are this server's own whatever the host has; a wildcard names none.
fn explicit(listen: &[SocketAddr]) -> Vec<std::net::IpAddr> {
    let ips = listen.iter().map(SocketAddr::ip);
    let mut own = Vec::new();
    for ip in ips.filter(|ip| !ip.is_unspecified()) {
        if !own.contains(&ip) {
            own.push(ip);
        }
    }
    own
}
