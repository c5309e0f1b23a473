//! What one client may see, for one query. There is no view without a policy, and nothing can be
//! looked up without a view (invariant I2).

use super::policy::{ClientClass, Policy};
use super::row::{Row, Sight};
use super::{Client, ClientIndex, Directory, NameNumber, NsId, ServiceId, Unknown};
use crate::cow::Several;
use std::hint::black_box;
use std::net::IpAddr;

/// A client's eyes.
#[derive(Clone, Copy)]
pub struct View<'s> {
    client: Client,
    row: Row<'s>,
    class: ClientClass,
    /// Whether this is somebody that we don't know, or that counts as such.
    unknown: bool,
    policy: &'s Policy,
    directory: &'s Directory,
    clients: &'s ClientIndex,
}

/// A namespace as one client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its number; [`NsId::NONE`] where it is hidden or absent.
    pub ns: NsId,
    /// How much of it is seen.
    pub sight: Sight,
}

/// A number that may be the one of a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    number: ServiceId,
    is_own: bool,
    name: NameNumber,
}

impl Candidate {
    /// Returns the number, be it the name's or one that is looked at in its stead.
    #[inline(always)]
    pub(crate) fn number(self) -> ServiceId {
        self.number
    }

    /// Returns what stands for the name.
    #[inline(always)]
    pub(crate) fn name(self) -> NameNumber {
        self.name
    }
}

/// How a name that is not in the view is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// NXDOMAIN.
    Nonexistent,
    /// We can't know yet: SERVFAIL.
    Servfail,
    /// As `Servfail`, with REFUSED.
    Refused,
}

impl<'s> View<'s> {
    /// Returns what `client` sees.
    #[inline(always)]
    pub fn new(
        client: Client,
        policy: &'s Policy,
        directory: &'s Directory,
        clients: &'s ClientIndex,
    ) -> Self {
        let (row, class, unknown) = policy.standing(client);
        Self {
            client,
            row,
            class,
            unknown,
            policy,
            directory,
            clients,
        }
    }

    /// Returns who sees.
    pub fn client(&self) -> Client {
        self.client
    }

    /// Returns the kind of who sees.
    #[inline(always)]
    pub fn class(&self) -> ClientClass {
        self.class
    }

    /// Returns a number that is the same for clients of one snapshot that see the same, their own
    /// namespaces aside.
    pub fn class_key(&self) -> usize {
        std::ptr::from_ref(self.row.class).addr()
    }

    /// Returns whether what this client must not see is hidden from it, whatever it asks for.
    #[inline(always)]
    pub fn is_enforced(&self) -> bool {
        self.policy.is_enforced_on(self.client)
    }

    /// Returns whether a namespace is enforced although the rest is in audit.
    pub fn is_enforced_by_label(&self, ns: NsId) -> bool {
        let enforce = self.policy.facts(ns).is_some_and(|facts| facts.enforce);
        enforce && self.policy.mode() == super::Mode::Audit
    }

    /// Returns whether `whoami` answers.
    pub fn tells_who_asks(&self) -> bool {
        self.policy.mode() != super::Mode::Off
    }

    /// Returns whether names may be answered only as to somebody that we don't know.
    #[inline(always)]
    pub fn is_unknown(&self) -> bool {
        self.unknown && self.absence() != Absence::Nonexistent
    }

    /// Returns whether a client that we don't know gets no name of the zone at all.
    pub fn is_strict(&self) -> bool {
        self.is_unknown() && self.policy.options().unknown == Unknown::Strict
    }

    /// Returns how a name is answered that is not in the view and that a cluster could hold.
    #[inline(always)]
    pub fn absence(&self) -> Absence {
        match self.policy.options().unknown {
            _ if !self.unknown || !self.is_enforced() => Absence::Nonexistent,
            Unknown::Servfail | Unknown::Strict => Absence::Servfail,
            Unknown::Refused => Absence::Refused,
            Unknown::Allow => Absence::Nonexistent,
        }
    }

    /// Returns whether no tenant may answer for this namespace's label (lower case).
    pub fn is_reserved(&self, label: &[u8]) -> bool {
        let reserved = &self.policy.reserved;
        reserved.binary_search_by(|r| (**r).cmp(label)).is_ok()
    }

    /// Finds a namespace by its label (lower case). A hidden one is found like an absent one, by the
    /// same work: in its stead another one is looked at (invariant I3).
    #[inline]
    pub fn namespace(&self, label: &[u8]) -> Seen {
        let found = self.directory.find(label);
        // The compiler must not leave out what only an own number needs.
        let sight = black_box(self.row.namespace(found.number));
        Self::seen(
            found.number,
            if found.is_own { sight } else { Sight::Hidden },
        )
    }

    /// Returns how a namespace is seen.
    #[inline]
    pub fn see(&self, ns: NsId) -> Seen {
        let sight = if ns == NsId::NONE {
            Sight::Hidden
        } else {
            self.row.namespace(ns)
        };
        Self::seen(ns, sight)
    }

    fn seen(ns: NsId, sight: Sight) -> Seen {
        Seen {
            ns: if sight == Sight::Hidden {
                NsId::NONE
            } else {
                ns
            },
            sight,
        }
    }

    /// Finds a service by its label (lower case) in a namespace as this client sees it. A hidden
    /// one is [`ServiceId::NONE`], like one that nobody has named, by the same work.
    #[inline]
    pub fn service(&self, seen: Seen, label: &[u8]) -> ServiceId {
        let found = self.directory.find_service(seen.ns, label);
        let permitted = black_box(self.row.permits_of(seen, found.number));
        if found.is_own & permitted {
            found.number
        } else {
            ServiceId::NONE
        }
    }

    /// Looks for a service by its name: its label and its namespace's in wire form and lower case. What
    /// it comes to is for [`View::shows`] to say.
    ///
    /// # Errors
    /// Several numbers have the name's hash.
    #[inline(always)]
    pub(crate) fn candidate(&self, name: &[u8]) -> Result<Candidate, Several> {
        let (found, name) = self.directory.candidate(name)?;
        Ok(Candidate {
            number: found.number,
            is_own: found.is_own,
            name,
        })
    }

    /// Returns whether a candidate is the service that was looked for and is seen: it is of namespace
    /// `ns`, and `has_name` says whether the name is its own. One that is hidden is told from one that
    /// nobody has named by the same work.
    #[inline(always)]
    pub(crate) fn shows(&self, candidate: Candidate, ns: NsId, has_name: bool) -> bool {
        let permitted = self.row.permits_evenly(ns, candidate.number);
        // What is left out where one of them is known to be false, is not even.
        black_box(candidate.is_own & has_name & permitted)
    }

    /// Returns some service, which follows from `key`: looked at in the stead of one that is not
    /// there.
    pub(crate) fn any_service(&self, key: u128) -> ServiceId {
        self.directory.any_service(key)
    }

    /// Returns whether a service is seen.
    pub fn permits(&self, ns: NsId, service: ServiceId) -> bool {
        self.row.permits(ns, service)
    }

    /// Returns what [`View::permits`] does, by the same work for every namespace and service.
    pub(crate) fn permits_evenly(&self, ns: NsId, service: ServiceId) -> bool {
        self.row.permits_evenly(ns, service)
    }

    /// Returns the namespaces that are seen, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = Seen> + use<'s> {
        let view = *self;
        let all = view.directory.namespaces();
        all.map(move |ns| view.see(ns))
            .filter(|seen| seen.sight != Sight::Hidden)
    }

    /// Returns the label of a namespace.
    pub fn namespace_label(&self, ns: NsId) -> &'s [u8] {
        self.directory.namespace(ns).unwrap_or(&[])
    }

    /// Returns the namespace and the label of a service.
    pub fn service_key(&self, service: ServiceId) -> Option<(NsId, &'s [u8])> {
        self.directory.service(service)
    }

    /// Returns whether the reverse name of an endpoint of a service that is seen may be shown: to
    /// clients of the service's tenant always, to others only where a pod of the service's namespace
    /// has the address. So neither can a slice put a name on another tenant's pod, nor does a PTR tell
    /// whether one is there.
    pub fn shows_endpoint(&self, ns: NsId, address: IpAddr) -> bool {
        !self.policy.is_enforced_between(self.client, ns)
            || self.is_of_tenant(ns)
            || self.clients.is_pod_of(address, ns)
    }

    fn is_of_tenant(&self, ns: NsId) -> bool {
        self.client == Client::Pod(ns)
            || match (self.own_assigned(), self.policy.facts(ns)) {
                (Some(own), Some(facts)) => facts.tenant.assigned() == Some(own),
                _ => false,
            }
    }

    fn own_assigned(&self) -> Option<&'s str> {
        match self.client {
            Client::Pod(_) => self.policy.own_facts(self.client)?.tenant.assigned(),
            Client::External(range) => self.policy.ranges.of(range)?.tenant.as_deref(),
            Client::Node | Client::Unknown => None,
        }
    }

    /// Returns the client's namespace, where it is a pod.
    pub fn own_namespace(&self) -> Option<&'s [u8]> {
        match self.client {
            Client::Pod(ns) => self.directory.namespace(ns),
            _ => None,
        }
    }

    /// Returns the client's tenant: the assigned one, or its namespace where that is its own.
    pub fn own_tenant(&self) -> Option<&'s str> {
        let alone = || match self.client {
            Client::Pod(ns) => self.policy.facts(ns).map(|facts| &*facts.name),
            _ => None,
        };
        self.own_assigned().or_else(alone)
    }
}
