//! `autopath`: the search list of whoever asks, gone through here, so that a client that tries its
//! list needs one query. Each name is looked up as that client: a hidden one is passed over as an
//! absent one is.

use super::{Question, Served, Serving};
use crate::answer::Asked;
use crate::chain::{AutopathOptions, Block, Plugin, Record, SearchList, Step, longest};
use crate::wire::{Name, NameBuf, QName, RType, Rcode, eq_ignore_case};

impl Serving<'_> {
    pub(super) fn autopath(
        &self,
        options: &AutopathOptions,
        at: usize,
        question: &Question,
        qname: &QName<'_>,
    ) -> Served {
        let list = search_list(self.asked, self.block, options, qname);
        let base = list.first().and_then(|first| base(qname, first));
        let Some(base) = base else {
            return self.from(at + 1, question);
        };
        let (mut first, mut missing) = (None, false);
        for zone in &list {
            let mut name = NameBuf::new();
            let fits = name.push_wire(base).is_ok() && name.push_wire(zone.as_wire()).is_ok();
            if !fits {
                continue;
            }
            let searched = Question {
                name: name.to_name(),
                ..question.clone()
            };
            let mut reply = self.from(at + 1, &searched)?;
            if reply.is_written && reply.message.rcode() != Rcode::NXDOMAIN {
                let other = reply.message.answer.iter().find(|record| {
                    !eq_ignore_case(record.owner.as_wire(), question.name.as_wire())
                });
                if let Some(record) = other {
                    let alias =
                        Record::name(&question.name, RType::CNAME, record.ttl, &record.owner);
                    reply.message.answer.insert(0, alias);
                }
                reply.by.plugin = reply.by.plugin.or(Some(Plugin::Autopath));
                reply.by.searched = true;
                return Ok(reply);
            }
            missing |= reply.by.missing.is_some();
            first.get_or_insert(reply);
        }
        match first {
            // As what was asked for, or all that is in front of one service would be one name.
            Some(mut reply) => {
                let number = || self.asked.snapshot.directory.name_number(qname.lower());
                reply.by.missing = missing.then(number);
                Ok(reply)
            }
            None => self.from(at + 1, question),
        }
    }
}

/// Returns what a name is looked up in, in order; nothing where it is not searched for.
fn search_list(
    asked: &Asked<'_>,
    block: &Block,
    options: &AutopathOptions,
    qname: &QName<'_>,
) -> Vec<Name> {
    if longest(&options.zones, qname).is_none() {
        return Vec::new();
    }
    let mut list = Vec::new();
    if options.from == SearchList::Kubernetes {
        let snapshot = asked.snapshot;
        let zone = block.steps().iter().find_map(|step| match step {
            Step::Kubernetes(id) => snapshot.zone(*id)?.origin(qname),
            _ => None,
        });
        // Nodes and clients outside the cluster have no search list that is known.
        let namespace = snapshot.view(asked.client).own_namespace();
        let (Some(origin), Some(namespace)) = (zone, namespace) else {
            return list;
        };
        let labels: [&[&[u8]]; 3] = [&[namespace, b"svc"], &[b"svc"], &[]];
        for labels in labels {
            match origin.name.prefixed(labels.iter().copied()) {
                Ok(name) => list.push(name),
                Err(_) => return Vec::new(),
            }
        }
    }
    list.extend(options.search.iter().cloned());
    if !list.is_empty() {
        list.push(Name::root());
    }
    list
}

/// Returns what stands in a name in front of the first zone of the list, as it was spelled.
fn base<'q>(qname: &QName<'q>, first: &Name) -> Option<&'q [u8]> {
    let labels = first.label_count();
    if !qname.is_at_or_below(first, labels) {
        return None;
    }
    let end = qname.suffix_offset(labels)?;
    qname.as_wire().get(..end).filter(|base| !base.is_empty())
}

/// Returns whether a name is searched for in more than one place.
pub(in crate::answer) fn concerns(
    asked: &Asked<'_>,
    block: &Block,
    options: &AutopathOptions,
    qname: &QName<'_>,
) -> bool {
    let list = search_list(asked, block, options, qname);
    list.first()
        .is_some_and(|first| base(qname, first).is_some())
}
