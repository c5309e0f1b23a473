//! How large the clusters are that are measured, and under which settings.

use tenantdns::model::Object;
use tenantdns::testing::Cluster;

/// How many services they have.
pub(crate) const SERVICES: [usize; 3] = [100, 1_000, 10_000];

/// Returns the cluster of these objects, with tenancy enforced. Two runs do the same work on it.
pub(crate) fn enforcing(objects: Vec<Object>) -> Cluster {
    Cluster::of(objects, "[tenancy]\nmode = \"enforce\"\n").seed(1)
}
