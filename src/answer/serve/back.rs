//! Answers to questions that `rewrite` changed: each record goes through the rules in reverse. Where a
//! rule has an alias lead elsewhere, that is looked up as the client, and stands behind the alias.

use super::{Question, Serving, Stop, look_up};
use crate::answer::message::Message;
use crate::chain::{Record, Rewriter};
use crate::wire::{HeaderFlags, RType, Rcode};

impl Serving<'_> {
    /// Changes an answer to `question` as the rules say.
    pub(super) fn turn_back(
        &self,
        rules: &[Rewriter],
        question: &Question,
        message: &mut Message,
    ) -> Result<(), Stop> {
        let mut rcode = message.rcode();
        let leads_on = rules.iter().any(|rule| matches!(rule, Rewriter::Cname(..)));
        if leads_on && !message.answer.is_empty() {
            // The order is CoreDNS's, from section to section and from record to record.
            let changed = |records: &mut Vec<Record>, rcode: &mut Rcode| {
                for record in records {
                    rules
                        .iter()
                        .rev()
                        .for_each(|rule| rule.change(rcode, record));
                }
            };
            changed(&mut message.authority, &mut rcode);
            self.turn_answer_back(rules, question, message, &mut rcode)?;
            changed(&mut message.additional, &mut rcode);
        } else {
            Rewriter::apply(rules, &mut rcode, message.records());
        }
        message.rcode = Some(rcode);
        Ok(())
    }

    fn turn_answer_back(
        &self,
        rules: &[Rewriter],
        question: &Question,
        message: &mut Message,
        rcode: &mut Rcode,
    ) -> Result<(), Stop> {
        let mut found = std::mem::take(&mut message.answer);
        // Which of them are in the answer, and what stands behind them.
        let mut kept: Vec<usize> = (0..found.len()).collect();
        let mut behind: Vec<Record> = Vec::new();
        for at in 0..found.len() {
            for rule in rules.iter().rev() {
                let Some(record) = found.get_mut(at) else {
                    break;
                };
                rule.change(rcode, record);
                let Some(target) = rule.retarget(record) else {
                    continue;
                };
                let (before, depth) = (record.target().cloned(), self.depth);
                let looked = look_up(self.asked, &target, question.qtype, depth)?;
                // Aliases up to the one that leads elsewhere stay.
                let mut is_before = true;
                kept.retain(|&at| {
                    let alias = found.get_mut(at).filter(|r| r.rtype == RType::CNAME);
                    let Some(alias) = alias.filter(|_| is_before) else {
                        return false;
                    };
                    is_before = alias.target().cloned() != before;
                    if let (false, Some(place)) = (is_before, alias.target()) {
                        *place = target.clone();
                    }
                    true
                });
                behind = looked.answer;
                let cut = looked.flags.and(HeaderFlags::TC);
                message.flags = message.flags.without(HeaderFlags::TC).or(cut);
            }
        }
        let mut found: Vec<Option<Record>> = found.into_iter().map(Some).collect();
        let kept = kept.iter().filter_map(|&at| found.get_mut(at)?.take());
        message.answer = kept.chain(behind).collect();
        Ok(())
    }
}
