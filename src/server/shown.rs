//! What a configuration says of connections, and what encrypted listeners are to show: read before they are opened, and when another configuration
//! says something else. Not how it is followed: [`crate::tls`].

use super::options::{Endpoint, ListenAddress, Scheme};
use super::{Answerer, BindError, Options, Server, Timeouts, connections, tcp};
use crate::tls::{Offer, Pair};

/// Returns why encrypted listeners could not show what they are to show, without opening them.
pub fn certificate_errors(options: &Options) -> Vec<BindError> {
    let listeners = options.listen.iter();
    let read = listeners.filter_map(|listen| pair(options, listen.endpoint()).err());
    read.collect()
}

/// Reads what an encrypted listener shows.
pub(super) fn pair(options: &Options, endpoint: Endpoint) -> Result<Option<Pair>, BindError> {
    let protocols: &[&str] = match endpoint.scheme {
        Scheme::Dns => return Ok(None),
        Scheme::Tls => &["dot"],
        Scheme::Https => &["h2", "http/1.1"],
        Scheme::Quic => &["doq"],
    };
    if !cfg!(feature = "encrypted") {
        return Err(BindError::NotBuilt(endpoint));
    }
    let tls = options.tls_of(endpoint);
    let tls = tls.ok_or(BindError::NoCertificate(endpoint))?;
    let offer = Offer {
        table: "[tls]",
        protocols,
    };
    let pair = Pair::open(tls, offer);
    pair.map(Some).map_err(|error| BindError::Certificate {
        endpoint,
        error: Box::new(error),
    })
}

impl<A: Answerer> Server<A> {
    /// Reads what the listeners that stay are served with from now on.
    pub(super) fn changes(
        &self,
        options: &Options,
    ) -> Result<Vec<(ListenAddress, tcp::Service)>, BindError> {
        let asked = |endpoint| options.listen.iter().any(|l| l.endpoint() == endpoint);
        let served = self.listeners.iter().map(|serving| &serving.listener);
        let staying = served.filter(|listener| asked(listener.asked));
        let changes = staying.map(|listener| {
            let endpoint = listener.asked;
            let pair = match listener.shows.as_ref() == options.tls_of(endpoint) {
                true => None,
                false => pair(options, endpoint)?,
            };
            let timeouts = options.timeouts_of(endpoint);
            Ok((listener.asked(), tcp::Service { timeouts, pair }))
        });
        changes.collect()
    }
}

/// Returns what connections are bound to.
pub(super) fn limits(options: &Options, timeouts: Timeouts) -> tcp::Limits {
    tcp::Limits {
        connections: connections(options.tcp_connections),
        per_client: options.tcp_connections_per_client,
        idle: options.tcp_idle_timeout,
        timeouts,
    }
}
