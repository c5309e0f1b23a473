//! Pairs of names of equal length, of which a pod of one tenant may not see the first and nobody has
//! the second.

use crate::cluster::{
    ENDPOINTS, Random, SERVICES, Size, cluster_ip, endpoint, reverse, service, shared, tenants,
};
use tenantdns::wire::RType;

/// Pairs of names of one sort.
pub(crate) struct Shape {
    /// What the first name of a pair is.
    pub(crate) name: &'static str,
    /// The type that is asked for.
    pub(crate) rtype: RType,
    /// Hidden, and absent.
    pub(crate) pairs: Vec<(String, String)>,
}

/// Returns so many pairs of every shape.
pub(crate) fn shapes(size: Size, pairs: usize) -> Vec<Shape> {
    let mut random = Random(1);
    let mut shapes = Vec::new();
    let mut shape = |name, rtype, pair: &dyn Fn(&mut Random) -> (String, String)| {
        let pairs = (0..pairs).map(|_| pair(&mut random)).collect();
        shapes.push(Shape { name, rtype, pairs });
    };
    // Not the first one, which is the client's own; and not the last service, which is headless.
    let some = move |random: &mut Random| {
        let ns = 1 + random.below(size.namespaces - 1);
        (ns, random.below(SERVICES - 1))
    };
    let svc = |service: &str, ns: &str| format!("{service}.{ns}.svc.cluster.local.");
    shape("a service in a hidden namespace", RType::A, &|random| {
        let (ns, n) = some(random);
        let absent = random.letters(&tenants(ns));
        (svc(&service(n), &tenants(ns)), svc(&service(n), &absent))
    });
    shape("a hidden namespace", RType::A, &|random| {
        let ns = tenants(some(random).0);
        let absent = random.letters(&ns);
        let bare = |ns: &str| format!("{ns}.svc.cluster.local.");
        (bare(&ns), bare(&absent))
    });
    shape(
        "a service kept back in a visible namespace",
        RType::A,
        &|random| {
            let (ns, n) = some(random);
            let hidden = service(n / 2 * 2);
            let absent = random.letters(&hidden);
            (svc(&hidden, &shared(ns)), svc(&absent, &shared(ns)))
        },
    );
    shape("an endpoint of a hidden service", RType::A, &|random| {
        let ns = tenants(some(random).0);
        let name = format!("pod-{}.{}", random.below(ENDPOINTS), service(SERVICES - 1));
        let absent = random.letters(&ns);
        (svc(&name, &ns), svc(&name, &absent))
    });
    shape("a port of a hidden service", RType::SRV, &|random| {
        let (ns, n) = some(random);
        let name = format!("_http._tcp.{}", service(n));
        let absent = random.letters(&tenants(ns));
        (svc(&name, &tenants(ns)), svc(&name, &absent))
    });
    shape("the address of a hidden service", RType::PTR, &|random| {
        let (ns, n) = some(random);
        reverse(cluster_ip(ns * SERVICES + n))
    });
    shape("the address of a hidden endpoint", RType::PTR, &|random| {
        reverse(endpoint(some(random).0, random.below(ENDPOINTS)))
    });
    shapes
}
