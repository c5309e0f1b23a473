//! Labels and annotations in one run of bytes: a cluster has a hundred thousand small maps of them,
//! which as trees would be most of the process.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;

/// Labels or annotations of an object, sorted by key.
///
/// Layout of each entry: the lengths of key and value as `u32` in little endian, key, value.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Labels {
    entries: Box<[u8]>,
}

impl Labels {
    /// Returns a map without entries, which allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// Returns whether there is an entry with this key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns each key with its value, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.entries;
        std::iter::from_fn(move || {
            let mut take = |length: usize| {
                let (head, tail) = rest.split_at_checked(length)?;
                rest = tail;
                Some(head)
            };
            let mut length = || Some(u32::from_le_bytes(take(4)?.try_into().ok()?) as usize);
            let (key, value) = (length()?, length()?);
            let mut text = |length| std::str::from_utf8(take(length)?).ok();
            Some((text(key)?, text(value)?))
        })
    }

    /// Returns those entries whose key is wanted.
    #[must_use]
    pub fn filter(&self, wanted: impl Fn(&str) -> bool) -> Self {
        if self.iter().all(|(key, _)| wanted(key)) {
            return self.clone();
        }
        let mut entries = Vec::new();
        for (key, value) in self.iter().filter(|(key, _)| wanted(key)) {
            push(&mut entries, key, value);
        }
        Self {
            entries: entries.into(),
        }
    }
}

fn push(entries: &mut Vec<u8>, key: &str, value: &str) {
    // The API bounds an object far below this; what is cut off would only be left out.
    let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
    entries.extend(length(key).to_le_bytes());
    entries.extend(length(value).to_le_bytes());
    entries.extend(key.as_bytes());
    entries.extend(value.as_bytes());
}

impl<K: AsRef<str> + Ord, V: AsRef<str>> FromIterator<(K, V)> for Labels {
    /// Takes the last value of a key that comes several times.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        pairs.dedup_by(|later, first| later.0.as_ref() == first.0.as_ref());
        let mut entries = Vec::new();
        for (key, value) in &pairs {
            push(&mut entries, key.as_ref(), value.as_ref());
        }
        Self {
            entries: entries.into(),
        }
    }
}

impl<const N: usize> From<[(Box<str>, Box<str>); N]> for Labels {
    fn from(pairs: [(Box<str>, Box<str>); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<'de> Deserialize<'de> for Labels {
    /// Takes a map of texts; a null value is the empty text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut pairs: Vec<(Box<str>, Box<str>)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<_, Option<Box<str>>>()? {
                    pairs.push((key, value.unwrap_or_default()));
                }
                Ok(pairs.into_iter().collect())
            }
        }

        deserializer.deserialize_map(Map)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_the_last_of_a_key_counts() {
        let labels: Labels = [("b", "1"), ("a", ""), ("b", "2")].into_iter().collect();
        let all: Vec<_> = labels.iter().collect();
        assert_eq!(all, [("a", ""), ("b", "2")]);
        assert_eq!(labels.get("b"), Some("2"));
        assert!(labels.contains_key("a") && !labels.contains_key(""));
        let filtered = labels.filter(|key| key == "a");
        assert_eq!(filtered, [("a", "")].into_iter().collect());
        assert!(labels.filter(|_| false).is_empty() && Labels::new().is_empty());
    }
}
