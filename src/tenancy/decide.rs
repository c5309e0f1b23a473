//! The decision: first match of the order in which the policy is read. Everything else, rows and
//! `explain` alike, is made from this one function.

use super::options::{Effect, Exporting, NodeView, Options, Untenanted};
use super::rules::RuleSet;
use super::tenant::{NamespaceFacts, ServiceFacts, Tenant};

/// Whether a client sees a target, and which step said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the target is in the client's view.
    pub visible: bool,
    /// The first step that matched.
    pub step: Step,
    /// The place of the rule, where it was a rule's step.
    pub rule: Option<usize>,
}

impl Decision {
    pub(super) fn of(visible: bool, step: Step) -> Self {
        Self {
            visible,
            step,
            rule: None,
        }
    }
}

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is hidden: the mode is off or audit, or unknown clients are allowed everything.
    Open,
    /// The client is a pod of that namespace.
    OwnNamespace,
    /// The namespace's name is reserved: its own tenant's pods see it, and whom a rule shows it by
    /// that name.
    Reserved,
    /// `default/kubernetes` and the DNS service, unless a rule hides them by name.
    Mandatory,
    /// A rule hides it.
    AdminDeny,
    /// The client is of the platform.
    Platform,
    /// A rule shows it.
    AdminAllow,
    /// `shared.services` lists it.
    SharedService,
    /// Client and target are of one tenant.
    SameTenant,
    /// The namespace is shared.
    SharedNamespace,
    /// Its owner exports it to the client, who agreed where that is needed.
    Export,
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
            Self::AdminDeny => "admin_deny",
            Self::Platform => "platform",
            Self::AdminAllow => "admin_allow",
            Self::SharedService => "shared_service",
            Self::SameTenant => "same_tenant",
            Self::SharedNamespace => "shared_namespace",
            Self::Export => "export",
            Self::Hidden => "hidden",
        }
    }
}

/// Who asks, for a decision.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// A pod of this namespace.
    Pod(&'a NamespaceFacts),
    /// A client that is no pod, of a configured range.
    External(&'a ExternalFacts),
    /// A node, or a pod on its network.
    Node,
    /// Nobody that we know.
    Unknown,
}

/// What the policy knows of the clients of one range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalFacts {
    /// Whose they are; `None` for a range that only rules name.
    pub tenant: Option<Box<str>>,
    /// The rules that speak of them.
    pub from: RuleSet,
}

/// What is asked for: a namespace, or one service of it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The namespace.
    pub namespace: &'a NamespaceFacts,
    /// The service; the default stands for any ordinary one.
    pub service: &'a ServiceFacts,
}

/// What the steps ask of a client.
struct Traits<'a> {
    namespace: Option<&'a NamespaceFacts>,
    tenant: Option<&'a str>,
    rules: &'a RuleSet,
    platform: bool,
    sees_shared: bool,
}

/// Says whether `asker` may see `target` where the policy is enforced.
pub fn decide(options: &Options, asker: Asker<'_>, target: Target<'_>) -> Decision {
    let asker = match asker {
        Asker::Node if options.node == NodeView::Unknown => Asker::Unknown,
        asker => asker,
    };
    let client = traits(options, asker);
    let (ns, service) = (target.namespace, target.service);
    let rule = |effect, spoken: (&RuleSet, &RuleSet)| {
        client.rules.first_in(options.rules.list(), effect, spoken)
    };
    let in_full = (&ns.named, &service.named);
    let meant = (&ns.to, &service.to);
    let own = client.namespace.is_some_and(|own| own.name == ns.name);
    let name = client.namespace.map_or("", |own| &*own.name);
    // An owner narrows its namespace, and single services; both only for others than itself.
    let lets = !ns.private && service.exports.lets(name);
    let of_its_tenant = client.namespace.is_some()
        && client.tenant.is_some()
        && client.tenant == ns.tenant.assigned();
    let step = |matches: bool, visible, step| matches.then_some(Decision::of(visible, step));
    let by_rule = |index: Option<usize>, visible, step| {
        index.map(|index| Decision {
            rule: Some(index),
            ..Decision::of(visible, step)
        })
    };
    step(own, true, Step::OwnNamespace)
        .or_else(|| step(ns.reserved && of_its_tenant && lets, true, Step::Reserved))
        .or_else(|| {
            let opened = rule(Effect::Allow, in_full).is_some();
            step(ns.reserved && !opened, false, Step::Reserved)
        })
        .or_else(|| {
            let denied = || rule(Effect::Deny, in_full).is_some();
            step(service.mandatory && !denied(), true, Step::Mandatory)
        })
        .or_else(|| by_rule(rule(Effect::Deny, meant), false, Step::AdminDeny))
        .or_else(|| step(client.platform, true, Step::Platform))
        .or_else(|| by_rule(rule(Effect::Allow, meant), true, Step::AdminAllow))
        .or_else(|| {
            step(
                service.shared && client.sees_shared,
                true,
                Step::SharedService,
            )
        })
        .or_else(|| {
            step(
                lets && same_tenant(options, &client, ns),
                true,
                Step::SameTenant,
            )
        })
        .or_else(|| {
            let shared = ns.shared && client.sees_shared;
            step(shared && lets, true, Step::SharedNamespace)
        })
        .or_else(|| {
            step(
                lets && is_exported(options, &client, target),
                true,
                Step::Export,
            )
        })
        .unwrap_or_else(|| Decision::of(false, Step::Hidden))
}

fn traits<'a>(options: &'a Options, asker: Asker<'a>) -> Traits<'a> {
    let nobody = Traits {
        namespace: None,
        tenant: None,
        rules: options.rules.of_unknown(),
        platform: false,
        sees_shared: true,
    };
    match asker {
        Asker::Pod(facts) => Traits {
            namespace: Some(facts),
            tenant: facts.tenant.assigned(),
            rules: &facts.from,
            platform: facts.platform,
            sees_shared: true,
        },
        Asker::External(facts) => Traits {
            tenant: facts.tenant.as_deref(),
            rules: &facts.from,
            ..nobody
        },
        Asker::Node => Traits {
            rules: options.rules.of_nodes(),
            platform: options.node == NodeView::Platform,
            sees_shared: options.node != NodeView::Deny,
            ..nobody
        },
        Asker::Unknown => nobody,
    }
}

fn same_tenant(options: &Options, client: &Traits<'_>, target: &NamespaceFacts) -> bool {
    match (&target.tenant, client.namespace.map(|own| &own.tenant)) {
        (Tenant::Assigned(tenant), _) => client.tenant == Some(&**tenant),
        (Tenant::Untenanted, Some(Tenant::Untenanted)) => {
            options.untenanted == Untenanted::Open && !target.platform
        }
        _ => false,
    }
}

fn is_exported(options: &Options, client: &Traits<'_>, target: Target<'_>) -> bool {
    let (Some(own), Some(name)) = (client.namespace, &target.service.name) else {
        return false;
    };
    let reached = target.service.exports.reaches(&own.name, client.tenant);
    let tenant = target.namespace.tenant.assigned();
    reached
        && match options.exports {
            Exporting::Off => false,
            Exporting::Named => true,
            Exporting::Mutual => own.imports.takes(tenant, &target.namespace.name, name),
        }
}
