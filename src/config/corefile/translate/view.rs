//! `view`: whose queries a server block takes. By tenant or namespace; not by expressions over the
//! query.

use super::{Cursor, Fault, Item, Out, Table, Token, Value, shown, texts};

const REFUSED: &str = "a view is chosen by who asks: `tenants …`, `namespaces …`, or an expression \
     `metadata('kubernetes/client-namespace') == '…'` or `… in ['…', '…']`; other expressions are not \
     evaluated";

/// `view NAME { tenants …; namespaces …; expr … }`
pub(super) fn read(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let directive = cursor.token();
    cursor.argument("a name")?;
    // A table for its lists alone.
    let mut lists = Table::new("view", None);
    let mut conditions = 0usize;
    while cursor.next_in_block() {
        let option = cursor.token();
        conditions += 1;
        match cursor.text() {
            "tenants" => lists.extend("tenants", texts(&cursor.some_arguments("tenants")?)),
            "namespaces" => {
                lists.extend("namespaces", texts(&cursor.some_arguments("namespaces")?));
            }
            "expr" => {
                let words = cursor.some_arguments("an expression")?;
                lists.extend("namespaces", expression(option, &words)?);
            }
            _ => return Err(cursor.unknown(&["tenants", "namespaces", "expr"])),
        }
        if option.text == "expr" && conditions > 1 {
            return Err(option.fault("one expression is supported, and nothing beside it"));
        }
    }
    if conditions == 0 {
        return Err(directive.fault("needs `tenants` or `namespaces`"));
    }
    super::only_once(cursor)?;
    let keys = ["tenants", "namespaces"];
    let pairs = keys
        .into_iter()
        .filter_map(|key| Some((key, lists.value(key)?.clone())));
    out.block.view = Some((Value::Inline(pairs.collect()), directive.place.clone()));
    Ok(())
}

/// Reads the expressions that name namespaces.
fn expression(option: &Token, words: &[&Token]) -> Result<Vec<Item>, Fault> {
    let text: Vec<&str> = words.iter().map(|word| &*word.text).collect();
    let text = text.join(" ");
    let refused = || option.fault(format!("`{}`: {REFUSED}", shown(&text)));
    let strip = |text: &'_ str, word: &str| -> Option<String> {
        text.trim_start().strip_prefix(word).map(str::to_owned)
    };
    let quoted = |text: &str| -> Option<String> {
        let text = text.trim();
        let inner = ['\'', '"']
            .into_iter()
            .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
        let inner = inner.filter(|inner| !inner.contains(['\'', '"', '\\', ',']));
        inner.map(str::to_owned)
    };
    let rest = strip(&text, "metadata(").ok_or_else(refused)?;
    let (label, rest) = rest.split_once(')').ok_or_else(refused)?;
    if quoted(label).as_deref() != Some("kubernetes/client-namespace") {
        return Err(refused());
    }
    let names = if let Some(name) = strip(rest, "==") {
        vec![quoted(&name).ok_or_else(refused)?]
    } else {
        let list = strip(rest, "in").ok_or_else(refused)?;
        let list = list
            .trim()
            .strip_prefix('[')
            .and_then(|list| list.strip_suffix(']'));
        let names = list.ok_or_else(refused)?.split(',').map(quoted);
        names.collect::<Option<Vec<_>>>().ok_or_else(refused)?
    };
    let item = |name| super::values::item(Value::text(name), option);
    Ok(names.into_iter().map(item).collect())
}
