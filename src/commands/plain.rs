//! Names as text that does only what text does. Names of tenants come from labels and annotations,
//! which may hold anything.

use std::fmt::Write;

/// Returns a name on one line, without what would steer a terminal or turn the text around.
pub(super) fn plain(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() || steers(c) {
            let _ = write!(text, "{}", c.escape_unicode());
        } else {
            text.push(c);
        }
    }
    text
}

/// Returns whether a character is invisible, or says in which direction others run.
fn steers(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns items, with something between them, in lines of at most `width` characters, where no item
/// is longer.
pub(super) fn lines(items: &[String], between: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let between = if place + 1 < items.len() { between } else { "" };
        let length = item.chars().count() + between.len();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + length <= width => {
                let _ = write!(line, " {item}{between}");
            }
            _ => lines.push(format!("{item}{between}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_neither_steer_nor_turn() {
        for (name, expected) in [
            ("shop", "shop"),
            ("<b>ä</b>", "<b>ä</b>"),
            ("a\nb", "a\\u{a}b"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(plain(name), expected);
        }
    }

    #[test]
    fn lines_end_where_the_next_item_has_no_room() {
        let items = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&items("a bb ccc"), ",", 6), ["a, bb,", "ccc"]);
        assert_eq!(
            lines(&items("a longest b"), ",", 4),
            ["a,", "longest,", "b"]
        );
        assert!(lines(&[], ",", 4).is_empty());
    }
}
