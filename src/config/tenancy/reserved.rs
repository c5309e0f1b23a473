//! Names that tenants must not answer for, because search lists of others could reach them: single
//! ones, and lists of them.

use crate::config::text::object_name;

/// Names for private use at the top of the tree: RFC 6761, 6762 and 8375, ICANN's `internal`, and
/// those that RFC 6762 appendix G names as seen in use.
const SPECIAL_USE: [&str; 9] = [
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "localhost",
    "private",
    "test",
];

/// IANA's top-level domains in their wire spelling.
const TLDS: &str = include_str!("tlds.txt");

/// Returns the names that an entry of `reserved_namespaces` stands for.
pub(super) fn names(text: &str) -> Result<Vec<Box<str>>, String> {
    Ok(match text {
        "tlds" => TLDS.lines().map(Into::into).collect(),
        "special-use" => SPECIAL_USE.map(Into::into).to_vec(),
        name => vec![object_name(name)?],
    })
}

/// Returns the names of both lists.
pub(super) fn everything() -> impl Iterator<Item = Box<str>> {
    SPECIAL_USE.into_iter().chain(TLDS.lines()).map(Into::into)
}

/// Returns whether all names for special use are among these.
pub(super) fn has_special_use(names: &[Box<str>]) -> bool {
    SPECIAL_USE
        .iter()
        .all(|name| names.iter().any(|known| **known == **name))
}
