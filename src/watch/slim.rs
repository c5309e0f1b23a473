//! Objects as they come off the wire: read straight into the model, nothing of them kept that no
//! answer needs. A full Pod is a hundred times larger than what stays of it here.

use crate::model::api::{self, Converted, Flaw, schema};
use crate::model::{Kind, Object};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::ClusterResourceScope;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// How one kind is asked for and read.
pub(super) trait Shape: Clone + fmt::Debug + Send + Sync + 'static {
    /// The kind.
    const KIND: Kind;
    /// The API group; empty for the core group.
    const GROUP: &'static str;
    /// Its version.
    const VERSION: &'static str;
    /// The resource in URLs.
    const PLURAL: &'static str;
    /// The JSON shape.
    type Raw: DeserializeOwned;

    /// Takes the metadata out of the shape that kube wants to see.
    fn meta(raw: &Self::Raw) -> Option<&schema::Meta>;

    /// Returns the object; `Ok(None)` for one that answers for nothing.
    fn read(raw: Self::Raw, dropped: &mut Vec<Flaw>) -> Converted<Option<Object>>;
}

/// One object, read.
#[derive(Clone, Debug)]
pub(super) struct Slim<S> {
    meta: ObjectMeta,
    /// The object, or what is wrong with it.
    pub(super) object: Result<Option<Object>, String>,
    shape: PhantomData<S>,
}

impl<'de, S: Shape> Deserialize<'de> for Slim<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = S::Raw::deserialize(deserializer)?;
        let from = S::meta(&raw);
        let text = |value: Option<&Option<Box<str>>>| value.cloned().flatten().map(String::from);
        let meta = ObjectMeta {
            name: text(from.map(|m| &m.name)),
            namespace: text(from.map(|m| &m.namespace)),
            resource_version: text(from.map(|m| &m.resource_version)),
            ..ObjectMeta::default()
        };
        let object = S::read(raw, &mut Vec::new());
        let object = object.map_err(|flaw| format!("{}: {}", flaw.field, flaw.message));
        Ok(Self {
            meta,
            object,
            shape: PhantomData,
        })
    }
}

impl<S: Shape> Resource for Slim<S> {
    type DynamicType = ();
    // Every namespace at once.
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        S::KIND.as_str().into()
    }

    fn group((): &()) -> Cow<'_, str> {
        S::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        S::VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        S::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

macro_rules! shapes {
    ($($name:ident: $kind:ident, $group:literal, $version:literal, $plural:literal, $raw:ty,
       |$object:ident, $dropped:ident| $read:expr;)*) => {
        $(
            #[doc = concat!("The shape of a ", stringify!($kind), ".")]
            #[derive(Clone, Debug)]
            pub(super) struct $name;

            impl Shape for $name {
                const KIND: Kind = Kind::$kind;
                const GROUP: &'static str = $group;
                const VERSION: &'static str = $version;
                const PLURAL: &'static str = $plural;
                type Raw = $raw;

                fn meta(raw: &Self::Raw) -> Option<&schema::Meta> {
                    raw.metadata.as_ref()
                }

                fn read(
                    $object: Self::Raw,
                    $dropped: &mut Vec<Flaw>,
                ) -> Converted<Option<Object>> {
                    $read
                }
            }
        )*
    };
}

shapes! {
    Namespaces: Namespace, "", "v1", "namespaces", schema::Bare,
        |raw, _dropped| api::namespace(raw).map(Object::Namespace).map(Some);
    Nodes: Node, "", "v1", "nodes", schema::Whole<schema::NodeSpec, schema::NodeStatus>,
        |raw, dropped| api::node(raw, dropped).map(Object::Node).map(Some);
    Services: Service, "", "v1", "services", schema::Whole<schema::ServiceSpec, schema::Unread>,
        |raw, dropped| api::service(raw, dropped).map(Object::Service).map(Some);
    Slices: EndpointSlice, "discovery.k8s.io", "v1", "endpointslices", schema::EndpointSlice,
        |raw, dropped| Ok(api::slice(raw, dropped)?.map(Object::EndpointSlice));
    Pods: Pod, "", "v1", "pods", schema::Whole<schema::PodSpec, schema::PodStatus>,
        |raw, dropped| api::pod(raw, dropped).map(Object::Pod).map(Some);
    Imports: ServiceImport, "multicluster.x-k8s.io", "v1alpha1", "serviceimports",
        schema::Whole<schema::ServiceImportSpec, schema::Unread>,
        |raw, dropped| api::import(raw, dropped).map(Object::ServiceImport).map(Some);
}
