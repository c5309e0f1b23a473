//! Who may read the administrator's pages beyond loopback: the watch's questions to the API, asked for
//! the listeners.

use crate::admin::{self, Door, Review, Reviewing};
use crate::config::{Config, Kubernetes};
use crate::watch::{Access, ApiServer, Connection, Reviews};
use std::sync::Arc;

/// Returns how to reach the configured API.
pub(super) fn connection(source: &Kubernetes) -> Connection {
    Connection {
        kubeconfig: source.kubeconfig.clone(),
        context: source.context.as_deref().map(str::to_owned),
        server: source.server.as_ref().map(|server| ApiServer {
            url: server.url.to_string(),
            pair: server.pair.clone(),
            ca: server.ca.clone(),
        }),
    }
}

/// Returns who reviews tokens, where a listener asks for them and there is an API.
pub(super) fn reviewer(config: &Config) -> Option<Arc<dyn admin::Reviewer>> {
    let Some(Door::Guarded(guarded)) = &config.admin.admin else {
        return None;
    };
    if !config.source.manifests.is_empty() {
        return None;
    }
    let connection = connection(&config.source.kubernetes);
    let reviews = Reviews::new(connection, guarded.audiences.clone());
    Some(Arc::new(Asked(reviews)))
}

struct Asked(Reviews);

impl admin::Reviewer for Asked {
    fn review<'a>(&'a self, token: &'a str, path: &'a str) -> Reviewing<'a> {
        Box::pin(async move {
            match self.0.review(token, path).await {
                Access::Allowed => Review::Allowed,
                Access::Forbidden => Review::Forbidden,
                Access::Unknown => Review::Unknown,
                Access::Unavailable => Review::Unavailable,
            }
        })
    }
}
