//! The configuration file as a whole: its blocks and their listeners, and what is wrong between
//! tables. Not the words inside `[kubernetes]` and `[tenancy]`, which have files of their own.

use super::document::{Placed, Section};
use super::error::Note;
use super::external;
use super::kubernetes::{self, Around, flat, report_repeated};
use super::lifecycle::Lifecycle;
use super::log::Written;
use super::text::listener;
use super::tls::Service;
use super::zones::zone;
use super::{Config, source};
use crate::admin;
use crate::cache::{self, Isolation};
use crate::chain::{BlockOptions, CacheOptions, ListenerId};
use crate::forward;
use crate::observe;
use crate::server::{self, Endpoint, ListenAddress};
use crate::tenancy::{Mode, Profile};
use crate::wire::Name;
use crate::zone::{self, PodMode};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const ALONE: &str = "no table of a block, such as [kubernetes], is at the top level: names that no [[block]] is \
     for are refused, and so are the cluster's if none of them is";

/// Keys of the contract that this version does not have.
const LATER: &[&str] = &["timeouts", "tls"];
const LATER_BLOCK: &[&str] = &["timeouts", "tls"];

const NO_REVIEWER: &str = "beyond loopback, who reads these pages is asked of a cluster's API, and objects \
     do not come from one; write a loopback address or `unix:PATH`";

/// What the command line says instead of the file; `None` where it says nothing.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) listen: Option<Vec<Endpoint>>,
    pub(super) manifests: Option<Vec<PathBuf>>,
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) admin: Option<admin::Options>,
    pub(super) lameduck: Option<Duration>,
}

/// Reads the whole document.
pub(super) fn read(mut root: Section<'_>, overrides: &Overrides) -> Config {
    let mut lifecycle = Lifecycle::default();
    let (mut server, listen) = read_server(root.table("server"), overrides, &mut lifecycle);
    let source = root.table("source");
    let mut observe = observe::Options::default();
    let (admin, guarded) = super::pages::read(&mut root, &mut observe, &mut lifecycle);
    lifecycle.read_reload(root.table("reload"));
    lifecycle.lameduck = overrides.lameduck.unwrap_or(lifecycle.lameduck);
    let admin = overrides.admin.clone().unwrap_or(admin);
    let limits = super::limits::read(root.table("limits"), &mut observe);
    let audit = super::audit::read(root.table("audit"));
    let mut tenancy = super::tenancy::read(root.table("tenancy"));
    let max_age = tenancy.profile.and_then(Profile::identity_max_age);
    let (source, node_scope) = source::read(source, max_age, overrides);
    // Manifests of the command line are another matter: what is served is not what they are tried with.
    let from_files = overrides.manifests.is_none() && !source.manifests.is_empty();
    if let Some(field) = guarded.filter(|_| from_files) {
        field.problem(NO_REVIEWER);
    }
    server.unknown_wait = tenancy.unknown_wait;

    let mut blocks = Blocks {
        server: &mut server,
        claimed: Vec::new(),
        done: Vec::new(),
        forward: Vec::new(),
        caches: Vec::new(),
        mode: tenancy.mode,
        isolation: match tenancy.profile {
            Some(Profile::Kaas) => Isolation::Tenant,
            _ => Isolation::Shared,
        },
        written: Vec::new(),
        service: super::tls::read(&mut root, &Service::default()),
    };
    // Without a table of its own there is no block beside those that are written.
    let has_own = super::steps::TABLES.iter().any(|key| root.has(key)) || !root.has("block");
    let log = super::log::read(&mut root);
    if has_own {
        blocks.written.push(log);
        blocks.add_top_level(&mut root, &listen);
    }
    if let Some(field) = root.field("block") {
        let want = "tables [[block]]";
        for item in field.items(want).into_iter().flatten() {
            if let Some(table) = item.table(want) {
                blocks.add(table, &listen);
            }
        }
    }
    let Blocks {
        done: blocks,
        forward,
        caches,
        written,
        ..
    } = blocks;
    let zones = forward.iter().map(|table| &table.zone);
    super::tenancy::reserve_stub_domains(&mut tenancy, zones);
    let verified = |block: &BlockOptions| {
        let zone = block.kubernetes.as_ref();
        zone.is_some_and(|zone| zone.pods == PodMode::Verified)
    };
    if let Some(field) = node_scope.filter(|_| blocks.iter().any(verified)) {
        field.problem(
            "`node` reads the pods of one node alone; pods = \"verified\" answers for those of all",
        );
    }
    root.finish(LATER);
    Config {
        server,
        source,
        blocks,
        forward,
        caches,
        written,
        tenancy,
        limits,
        observe,
        audit,
        admin,
        lifecycle,
        read: Vec::new(),
        notes: (!has_own).then(|| Note(ALONE.into())).into_iter().collect(),
        quiet: false,
    }
}

fn read_server(
    mut table: Section<'_>,
    overrides: &Overrides,
    lifecycle: &mut Lifecycle,
) -> (server::Options, Vec<Endpoint>) {
    let mut options = server::Options::default();
    let written = read_listen(&mut table, &[]);
    let listen = overrides
        .listen
        .clone()
        .or(written)
        .unwrap_or_else(|| vec![super::DEFAULT_LISTEN.into()]);
    table.number(
        "threads",
        &mut options.threads,
        0..=1024,
        "it is 0 (one per core) to 1024",
    );
    table.flag("pin", &mut options.pin);
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
    lifecycle.read_server(&mut table);
    table.finish(&[]);
    (options, listen)
}

/// Reads `listen` of a table; `others` are the listeners of the tables before it.
fn read_listen(table: &mut Section<'_>, others: &[ListenAddress]) -> Option<Vec<Endpoint>> {
    let empty = "without an address nobody is answered";
    let placed = table.filled(
        "listen",
        ("addresses, as in [\"[::]:53\"]", empty),
        listener,
    )?;
    let mut others: Vec<Endpoint> = others.iter().map(ListenAddress::endpoint).collect();
    let mut own = Vec::new();
    for Placed { value, field } in placed {
        if own.contains(&value) {
            field.problem(format_args!("`{value}` is in the list already"));
        } else if let Some(problem) = others.iter().find_map(|other| conflict(value, *other)) {
            field.problem(problem);
        }
        own.push(value);
        others.push(value);
    }
    Some(own)
}

/// Returns why two listeners can't both be opened, if so.
fn conflict(one: Endpoint, other: Endpoint) -> Option<String> {
    let port = one.address.port();
    if port != other.address.port() || port == 0 {
        return None;
    }
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let pair = [one.address, other.address];
    let are_both_any = pair.contains(&any_v6) && pair.contains(&any_v4);
    let tcp = one.scheme.takes_tcp() && other.scheme.takes_tcp();
    let udp = one.scheme.takes_udp() && other.scheme.takes_udp();
    if one.scheme == other.scheme {
        let at = |address| Endpoint { address, ..one };
        return are_both_any
            .then(|| format!("`{}` takes IPv4 too; drop `{}`", at(any_v6), at(any_v4)));
    }
    if !(tcp || udp) || !(are_both_any || one.address == other.address) {
        return None;
    }
    let protocol = if tcp { "TCP" } else { "UDP" };
    Some(format!(
        "`{other}` has {protocol} port {port} already; choose another port for `{one}`"
    ))
}

/// The blocks so far, with the listeners that they share.
struct Blocks<'s> {
    server: &'s mut server::Options,
    /// Which block's zones are taken on which listener.
    claimed: Vec<(ListenerId, Name)>,
    done: Vec<BlockOptions>,
    forward: Vec<forward::Options>,
    caches: Vec<cache::Options>,
    /// What is written down of each.
    written: Vec<Written>,
    mode: Mode,
    isolation: Isolation,
    /// What the tables beside `[server]` say of listeners.
    service: Service,
}

impl Blocks<'_> {
    /// Adds the block that the top-level tables are. It always has a `kubernetes` step: a server
    /// without configuration is a cluster's DNS.
    fn add_top_level(&mut self, root: &mut Section<'_>, listen: &[Endpoint]) {
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
        super::tls::enter(root, &self.service, listen, self.server);
        let table = root.table("kubernetes");
        let says_fallthrough = table.has("fallthrough");
        let kubernetes = kubernetes::read(table, options, &around);
        let mut block = BlockOptions {
            listeners,
            kubernetes: Some(kubernetes),
            external: external::read(root.table("k8s_external"), &zones, true),
            ..BlockOptions::default()
        };
        super::steps::read(root, &zones, &mut block);
        self.read_forward(root, &zones, says_fallthrough, &mut block);
        self.done.push(BlockOptions { zones, ..block });
    }

    /// Adds one `[[block]]`.
    fn add(&mut self, mut table: Section<'_>, default_listen: &[Endpoint]) {
        let listen =
            read_listen(&mut table, &self.server.listen).unwrap_or_else(|| default_listen.to_vec());
        let listeners = self.listeners(&listen);
        let service = super::tls::read(&mut table, &self.service);
        super::tls::enter(&table, &service, &listen, self.server);
        let view = super::steps::read_view(table.table("view"), self.mode);
        let zones = self.read_zones(&mut table, &listeners, view.is_some());
        if !super::steps::TABLES.iter().any(|key| table.has(key)) {
            table.problem("has no table that answers, such as [block.kubernetes]");
        }
        let kubernetes = table.table("kubernetes");
        let is_cluster_s = kubernetes.is_present();
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
        let says_fallthrough = kubernetes.has("fallthrough");
        let kubernetes = kubernetes::read(kubernetes, options, &around);
        self.written.push(super::log::read(&mut table));
        let mut block = BlockOptions {
            listeners,
            view,
            kubernetes: is_cluster_s.then_some(kubernetes),
            external: external::read(table.table("k8s_external"), &zones, is_cluster_s),
            ..BlockOptions::default()
        };
        super::steps::read(&mut table, &zones, &mut block);
        self.read_forward(&mut table, &zones, says_fallthrough, &mut block);
        table.finish(LATER_BLOCK);
        self.done.push(BlockOptions { zones, ..block });
    }

    /// Reads whom a block asks for what is not in its zones, and what is kept of it.
    fn read_forward(
        &mut self,
        tables: &mut Section<'_>,
        zones: &[Name],
        says_fallthrough: bool,
        block: &mut BlockOptions,
    ) {
        let cache = super::cache::read(tables.table("cache"), self.isolation);
        let id = cache.map(|options| {
            block.cache = Some(CacheOptions {
                zones: match &*options.zones {
                    [] => zones.to_vec(),
                    own => own.to_vec(),
                },
                lifetimes: options.lifetimes(),
            });
            self.caches.push(options);
            u16::try_from(self.caches.len() - 1).unwrap_or(u16::MAX)
        });
        let number = u16::try_from(self.done.len()).unwrap_or(u16::MAX);
        super::forward::read(tables, (number, id), block, &mut self.forward);
        super::forward::fall_through(says_fallthrough, block);
    }

    fn read_zones(
        &mut self,
        table: &mut Section<'_>,
        listeners: &[ListenerId],
        has_view: bool,
    ) -> Vec<Name> {
        let empty = "a block without a zone is never chosen";
        if !table.has("zones") {
            table.problem("needs `zones`, the names that choose this block");
        }
        let Some(placed) = table.filled("zones", ("zones", empty), zone) else {
            return Vec::new();
        };
        report_repeated(&placed);
        if has_view {
            return flat(&placed);
        }
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
    fn listeners(&mut self, endpoints: &[Endpoint]) -> Vec<ListenerId> {
        let all = &mut self.server.listen;
        let number = |&endpoint: &Endpoint| {
            if let Some(known) = all.iter().find(|listener| listener.endpoint() == endpoint) {
                return known.id;
            }
            // More listeners than a u16 counts can't be opened.
            let id = ListenerId(u16::try_from(all.len()).unwrap_or(u16::MAX));
            all.push(ListenAddress {
                id,
                scheme: endpoint.scheme,
                address: endpoint.address,
            });
            id
        };
        endpoints.iter().map(number).collect()
    }

    fn address(&self, id: ListenerId) -> String {
        let listener = self.server.listen.iter().find(|listener| listener.id == id);
        listener.map_or_else(String::new, |listener| listener.endpoint().to_string())
    }
}

/// The addresses that are this server's own whatever the host has; a wildcard names none.
fn explicit(listen: &[Endpoint]) -> Vec<std::net::IpAddr> {
    let ips = listen.iter().map(|endpoint| endpoint.address.ip());
    let mut own = Vec::new();
    for ip in ips.filter(|ip| !ip.is_unspecified()) {
        if !own.contains(&ip) {
            own.push(ip);
        }
    }
    own
}
