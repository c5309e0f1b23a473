//! The upstreams in force: made of the configuration, exchanged with it, and read by the pages.

use super::journal::UpstreamTaps;
use crate::config::Config;
use crate::forward::Forwarder;
use crate::server::{self, interface_addresses};
use anyhow::Context;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// Whom to ask for names that are not ours, where anybody is: cheap to clone, all clones are one.
#[derive(Clone, Default)]
pub(super) struct Upstreams {
    current: Arc<Mutex<Option<Arc<Forwarder>>>>,
    taps: UpstreamTaps,
}

impl Upstreams {
    /// Makes the upstreams of a configuration, under which these addresses are served; `taps` look on.
    ///
    /// # Errors
    /// As [`Upstreams::next`].
    pub(super) fn open(
        config: &Config,
        listeners: &[SocketAddr],
        taps: UpstreamTaps,
    ) -> anyhow::Result<Self> {
        let upstreams = Self {
            current: Arc::default(),
            taps,
        };
        let next = upstreams.next(config, listeners)?;
        upstreams.put(next);
        Ok(upstreams)
    }

    /// Returns the upstreams of another configuration: the same ones, with what they keep, where it
    /// says the same of them.
    ///
    /// # Errors
    /// A file can't be read or used, or an upstream is this server itself.
    pub(super) fn next(
        &self,
        config: &Config,
        listeners: &[SocketAddr],
    ) -> anyhow::Result<Option<Arc<Forwarder>>> {
        if config.forward.is_empty() {
            return Ok(None);
        }
        let own = own_addresses(listeners);
        let next = Forwarder::new(&config.forward, &config.caches, &own)
            .context("preparing to ask upstreams")?
            .watched_by(Arc::new(self.taps.clone()));
        let same = self.current().filter(|current| current.is_like(&next));
        Ok(Some(same.unwrap_or_else(|| Arc::new(next))))
    }

    /// Puts upstreams in force.
    pub(super) fn put(&self, next: Option<Arc<Forwarder>>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Returns the upstreams in force.
    pub(super) fn current(&self) -> Option<Arc<Forwarder>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Returns them as a server asks them.
    pub(super) fn for_server(&self) -> Option<Arc<dyn server::Upstream>> {
        self.current()
            .map(|current| current as Arc<dyn server::Upstream>)
    }

    /// Returns the upstreams that lead back to this server.
    pub(super) fn loops(&self) -> Vec<SocketAddr> {
        self.current()
            .map_or_else(Vec::new, |current| current.loops())
    }
}

/// Returns where this server is reached: a wildcard listener is at every address of the host.
fn own_addresses(listeners: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut own = Vec::new();
    for listener in listeners {
        if !listener.ip().is_unspecified() {
            own.push(*listener);
            continue;
        }
        // What the kernel does not tell is found by `[loop]`.
        let host = interface_addresses().unwrap_or_default().into_iter();
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let addresses = host.chain(loopback);
        let takes = |ip: &IpAddr| listener.is_ipv6() || ip.is_ipv4();
        own.extend(
            addresses
                .filter(takes)
                .map(|ip| SocketAddr::new(ip, listener.port())),
        );
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(listener: &str) -> Vec<String> {
        let own = own_addresses(&[listener.parse().unwrap()]);
        own.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_wildcard_listener_is_at_loopback_too() {
        assert_eq!(addresses("192.0.2.1:53"), ["192.0.2.1:53"]);
        let both = addresses("[::]:5353");
        assert!(both.contains(&"127.0.0.1:5353".to_owned()), "{both:?}");
        assert!(both.contains(&"[::1]:5353".to_owned()), "{both:?}");
        let v4 = addresses("0.0.0.0:53");
        assert!(v4.iter().all(|address| !address.starts_with('[')), "{v4:?}");
    }

    #[test]
    fn the_same_tables_keep_their_upstreams() {
        let config = |to: &str| {
            let text = format!("[[forward]]\nto = [\"{to}\"]\n[cache]\n");
            Config::from_toml(&text, "t.toml").unwrap()
        };
        let upstreams =
            Upstreams::open(&config("192.0.2.1"), &[], UpstreamTaps::default()).unwrap();
        let before = upstreams.current().unwrap();
        let same = upstreams.next(&config("192.0.2.1"), &[]).unwrap().unwrap();
        assert!(Arc::ptr_eq(&before, &same));
        let other = upstreams.next(&config("192.0.2.2"), &[]).unwrap().unwrap();
        assert!(!Arc::ptr_eq(&before, &other));
        let none = Config::from_toml("", "t.toml").unwrap();
        assert!(upstreams.next(&none, &[]).unwrap().is_none());
    }
}
