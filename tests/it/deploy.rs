//! What deploy/ says, as far as it can be held without a cluster. What the API server and the running
//! program make of it is in tests/live/deploy.rs.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The pod of every mode.
fn pod() -> Value {
    let text = read("deploy/base/deployment.yaml");
    let deployment: Value = serde_saphyr::from_str(&text).unwrap();
    deployment["spec"]["template"]["spec"].clone()
}

/// The configurations of deploy/, as paths in the repository.
fn configurations() -> Vec<PathBuf> {
    let folders = fs::read_dir(repository().join("deploy")).unwrap();
    let files = folders.map(|folder| folder.unwrap().path().join("tenantdns.toml"));
    let found: Vec<_> = files.filter(|file| file.exists()).collect();
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// The keys of config/tenantdns.toml with their defaults, as `health.listen`.
fn defaults() -> BTreeMap<String, String> {
    let mut table = String::new();
    let mut keys = BTreeMap::new();
    for line in read("config/tenantdns.toml").lines() {
        let Some(line) = line.strip_prefix("# ") else {
            continue;
        };
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').to_owned();
        } else if let Some((key, value)) = line.split_once(" = ") {
            keys.insert(format!("{table}.{key}"), value.to_owned());
        }
    }
    keys
}

#[test]
fn the_pod_runs_with_the_least_that_it_needs() {
    let pod = pod();
    let container = &pod["containers"][0];
    for (path, expected) in [
        ("/securityContext/runAsNonRoot", "true"),
        ("/securityContext/runAsUser", "65532"),
        ("/securityContext/seccompProfile/type", "\"RuntimeDefault\""),
        ("/dnsPolicy", "\"Default\""),
    ] {
        let found = pod.pointer(path).unwrap_or(&Value::Null).to_string();
        assert_eq!(found, expected, "{path}");
    }
    for (path, expected) in [
        ("/securityContext/allowPrivilegeEscalation", "false"),
        ("/securityContext/readOnlyRootFilesystem", "true"),
        ("/securityContext/capabilities/drop", "[\"ALL\"]"),
        (
            "/securityContext/capabilities/add",
            "[\"NET_BIND_SERVICE\"]",
        ),
        ("/volumeMounts/0/readOnly", "true"),
    ] {
        let found = container.pointer(path).unwrap_or(&Value::Null).to_string();
        assert_eq!(found, expected, "{path}");
    }
    for absent in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
        assert_eq!(pod[absent], Value::Null, "{absent}");
    }
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
}

#[test]
fn the_ports_of_the_pod_are_those_where_the_program_listens() {
    let pod = pod();
    let container = &pod["containers"][0];
    let defaults = defaults();
    let port = |key: &str| -> u64 {
        let address = defaults[key].trim_matches(['[', ']', '"']);
        address.rsplit(':').next().unwrap().parse().unwrap()
    };
    let ports = container["ports"].as_array().unwrap().iter();
    let ports = ports.map(|port| {
        let number = port["containerPort"].as_u64().unwrap();
        (port["name"].as_str().unwrap(), number)
    });
    let ports: BTreeMap<_, _> = ports.collect();
    let expected = BTreeMap::from([
        ("dns", port("server.listen")),
        ("dns-tcp", port("server.listen")),
        ("metrics", port("metrics.listen")),
        ("health", port("health.listen")),
        ("ready", port("ready.listen")),
    ]);
    assert_eq!(ports, expected);
    for (probe, port, path) in [
        ("livenessProbe", "health", "/health"),
        ("readinessProbe", "ready", "/ready"),
    ] {
        let get = &container[probe]["httpGet"];
        assert_eq!(
            (get["port"].as_str(), get["path"].as_str()),
            (Some(port), Some(path))
        );
    }
}

#[test]
fn the_kubelet_waits_until_the_lameduck_has_ended() {
    let seconds = |text: &str| -> u64 {
        let text = text.trim_matches('"').strip_suffix('s');
        text.and_then(|text| text.parse().ok()).expect("seconds")
    };
    let lameduck = seconds(&defaults()["health.lameduck"]);
    let grace = pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
    // Ten more for what is on its way by then (config/tenantdns.toml).
    assert!(grace >= lameduck + 10, "{grace} for {lameduck}");
    for file in configurations() {
        assert!(!read(&file).contains("lameduck"), "{}", file.display());
    }
}

#[test]
fn the_configurations_pass_the_check() {
    for file in configurations() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantdns"));
        command.args(["check", "--config"]).arg(&file);
        // In a pod the kubelet says it.
        let output = command.env("NODE_NAME", "node-1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}", file.display());
    }
}

// === what is said of it ===

#[test]
fn every_file_of_deploy_that_is_spoken_of_is_there() {
    let mut texts = vec![
        "README.md".into(),
        "CHANGELOG.md".into(),
        "CONTRIBUTING.md".into(),
        "config/tenantdns.toml".into(),
        "deploy/README.md".into(),
        "deploy/stub/README.md".into(),
    ];
    for entry in fs::read_dir(repository().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            texts.push(path);
        }
    }
    let mut seen = 0;
    for text in texts {
        for part in read(&text).split("deploy/").skip(1) {
            let in_path = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
            let end = part.find(|c| !in_path(c)).unwrap_or(part.len());
            let path = part[..end].trim_end_matches(['.', '/']);
            // `deploy/*.yaml` and the like name no file.
            if path.is_empty() || part[end..].starts_with('*') {
                continue;
            }
            seen += 1;
            let there = repository().join("deploy").join(path).exists();
            assert!(there, "{}: deploy/{path}", text.display());
        }
    }
    assert!(seen > 20, "{seen}");
}
