//! What enforcing the policy takes away, for the administrator: which record sets of an answer, from
//! whom, and why. Off the query path: a question is asked again, once as with tenancy off and once as
//! with all of it enforced, and what the second answer lacks was denied. So an audit cannot differ
//! from what would happen ([`Judge`]). [`Window`] gathers denials into lines.

mod judge;
mod window;

pub use judge::{Denial, Judge, Reason, Target};
pub use window::{Line, Window};
