//! What the command line becomes, and that it wins over the file.

use super::super::*;
use super::{addresses, names};
use clap::Parser;

fn args(line: &str) -> Args {
    let words = ["tenantdns"].into_iter().chain(line.split_whitespace());
    Args::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory;
    Args::command().debug_assert();
    let version = Args::try_parse_from(["tenantdns", "--version"]).unwrap_err();
    assert_eq!(version.exit_code(), i32::from(EXIT_DONE));
    assert!(version.to_string().starts_with("tenantdns 0."), "{version}");
}

#[test]
fn manifests_alone_are_a_trial_on_loopback() {
    let load = |line: &str| Config::load(&args(line)).expect(line);
    let config = load("serve --manifests a.yaml --manifests b");
    assert_eq!(addresses(&config), ["127.0.0.1:5300"]);
    assert_eq!(
        config.source.manifests,
        [PathBuf::from("a.yaml"), PathBuf::from("b")]
    );
    assert_eq!(config.tenancy, policy::Options::default());

    let config = load("serve --manifests a --listen 127.0.0.1:53 --listen 127.0.0.1:53");
    assert_eq!(addresses(&config), ["127.0.0.1:53"]);
}

#[test]
fn a_trial_on_a_desk_has_no_http_listeners() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/tenantdns.toml");
    for (line, expected) in [
        ("serve --manifests a".to_owned(), admin::Options::OFF),
        ("serve --kubeconfig a".to_owned(), admin::Options::OFF),
        (
            format!("serve --config {file} --manifests a"),
            admin::Options::default(),
        ),
        (
            format!("serve --config {file} --kubeconfig a"),
            admin::Options::default(),
        ),
    ] {
        let config = Config::load(&args(&line)).expect(&line);
        assert_eq!(config.admin, expected, "{line}");
    }
}

#[test]
fn a_node_is_named_by_the_file_or_by_the_environment() {
    let kubernetes = |name: Option<&str>| Kubernetes {
        identity_scope: IdentityScope::Node,
        node_name: name.map(Into::into),
        ..Kubernetes::default()
    };
    for (file, environment, expected) in [
        (Some("a"), "b", Some("a")),
        (None, "b", Some("b")),
        (None, "", None),
        (None, "no node", None),
    ] {
        let mut named = kubernetes(file);
        let result = named.name_node(environment);
        assert_eq!(result.is_ok().then(|| named.node()).flatten(), expected);
        if let Err(error) = result {
            assert_eq!(error.exit_status(), EXIT_CONFIG);
            assert!(error.to_string().contains("NODE_NAME"), "{error}");
        }
    }
    let mut whole = Kubernetes::default();
    whole.name_node("a").unwrap();
    assert_eq!(whole.node(), None, "a cluster's identities are of no node");
}

#[test]
fn arguments_win_over_the_file() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/tenantdns.toml");
    let load = |line: &str| Config::load(&args(&format!("{line} --config {file}")));
    let config = load("serve --manifests a --listen [::1]:5399").unwrap();
    assert_eq!(addresses(&config), ["[::1]:5399"]);
    assert_eq!(config.source.manifests, [PathBuf::from("a")]);
    let config = load("serve --manifests a").unwrap();
    assert_eq!(
        addresses(&config),
        ["[::]:53"],
        "a file's default is not the trial's"
    );
    let mut checked = load("check").unwrap();
    let read = std::mem::take(&mut checked.read);
    assert_eq!(checked, Config::default());
    let [read] = read.as_slice() else {
        panic!("{read:?}")
    };
    assert_eq!(*read.path, *file);
    assert_eq!(*read.text, *std::fs::read_to_string(file).unwrap());
}

#[test]
fn loading_fails_with_the_status_that_says_why() {
    for (line, status, message) in [
        (
            "serve",
            EXIT_USAGE,
            "no source: give --manifests PATH (a file or folder of Kubernetes YAML or JSON) or --kube",
        ),
        (
            "explain --from shop web.shop",
            EXIT_USAGE,
            "no source: give --manifests PATH (a file or folder of Kubernetes YAML or JSON) or --kube",
        ),
        (
            "visibility",
            EXIT_USAGE,
            "no source: give --manifests PATH (a file or folder of Kubernetes YAML or JSON) or --kube",
        ),
        (
            "check --config /nonexistent/tenantdns.toml",
            EXIT_CONFIG,
            "/nonexistent/tenantdns.toml: the configuration can't be read: No such file",
        ),
        (
            "check --config Cargo.toml",
            EXIT_CONFIG,
            "Cargo.toml:1:2: package: unknown key; ",
        ),
    ] {
        let error = Config::load(&args(line)).unwrap_err();
        assert_eq!(error.exit_status(), status, "{line}");
        assert!(error.to_string().starts_with(message), "{line}: {error}");
    }
}

#[test]
fn explain_says_who_asks_for_what() {
    let explain = |line: &str| match args(&format!("explain --manifests m {line}")).command {
        Command::Explain(explain) => explain,
        other => panic!("{other:?}"),
    };
    let short = explain("--from shop web.shop.svc.cluster.local");
    assert_eq!(short.from, Asker::Namespace("shop".into()));
    assert_eq!(short.name, names(&["web.shop.svc.cluster.local"])[0]);
    assert_eq!(
        (short.rtype, short.output),
        (crate::wire::RType::A, Output::Text)
    );
    let long = explain("--from shop/web-0.a x.y SRV --output json");
    let (namespace, name) = ("shop".into(), "web-0.a".into());
    assert_eq!(long.from, Asker::Pod { namespace, name });
    assert_eq!(
        (long.rtype, long.output),
        (crate::wire::RType::SRV, Output::Json)
    );
    for (text, ip) in [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fd00::1", "fd00::1"),
    ] {
        let from = explain(&format!("--from {text} x")).from;
        assert_eq!(from, Asker::Ip(ip.parse().unwrap()), "{text}");
    }
}

#[test]
fn commands_about_a_policy_name_what_they_read() {
    let Command::Policy(Policy::Test(test)) = args("policy test a b --manifests m").command else {
        panic!("not a test");
    };
    assert_eq!(test.files, [PathBuf::from("a"), PathBuf::from("b")]);
    assert_eq!(test.inputs.manifests, [PathBuf::from("m")]);
    let line = "policy diff old new --manifests m --enforce --output json";
    let Command::Policy(Policy::Diff(diff)) = args(line).command else {
        panic!("not a comparison");
    };
    assert_eq!((diff.old, diff.new), ("old".into(), "new".into()));
    assert!(diff.enforce && diff.output == Output::Json);
    let Command::Visibility(visibility) = args("visibility --manifests m").command else {
        panic!("not visibility");
    };
    assert_eq!(visibility.output, VisibilityOutput::Table);
    assert!(!visibility.enforce);
}

#[test]
fn an_audit_has_its_queries_from_one_place() {
    let tap = |line: &str| {
        let Command::Audit(audit) = args(&format!("audit {line}")).command else {
            panic!("not an audit");
        };
        (
            audit.tap.dnstap.map(|place| place.to_string()),
            audit.tap.coredns_log,
        )
    };
    for (line, dnstap, log) in [
        (
            "--dnstap 127.0.0.1:6000",
            Some("tcp://127.0.0.1:6000"),
            None,
        ),
        ("--dnstap tcp://[::1]:6000", Some("tcp://[::1]:6000"), None),
        ("--dnstap unix:/run/tap", Some("unix:///run/tap"), None),
        ("--dnstap unix:///run/tap", Some("unix:///run/tap"), None),
        ("--dnstap unix:tap --kubeconfig x", Some("unix://tap"), None),
        ("--coredns-log - --config x", None, Some("-")),
    ] {
        let expected = (dnstap.map(str::to_owned), log.map(PathBuf::from));
        assert_eq!(tap(line), expected, "{line}");
    }
    let Command::Policy(Policy::Suggest(suggest)) =
        args("policy suggest --audit-log a b --audit-log c").command
    else {
        panic!("no suggestions");
    };
    assert_eq!(suggest.audit_log, ["a", "b", "c"].map(PathBuf::from));
    assert_eq!(suggest.sweep, 256);
    for (text, millionths) in [
        ("0.1", 1_000),
        ("0", 0),
        ("2.5%", 25_000),
        ("100", 1_000_000),
    ] {
        let Command::Check(check) =
            args(&format!("check --audit-log a --max-unidentified {text}")).command
        else {
            panic!("not a check");
        };
        assert_eq!(check.gate.max_unidentified, Share(millionths), "{text}");
    }
    assert_eq!(Share::default().to_string().parse(), Ok(Share::default()));
}

#[test]
fn wrong_usage_is_refused_with_its_status() {
    for line in [
        "",
        "server",
        "check",
        "serve --listen 127.0.0.1",
        "serve --listen tls://127.0.0.1:853",
        "serve --config a --config b",
        "serve --kubeconfig x --manifests y",
        "explain --from a/b/c x",
        "explain --from Shop x",
        "explain --from shop a..b",
        "explain --from shop x NOTYPE",
        "explain x",
        "explain --from shop x --output table",
        "visibility --output text",
        "policy",
        "policy test",
        "policy diff a",
        "policy diff a b c",
        "policy diff a b --output table",
        "policy suggest",
        "policy suggest a",
        "audit",
        "audit --dnstap 127.0.0.1",
        "audit --dnstap localhost:6000",
        "audit --dnstap tls://127.0.0.1:6000",
        "audit --dnstap 127.0.0.1:6000 --coredns-log -",
        "audit --coredns-log - --kubeconfig x --manifests y",
        "check --max-unidentified 1",
        "check --audit-log a --max-unidentified 100.1",
        "check --audit-log a --max-unidentified x",
    ] {
        let words = ["tenantdns"].into_iter().chain(line.split_whitespace());
        let error = Args::try_parse_from(words).expect_err(line);
        assert_eq!(error.exit_code(), i32::from(EXIT_USAGE), "{line}");
    }
}
