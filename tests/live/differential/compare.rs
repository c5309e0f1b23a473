//! Two answers to one question: equal, different as a line of docs/compatibility.md says, or wrong.

use super::answer::Answer;
use super::case::Case;
use super::client::ask_all;
use super::explained::{SIZE, lines_for};
use super::facts::Facts;
use super::profiles::{PROFILES, Profile};
use super::question::Question;
use super::servers::{Addresses, shown};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;

/// What a reply over UDP has at most.
const UDP_LIMIT: u16 = 1232;

/// How many questions were compared, and how many differences each line explained.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) questions: usize,
    pub(crate) silent: usize,
    pub(crate) truncated: usize,
    pub(crate) lines: BTreeMap<&'static str, usize>,
}

/// What one server says to everything.
type Replies = Vec<Option<Vec<u8>>>;

/// One profile at one moment.
pub(crate) struct Round<'r> {
    pub(crate) facts: &'r Facts,
    pub(crate) number: usize,
    pub(crate) addresses: Addresses,
}

impl Round<'_> {
    fn profile(&self) -> &'static Profile {
        &PROFILES[self.number]
    }

    /// Asks both servers everything and compares. Each error is one difference that nothing
    /// explains.
    pub(crate) fn compare(&self, mut questions: Vec<Question>, tally: &mut Tally) -> Vec<String> {
        let address = Profile::address(self.number);
        let address = self.profile().bound.then_some(address.as_str());
        // Silence is certain over TCP alone.
        let mut chokes = Vec::with_capacity(questions.len());
        for question in &mut questions {
            let choke = self.case(question, address).chokes();
            question.tcp |= choke;
            chokes.push(choke);
        }
        let [whole, plain, ours] = self.ask(&questions);
        let mut differences = Vec::new();
        for (number, question) in questions.iter().enumerate() {
            tally.questions += 1;
            tally.silent += usize::from(chokes[number]);
            let replies = [&whole[number], &plain[number], &ours[number]].map(Option::as_deref);
            let case = self.case(question, address);
            if let Err(difference) = self.judge(&case, chokes[number], replies, tally) {
                differences.push(difference);
            }
        }
        differences
    }

    fn case<'c>(&'c self, question: &'c Question, address: Option<&'c str>) -> Case<'c> {
        Case {
            facts: self.facts,
            profile: self.profile(),
            address,
            question,
        }
    }

    /// What CoreDNS says with everything, without what it chokes on to the size that we keep to, and
    /// what we say.
    fn ask(&self, questions: &[Question]) -> [Replies; 3] {
        let small: Vec<Question> = questions.iter().map(comparable).collect();
        let plain = self.plain();
        thread::scope(|scope| {
            let whole = scope.spawn(|| ask_all(self.addresses.coredns, questions));
            let plain = scope.spawn(|| ask_all(plain, &small));
            let ours = ask_all(self.addresses.ours, questions);
            [whole.join().unwrap(), plain.join().unwrap(), ours]
        })
    }

    /// The CoreDNS that has nothing to choke on.
    fn plain(&self) -> SocketAddr {
        if self.facts.has_odd() {
            self.addresses.without_odd
        } else {
            self.addresses.coredns
        }
    }

    fn judge(
        &self,
        case: &Case<'_>,
        chokes: bool,
        [whole, plain, ours]: [Option<&[u8]>; 3],
        tally: &mut Tally,
    ) -> Result<(), String> {
        let read = |bytes: Option<&[u8]>, who: &str| match bytes {
            Some(bytes) => Answer::read(bytes),
            None => Err(format!("{who} is silent")),
        };
        let fail = |what: &str, answers: &[(&str, &Result<Answer, String>)]| {
            let mut text = format!("{what}\n  profile {}: {}", case.profile.name, case.question);
            for (who, answer) in answers {
                text += &match answer {
                    Ok(answer) => format!("\n  {who}: {answer}"),
                    Err(error) => format!("\n  {who}: {error}"),
                };
            }
            for object in involved(case) {
                text += &format!("\n  {object}");
            }
            text
        };
        let whole_answer = read(whole, "CoreDNS");
        let (base, said) = (read(plain, "CoreDNS"), read(ours, "tenantdns"));
        let answers = [
            ("CoreDNS", &whole_answer),
            ("without the odd", &base),
            ("tenantdns", &said),
        ];
        if whole.is_none() != chokes {
            return Err(fail(
                "the objects tell otherwise whether CoreDNS is silent",
                &answers,
            ));
        }
        let (Ok(base), Ok(said)) = (&base, &said) else {
            return Err(fail("no answer", &answers));
        };
        let mut lines = Vec::new();
        // What CoreDNS chokes on explains a difference of its own answers, and nothing else.
        let odd = match &whole_answer {
            Err(_) => true,
            Ok(whole) if whole.tc || base.tc => {
                let [whole, plain] =
                    [self.addresses.coredns, self.plain()].map(|server| ask_whole(server, case));
                !same_records(&whole, &plain)
            }
            Ok(whole) => beside_opt(whole) != beside_opt(base),
        };
        if odd {
            match case.odd_line() {
                Some(line) => lines.push(line),
                None => return Err(fail("an odd object changes what none should", &answers)),
            }
        }
        let mut due = base.clone();
        if let Ok(whole) = &whole_answer {
            if case.question.edns.is_some_and(|edns| edns.size > UDP_LIMIT) && whole.tc != due.tc {
                lines.push(SIZE);
            }
            // The size and the options that were asked with show in the answer.
            due.opt.clone_from(&whole.opt);
        }
        // Where CoreDNS is silent it is silent about its size, too.
        if let (Some(opt), Some(edns)) = (&mut due.opt, case.question.edns) {
            opt.size = edns.size;
        }
        for line in lines_for(case) {
            let before = due.clone();
            (line.apply)(case, &mut due);
            if due != before {
                lines.push(line.phrase);
            }
        }
        let equal = if due.tc || said.tc {
            tally.truncated += 1;
            self.is_cut_alike(case, &due, said)
        } else {
            due == *said
        };
        if !equal {
            let due = Ok(due);
            let mut answers = answers.to_vec();
            answers.push(("due", &due));
            return Err(fail("a difference that no line explains", &answers));
        }
        for line in lines {
            *tally.lines.entry(line).or_default() += 1;
        }
        Ok(())
    }

    /// Compares where one of the answers was cut: ours has to be a part of the whole, cut where
    /// CoreDNS's is and as long, unless lines of the document made it shorter or records differ in
    /// length.
    fn is_cut_alike(&self, case: &Case<'_>, due: &Answer, said: &Answer) -> bool {
        let full = ask_whole(self.plain(), case);
        let mut complete = full.clone();
        for line in lines_for(case) {
            (line.apply)(case, &mut complete);
        }
        let unchanged = same_records(&full, &complete);
        let counts = |answer: &Answer| [answer.answer.len(), answer.additional.len()];
        let one_length = |lines: &[String]| lines.iter().all(|line| line.len() == lines[0].len());
        let even = one_length(&full.answer) && one_length(&full.additional);
        let within = |part: &[String], all: &[String]| part.iter().all(|line| all.contains(line));
        let envelope = |answer: &Answer| Answer {
            tc: false,
            answer: Vec::new(),
            additional: Vec::new(),
            ..answer.clone()
        };
        envelope(due) == envelope(said)
            && within(&said.answer, &complete.answer)
            && within(&said.additional, &complete.additional)
            && (said.tc || same_records(said, &complete))
            && (!unchanged || said.tc == due.tc && (!even || counts(due) == counts(said)))
    }
}

/// The question, of an answer that is not longer than ours may be: of its size, and without options
/// that take room in it.
fn comparable(question: &Question) -> Question {
    let mut question = question.clone();
    if let Some(edns) = &mut question.edns {
        edns.size = edns.size.min(UDP_LIMIT);
        edns.options = &[];
    }
    question
}

fn beside_opt(answer: &Answer) -> Answer {
    Answer {
        opt: None,
        ..answer.clone()
    }
}

fn same_records(a: &Answer, b: &Answer) -> bool {
    a.rcode == b.rcode
        && a.answer == b.answer
        && a.authority == b.authority
        && a.additional == b.additional
}

/// The answer that nothing is cut from.
fn ask_whole(server: SocketAddr, case: &Case<'_>) -> Answer {
    let question = Question {
        tcp: true,
        ..case.question.clone()
    };
    let bytes = ask_all(server, &[question]).pop().flatten();
    Answer::read(&bytes.expect("an answer that was given over UDP")).unwrap()
}

/// The objects that a question may be about.
fn involved(case: &Case<'_>) -> Vec<String> {
    let (touched, _) = case.touched();
    let mut words: Vec<String> = case.address().into_iter().collect();
    let name = case.question.name.to_ascii_lowercase();
    let labels: Vec<&str> = name.split('.').collect();
    if let Some(at) = labels.iter().position(|label| *label == "pod") {
        for label in labels[..at].iter().filter(|label| label.contains('-')) {
            words.extend([".", ":"].map(|separator| label.replace('-', separator)));
        }
    }
    let is = |object: &&serde_json::Value| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let meta = &object["metadata"];
        let namespace = text(&meta["namespace"]);
        let service = match object["kind"].as_str() {
            Some("EndpointSlice") => text(&meta["labels"]["kubernetes.io/service-name"]),
            Some("Namespace") => return touched.iter().any(|key| key.0 == text(&meta["name"])),
            _ => text(&meta["name"]),
        };
        let quoted = |word: &String| object.to_string().contains(&format!("\"{word}\""));
        touched.contains(&(namespace, service)) || words.iter().any(quoted)
    };
    case.facts.objects.iter().filter(is).map(shown).collect()
}
