//! The API's messages into the shapes that JSON is read into, so that both become objects by the
//! same rules. Field numbers are those of `k8s.io/api/{core,discovery}/v1/generated.proto` and
//! `k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto`; what is not listed is skipped.

use super::{Field, Malformed, fields};
use crate::model::api::schema::{
    Bare, Condition, ContainerState, ContainerStatus, Endpoint, EndpointConditions, EndpointSlice,
    Ingress, Meta, NodeAddress, NodeInfo, NodeSpec, NodeStatus, PodIp, PodSpec, PodStatus, Port,
    ServiceSpec, ServiceStatus, TargetRef, Unread, Whole,
};
use crate::model::{LAST_CHANGE, Labels};
use std::borrow::Cow;

type Read<T> = Result<T, Malformed>;

/// Takes each field of a message in turn; a message that comes in parts is their sum.
#[inline]
fn each<'a>(message: &'a [u8], mut take: impl FnMut(&Field<'a>) -> Read<()>) -> Read<()> {
    for field in fields(message) {
        take(&field?)?;
    }
    Ok(())
}

fn push<T>(list: &mut Option<Vec<T>>, entry: T) {
    list.get_or_insert_default().push(entry);
}

/// Reads an object whose metadata alone is read: a Namespace, a PartialObjectMetadata, and what of
/// any other object names it.
pub(in crate::watch) fn bare(message: &[u8]) -> Read<Bare<'_>> {
    let mut metadata = None;
    each(message, |field| match field.number {
        1 => meta(
            field.bytes()?,
            Annotations::All,
            metadata.get_or_insert_default(),
        ),
        _ => Ok(()),
    })?;
    Ok(Bare { metadata })
}

/// Which annotations are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Annotations {
    All,
    /// That one of EndpointSlices.
    LastChange,
    None,
}

/// `ObjectMeta`, with those of its annotations that are wanted.
fn meta<'a>(message: &'a [u8], wanted: Annotations, into: &mut Meta<'a>) -> Read<()> {
    let (mut labels, mut annotations) = (Vec::new(), Vec::new());
    each(message, |field| {
        match field.number {
            1 => into.name = Some(field.text()?),
            3 => into.namespace = Some(field.text()?),
            5 => into.uid = Some(field.text()?),
            6 => into.resource_version = Some(field.text()?),
            // When does not matter.
            9 => into.deletion_timestamp = Some(Cow::Borrowed("")),
            11 => labels.push(entry(field.bytes()?)?),
            12 if wanted == Annotations::All => annotations.push(entry(field.bytes()?)?),
            12 if wanted == Annotations::LastChange => {
                let entry = entry(field.bytes()?)?;
                annotations.extend(Some(entry).filter(|(key, _)| key == LAST_CHANGE));
            }
            _ => {}
        }
        Ok(())
    })?;
    into.labels = map(labels);
    into.annotations = map(annotations);
    Ok(())
}

type Entry<'a> = (Cow<'a, str>, Cow<'a, str>);

fn map(entries: Vec<Entry<'_>>) -> Option<Labels> {
    (!entries.is_empty()).then(|| entries.into_iter().collect())
}

/// An entry of a map.
fn entry(message: &[u8]) -> Read<Entry<'_>> {
    let (mut key, mut value) = (Cow::default(), Cow::default());
    each(message, |field| {
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

/// An object with metadata, specification and status.
fn whole<'a, S: Default, T: Default>(
    message: &'a [u8],
    annotated: bool,
    spec: impl Fn(&'a [u8], &mut S) -> Read<()>,
    status: impl Fn(&'a [u8], &mut T) -> Read<()>,
) -> Read<Whole<'a, S, T>> {
    let mut whole = Whole {
        metadata: None,
        spec: None,
        status: None,
    };
    each(message, |field| match field.number {
        1 => meta(
            field.bytes()?,
            match annotated {
                true => Annotations::All,
                false => Annotations::None,
            },
            whole.metadata.get_or_insert_default(),
        ),
        2 => spec(field.bytes()?, whole.spec.get_or_insert_default()),
        3 => status(field.bytes()?, whole.status.get_or_insert_default()),
        _ => Ok(()),
    })?;
    Ok(whole)
}

// === Service, EndpointSlice ===

/// Reads a Service.
pub(in crate::watch) fn service(
    message: &[u8],
) -> Read<Whole<'_, ServiceSpec<'_>, ServiceStatus<'_>>> {
    whole(message, true, service_spec, service_status)
}

/// What of a load balancer is read: where it is.
fn service_status<'a>(message: &'a [u8], into: &mut ServiceStatus<'a>) -> Read<()> {
    each(message, |field| match field.number {
        1 => {
            let into = into.load_balancer.get_or_insert_default();
            each(field.bytes()?, |field| {
                if field.number == 1 {
                    push(&mut into.ingress, ingress(field.bytes()?)?);
                }
                Ok(())
            })
        }
        _ => Ok(()),
    })
}

fn ingress(message: &[u8]) -> Read<Ingress<'_>> {
    let mut entry = Ingress::default();
    each(message, |field| {
        match field.number {
            1 => entry.ip = Some(field.text()?),
            2 => entry.hostname = Some(field.text()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(entry)
}

fn service_spec<'a>(message: &'a [u8], into: &mut ServiceSpec<'a>) -> Read<()> {
    each(message, |field| {
        match field.number {
            1 => push(&mut into.ports, port(field.bytes()?)?),
            3 => into.cluster_ip = Some(field.text()?),
            4 => into.kind = Some(field.text()?),
            5 => push(&mut into.external_ips, field.text()?),
            10 => into.external_name = Some(field.text()?),
            18 => push(&mut into.cluster_ips, field.text()?),
            _ => {}
        }
        Ok(())
    })
}

/// `ServicePort` and `EndpointPort`, which agree in what is read.
fn port(message: &[u8]) -> Read<Port<'_>> {
    let mut port = Port::default();
    each(message, |field| {
        match field.number {
            1 => port.name = Some(field.text()?),
            2 => port.protocol = Some(field.text()?),
            3 => port.port = Some(field.port()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(port)
}

/// Reads an EndpointSlice.
pub(in crate::watch) fn slice(message: &[u8]) -> Read<EndpointSlice<'_>> {
    let mut slice = EndpointSlice::default();
    each(message, |field| {
        match field.number {
            1 => meta(
                field.bytes()?,
                Annotations::LastChange,
                slice.metadata.get_or_insert_default(),
            )?,
            2 => {
                let entry = field.bytes()?;
                // They are alike in length: room for them all at once.
                let list = || Vec::with_capacity(message.len() / entry.len().max(64) + 1);
                slice
                    .endpoints
                    .get_or_insert_with(list)
                    .push(endpoint(entry)?);
            }
            3 => push(&mut slice.ports, port(field.bytes()?)?),
            4 => slice.address_type = Some(field.text()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(slice)
}

fn endpoint(message: &[u8]) -> Read<Endpoint<'_>> {
    let mut endpoint = Endpoint::default();
    each(message, |field| {
        match field.number {
            1 => endpoint.addresses.push(field.text()?),
            2 => {
                let into = endpoint.conditions.get_or_insert_default();
                conditions(field.bytes()?, into)?;
            }
            3 => endpoint.hostname = Some(field.text()?),
            4 => {
                let into = endpoint.target_ref.get_or_insert_default();
                target(field.bytes()?, into)?;
            }
            7 => endpoint.zone = Some(field.text()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(endpoint)
}

fn conditions(message: &[u8], into: &mut EndpointConditions) -> Read<()> {
    each(message, |field| {
        if field.number == 1 {
            into.ready = Some(field.is_true()?);
        }
        Ok(())
    })
}

fn target<'a>(message: &'a [u8], into: &mut TargetRef<'a>) -> Read<()> {
    each(message, |field| {
        if field.number == 3 {
            into.name = Some(field.text()?);
        }
        Ok(())
    })
}

// === Pod ===

/// Reads a Pod.
pub(in crate::watch) fn pod(message: &[u8]) -> Read<Whole<'_, PodSpec<'_>, PodStatus<'_>>> {
    whole(message, false, pod_spec, pod_status)
}

fn pod_spec<'a>(message: &'a [u8], into: &mut PodSpec<'a>) -> Read<()> {
    each(message, |field| {
        match field.number {
            10 => into.node_name = Some(field.text()?),
            11 => into.host_network = Some(field.is_true()?),
            _ => {}
        }
        Ok(())
    })
}

fn pod_status<'a>(message: &'a [u8], into: &mut PodStatus<'a>) -> Read<()> {
    each(message, |field| {
        match field.number {
            1 => into.phase = Some(field.text()?),
            2 => push(&mut into.conditions, condition(field.bytes()?)?),
            6 => into.pod_ip = Some(field.text()?),
            8 => push(&mut into.container_statuses, container(field.bytes()?)?),
            12 => push(&mut into.pod_ips, pod_ip(field.bytes()?)?),
            _ => {}
        }
        Ok(())
    })
}

/// `PodCondition` and `NodeCondition`, which agree in what is read.
fn condition(message: &[u8]) -> Read<Condition<'_>> {
    let mut condition = Condition::default();
    each(message, |field| {
        match field.number {
            1 => condition.kind = Some(field.text()?),
            2 => condition.status = Some(field.text()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(condition)
}

fn container(message: &[u8]) -> Read<ContainerStatus> {
    let mut status = ContainerStatus::default();
    each(message, |field| {
        if field.number == 2 {
            let into: &mut ContainerState = status.state.get_or_insert_default();
            each(field.bytes()?, |field| {
                if field.number == 3 {
                    into.terminated = Some(Unread {});
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(status)
}

fn pod_ip(message: &[u8]) -> Read<PodIp<'_>> {
    let mut entry = PodIp::default();
    each(message, |field| {
        if field.number == 1 {
            entry.ip = Some(field.text()?);
        }
        Ok(())
    })?;
    Ok(entry)
}

// === Node ===

/// Reads a Node.
pub(in crate::watch) fn node(message: &[u8]) -> Read<Whole<'_, NodeSpec<'_>, NodeStatus<'_>>> {
    whole(message, true, node_spec, node_status)
}

fn node_spec<'a>(message: &'a [u8], into: &mut NodeSpec<'a>) -> Read<()> {
    each(message, |field| {
        match field.number {
            1 => into.pod_cidr = Some(field.text()?),
            7 => push(&mut into.pod_cidrs, field.text()?),
            _ => {}
        }
        Ok(())
    })
}

fn node_status<'a>(message: &'a [u8], into: &mut NodeStatus<'a>) -> Read<()> {
    each(message, |field| {
        match field.number {
            4 => push(&mut into.conditions, condition(field.bytes()?)?),
            5 => push(&mut into.addresses, node_address(field.bytes()?)?),
            7 => {
                let into: &mut NodeInfo<'a> = into.node_info.get_or_insert_default();
                each(field.bytes()?, |field| {
                    if field.number == 3 {
                        into.boot_id = Some(field.text()?);
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    })
}

fn node_address(message: &[u8]) -> Read<NodeAddress<'_>> {
    let mut entry = NodeAddress::default();
    each(message, |field| {
        match field.number {
            1 => entry.kind = Some(field.text()?),
            2 => entry.address = Some(field.text()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(entry)
}
