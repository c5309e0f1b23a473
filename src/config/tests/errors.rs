//! What is wrong in a file is said with its line, column and key.

mod forward;
mod forwarders;
mod keys;
mod steps;
mod tables;
mod values;

use super::super::Config;

/// Checks that `text` is refused with exactly these lines, each after `f.toml:`.
fn check(fact: &str, text: &str, expected: &[&str]) {
    let error = Config::from_toml(text, "f.toml")
        .expect_err(fact)
        .to_string();
    let lines: Vec<&str> = error.lines().collect();
    let expected: Vec<String> = expected
        .iter()
        .map(|line| format!("f.toml:{line}"))
        .collect();
    assert_eq!(lines, expected, "{fact}:\n{text}");
}

/// Checks that `value` at `key` in a table is refused at the value, on line 2.
fn check_value(table: &str, key: &str, value: &str, message: &str) {
    let column = key.len() + 4;
    let text = format!("[{table}]\n{key} = {value}\n");
    let expected = format!("2:{column}: {table}.{key}: {message}");
    check(key, &text, &[&expected]);
}

/// Checks that the only item of a list is refused, at the item.
fn check_item(table: &str, key: &str, item: &str, message: &str) {
    let column = key.len() + 5;
    let text = format!("[{table}]\n{key} = [{item}]\n");
    let expected = format!("2:{column}: {table}.{key}[0]: {message}");
    check(item, &text, &[&expected]);
}
