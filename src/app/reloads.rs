//! Which configuration is in force, and how often another one was refused: for whoever asks
//! over HTTP.

use crate::config::Config;
use ring_crypto::digest::{Context, SHA512};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Reloads(Arc<Mutex<Reloaded>>);

/// What is known at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reloaded {
    /// The SHA-512 of the configuration's files, in hexadecimal digits; that of nothing where there is
    /// none.
    pub(super) configuration: Box<str>,
    /// The SHA-512 of what they say of tenants: `[tenancy]` with everything that it stands for.
    pub(super) policy: Box<str>,
    /// Changes that were refused.
    pub(super) failed: u64,
}

impl Reloads {
    /// Notes the configuration that is in force from now on.
    pub(super) fn taken(&self, config: &Config) {
        let hashes = (hash(config), policy_hash(config));
        let mut state = self.lock();
        (state.configuration, state.policy) = hashes;
    }

    /// Notes that one was refused.
    pub(super) fn refused(&self) {
        self.lock().failed += 1;
    }

    /// Returns what is known.
    pub(super) fn read(&self) -> Reloaded {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Reloaded> {
        // Whole after every change, whatever happened to who made it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the SHA-512 of a configuration's files in hexadecimal digits: of one, what `sha512sum` says of
/// it; of several, that of their texts, each behind its length. Where they are does not count, so that
/// replicas can be compared.
pub(super) fn hash(config: &Config) -> Box<str> {
    let mut context = Context::new(&SHA512);
    for file in &config.read {
        if config.read.len() > 1 {
            let length = u64::try_from(file.text.len()).unwrap_or(u64::MAX);
            context.update(&length.to_be_bytes());
        }
        context.update(file.text.as_bytes());
    }
    digits(context)
}

fn policy_hash(config: &Config) -> Box<str> {
    let mut context = Context::new(&SHA512);
    // As text: whatever the options have is in it, in this version's words.
    context.update(format!("{:?}", config.tenancy).as_bytes());
    digits(context)
}

fn digits(context: Context) -> Box<str> {
    let mut text = String::with_capacity(128);
    for octet in context.finish().as_ref() {
        // Writing to a text can't fail.
        let _ = write!(text, "{octet:02x}");
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FileRead;

    fn config(texts: &[&str]) -> Config {
        let file = |text: &&str| FileRead {
            path: "f".into(),
            text: (*text).into(),
        };
        Config {
            read: texts.iter().map(file).collect(),
            ..Config::default()
        }
    }

    #[test]
    fn a_hash_is_that_of_the_texts_and_of_where_one_ends() {
        let hashes = [&["ab", "c"][..], &["a", "bc"], &["abc"], &[]].map(|t| hash(&config(t)));
        for (at, hash) in hashes.iter().enumerate() {
            assert_eq!(hash.len(), 128);
            assert!(!hashes[..at].contains(hash));
        }
        assert_eq!(hashes[0], hash(&config(&["ab", "c"])));
        // What sha512sum says of a file with these three letters.
        assert!(hashes[2].starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn what_is_refused_is_counted_and_changes_nothing() {
        let reloads = Reloads::default();
        reloads.taken(&config(&["a"]));
        let first = reloads.read();
        reloads.refused();
        let refused = reloads.read();
        assert_eq!(refused.failed, 1);
        assert_eq!(refused.configuration, first.configuration);
        reloads.taken(&config(&["b"]));
        let taken = reloads.read();
        assert_eq!(taken.failed, 1);
        assert_ne!(taken.configuration, first.configuration);
        assert_eq!(taken.policy, first.policy);
    }
}
