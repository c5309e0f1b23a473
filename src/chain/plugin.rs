//! The names of what answers: CoreDNS's plugins, as logs and metrics call them.

/// What wrote an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// `acl`
    Acl,
    /// `any`
    Any,
    /// `autopath`
    Autopath,
    /// `cache`
    Cache,
    /// `chaos`
    Chaos,
    /// `dns64`
    Dns64,
    /// `forward`
    Forward,
    /// `hosts`
    Hosts,
    /// `k8s_external`
    K8sExternal,
    /// `kubernetes`
    Kubernetes,
    /// `local`
    Local,
    /// `rewrite`
    Rewrite,
    /// `template`
    Template,
    /// `transfer`
    Transfer,
}

impl Plugin {
    /// Every plugin that can write an answer.
    pub const ALL: [Self; 14] = [
        Self::Acl,
        Self::Any,
        Self::Autopath,
        Self::Cache,
        Self::Chaos,
        Self::Dns64,
        Self::Forward,
        Self::Hosts,
        Self::K8sExternal,
        Self::Kubernetes,
        Self::Local,
        Self::Rewrite,
        Self::Template,
        Self::Transfer,
    ];

    /// Returns its name, as a Corefile has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Any => "any",
            Self::Autopath => "autopath",
            Self::Cache => "cache",
            Self::Chaos => "chaos",
            Self::Dns64 => "dns64",
            Self::Forward => "forward",
            Self::Hosts => "hosts",
            Self::K8sExternal => "k8s_external",
            Self::Kubernetes => "kubernetes",
            Self::Local => "local",
            Self::Rewrite => "rewrite",
            Self::Template => "template",
            Self::Transfer => "transfer",
        }
    }
}
