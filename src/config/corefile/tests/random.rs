//! Texts that nobody wrote: they are read or refused, and what is printed is read as the same.

use super::*;
use proptest::prelude::*;

/// Words that mean something somewhere.
const WORDS: &[&str] = &[
    ".:53",
    "example.org",
    "tls://a.b:853",
    "10.0.0.0/9",
    "2001:db8::/30",
    "a,",
    "{",
    "}",
    "import",
    "(s)",
    "s",
    "(t)",
    "t",
    "*.server",
    "custom/*",
    "#",
    "\"",
    "\\",
    "{$A}",
    "{%A%}",
    "{$",
    "%}",
    "errors",
    "health",
    "lameduck",
    "5s",
    ":8080",
    "ready",
    "kubernetes",
    "cluster.local",
    "pods",
    "insecure",
    "fallthrough",
    "ttl",
    "30",
    "namespaces",
    "labels",
    "a=b",
    "forward",
    ".",
    "/etc/resolv.conf",
    "tls",
    "policy",
    "random",
    "health_check",
    "domain",
    "no_rec",
    "cache",
    "success",
    "denial",
    "9984",
    "prefetch",
    "10%",
    "serve_stale",
    "disable",
    "rewrite",
    "name",
    "regex",
    "(.*)",
    "answer",
    "auto",
    "value",
    "stop",
    "continue",
    "type",
    "A",
    "hosts",
    "10.0.0.1",
    "template",
    "ANY",
    "match",
    "rcode",
    "acl",
    "allow",
    "block",
    "net",
    "*",
    "header",
    "response",
    "set",
    "ra",
    "log",
    "class",
    "{common}",
    "dnstap",
    "bind",
    "except",
    "lo",
    "view",
    "expr",
    "metadata('kubernetes/client-namespace')",
    "in",
    "['a','b']",
    "==",
    "'x'",
    "tenancy",
    "mode",
    "audit",
    "platform",
    "rule",
    "from",
    "to",
    "tenants",
    "client",
    "cidr",
    "tenant_from",
    "label",
    "root",
    "transfer",
    "timeouts",
    "idle",
    "loop",
    "reload",
    "loadbalance",
    "autopath",
    "@kubernetes",
    "dns64",
    "nsid",
    "chaos",
    "local",
    "any",
    "minimal",
    "bufsize",
    "1232",
    "whoami",
];

fn around() -> Fake {
    let file = |name: &str, text: &str| (format!("/etc/coredns/{name}"), text.to_owned());
    Fake {
        files: [
            file("Corefile", "import s\nimport custom/*\n"),
            file("a.server", "a.example {\n  errors\n}\n"),
            file("custom/b", "log\nimport ../a.server\n"),
        ]
        .into(),
        variables: [("A".to_owned(), "b\n{$A".to_owned())].into(),
        interfaces: [("lo".to_owned(), vec![IpAddr::from([127, 0, 0, 1])])].into(),
    }
}

/// Returns the block as a Corefile has it: each directive on a line, its block's words on others.
fn printed(block: &ServerBlock) -> Option<String> {
    let word = |text: &str| {
        // What no quotes and no blanks can say.
        let unsayable = text.ends_with('\\') || text.contains("\\\"") || text.contains("{$");
        if unsayable || text.contains("{%") {
            return None;
        }
        let braces = ["{", "}", "import"].contains(&text);
        let escaped = text.replace('"', "\\\"");
        Some(if braces {
            text.to_owned()
        } else {
            format!("\"{escaped}\"")
        })
    };
    // A snippet's name that was a block's without braces, and a comma that would be the key's.
    if block.keys.iter().any(|key| key.text.ends_with([',', ')'])) {
        return None;
    }
    let keys: Option<Vec<String>> = block.keys.iter().map(|key| word(&key.text)).collect();
    let mut out = format!("{} {{\n", keys?.join(" "));
    for (_, words) in &block.directives {
        let mut before: Option<&lexer::Token> = None;
        for token in words {
            if let Some(before) = before {
                out.push(if before.is_on_line_of(token) {
                    ' '
                } else {
                    '\n'
                });
            }
            out += &word(&token.text)?;
            before = Some(token);
        }
        out.push('\n');
    }
    out += "}\n";
    Some(out)
}

fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        12 => prop::sample::select(WORDS).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    let blank = prop::sample::select(vec![" ", " ", " ", "\n", "\n", "\r\n", ""]);
    prop::collection::vec((word, blank), 0..60).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(word, blank)| word + blank)
            .collect()
    })
}

/// Directives that stand where directives stand, so that more than the parser is reached.
fn block() -> impl Strategy<Value = String> {
    let name = prop::sample::select(supported().collect::<Vec<_>>());
    let line = prop::collection::vec(prop::sample::select(WORDS), 0..5).prop_map(|w| w.join(" "));
    let inside = prop::collection::vec(line.clone(), 0..4).prop_map(|lines| lines.join("\n"));
    let directive = (name, line, prop::option::of(inside)).prop_map(|(name, line, inside)| {
        let line = line.replace(['{', '}', '"'], "");
        match inside {
            None => format!("{name} {line}\n"),
            Some(inside) => {
                let inside = inside.replace(['{', '}', '"'], "");
                format!("{name} {line} {{\n{inside}\n}}\n")
            }
        }
    });
    prop::collection::vec(directive, 0..6).prop_map(|d| format!(".:53 {{\n{}}}\n", d.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![text(), block(), any::<String>()]) {
        match Corefile::read(NAME, &text, 53, &around()) {
            Err(error) => prop_assert!(!error.problems().is_empty()),
            Ok(corefile) => {
                let toml: Result<toml::Table, _> = corefile.toml().parse();
                prop_assert!(toml.is_ok(), "{text}\n{}\n{toml:?}", corefile.toml());
                // Read or refused, with a place in the Corefile either way.
                if let Err(error) = corefile.config() {
                    for problem in error.problems() {
                        prop_assert!(problem.line > 0 && !problem.file.is_empty(), "{problem}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_printed_block_is_read_as_the_same(text in prop_oneof![text(), block()]) {
        let Ok(blocks) = parse(NAME, &text, &around(), &mut Vec::new()) else { return Ok(()) };
        let Some(printed) = blocks.iter().map(printed).collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        let text = printed.concat();
        let again = parse(NAME, &text, &around(), &mut Vec::new());
        let again = again.map_err(|fault| TestCaseError::fail(format!("{text}\n{}", fault.message)))?;
        let outlines = |blocks: &[ServerBlock]| blocks.iter().map(outline).collect::<Vec<_>>();
        prop_assert_eq!(outlines(&again), outlines(&blocks), "{}", text);
    }
}
