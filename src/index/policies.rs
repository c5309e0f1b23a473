//! Events of our own kinds into the tables, and what they make anew: facts and rows, never zones.

use super::Index;
use super::dirty::Dirty;
use crate::model::{DnsExport, DnsGrant, DnsImport, ObjectKey};
use crate::tenancy::{NsId, ServiceId, rules_of};
use std::collections::BTreeSet;

impl Index {
    pub(super) fn put_grant(&mut self, key: &ObjectKey, next: Option<DnsGrant>) {
        self.want_labels(next.as_ref());
        self.objects.policies.put_grant(&key.name, next);
        // Whether the rules are others is seen when they are made.
        self.dirty.grants = true;
    }

    pub(super) fn put_export(&mut self, key: &ObjectKey, next: Option<DnsExport>) {
        if self.objects.policies.export(key) == next.as_ref() {
            return;
        }
        let after = next.as_ref().map(|export| export.services.clone());
        let before = self.objects.policies.put_export(key, next);
        let before = before.map(|export| export.services);
        for name in before.into_iter().chain(after).flatten() {
            let service = ObjectKey::new(key.namespace.clone(), name);
            self.dirty.offers.insert(service);
        }
    }

    pub(super) fn put_policy_import(&mut self, key: &ObjectKey, next: Option<DnsImport>) {
        if self.objects.policies.import(key) == next.as_ref() {
            return;
        }
        self.objects.policies.put_import(key, next);
        // A namespace that does not exist is looked at when it comes.
        self.dirty
            .consents
            .extend(self.namespace_id(&key.namespace));
    }

    /// Makes anew what objects of our own kinds have changed.
    pub(super) fn rebuild_policies(&mut self, dirty: &Dirty) {
        let others = dirty.grants && self.remake_rules();
        if others || dirty.labels {
            self.say_everything();
            return;
        }
        dirty.consents.iter().for_each(|&ns| self.say_namespace(ns));
        for service in &dirty.offers {
            if let Some(id) = self.objects.service_id(service) {
                self.classify(id);
            }
        }
    }

    /// Makes the rules anew, and returns whether they are others than before.
    fn remake_rules(&mut self) -> bool {
        let rules = self.objects.policies.grants().flat_map(rules_of);
        self.compiler.set_grants(rules)
    }

    /// Says anew what every namespace and every service is: rules are known by their places.
    fn say_everything(&mut self) {
        let names: Vec<NsId> = {
            let all = self.objects.namespaces.keys();
            all.filter_map(|name| self.objects.numbers.find_ns(name))
                .collect()
        };
        names.into_iter().for_each(|ns| self.say_namespace(ns));
        let selects = self.compiler.policy().options().selects_services();
        self.selectable = selects.then(BTreeSet::new);
        let services = self.objects.services.from(0).map(|(id, _)| id);
        let imports = self.objects.imports.from(0).map(|(id, _)| id);
        let all: BTreeSet<u32> = services.chain(imports).collect();
        all.into_iter().for_each(|id| self.classify(ServiceId(id)));
    }
}
