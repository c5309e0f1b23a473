//! Which files an `import` names. Not their content.
//!
//! Paths start at the folder of the importing file. There may be one `*` and one `?`, as in CoreDNS:
//! more take too long.

use crate::config::corefile::Surroundings;
use std::path::{Component, Path, PathBuf};

/// Returns the pattern's files in order; empty where there is none.
///
/// # Errors
/// The pattern is none.
pub(super) fn files(
    pattern: &str,
    importing: &Path,
    around: &dyn Surroundings,
) -> Result<Vec<PathBuf>, String> {
    let path = match Path::new(pattern).is_absolute() {
        true => PathBuf::from(pattern),
        false => importing.with_file_name(pattern),
    };
    let path = cleaned(&path);
    let whole = path.to_string_lossy();
    let count = |c| whole.matches(c).count();
    if count('*') > 1 || count('?') > 1 || (count('[') > 0 && count(']') > 0) {
        return Err(format!("`{whole}` may have one wildcard, a `*`"));
    }
    if count('[') > 0 || whole.ends_with('\\') {
        return Err(format!("`{whole}` is no pattern: its end is missing"));
    }
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let text = component.as_os_str().to_string_lossy();
        let is_name = matches!(component, Component::Normal(_));
        let is_pattern = is_name && text.contains(['*', '?', '\\']);
        found = match is_pattern {
            false => found.iter().map(|path| path.join(component)).collect(),
            true => found
                .iter()
                .flat_map(|folder| {
                    let mut names = around.names(folder);
                    names.sort_unstable();
                    names.retain(|name| matches(&text, name));
                    names.into_iter().map(|name| folder.join(name))
                })
                .collect(),
        };
    }
    found.retain(|path| around.exists(path));
    Ok(found)
}

/// Returns the path without `.` and `..`, by its text alone, as CoreDNS has it.
fn cleaned(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}

/// Returns whether `pattern` may stand for no file at all.
pub(super) fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', ']'])
}

/// Returns whether the name is one of the pattern's.
fn matches(pattern: &str, name: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| matches(rest, &name[at..]))
        }
        Some(c) => {
            let wanted = match c {
                '?' => None,
                '\\' => chars.next(),
                c => Some(c),
            };
            let mut name = name.chars();
            match (name.next(), wanted) {
                (Some(_), None) if c == '?' => matches(chars.as_str(), name.as_str()),
                (Some(c), Some(wanted)) if c == wanted => matches(chars.as_str(), name.as_str()),
                _ => false,
            }
        }
    }
}
