//! placeholder
use crate::model::{Kind, Object, ObjectKey};
/// One change of the cluster, from either source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The object exists and looks like this.
    Apply(Object),
    /// The object is gone.
    Delete(Kind, ObjectKey),
    /// Every object of this kind has been given once.
    Synced(Kind),
}
