//! Sets of rules, by their place in the configuration.

use super::options::{Effect, Rule};

/// A set of rules. Up to 64 of them cost no allocation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RuleSet {
    first: u64,
    rest: Box<[u64]>,
}

impl RuleSet {
    /// Returns the rules for which `which` holds.
    pub fn of(rules: &[Rule], which: impl Fn(&Rule) -> bool) -> Self {
        Self::of_indexed(rules, |_, rule| which(rule))
    }

    /// Returns the rules for which `which` holds, told their places too.
    pub fn of_indexed(rules: &[Rule], which: impl Fn(usize, &Rule) -> bool) -> Self {
        let mut words = rules.chunks(64).enumerate().map(|(chunk, rules)| {
            let bits = rules.iter().enumerate();
            bits.filter(|(bit, rule)| which(chunk * 64 + bit, rule))
                .fold(0, |word, (bit, _)| word | 1u64 << bit)
        });
        let first = words.next().unwrap_or(0);
        let rest: Box<[u64]> = words.collect();
        let empty = rest.iter().all(|word| *word == 0);
        Self {
            first,
            rest: if empty { Box::default() } else { rest },
        }
    }

    /// Returns whether the rule at a place is in the set.
    pub fn has(&self, index: usize) -> bool {
        self.word(index / 64) & (1 << (index % 64)) != 0
    }

    fn word(&self, index: usize) -> u64 {
        match index.checked_sub(1) {
            None => self.first,
            Some(index) => self.rest.get(index).copied().unwrap_or(0),
        }
    }

    /// Returns the first rule with an effect that is in `self` and in `a` or `b`.
    pub(super) fn first_in(
        &self,
        rules: &[Rule],
        effect: Effect,
        (a, b): (&Self, &Self),
    ) -> Option<usize> {
        let words = rules.len().div_ceil(64);
        (0..words).find_map(|word| {
            let mut both = self.word(word) & (a.word(word) | b.word(word));
            while both != 0 {
                let index = word * 64 + both.trailing_zeros() as usize;
                if rules.get(index).is_some_and(|rule| rule.effect == effect) {
                    return Some(index);
                }
                both &= both - 1;
            }
            None
        })
    }
}
