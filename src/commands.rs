//! What the program does beside serving: each command is a function from values to text.

mod admission;
mod audit_log;
mod difference;
mod explain;
mod facts;
mod findings;
mod gate;
mod import;
mod losses;
mod plain;
mod present;
mod relation;
mod suggest;
mod summary;
mod trial;
mod visibility;

pub use admission::{Allowed, admission};
pub use difference::Difference;
pub use explain::{Explanation, explain};
pub use facts::{Fact, Facts};
pub use findings::{absent_tenants, findings};
pub use gate::Gate;
pub use import::{Import, corefile_in};
pub use losses::Losses;
pub use suggest::Suggestions;
pub use summary::{Condition, Pairs, Summary, summary};
pub use trial::{Verdict, try_fact};
pub use visibility::Visibility;
