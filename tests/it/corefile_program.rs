//! The program as CoreDNS's users run it: its command line, exit status, and what it prints.

use crate::program::program;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("corefile-program-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn run(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = program(arguments)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn version_and_plugins_are_said_and_nothing_is_served() {
    let (status, out, _) = run(&["-version"], "");
    assert_eq!(status, 0);
    assert!(out.starts_with("tenantdns-0."), "{out}");
    let (status, out, _) = run(&["-plugins", "-conf", "/nowhere"], "");
    assert_eq!(status, 0);
    let names: Vec<&str> = out.lines().collect();
    assert!(names.is_sorted(), "{out}");
    for name in ["dns.kubernetes", "dns.forward", "dns.tenancy"] {
        assert!(names.contains(&name), "{out}");
    }
    assert!(!names.contains(&"dns.etcd"), "{out}");
}

#[test]
fn wrong_usage_is_2_and_a_wrong_corefile_78() {
    let folder = folder("status");
    let path = folder.join("Corefile");
    fs::write(&path, ".:53 {\n  etcd\n  health {\n    lame\n  }\n}\n").unwrap();
    let path = path.to_str().unwrap();
    let missing = folder.join("missing");
    for (arguments, expected, reason) in [
        (
            &["-conf", path, "b"][..],
            2,
            "extra command line arguments: b".to_owned(),
        ),
        (&["-conf"], 2, "flag needs an argument: -conf".into()),
        (
            &["-conf", missing.to_str().unwrap()],
            78,
            format!("{}: the configuration can't be read", missing.display()),
        ),
        (&["-conf", path], 78, format!("{path}:2: etcd: ")),
        (&["-conf", path], 78, format!("{path}:4: health: ")),
        (
            &["import-corefile", path],
            78,
            format!("{path}:4: health: "),
        ),
        (
            &["import-corefile", missing.to_str().unwrap()],
            78,
            "can't be read".into(),
        ),
        (&["import-corefile"], 2, "FILE".into()),
    ] {
        let (status, out, error) = run(arguments, "");
        assert_eq!(status, expected, "{arguments:?}: {error}");
        assert!(error.contains(&reason), "{arguments:?}: {error}");
        assert_eq!(out, "", "{arguments:?}");
    }
}

#[test]
fn a_corefile_comes_from_the_standard_input_too() {
    let (status, _, error) = run(&["-conf", "stdin"], ".:53 {\n  whoami\n}\n");
    assert_eq!(status, 78);
    assert!(error.contains("/dev/stdin:2: whoami: "), "{error}");
    let (status, _, error) = run(&["import-corefile", "stdin"], ".:53 {\n  whoami\n}\n");
    assert_eq!(status, 78);
    assert!(error.contains("/dev/stdin:2: whoami: "), "{error}");
}

#[test]
fn a_manifest_that_holds_no_corefile_is_refused() {
    let (status, _, error) = run(
        &["import-corefile", "stdin"],
        "apiVersion: v1\nkind: Secret\n",
    );
    assert_eq!(status, 78);
    assert!(error.contains("is a Secret, not a ConfigMap"), "{error}");
}
