//! A file of facts, as `policy test` takes it: who should see what. Reading it, not judging it.
//!
//! It is YAML because that is what the manifests beside it are. What is wrong in one is said with
//! file, line and column, all of it at once where the text is YAML.

use crate::config::{Asker, ConfigError, Problem};
use crate::wire::{Name, RType};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A file of facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The file.
    pub path: PathBuf,
    /// `config`: the configuration under which they hold; relative ones are relative to the file.
    pub config: Option<PathBuf>,
    /// `manifests`: the objects of which they hold, likewise.
    pub manifests: Vec<PathBuf>,
    /// `facts`, at least one.
    pub facts: Vec<Fact>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The line that it begins in.
    pub line: u64,
    pub(super) from: Sender,
    /// `from`, as it was written.
    pub(super) asker: String,
    pub(super) question: Question,
    /// `name` or `target`, likewise.
    pub(super) asked: String,
    pub(super) rtype: RType,
    pub(super) expected: Option<Expected>,
    pub(super) answer: Option<Answer>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sender {
    /// A namespace's pods, a pod, or an address.
    Asker(Asker),
    /// Nodes.
    Node,
    /// An address that is nobody's.
    Unknown,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Question {
    /// This name.
    Name(Name),
    /// A namespace or a service in whichever zone services are in.
    Target {
        namespace: String,
        service: Option<String>,
    },
}

/// `expected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The target is in the client's view, and the answer says so.
    Visible,
    /// It exists, and is answered as if it did not.
    Hidden,
}

/// `answer`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// This response code.
    Rcode(String),
    /// The name exists, without records of the type.
    NoData,
    /// Records with exactly this data, in any order.
    Data(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    config: Option<String>,
    #[serde(default)]
    manifests: Vec<String>,
    facts: Option<Spanned<Vec<Spanned<FactText>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactText {
    from: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    target: Option<Spanned<String>>,
    #[serde(rename = "type")]
    rtype: Option<Spanned<String>>,
    expected: Option<Spanned<String>>,
    answer: Option<Spanned<AnswerText>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnswerText {
    Word(String),
    Data(Vec<String>),
}

const RCODES: [&str; 5] = ["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR"];

impl Facts {
    /// Reads a file.
    ///
    /// # Errors
    /// The file can't be read, is no YAML, or says something that can't be.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(&text, path)
    }

    /// Reads the text of a file; `path` is what errors call it, and where it lies.
    ///
    /// # Errors
    /// As [`Facts::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            file: path.display().to_string().into(),
            problems: Vec::new(),
        };
        let options = serde_saphyr::options! {
            // A name such as `no` or `y` is text, whatever YAML 1.1 said.
            strict_booleans: true,
            with_snippet: false,
        };
        let read: FileText = match serde_saphyr::from_str_with_options(text, options) {
            Ok(read) => read,
            Err(error) => {
                let place = error.location().unwrap_or(Location::UNKNOWN);
                let message = error.without_snippet().to_string();
                let end = format!(" at line {}, column {}", place.line(), place.column());
                let message = message.strip_suffix(&*end).unwrap_or(&message);
                reader.problem(place, "", message);
                return Err(ConfigError::Invalid(reader.problems));
            }
        };
        let facts = read.facts.map_or_else(Vec::new, |list| list.value);
        let empty = facts.is_empty();
        let read_facts: Vec<Fact> = (0..)
            .zip(facts)
            .filter_map(|(place, text)| reader.fact(place, text))
            .collect();
        if empty {
            let message = "there are none: a file without facts would always pass";
            reader.problem(Location::UNKNOWN, "facts", message);
        }
        if !reader.problems.is_empty() {
            return Err(ConfigError::Invalid(reader.problems));
        }
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Ok(Self {
            path: path.to_owned(),
            config: read.config.map(|config| folder.join(config)),
            manifests: read
                .manifests
                .iter()
                .map(|path| folder.join(path))
                .collect(),
            facts: read_facts,
        })
    }
}

/// What is being read, and what was found wrong in it so far.
struct Reader {
    file: Box<str>,
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, place: Location, key: &str, message: &str) {
        self.problems.push(Problem {
            file: self.file.clone(),
            // A place that is not known is the whole file.
            line: place.line().max(1) as usize,
            column: place.column().max(1) as usize,
            key: key.into(),
            message: message.into(),
        });
    }

    /// Returns what `parse` makes of a value.
    fn value<T>(
        &mut self,
        key: &str,
        value: &Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = parse(&value.value);
        parsed
            .map_err(|message| self.problem(value.referenced, key, &message))
            .ok()
    }

    fn fact(&mut self, place: usize, text: Spanned<FactText>) -> Option<Fact> {
        let begin = text.referenced;
        let text = text.value;
        let key = |name: &str| format!("facts[{place}].{name}");
        let from = text.from.as_ref();
        if from.is_none() {
            let message = "missing: `namespace`, `namespace/pod`, an address, `node` or `unknown`";
            self.problem(begin, &key("from"), message);
        }
        let asker = from.map(|from| self.value(&key("from"), from, asker));
        let question = match (&text.name, &text.target) {
            (Some(name), None) => self.value(&key("name"), name, name_or_address),
            (None, Some(target)) => self.value(&key("target"), target, target_of),
            (Some(name), Some(_)) => {
                self.problem(
                    name.referenced,
                    &key("name"),
                    "give `name` or `target`, not both",
                );
                None
            }
            (None, None) => {
                let message =
                    "missing: a name, or `target` with `namespace` or `namespace/service`";
                self.problem(begin, &key("name"), message);
                None
            }
        };
        let rtype = text.rtype.as_ref().map(|rtype| {
            let parse = |text: &str| text.parse::<RType>().map_err(|error| error.to_string());
            self.value(&key("type"), rtype, parse)
        });
        let expected = text.expected.as_ref();
        let expected = expected.map(|word| self.value(&key("expected"), word, expectation));
        let answer = text.answer.map(|answer| {
            let parsed = answer_of(answer.value);
            parsed
                .map_err(|message| self.problem(answer.referenced, &key("answer"), &message))
                .ok()
        });
        if expected.is_none() && answer.is_none() {
            let message = "missing: `visible` or `hidden`, or an `answer`";
            self.problem(begin, &key("expected"), message);
        }
        let (question, usual) = question?;
        let asked = text.name.or(text.target)?.value;
        Some(Fact {
            asked,
            line: begin.line(),
            asker: from?.value.clone(),
            from: asker??,
            question,
            rtype: rtype.unwrap_or(Some(usual))?,
            // What could not be read has been said.
            expected: expected.flatten(),
            answer: answer.flatten(),
        })
    }
}

fn asker(text: &str) -> Result<Sender, String> {
    match text {
        "node" => return Ok(Sender::Node),
        "unknown" => return Ok(Sender::Unknown),
        _ => {}
    }
    // As good as the namespace alone, and the way to write one that is called `node`.
    let asker = text.strip_suffix("/*").unwrap_or(text);
    match asker.parse() {
        Ok(Asker::Pod { .. }) if asker != text => {
            Err(format!("`{}` is not a namespace", shown(asker)))
        }
        parsed => parsed.map(Sender::Asker),
    }
}

/// Returns the question with the type that is usual for it.
fn name_or_address(text: &str) -> Result<(Question, RType), String> {
    let name: Name = text
        .parse()
        .map_err(|error| format!("`{}`: {error}", shown(text)))?;
    let reverse = ["in-addr.arpa", "ip6.arpa"].iter().any(|arpa| {
        arpa.parse::<Name>()
            .is_ok_and(|arpa| name.is_at_or_below(&arpa))
    });
    let usual = match reverse || text.parse::<IpAddr>().is_ok() {
        true => RType::PTR,
        false => RType::A,
    };
    Ok((Question::Name(name), usual))
}

fn target_of(text: &str) -> Result<(Question, RType), String> {
    let (namespace, service) = match text.split_once('/') {
        Some((namespace, service)) => (namespace, Some(service)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=63).contains(&label.len()) && label.chars().all(legal)
    };
    if !is_label(namespace) || !service.is_none_or(is_label) {
        return Err(format!(
            "`{}` is not `namespace` or `namespace/service`",
            shown(text)
        ));
    }
    let question = Question::Target {
        namespace: namespace.to_owned(),
        service: service.map(str::to_owned),
    };
    Ok((question, RType::A))
}

fn expectation(text: &str) -> Result<Expected, String> {
    match text {
        "visible" => Ok(Expected::Visible),
        "hidden" => Ok(Expected::Hidden),
        _ => Err(format!(
            "`{}` is neither `visible` nor `hidden`",
            shown(text)
        )),
    }
}

fn answer_of(text: AnswerText) -> Result<Answer, String> {
    match text {
        AnswerText::Data(data) if data.is_empty() => {
            Err("an empty list: write `NODATA` for a name without records of the type".to_owned())
        }
        AnswerText::Data(data) => Ok(Answer::Data(data)),
        AnswerText::Word(word) if word == "NODATA" => Ok(Answer::NoData),
        AnswerText::Word(word) if RCODES.contains(&&*word) => Ok(Answer::Rcode(word)),
        AnswerText::Word(word) => Err(format!(
            "`{}` is not NODATA, {}, or a list of records' data, as in `[10.96.0.1]`",
            shown(&word),
            RCODES.join(", ")
        )),
    }
}

fn shown(text: &str) -> String {
    super::plain::plain(text)
}
