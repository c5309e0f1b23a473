//! Two servers that are put the same questions at the same time: their answers are equal, or differ
//! as a line of docs/compatibility.md says, or are wrong.

use super::asked::Batch;
use super::explained::{Case, Line, OCTETS, SIZE};
use super::pod::address;
use crate::differential::answer::{Answer, Opt};
use crate::differential::client::ask_udp;
use crate::differential::question::Question;
use crate::hosts::Network;
use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What a reply over UDP has at most.
const UDP_LIMIT: u16 = 1232;
/// Questions of one TCP connection.
const PIPELINE: usize = 32;
/// How long a server may take over TCP, where nothing is lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is kept is kept for five seconds at least: after more than this it may have gone from one
/// server alone.
const KEPT: Duration = Duration::from_secs(4);

/// How many questions were compared, and how many answers each line explains.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) questions: usize,
    pub(super) truncated: usize,
    /// Questions that one server may answer from what it keeps and the other not: AA and TTLs are not
    /// compared.
    pub(super) anywhere: usize,
    pub(super) lines: BTreeMap<&'static str, usize>,
}

/// What one server says to everything.
type Replies = Vec<Option<Vec<u8>>>;

/// Two servers side by side. The numbers are those of their addresses.
pub(super) struct Contest<'c> {
    pub(super) network: &'c Network,
    /// The host that asks.
    pub(super) client: &'c str,
    /// CoreDNS, and the server that is to say the same.
    pub(super) servers: [u8; 2],
    pub(super) port: u16,
    pub(super) lines: &'c [Line],
    /// Names outside that aliases of the cluster lead to: asking for these keeps them.
    pub(super) targets: &'c HashSet<String>,
    /// Whether IPv6 addresses are made of IPv4 ones for who asks over IPv6.
    pub(super) dns64: bool,
}

/// Where two answers may come from.
#[derive(Clone, Copy)]
enum From {
    /// From whoever has the name: nobody has asked for it before.
    Source,
    /// From what both keep since a moment ago: so many seconds may have run down in one of them.
    Kept(u32),
    /// From either.
    Anywhere,
}

impl Contest<'_> {
    /// Puts a batch to both servers. Each error is one difference that nothing explains.
    pub(super) fn compare(&self, batch: &Batch, v6: bool, tally: &mut Tally) -> Vec<String> {
        let began = Instant::now();
        let mut differences = Vec::new();
        for (questions, repeated) in [(&batch.firsts, false), (&batch.repeats, true)] {
            let [due, said] = self.ask(questions, v6);
            let elapsed = began.elapsed();
            for ((question, due), said) in questions.iter().zip(due).zip(said) {
                let from = match repeated {
                    _ if self.may_be_kept(question) => From::Anywhere,
                    true if elapsed > KEPT => From::Anywhere,
                    true => From::Kept(u32::try_from(elapsed.as_secs()).unwrap() + 1),
                    false => From::Source,
                };
                tally.questions += 1;
                tally.anywhere += usize::from(matches!(from, From::Anywhere));
                let case = (question, self.dns64 && v6, from);
                if let Err(why) = self.judge(case, [due, said], tally) {
                    let again = if repeated { " again" } else { "" };
                    differences.push(format!("{question}{again}, v6: {v6}: {why}"));
                }
            }
        }
        differences
    }

    /// Whether it may be kept before it is asked: by Unbound, where it validates, and because of aliases of
    /// the cluster that lead there, and of `dns64`, which asks for addresses to make others of.
    fn may_be_kept(&self, question: &Question) -> bool {
        let name = question.name.to_ascii_lowercase();
        let is_address = matches!(question.rtype.0, "A" | "AAAA");
        name.ends_with("signed.example.")
            || self.targets.contains(&name)
            || self.dns64 && is_address
    }

    /// What both say, asked at the same time; CoreDNS to the size that we keep to.
    fn ask(&self, questions: &[Question], v6: bool) -> [Replies; 2] {
        let small: Vec<Question> = questions.iter().map(comparable).collect();
        let ours = if self.lines.is_empty() {
            &small
        } else {
            questions
        };
        let ask = |number: usize, questions: &[Question]| {
            let server = address(self.servers[number], v6, self.port);
            self.network.on(self.client, || ask_all(server, questions))
        };
        thread::scope(|scope| {
            let due = scope.spawn(|| ask(0, &small));
            let said = ask(1, ours);
            [due.join().unwrap(), said]
        })
    }

    fn judge(
        &self,
        (question, dns64, from): (&Question, bool, From),
        replies: [Option<Vec<u8>>; 2],
        tally: &mut Tally,
    ) -> Result<(), String> {
        let [due, said] = replies.map(|bytes| match bytes {
            Some(bytes) => Answer::read(&bytes),
            None => Err("silent".to_owned()),
        });
        let (Ok(mut due), Ok(mut said)) = (due.clone(), said.clone()) else {
            return Err(format!(
                "no answer\n  CoreDNS: {due:?}\n  the other: {said:?}"
            ));
        };
        let (whole, shown) = (due.clone(), said.clone());
        let mut lines = Vec::new();
        if question.edns.is_some_and(|edns| edns.size > UDP_LIMIT) && !question.tcp {
            lines.push(SIZE);
        }
        let case = Case {
            question,
            dns64,
            said: &shown,
        };
        for line in self.lines {
            let before = due.clone();
            (line.apply)(&case, &mut due);
            if due != before {
                lines.push(line.phrase);
            }
        }
        if due.tc && !said.tc && (due.aa || dns64) && !matches!(from, From::Source) {
            lines.push(OCTETS);
            said.tc = true;
        }
        if due.tc && said.tc {
            tally.truncated += 1;
            // Which records are left of what is cut is left to chance.
            for answer in [&mut due, &mut said] {
                answer.answer.clear();
                answer.authority.clear();
                answer.additional.clear();
            }
        }
        let seconds = match from {
            // Unbound says a second less where the clock ticks while it answers.
            From::Source if due.ra => 1,
            From::Source if leaves_the_zone(&due) => u32::MAX,
            From::Source => 0,
            From::Kept(seconds) => seconds,
            From::Anywhere => u32::MAX,
        };
        if matches!(from, From::Anywhere) {
            due.aa = said.aa;
        }
        if envelope(&due) != envelope(&said) || !records_agree(&due, &said, seconds) {
            return Err(format!(
                "different\n  CoreDNS: {whole}\n  the other: {shown}"
            ));
        }
        for line in lines {
            *tally.lines.entry(line).or_default() += 1;
        }
        Ok(())
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

/// Everything of an answer but its records.
fn envelope(answer: &Answer) -> (Answer, Option<Opt>) {
    let empty = Answer {
        answer: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        ..answer.clone()
    };
    (empty, answer.opt.clone())
}

/// Whether a name of the cluster's is answered with a name outside.
fn leaves_the_zone(answer: &Answer) -> bool {
    let is_inside = |line: &String| {
        let owner = line.split(' ').next().unwrap();
        owner.to_ascii_lowercase().ends_with(".cluster.local.")
    };
    let mut lines = answer.answer.iter();
    lines.clone().any(is_inside) && !lines.all(is_inside)
}

fn records_agree(due: &Answer, said: &Answer, seconds: u32) -> bool {
    let sections = |answer: &Answer| {
        [&answer.answer, &answer.authority, &answer.additional].map(|lines| {
            let mut records: Vec<(String, u32)> = lines.iter().map(|line| record(line)).collect();
            records.sort();
            records
        })
    };
    let [due, said] = [sections(due), sections(said)];
    due.iter().zip(&said).all(|(due, said)| {
        let mut pairs = due.iter().zip(said);
        due.len() == said.len() && pairs.all(|(a, b)| a.0 == b.0 && a.1.abs_diff(b.1) <= seconds)
    })
}

/// A record without its TTL, and the TTL. Names are compared without case: what is kept is spelled as
/// it was first asked, or as it is asked now.
pub(super) fn record(line: &str) -> (String, u32) {
    const NAMES: [&str; 7] = ["CNAME", "MX", "NS", "PTR", "SOA", "SRV", "NSEC"];
    let mut words = line.splitn(4, ' ');
    let mut next = || words.next().unwrap_or_else(|| panic!("{line}: no record"));
    let (owner, ttl, rtype, data) = (next(), next(), next(), next());
    let data = match NAMES.contains(&rtype) {
        true => data.to_ascii_lowercase(),
        false => data.to_owned(),
    };
    let owner = owner.to_ascii_lowercase();
    (format!("{owner} {rtype} {data}"), ttl.parse().unwrap())
}

/// Asks everything; `None` where no answer comes.
fn ask_all(server: SocketAddr, questions: &[Question]) -> Replies {
    let mut answers = vec![None; questions.len()];
    let (tcp, udp): (Vec<usize>, Vec<usize>) =
        (0..questions.len()).partition(|n| questions[*n].tcp);
    ask_udp(server, questions, &udp, &mut answers);
    for numbers in tcp.chunks(PIPELINE) {
        ask_tcp(server, questions, numbers, &mut answers);
    }
    answers
}

/// Asks over one connection, and takes answers in any order.
fn ask_tcp(server: SocketAddr, questions: &[Question], numbers: &[usize], answers: &mut Replies) {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut written = Vec::new();
    for number in numbers {
        let bytes = questions[*number].bytes(u16::try_from(*number).unwrap());
        written.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        written.extend(bytes);
    }
    stream.write_all(&written).unwrap();
    for _ in numbers {
        let mut length = [0; 2];
        // What is missing then is shown as silent.
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        let number = usize::from(u16::from_be_bytes([answer[0], answer[1]]));
        answers[number] = Some(answer);
    }
}
