//! Server blocks, and the steps that a query goes through in each, in CoreDNS's order.
//!
//! A block is chosen by the listener that received the query and by the longest of the blocks'
//! zones that holds the QNAME. Steps are data: [`crate::answer`] carries them out, so that a step
//! that needs an upstream can stop there and go on later.

mod forward;
mod plugin;

pub use forward::ForwardOptions;
pub use plugin::Plugin;

use crate::wire::{Name, QName};
use crate::zone;

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
    /// Its `kubernetes` table.
    pub kubernetes: Option<zone::Options>,
    /// Its `forward` tables. The one with the longest zone is asked, of several the first.
    pub forward: Vec<ForwardOptions>,
}

/// One thing that a block does with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
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
    steps: Vec<Step>,
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

    fn is_behind(&self, listener: ListenerId) -> bool {
        self.listeners.contains(&listener)
    }

    fn holds_every_name(&self) -> bool {
        matches!(&*self.zones, [zone] if zone.as_wire() == [0])
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
        let mut zones = Vec::new();
        let blocks = (0..).zip(options).map(|(id, block)| Block {
            id: BlockId(id),
            zones: block.zones.clone(),
            listeners: block.listeners.clone(),
            steps: steps(block, &mut zones),
        });
        let blocks = blocks.collect();
        (Self { blocks }, zones)
    }

    /// Returns the blocks, in the order in which they are configured.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Returns the block that answers `qname` on `listener`, or `None` where no block's zone holds
    /// the name.
    #[inline]
    pub fn select(&self, listener: ListenerId, qname: &QName<'_>) -> Option<&Block> {
        match &*self.blocks {
            // Nearly every server has this one.
            [only] if only.holds_every_name() => Some(only).filter(|b| b.is_behind(listener)),
            _ => self.select_longest(listener, qname),
        }
    }

    /// Returns the zone that every name is looked up in first on `listener`, where there is one
    /// block, for all names, and it starts with a zone.
    #[inline]
    pub fn first_zone(&self, listener: ListenerId) -> Option<ZoneId> {
        match &*self.blocks {
            [only] if only.holds_every_name() && only.is_behind(listener) => {
                match only.steps.first()? {
                    Step::Kubernetes(id) => Some(*id),
                    Step::Forward(_) => None,
                }
            }
            _ => None,
        }
    }

    fn select_longest(&self, listener: ListenerId, qname: &QName<'_>) -> Option<&Block> {
        self.blocks
            .iter()
            .filter(|block| block.is_behind(listener))
            .filter_map(|block| Some((qname.longest_suffix(&block.zones)?.label_count(), block)))
            .max_by_key(|(labels, _)| *labels)
            .map(|(_, block)| block)
    }
}

/// Returns a block's steps in the order of CoreDNS's `plugin.cfg`; the options of the zones that they
/// name are appended to `zones`.
fn steps(block: &BlockOptions, zones: &mut Vec<zone::Options>) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(kubernetes) = &block.kubernetes {
        let id = u16::try_from(zones.len()).unwrap_or(u16::MAX);
        steps.push(Step::Kubernetes(ZoneId(id)));
        zones.push(kubernetes.clone());
    }
    let mut forward = block.forward.clone();
    forward.sort_by_key(|table| std::cmp::Reverse(table.zone.label_count()));
    steps.extend(forward.into_iter().map(Step::Forward));
    steps
}
