//! What each kind of client sees, as bits over the numbers of namespaces.

use super::view::Seen;
use super::{NsId, ServiceId};
use std::hint::select_unpredictable;

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
    #[inline]
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
    #[inline(always)]
    pub(super) fn permits_evenly(self, ns: NsId, service: ServiceId) -> bool {
        // Whether there are any is the client's, and not the name's.
        let singles = &self.class.services;
        let differs = !singles.is_empty() && self.class.differs(service);
        let (whole, mixed) = self.class.namespaces.get(ns);
        let own = self.own == Some(ns);
        // Bit by bit: nothing branches on what comes out.
        own | ((self.class.everything | whole) ^ (mixed & differs))
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
    namespaces: Bits,
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
    #[inline]
    pub(super) fn namespace(&self, ns: NsId) -> Sight {
        let (whole, mixed) = self.namespaces.get(ns);
        match (self.everything | whole, mixed) {
            (true, false) => Sight::Whole,
            (true, true) => Sight::Most,
            (false, true) => Sight::Some,
            (false, false) => Sight::Hidden,
        }
    }

    #[inline(always)]
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
        self.namespaces.get(ns) == (whole, mixed)
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
        self.namespaces.set(ns, (whole, mixed));
        for &(service, differs) in services {
            match (self.services.binary_search(&service), differs) {
                (Err(place), true) => self.services.insert(place, service),
                (Ok(place), false) => drop(self.services.remove(place)),
                _ => {}
            }
        }
    }
}

/// Two bits for each namespace: whether it is seen, and whether single services differ from it. Small
/// for few of them and for many: words of 64, those with any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Bits {
    /// Ascending.
    words: Vec<Word>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Word {
    place: u32,
    whole: u64,
    mixed: u64,
}

impl Bits {
    #[inline(always)]
    fn get(&self, ns: NsId) -> (bool, bool) {
        match self.word(ns.0 / 64) {
            Some(word) if word.place == ns.0 / 64 => {
                let is_set = |bits: u64| bits >> (ns.0 % 64) & 1 != 0;
                (is_set(word.whole), is_set(word.mixed))
            }
            _ => (false, false),
        }
    }

    fn set(&mut self, ns: NsId, next: (bool, bool)) {
        let before = self.get(ns);
        if before == next {
            return;
        }
        let (at, place) = (self.at(ns.0 / 64), ns.0 / 64);
        if self.words.get(at).is_none_or(|word| word.place != place) {
            self.words.reserve_exact(1);
            let word = Word {
                place,
                ..Word::default()
            };
            self.words.insert(at, word);
        }
        let Some(word) = self.words.get_mut(at) else {
            return;
        };
        let bit = 1u64 << (ns.0 % 64);
        word.whole ^= if before.0 == next.0 { 0 } else { bit };
        word.mixed ^= if before.1 == next.1 { 0 } else { bit };
        if word.whole | word.mixed == 0 {
            self.words.remove(at);
        }
    }

    /// Returns the word at `place`, or another one, by the same work for every place.
    #[inline(always)]
    fn word(&self, place: u32) -> Option<&Word> {
        let mut word = self.words.first()?;
        let (mut at, mut left) = (0usize, self.words.len());
        while left > 1 {
            let half = left / 2;
            let middle = self.words.get(at.wrapping_add(half))?;
            let is_behind = middle.place <= place;
            at = at.wrapping_add(select_unpredictable(is_behind, half, 0));
            word = select_unpredictable(is_behind, middle, word);
            left = left.wrapping_sub(half);
        }
        Some(word)
    }

    /// Returns where the first word is that is not in front of the one at `place`.
    #[inline]
    fn at(&self, place: u32) -> usize {
        self.words.partition_point(|word| word.place < place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn each_namespace_has_its_two_bits() {
        let (mut bits, mut model) = (Bits::default(), BTreeMap::new());
        let mut random = 3u32;
        for _ in 0..5_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (random >> 8) % 700;
            let both = (random >> 31 == 0, random >> 30 & 1 == 0);
            bits.set(NsId(number), both);
            model.insert(number, both);
        }
        for number in 0..1_000 {
            let both = model.get(&number).copied().unwrap_or_default();
            assert_eq!(bits.get(NsId(number)), both);
        }
        model
            .keys()
            .for_each(|n| bits.set(NsId(*n), (false, false)));
        assert_eq!(bits, Bits::default(), "empty words are given back");
        assert_eq!(bits.get(NsId::NONE), (false, false));
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
