//! What enforcing the policy takes away, for the administrator: which record sets of an answer, from
//! whom, and why. Off the query path: a question is asked again, once as with tenancy off and once as
//! with all of it enforced, and what the second answer lacks was denied. So an audit cannot differ
//! from what would happen ([`Judge`]). An [`Auditor`] is given questions, and gathers their denials into the
//! lines of a [`Window`].

mod auditor;
mod judge;
mod window;

pub use auditor::{Auditor, Question};
pub use judge::{Denial, Judge, Reason, Target};
pub use window::{Closing, Counts, Line, Window};
