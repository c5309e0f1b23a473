//! Server blocks, and the steps that a query goes through in each, in CoreDNS's order.
//!
//! A block is chosen by the listener that received the query and by the longest of the blocks'
//! zones that holds the QNAME. Steps are data: [`crate::answer`] carries them out, so that a step
//! that needs an upstream can stop there and go on later.

mod acl;
mod cache;
mod forward;
mod hosts;
mod loadbalance;
mod master;
mod options;
mod pattern;
mod plugin;
mod record;
mod rewrite;
mod template;
mod text;
mod transfer;
mod view;

pub use acl::{AclAction, AclOptions, AclRule, judge};
pub use cache::CacheOptions;
pub use forward::{Clients, ForwardOptions};
pub use hosts::{HostsId, HostsOptions, HostsTable};
pub use loadbalance::{
    LoadbalanceOptions, WeightError, WeightOptions, WeightTable, WeightsId, prefer,
};
pub use master::{class_of, record};
pub use options::{
    AutopathOptions, ChaosOptions, Dns64Options, FlagRules, HeaderOptions, SearchList,
};
pub use pattern::{Pattern, PatternError};
pub use plugin::Plugin;
pub use record::{Data, Layout, Record, layout};
pub use rewrite::{
    AnswerRule, Asker, NameMatch, NoName, OptionAction, OptionEdits, OptionRule, OptionValue,
    RewriteField, RewriteRule, Rewriter, Rewritten, concerns, edits_options, rewrite,
};
pub use template::{Matched, Parts, TemplateError, TemplateOptions, TemplateText};
pub use text::{lowered, normalized, shown};
pub use transfer::{Secondary, TransferOptions};
pub use view::ViewOptions;

use crate::wire::{Name, PAYLOAD_SIZE, QName};
use crate::zone;
use ipnet::IpNet;

/// Which listener received a query: the position of its address in the server's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u16);

/// Which of a snapshot's zones a step asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZoneId(pub u16);

/// Which group of upstreams a step asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub u16);

/// Which server block: its position among the configured ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockId(pub u16);

/// One server block as configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockOptions {
    /// `zones` of the block, lower-case; the root for the top-level one.
    pub zones: Vec<Name>,
    /// The listeners that serve this block.
    pub listeners: Vec<ListenerId>,
    /// `view`: for whom it is there; `None` for everybody.
    pub view: Option<ViewOptions>,
    /// Its `kubernetes` table.
    pub kubernetes: Option<zone::Options>,
    /// Its `k8s_external` table, which counts beside a `kubernetes` table alone.
    pub external: Option<zone::ExternalOptions>,
    /// Its `nsid` table: the identifier.
    pub nsid: Option<Box<str>>,
    /// Its `bufsize` table: octets of a UDP answer at most.
    pub bufsize: Option<u16>,
    /// Whether it has a `local` table.
    pub local: bool,
    /// Its `dns64` table.
    pub dns64: Option<Dns64Options>,
    /// Whether it has an `any` table.
    pub any: bool,
    /// Its `chaos` table.
    pub chaos: Option<ChaosOptions>,
    /// Its `loadbalance` table.
    pub loadbalance: Option<LoadbalanceOptions>,
    /// Its `rewrite` tables.
    pub rewrite: Vec<RewriteRule>,
    /// Its `autopath` table.
    pub autopath: Option<AutopathOptions>,
    /// Its `acl` tables.
    pub acl: Vec<AclOptions>,
    /// Its `cache` table, for answers that are not kept.
    pub cache: Option<CacheOptions>,
    /// Its `header` tables.
    pub header: Option<HeaderOptions>,
    /// Whether it has a `minimal` table.
    pub minimal: bool,
    /// Its `template` tables.
    pub template: Vec<TemplateOptions>,
    /// Its `transfer` table.
    pub transfer: Option<TransferOptions>,
    /// Its `hosts` table.
    pub hosts: Option<HostsOptions>,
    /// Its `forward` tables. The one with the longest zone is asked, of several the first.
    pub forward: Vec<ForwardOptions>,
}

/// One thing that a block does with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them")]
pub enum Step {
    /// Says who it is, to who asks for that.
    Nsid(Box<str>),
    /// Answers for the host's own names.
    Local,
    /// Makes IPv6 addresses of IPv4 ones.
    Dns64(Dns64Options),
    /// Says little to questions for everything.
    Any,
    /// Says what the server is.
    Chaos(ChaosOptions),
    /// Has addresses that are preferred stand first.
    Prefer(Box<[IpNet]>),
    /// Has addresses stand first by weights.
    Weighted(WeightsId, WeightOptions),
    /// Asks something else.
    Rewrite(Box<[RewriteRule]>),
    /// Goes through the client's search list for it.
    Autopath(AutopathOptions),
    /// Lets some clients' questions go no further.
    Acl(Box<[AclOptions]>),
    /// Keeps TTLs of answers within bounds.
    Cache(CacheOptions),
    /// Sets flags of questions and answers.
    Header(HeaderOptions),
    /// Leaves out what was not asked for.
    Minimal,
    /// Answers from texts with places.
    Template(Box<[TemplateOptions]>),
    /// Answers from lists of hosts: the lines in the configuration, and those of a file.
    Hosts(HostsId, Box<HostsOptions>, HostsTable),
    /// Answers from the cluster's data, with where services are reached from outside.
    External(ZoneId),
    /// Answers from the cluster's data.
    Kubernetes(ZoneId),
    /// Asks upstreams.
    Forward(ForwardOptions),
}

/// One server block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    id: BlockId,
    zones: Vec<Name>,
    listeners: Vec<ListenerId>,
    view: Option<ViewOptions>,
    steps: Vec<Step>,
    /// How many of them stand in front of what answers from data or asks.
    front: usize,
    first_zone: Option<ZoneId>,
    udp_size: u16,
    minimal: bool,
    chaos: bool,
    loadbalance: bool,
    /// Beside the steps: what it is for comes to none of them but `acl`.
    transfer: Option<Box<TransferOptions>>,
    cache: Option<CacheOptions>,
}

impl Block {
    /// Returns the block's position among the configured ones.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// Returns the block's zones, in lower case.
    pub fn zones(&self) -> &[Name] {
        &self.zones
    }

    /// Returns the block's steps in the order in which they are tried.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the steps in front of `k8s_external`, `kubernetes` and `forward`.
    pub fn front(&self) -> &[Step] {
        self.steps.get(..self.front).unwrap_or(&[])
    }

    /// Returns the octets of a UDP answer at most.
    pub fn udp_size(&self) -> u16 {
        self.udp_size
    }

    /// Returns whether positive answers have no section but one.
    pub fn is_minimal(&self) -> bool {
        self.minimal
    }

    /// Returns whether addresses of other servers' replies change places.
    pub fn rotates(&self) -> bool {
        self.loadbalance
    }

    /// Returns what TTLs of answers are within that are not kept.
    pub fn cache(&self) -> Option<&CacheOptions> {
        self.cache.as_ref()
    }

    /// Returns whether questions of class CH are taken.
    pub fn takes_chaos(&self) -> bool {
        self.chaos
    }

    /// Returns who may have the block's zones as a whole; `None` where nobody may.
    pub fn transfer(&self) -> Option<&TransferOptions> {
        self.transfer.as_deref()
    }

    fn is_behind(&self, listener: ListenerId) -> bool {
        self.listeners.contains(&listener)
    }

    /// Returns whether it is for every name and everybody.
    fn is_for_all(&self) -> bool {
        matches!(&*self.zones, [zone] if zone.as_wire() == [0]) && self.view.is_none()
    }
}

/// Every server block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    blocks: Vec<Block>,
}

impl Chain {
    /// Builds the blocks, and returns them with the options of the zones that their steps name, by
    /// [`ZoneId`].
    pub fn build(options: &[BlockOptions]) -> (Self, Vec<zone::Options>) {
        let (mut zones, mut files) = (Vec::new(), Files::default());
        let blocks = (0..).zip(options).map(|(id, block)| {
            let mut settled = true;
            let steps = steps(block, &mut zones, &mut files, &mut settled);
            let udp_size = block.bufsize.unwrap_or(PAYLOAD_SIZE).min(PAYLOAD_SIZE);
            let is_front = |step: &&Step| {
                let answers = matches!(step, Step::External(_) | Step::Kubernetes(_));
                !answers && !matches!(step, Step::Forward(_))
            };
            // What `any` and `chaos` are for has no short way, which knows of `minimal`; and names of
            // services outside are none that have one.
            let is_passed = |s: &&Step| {
                let passes = matches!(s, Step::Any | Step::Chaos(_) | Step::Minimal);
                !passes && !matches!(s, Step::External(_) | Step::Cache(_))
            };
            let rest = steps.iter().find(is_passed);
            let first_zone = match rest {
                Some(Step::Kubernetes(id)) => Some(*id),
                _ => None,
            };
            Block {
                id: BlockId(id),
                zones: block.zones.clone(),
                listeners: block.listeners.clone(),
                view: block.view.clone(),
                front: steps.iter().take_while(is_front).count(),
                steps,
                first_zone: first_zone.filter(|_| settled && udp_size == PAYLOAD_SIZE),
                cache: block.cache.clone(),
                udp_size,
                minimal: block.minimal,
                chaos: block.chaos.is_some(),
                loadbalance: block.loadbalance == Some(LoadbalanceOptions::RoundRobin),
                transfer: block.transfer.clone().map(Box::new),
            }
        });
        let blocks = blocks.collect();
        (Self { blocks }, zones)
    }

    /// Returns the blocks, in the order in which they are configured.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Returns the block that answers `qname` on `listener` to whoever `is_shown` says a view is for,
    /// or `None` where no block's zone holds the name.
    #[inline]
    pub fn select(
        &self,
        listener: ListenerId,
        qname: &QName<'_>,
        is_shown: impl Fn(&ViewOptions) -> bool,
    ) -> Option<&Block> {
        match &*self.blocks {
            // Nearly every server has this one.
            [only] if only.is_for_all() => Some(only).filter(|b| b.is_behind(listener)),
            _ => self.select_longest(listener, qname, is_shown),
        }
    }

    /// Returns whether it depends on who asks which block answers `qname` on `listener`.
    pub fn tells_apart(&self, listener: ListenerId, qname: &QName<'_>) -> bool {
        let mut blocks = self.blocks.iter();
        blocks.any(|block| {
            block.view.is_some()
                && block.is_behind(listener)
                && qname.longest_suffix(&block.zones).is_some()
        })
    }

    /// Returns whether positive answers of the first block have no section but one.
    pub fn is_minimal(&self) -> bool {
        self.blocks.first().is_some_and(Block::is_minimal)
    }

    /// Returns the zone that every name is looked up in first on `listener`, where there is one
    /// block, for all names, and nothing in front of that zone is for the types that have a short
    /// way.
    #[inline]
    pub fn first_zone(&self, listener: ListenerId) -> Option<ZoneId> {
        match &*self.blocks {
            [only] if only.is_for_all() && only.is_behind(listener) => only.first_zone,
            _ => None,
        }
    }

    /// Returns each `hosts` table with a file that is to be read.
    pub fn hosts_files(&self) -> impl Iterator<Item = (HostsId, &HostsOptions)> {
        let steps = self.blocks.iter().flat_map(|block| &block.steps);
        steps.filter_map(|step| match step {
            Step::Hosts(id, options, _) if !options.file.is_empty() => Some((*id, &**options)),
            _ => None,
        })
    }

    /// Returns each file of weights that is to be read.
    pub fn weight_files(&self) -> impl Iterator<Item = (WeightsId, &WeightOptions)> {
        let steps = self.blocks.iter().flat_map(|block| &block.steps);
        steps.filter_map(|step| match step {
            Step::Weighted(id, options) => Some((*id, options)),
            _ => None,
        })
    }

    fn select_longest(
        &self,
        listener: ListenerId,
        qname: &QName<'_>,
        is_shown: impl Fn(&ViewOptions) -> bool,
    ) -> Option<&Block> {
        // In reverse, so that of several the first counts.
        self.blocks
            .iter()
            .rev()
            .filter(|block| block.is_behind(listener) && block.view.as_ref().is_none_or(&is_shown))
            .filter_map(|block| Some((qname.longest_suffix(&block.zones)?.label_count(), block)))
            .max_by_key(|(labels, _)| *labels)
            .map(|(_, block)| block)
    }
}

/// How many tables so far name files.
#[derive(Default)]
struct Files {
    hosts: u16,
    weights: u16,
}

/// Returns a block's steps in the order of CoreDNS's `plugin.cfg`; the options of the zones that they
/// name are appended to `zones`, and `files` counts tables. `settled` says whether `cache` has
/// nothing more to do to nearly all of the zone's answers.
fn steps(
    block: &BlockOptions,
    zones: &mut Vec<zone::Options>,
    files: &mut Files,
    settled: &mut bool,
) -> Vec<Step> {
    let mut steps = Vec::new();
    steps.extend(block.nsid.clone().map(Step::Nsid));
    steps.extend(block.local.then_some(Step::Local));
    steps.extend(block.dns64.clone().map(Step::Dns64));
    steps.extend(block.any.then_some(Step::Any));
    steps.extend(block.chaos.clone().map(Step::Chaos));
    let some = |is_empty: bool, step: Step| (!is_empty).then_some(step);
    match &block.loadbalance {
        Some(LoadbalanceOptions::Prefer(nets)) => steps.push(Step::Prefer(nets.clone().into())),
        Some(LoadbalanceOptions::Weighted(options)) => {
            steps.push(Step::Weighted(WeightsId(files.weights), options.clone()));
            files.weights = files.weights.saturating_add(1);
        }
        Some(LoadbalanceOptions::RoundRobin) | None => {}
    }
    let rewrite = Step::Rewrite(block.rewrite.clone().into());
    steps.extend(some(block.rewrite.is_empty(), rewrite));
    steps.extend(block.autopath.clone().map(Step::Autopath));
    steps.extend(some(
        block.acl.is_empty(),
        Step::Acl(block.acl.clone().into()),
    ));
    steps.extend(block.cache.clone().map(Step::Cache));
    steps.extend(block.header.map(Step::Header));
    steps.extend(block.minimal.then_some(Step::Minimal));
    let template = Step::Template(block.template.clone().into());
    steps.extend(some(block.template.is_empty(), template));
    if let Some(options) = &block.hosts {
        let inline = options.inline_table();
        let id = HostsId(files.hosts);
        steps.push(Step::Hosts(id, options.clone().into(), inline));
        files.hosts = files.hosts.saturating_add(1);
    }
    if let Some(kubernetes) = &block.kubernetes {
        let id = ZoneId(u16::try_from(zones.len()).unwrap_or(u16::MAX));
        steps.extend(block.external.as_ref().map(|_| Step::External(id)));
        steps.push(Step::Kubernetes(id));
        let mut kubernetes = zone::Options {
            external: block.external.clone(),
            ..kubernetes.clone()
        };
        *settled = block
            .cache
            .as_ref()
            .is_none_or(|cache| cache.settle(&mut kubernetes));
        zones.push(kubernetes);
    }
    let mut forward = block.forward.clone();
    forward.sort_by_key(|table| std::cmp::Reverse(table.zone.label_count()));
    steps.extend(forward.into_iter().map(Step::Forward));
    steps
}

/// Returns the longest of `zones` (in lower case) that a name is at or below.
pub fn longest<'z>(zones: &'z [Name], qname: &QName<'_>) -> Option<&'z Name> {
    qname.longest_suffix(zones)
}
