//! `policy admission`: the ValidatingAdmissionPolicy that guards what a configuration reads on
//! Namespaces and the names that it gives roles to, so that nobody but whom the administrator allows
//! can change them. Text from values; applying it is `kubectl`'s.
//!
//! What narrows stays the owners': annotations on Services, `import-from`, and the values of
//! `tenantdns.io/visibility` that show nobody more.

use crate::tenancy::{NamePattern, Options, Shared, TENANT_LABEL, TenantSource, VISIBILITY_LABEL};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Who may change what is guarded, beside whom RBAC lets `assign` the resource
/// `tenants.tenantdns.io`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Groups.
    pub groups: Vec<String>,
    /// Users, service accounts among them.
    pub users: Vec<String>,
}

/// What of a configuration is guarded.
#[derive(Debug, Default, PartialEq, Eq)]
struct Guarded {
    labels: BTreeSet<Box<str>>,
    /// Owners may keep a namespace to themselves: nothing is given by the values that do so.
    free_to_narrow: bool,
    /// Ends of labels' keys.
    suffixes: BTreeSet<Box<str>>,
    annotations: BTreeSet<Box<str>>,
    names: BTreeSet<Box<str>>,
    /// Starts of names.
    prefixes: BTreeSet<Box<str>>,
    /// Regular expressions of names.
    expressions: BTreeSet<Box<str>>,
}

/// Values of the label `tenantdns.io/visibility` that show nobody more than none does.
const NARROW: [&str; 3] = ["", "private", "tenant"];

/// Returns the policy and its binding as YAML, for `kubectl apply -f -`.
pub fn admission(options: &Options, allowed: &Allowed) -> String {
    let guarded = Guarded::of(options);
    let mut text = HEAD.to_owned();
    let mut put = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    put("  variables:");
    for (name, expression) in [
        ("labels", "object.metadata.?labels.orValue({})"),
        (
            "labelsBefore",
            "oldObject == null ? {} : oldObject.metadata.?labels.orValue({})",
        ),
        ("annotations", "object.metadata.?annotations.orValue({})"),
        (
            "annotationsBefore",
            "oldObject == null ? {} : oldObject.metadata.?annotations.orValue({})",
        ),
    ] {
        put(&format!("  - name: {name}"));
        put(&format!("    expression: \"{expression}\""));
    }
    put("  # Who may change what is guarded. Controllers that write it need to be among them.");
    put("  - name: allowed");
    put("    expression: |-");
    let of = |list: &[String]| cel_list(list.iter().map(String::as_str));
    put(&format!(
        "      request.userInfo.groups.exists(group, group in {})",
        of(&allowed.groups)
    ));
    put(&format!(
        "        || request.userInfo.username in {}",
        of(&allowed.users)
    ));
    put(
        "        || authorizer.group('tenantdns.io').resource('tenants').check('assign').allowed()",
    );
    put("  validations:");
    for (expression, message) in guarded.validations() {
        put("  - expression: |-");
        put(&format!("      variables.allowed || ({expression})"));
        put(&format!("    message: {}", yaml_text(&message)));
        put("    reason: Forbidden");
    }
    text.push_str(TAIL);
    text
}

const HEAD: &str = "\
# Guards what this configuration of tenantdns reads on Namespaces: whoever may change it chooses what
# its pods see. Printed by `tenantdns policy admission`; print it again when the configuration changes.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: tenantdns-namespaces
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - apiGroups: [\"\"]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [namespaces, namespaces/status, namespaces/finalize]
      scope: Cluster
";

const TAIL: &str = "\
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: tenantdns-namespaces
spec:
  policyName: tenantdns-namespaces
  validationActions: [Deny]
";

impl Guarded {
    fn of(options: &Options) -> Self {
        let mut guarded = Self::default();
        // The mode of a namespace is read whatever is configured.
        guarded.label("tenantdns.io/mode");
        if options.tenant_from.is_empty() {
            guarded.label(TENANT_LABEL);
        }
        options
            .tenant_from
            .iter()
            .for_each(|source| guarded.source(source));
        let (platform, shared) = (&options.platform, &options.shared);
        let selectors = [
            &platform.selector,
            &shared.selector,
            &options.audit.selector,
        ];
        let rules = options.rules.list().iter();
        let of_rules = rules.flat_map(|rule| rule.from.selectors.iter().chain(&rule.to.selector));
        guarded.free_to_narrow = true;
        for selector in selectors.into_iter().chain(of_rules) {
            selector.keys().for_each(|key| guarded.label(key));
            let reads = selector.keys().any(|key| key == VISIBILITY_LABEL);
            let shares = *selector == Shared::default().selector;
            guarded.free_to_narrow &= !reads || shares;
        }

        let rules = || options.rules.list().iter();
        let lists = [
            &platform.namespaces,
            &shared.namespaces,
            &options.audit.namespaces,
        ];
        let of_rules = rules().flat_map(|rule| [&rule.from.namespaces, &rule.to.namespaces]);
        for pattern in lists.into_iter().chain(of_rules).flatten() {
            match pattern {
                NamePattern::Exact(name) => guarded.names.insert(name.clone()),
                NamePattern::Prefix(prefix) => guarded.prefixes.insert(prefix.clone()),
            };
        }
        let of_forwarders = options.forwarders.iter().flat_map(|table| &table.services);
        let services = rules().flat_map(|rule| &rule.to.services);
        let services = services.chain(&shared.services).chain(of_forwarders);
        guarded.names.extend(services.map(|s| s.namespace.clone()));
        let reserved = options.reserved_namespaces.iter();
        // What no namespace can be called needs no guard.
        let reserved = reserved.filter(|name| name.len() <= 63 && !name.contains('.'));
        guarded.names.extend(reserved.cloned());
        guarded
    }

    fn label(&mut self, key: &str) {
        self.labels.insert(key.into());
    }

    fn source(&mut self, source: &TenantSource) {
        match source {
            TenantSource::Label(key) => self.label(key),
            TenantSource::Annotation(key) | TenantSource::AnnotationAfterColon(key) => {
                self.annotations.insert(key.clone());
            }
            TenantSource::LabelSuffix { suffix, .. } => {
                self.suffixes.insert(suffix.clone());
            }
            TenantSource::ParentLabel(parentage) => {
                self.label(&parentage.label);
                if let Some((kind, ..)) = &parentage.kind {
                    self.label(kind);
                }
            }
            TenantSource::Name(expression) => {
                self.expressions.insert(expression.as_str().into());
            }
            TenantSource::OwnName { label, .. } => self.label(label),
        }
    }

    /// Returns what has to hold where somebody else makes a change, each with what to tell whom it is
    /// refused.
    fn validations(&self) -> Vec<(String, String)> {
        let mut validations = Vec::new();
        let visibility = self.free_to_narrow && self.labels.contains(VISIBILITY_LABEL);
        let labels = self.labels.iter().map(|key| &**key);
        let labels: Vec<&str> = labels
            .filter(|key| !visibility || *key != VISIBILITY_LABEL)
            .collect();
        let annotations: Vec<&str> = self.annotations.iter().map(|key| &**key).collect();
        for (what, map, keys) in [
            ("labels", "labels", labels),
            ("annotations", "annotations", annotations),
        ] {
            if !keys.is_empty() {
                let told = keys.join(", ");
                validations.push((
                    same(&cel_list(keys.into_iter()), map),
                    format!("only those that tenantdns trusts set the {what} {told}"),
                ));
            }
        }
        if visibility {
            let (key, narrow) = (cel_text(VISIBILITY_LABEL), cel_list(NARROW.into_iter()));
            let value = |map: &str| format!("variables.{map}[?{key}].orValue('')");
            let (now, before) = (value("labels"), value("labelsBefore"));
            validations.push((
                format!("{now} == {before} || [{now}, {before}].all(value, value in {narrow})"),
                format!(
                    "only those that tenantdns trusts set or take away the label {VISIBILITY_LABEL} \
                     but for `private` and `tenant`"
                ),
            ));
        }
        for suffix in &self.suffixes {
            let suffix_text = cel_text(suffix);
            let is = |key: &str| format!("{key}.endsWith({suffix_text})");
            validations.push((
                format!(
                    "variables.labels.all(key, !{0} || key in variables.labelsBefore && \
                     variables.labelsBefore[key] == variables.labels[key]) && \
                     variables.labelsBefore.all(key, !{0} || key in variables.labels)",
                    is("key")
                ),
                format!("only those that tenantdns trusts set labels that end with {suffix}"),
            ));
        }
        let mut names = Vec::new();
        if !self.names.is_empty() {
            let list = cel_list(self.names.iter().map(|name| &**name));
            names.push(format!("object.metadata.name in {list}"));
        }
        if !self.prefixes.is_empty() {
            let list = cel_list(self.prefixes.iter().map(|prefix| &**prefix));
            names.push(format!(
                "{list}.exists(start, object.metadata.name.startsWith(start))"
            ));
        }
        for expression in &self.expressions {
            let expression = cel_text(expression);
            names.push(format!("object.metadata.name.matches({expression})"));
        }
        if !names.is_empty() {
            let names = names.join(" || ");
            validations.push((
                format!("request.operation != 'CREATE' || !({names})"),
                "only those that tenantdns trusts create a namespace of this name: it is reserved, or \
                 gives a role"
                    .to_owned(),
            ));
        }
        validations
    }
}

/// Returns that none of these keys has another value than before.
fn same(keys: &str, map: &str) -> String {
    let (now, before) = (format!("variables.{map}"), format!("variables.{map}Before"));
    format!(
        "{keys}.all(key, (key in {now}) == (key in {before}) && (!(key in {now}) || \
         {now}[key] == {before}[key]))"
    )
}

/// Returns a list of texts in CEL.
fn cel_list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.map(cel_text).collect();
    format!("[{}]", texts.join(", "))
}

/// Returns a text in CEL.
fn cel_text(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            // A line break would end the YAML block that the expression stands in.
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Returns a text in YAML, on one line.
fn yaml_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
