//! What each kind of client sees, as bits over the numbers of namespaces.

use super::view::Seen;
use super::{NsId, ServiceId};
use std::hint::black_box;

/// How much of a namespace a client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Nothing.
    Hidden,
    /// Single services.
    Some,
    /// All of it but for single services.
    Most,
    /// All of it.
    Whole,
}

impl Sight {
    /// Returns whether the namespace itself is seen, and not only for the sake of single services.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Most | Self::Whole)
    }
}

/// What one client sees: what every client of its class does, and its own namespace.
#[derive(Debug, Clone, Copy)]
pub struct Row<'p> {
    pub(super) class: &'p ClassRow,
    /// `None` where the client is no pod, or one that sees nothing.
    pub(super) own: Option<NsId>,
}

impl<'p> Row<'p> {
    pub(super) fn of(class: &'p ClassRow, own: Option<NsId>) -> Self {
        Self { class, own }
    }

    /// Returns how much of a namespace is seen.
    pub fn namespace(self, ns: NsId) -> Sight {
        if self.own == Some(ns) {
            Sight::Whole
        } else {
            self.class.namespace(ns)
        }
    }

    /// Returns whether a service is seen.
    pub fn permits(self, ns: NsId, service: ServiceId) -> bool {
        let sight = self.namespace(ns);
        self.permits_of(Seen { ns, sight }, service)
    }

    /// Returns what [`Row::permits`] does, by the same work for every namespace and service.
    pub(super) fn permits_evenly(self, ns: NsId, service: ServiceId) -> bool {
        let differs = black_box(self.class.differs(service));
        match black_box(self.namespace(ns)) {
            Sight::Whole => true,
            Sight::Most => !differs,
            Sight::Some => differs,
            Sight::Hidden => false,
        }
    }

    /// Returns what every client of the same class sees: the row without its client's own namespace.
    pub fn of_class(self) -> Self {
        Self { own: None, ..self }
    }

    /// Returns a number that the clients of one class share, within one policy: what is read of one
    /// of them counts for all.
    pub fn class_number(self) -> usize {
        std::ptr::from_ref(self.class).addr()
    }

    /// Returns whether a service of a namespace is seen that is seen like this.
    pub(super) fn permits_of(self, seen: Seen, service: ServiceId) -> bool {
        match seen.sight {
            Sight::Whole => true,
            Sight::Most => !self.class.differs(service),
            Sight::Some => self.class.differs(service),
            Sight::Hidden => false,
        }
    }

    /// Returns the single services that are seen in namespaces that are not, and those that are
    /// hidden in namespaces that are seen; ascending.
    pub fn single_services(self) -> &'p [ServiceId] {
        &self.class.services
    }
}

/// What the clients of one class see: two bits a namespace, and the single services that differ
/// from theirs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ClassRow {
    everything: bool,
    /// Namespaces that are seen.
    whole: Bits,
    /// Namespaces with single services that differ.
    mixed: Bits,
    /// Those services, ascending.
    services: Vec<ServiceId>,
}

impl ClassRow {
    /// Returns the row of clients that see everything.
    pub(super) fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// Returns how much of a namespace is seen.
    pub(super) fn namespace(&self, ns: NsId) -> Sight {
        match (
            self.everything || self.whole.contains(ns),
            self.mixed.contains(ns),
        ) {
            (true, false) => Sight::Whole,
            (true, true) => Sight::Most,
            (false, true) => Sight::Some,
            (false, false) => Sight::Hidden,
        }
    }

    fn differs(&self, service: ServiceId) -> bool {
        self.services.binary_search(&service).is_ok()
    }

    /// Returns whether [`ClassRow::set`] would change nothing.
    pub(super) fn is(
        &self,
        ns: NsId,
        whole: bool,
        services: &[(ServiceId, bool)],
        mixed: bool,
    ) -> bool {
        self.whole.contains(ns) == whole
            && self.mixed.contains(ns) == mixed
            && services
                .iter()
                .all(|(service, differs)| self.differs(*service) == *differs)
    }

    /// Says whether all of a namespace is seen, of each service that may differ whether it does, and
    /// whether any does. Services of it that are not given are as they were.
    pub(super) fn set(
        &mut self,
        ns: NsId,
        whole: bool,
        services: &[(ServiceId, bool)],
        mixed: bool,
    ) {
        self.whole.set(ns, whole);
        self.mixed.set(ns, mixed);
        for &(service, differs) in services {
            match (self.services.binary_search(&service), differs) {
                (Err(place), true) => self.services.insert(place, service),
                (Ok(place), false) => drop(self.services.remove(place)),
                _ => {}
            }
        }
    }
}

/// A set of numbers that is small for few of them and for many: words of 64 bits, those with any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Bits {
    /// Ascending: the word's place, and its bits.
    words: Vec<(u32, u64)>,
}

impl Bits {
    fn contains(&self, ns: NsId) -> bool {
        let word = self.words.get(self.place(ns.0 / 64));
        word.is_some_and(|(at, word)| *at == ns.0 / 64 && word >> (ns.0 % 64) & 1 != 0)
    }

    fn set(&mut self, ns: NsId, member: bool) {
        if self.contains(ns) == member {
            return;
        }
        let place = self.place(ns.0 / 64);
        let bit = 1u64 << (ns.0 % 64);
        match self.words.get_mut(place) {
            Some((at, word)) if *at == ns.0 / 64 => {
                *word ^= bit;
                if *word == 0 {
                    self.words.remove(place);
                }
            }
            _ => {
                self.words.reserve_exact(1);
                self.words.insert(place, (ns.0 / 64, bit));
            }
        }
    }

    /// Returns where the first word is that is not in front of the one at `word`.
    fn place(&self, word: u32) -> usize {
        self.words.partition_point(|(at, _)| *at < word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn bits_are_a_set() {
        let (mut bits, mut model) = (Bits::default(), BTreeSet::new());
        let mut random = 3u32;
        for _ in 0..5_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (number, member) = ((random >> 8) % 700, random >> 31 == 0);
            bits.set(NsId(number), member);
            if member {
                model.insert(number);
            } else {
                model.remove(&number);
            }
        }
        for number in 0..1_000 {
            assert_eq!(bits.contains(NsId(number)), model.contains(&number));
        }
        model.iter().for_each(|n| bits.set(NsId(*n), false));
        assert_eq!(bits, Bits::default(), "empty words are given back");
        assert!(!bits.contains(NsId::NONE));
    }

    #[test]
    fn no_namespace_is_nobodys_own() {
        let class = ClassRow::default();
        for own in [None, Some(NsId(3))] {
            let row = Row { class: &class, own };
            assert_eq!(row.namespace(NsId::NONE), Sight::Hidden);
            assert!(!row.permits(NsId::NONE, ServiceId::NONE));
        }
    }
}
