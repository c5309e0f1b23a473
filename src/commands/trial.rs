//! `policy test`: whether a fact holds. What is judged is the server's own answer; the decision of
//! the policy says why.

use super::explain::{Explanation, explain, explain_class};
use super::facts::{Answer, Expected, Fact, Question, Sender};
use super::plain::plain;
use crate::index::Index;
use crate::snapshot::Snapshot;
use crate::tenancy::Client;
use crate::wire::Name;
use crate::zone::Zone;
use std::fmt::{self, Display};

/// What became of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why it does not hold; `None` where it does.
    pub failure: Option<String>,
}

/// Tries a fact on a snapshot.
pub fn try_fact(index: &Index, snapshot: &Snapshot, fact: &Fact) -> Verdict {
    let failure = match ask(index, snapshot, fact) {
        Ok(said) => judge(fact, &said).err(),
        Err(reason) => Some(reason),
    };
    Verdict { failure }
}

fn ask(index: &Index, snapshot: &Snapshot, fact: &Fact) -> Result<Explanation, String> {
    let name = match &fact.question {
        Question::Name(name) => name.clone(),
        Question::Target { namespace, service } => name_of(snapshot, namespace, service.as_deref())
            .ok_or("the configuration has no zone for services")?,
    };
    let client = match &fact.from {
        Sender::Asker(asker) => return explain(index, snapshot, asker, &name, fact.rtype),
        Sender::Node => Client::Node,
        Sender::Unknown => Client::Unknown,
    };
    Ok(explain_class(index, snapshot, client, &name, fact.rtype))
}

fn name_of(snapshot: &Snapshot, namespace: &str, service: Option<&str>) -> Option<Name> {
    let origin = snapshot.zones.iter().find_map(Zone::primary)?;
    let labels = service.into_iter().chain([namespace, "svc"]);
    origin.name.prefixed(labels.map(str::as_bytes)).ok()
}

fn judge(fact: &Fact, said: &Explanation) -> Result<(), String> {
    let answered = said.answer.rcode == "NOERROR" || !said.answer.data.is_empty();
    let shown = said.decision.visible;
    let wants = match fact.expected {
        None => None,
        Some(Expected::Visible) => (!answered || !shown).then_some("visible"),
        // A name that nothing has is hidden from everybody: then the fact is about a typing error.
        Some(Expected::Hidden) => (answered || shown || !said.target.exists).then_some("hidden"),
    };
    if let Some(wants) = wants {
        return Err(format!("expected {wants}; {}", Reason(said)));
    }
    let Some(answer) = &fact.answer else {
        return Ok(());
    };
    let holds = match answer {
        Answer::Rcode(rcode) => *rcode == said.answer.rcode,
        Answer::NoData => said.answer.rcode == "NOERROR" && said.answer.data.is_empty(),
        Answer::Data(data) => said.answer.rcode == "NOERROR" && same(data, &said.answer.data),
    };
    match holds {
        true => Ok(()),
        false => Err(format!("expected the answer {answer}; {}", Reason(said))),
    }
}

fn same(expected: &[String], said: &[String]) -> bool {
    let sorted = |list: &[String]| {
        // Names end with a dot or not, as people write them.
        let each = list
            .iter()
            .map(|text| text.trim_end_matches('.').to_ascii_lowercase());
        let mut list: Vec<String> = each.collect();
        list.sort();
        list
    };
    sorted(expected) == sorted(said)
}

/// What was found instead, and the step that decided.
struct Reason<'e>(&'e Explanation);

impl Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation {
            target,
            decision,
            answer,
            ..
        } = self.0;
        let names = [&target.namespace, &target.service].into_iter().flatten();
        let path = names.map(|name| plain(name)).collect::<Vec<_>>().join("/");
        if matches!(target.kind, "nothing" | "outside") {
            write!(f, "the name is {}", decision.step)?;
        } else if !target.exists && decision.step != "public" {
            write!(f, "there is no {} {path}", target.kind)?;
        } else {
            let verdict = if decision.visible {
                "visible"
            } else {
                "hidden"
            };
            write!(f, "{verdict} by step {}", decision.step)?;
            if let Some(rule) = &decision.rule {
                write!(f, " (rule {})", plain(rule))?;
            }
        }
        write!(f, "; answered {}", answer.rcode)?;
        let mut data = answer.data.iter();
        data.try_for_each(|data| write!(f, " {}", plain(data)))?;
        if target.kind == "namespace" && !decision.visible && answer.rcode == "NOERROR" {
            f.write_str(", because single services of it are visible")?;
        }
        Ok(())
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rcode(rcode) => f.write_str(rcode),
            Self::NoData => f.write_str("NODATA"),
            Self::Data(data) => f.write_str(&plain(&data.join(" "))),
        }
    }
}

impl Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asker, asked) = (plain(&self.asker), plain(&self.asked));
        write!(f, "{asker} asks for {asked} {}:", self.rtype)?;
        match self.expected {
            Some(Expected::Visible) => f.write_str(" visible")?,
            Some(Expected::Hidden) => f.write_str(" hidden")?,
            None => {}
        }
        self.answer
            .iter()
            .try_for_each(|answer| write!(f, " {answer}"))
    }
}
