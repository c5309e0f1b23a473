//! The decision: first match of the order in which the policy is read. Everything else, rows and
//! `explain` alike, is made from this one function.

use super::options::{NodeView, Options, Untenanted};
use super::tenant::{NamespaceFacts, ServiceFacts, Tenant};

/// Whether a client sees a target, and which step said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the target is in the client's view.
    pub visible: bool,
    /// The first step that matched.
    pub step: Step,
}

/// The steps, in their order. Those of rules and exports stand between these once they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is hidden: the mode is off or audit, or unknown clients are allowed everything.
    Open,
    /// The client is a pod of that namespace.
    OwnNamespace,
    /// The namespace's name is reserved: its own tenant's pods alone see it.
    Reserved,
    /// `default/kubernetes` and the DNS service.
    Mandatory,
    /// The client is of the platform.
    Platform,
    /// `shared.services` lists it.
    SharedService,
    /// Client and target are of one tenant.
    SameTenant,
    /// The namespace is shared.
    SharedNamespace,
    /// Nothing shows it.
    Hidden,
}

impl Step {
    /// Returns the step's name in `explain` and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OwnNamespace => "own_namespace",
            Self::Reserved => "reserved",
            Self::Mandatory => "mandatory",
            Self::Platform => "platform",
            Self::SharedService => "shared_service",
            Self::SameTenant => "same_tenant",
            Self::SharedNamespace => "shared_namespace",
            Self::Hidden => "hidden",
        }
    }
}

/// Who asks, for a decision.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// A pod of this namespace.
    Pod(&'a NamespaceFacts),
    /// A node, or a pod on its network.
    Node,
    /// Nobody that we know.
    Unknown,
}

/// What is asked for: a namespace, or one service of it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The namespace.
    pub namespace: &'a NamespaceFacts,
    /// The service; the default stands for any ordinary one.
    pub service: ServiceFacts,
}

/// Says whether `asker` may see `target` where the policy is enforced.
pub fn decide(options: &Options, asker: Asker<'_>, target: Target<'_>) -> Decision {
    let ns = target.namespace;
    let (own, same_tenant, platform, sees_shared) = match asker {
        Asker::Pod(facts) => (
            facts.name == ns.name,
            same_tenant(options, facts, ns),
            facts.platform,
            true,
        ),
        Asker::Node => match options.node {
            NodeView::Shared => (false, false, false, true),
            NodeView::Platform => (false, false, true, true),
            NodeView::Deny => (false, false, false, false),
            NodeView::Unknown => return decide(options, Asker::Unknown, target),
        },
        Asker::Unknown => (false, false, false, true),
    };
    let of_its_tenant = matches!((&asker, &ns.tenant), (Asker::Pod(facts), Tenant::Assigned(_)) if facts.tenant == ns.tenant);
    let steps = [
        (own, true, Step::OwnNamespace),
        (
            ns.reserved && of_its_tenant && !ns.private,
            true,
            Step::Reserved,
        ),
        (ns.reserved, false, Step::Reserved),
        (target.service.mandatory, true, Step::Mandatory),
        (platform, true, Step::Platform),
        (
            target.service.shared && sees_shared,
            true,
            Step::SharedService,
        ),
        (same_tenant && !ns.private, true, Step::SameTenant),
        (
            ns.shared && !ns.private && sees_shared,
            true,
            Step::SharedNamespace,
        ),
    ];
    steps.into_iter().find(|(matches, ..)| *matches).map_or(
        Decision {
            visible: false,
            step: Step::Hidden,
        },
        |(_, visible, step)| Decision { visible, step },
    )
}

fn same_tenant(options: &Options, client: &NamespaceFacts, target: &NamespaceFacts) -> bool {
    match (&client.tenant, &target.tenant) {
        (Tenant::Assigned(a), Tenant::Assigned(b)) => a == b,
        (Tenant::Untenanted, Tenant::Untenanted) => {
            options.untenanted == Untenanted::Open && !target.platform
        }
        _ => false,
    }
}
