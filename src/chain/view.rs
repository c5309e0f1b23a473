//! `view` of a server block: for whom it is there. What a client sees of the cluster is another matter
//! ([`crate::tenancy::View`]), which no block can widen.

/// Whom a block is for: clients of any of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewOptions {
    /// `tenants`
    pub tenants: Vec<Box<str>>,
    /// `namespaces`
    pub namespaces: Vec<Box<str>>,
}

impl ViewOptions {
    /// Returns whether a client of this tenant, in this namespace, is one of those. Who is in neither
    /// never is.
    pub fn is_for(&self, tenant: Option<&str>, namespace: Option<&[u8]>) -> bool {
        let of_tenant = |tenant: &str| self.tenants.iter().any(|listed| **listed == *tenant);
        let in_namespace = |namespace| {
            self.namespaces
                .iter()
                .any(|listed| listed.as_bytes() == namespace)
        };
        tenant.is_some_and(of_tenant) || namespace.is_some_and(in_namespace)
    }
}
