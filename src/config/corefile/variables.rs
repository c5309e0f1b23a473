//! Environment variables in words: `{$NAME}` and `{%NAME%}`. One that is not set is nothing.

/// Octets of a word at most, once its variables are in it, and variables in it at most: a value may
/// name other variables, itself among them.
const LONGEST: usize = 1 << 16;
const MOST: usize = 1000;

/// Returns `text` with the values of its variables; `None` where there is no end of them.
pub(super) fn replaced(text: &str, value: &dyn Fn(&str) -> String) -> Option<String> {
    let text = replace(text.into(), ("{%", "%}"), value)?;
    replace(text, ("{$", "}"), value)
}

fn replace(
    mut text: String,
    (open, close): (&str, &str),
    value: &dyn Fn(&str) -> String,
) -> Option<String> {
    for _ in 0..MOST {
        let Some(start) = text.find(open) else {
            return Some(text);
        };
        // As CoreDNS looks for it: the end may be the start's own second half.
        let Some(end) = text[start..].find(close).map(|at| start + at) else {
            return Some(text);
        };
        if end <= start + open.len() {
            return Some(text);
        }
        let name = &text[start + open.len()..end];
        let reference = &text[start..end + close.len()];
        let new = text.replace(reference, &value(name));
        if new.len() > LONGEST {
            return None;
        }
        text = new;
    }
    None
}
