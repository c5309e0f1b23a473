//! Corefiles as they are found in the field, each as the TOML that means the same.
//!
//! A folder of tests/cases/corefiles is one: what stands in /etc/coredns, and in expected.toml what it
//! becomes. Where that differs, the failing test says where what it becomes now lies.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tenantdns::commands::corefile_in;
use tenantdns::config::{Corefile, Surroundings};
use tenantdns::tenancy::Mode;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/corefiles");
const MOUNTED: &str = "/etc/coredns";

/// A pod with a folder in the place of /etc/coredns.
pub(crate) struct Pod(pub(crate) PathBuf);

impl Pod {
    fn own(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(MOUNTED) {
            Ok(rest) => self.0.join(rest),
            Err(_) => PathBuf::from("/nowhere"),
        }
    }
}

impl Surroundings for Pod {
    fn variable(&self, _name: &str) -> String {
        String::new()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(self.own(path))
    }

    fn exists(&self, path: &Path) -> bool {
        self.own(path).exists()
    }

    fn names(&self, folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(self.own(folder));
        let names = entries.into_iter().flatten().flatten();
        names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    fn addresses(&self, _interface: &str) -> Option<Vec<IpAddr>> {
        None
    }
}

/// Returns the folders with a file of that name.
pub(crate) fn folders_with(file: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(CASES).unwrap();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join(file).exists())
        .collect();
    folders.sort();
    folders
}

/// Reads the Corefile of a folder as a pod would.
pub(crate) fn read(folder: &Path) -> Corefile {
    let text = fs::read_to_string(folder.join("Corefile")).unwrap();
    let name = format!("{MOUNTED}/Corefile");
    Corefile::read(&name, &text, 53, &Pod(folder.into()))
        .unwrap_or_else(|error| panic!("{}\n{error}", folder.display()))
}

fn compare(folder: &Path, toml: &str) -> Option<String> {
    let expected = fs::read_to_string(folder.join("expected.toml")).unwrap_or_default();
    if toml == expected {
        return None;
    }
    let name = folder.file_name().unwrap().to_str().unwrap();
    let now = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("corefile-{name}.toml"));
    fs::write(&now, toml).unwrap();
    let folder = folder.display();
    Some(format!(
        "{folder}/expected.toml differs from {}",
        now.display()
    ))
}

#[test]
fn corefiles_of_the_field_become_the_toml_that_means_the_same() {
    let folders = folders_with("Corefile");
    assert!(folders.len() >= 15, "{folders:?}");
    let differences: Vec<String> = folders
        .iter()
        .filter_map(|folder| compare(folder, read(folder).toml()))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn kube_dns_is_what_its_config_map_says() {
    for folder in folders_with("configmap.yaml") {
        let text = fs::read_to_string(folder.join("configmap.yaml")).unwrap();
        let import = corefile_in(&text).unwrap();
        let corefile = Corefile::read("kube-dns", &import.text, 53, &Pod(folder.clone())).unwrap();
        assert_eq!(compare(&folder, corefile.toml()), None);
    }
}

#[test]
fn every_line_of_the_toml_is_toml() {
    for folder in folders_with("Corefile") {
        let corefile = read(&folder);
        let table: toml::Table = corefile.toml().parse().unwrap();
        assert!(table.contains_key("block"), "{}", folder.display());
    }
}

/// What the configuration of a folder's Corefile has, in a few words.
fn served(corefile: &Corefile) -> Vec<String> {
    let config = corefile.config().unwrap_or_else(|error| panic!("{error}"));
    let blocks = config.blocks.iter();
    blocks
        .map(|block| {
            let zones: Vec<String> = block.zones.iter().map(ToString::to_string).collect();
            let cluster = block.kubernetes.as_ref();
            let cluster = cluster.map_or(0, |zone| zone.origins.len());
            let forwards = block.forward.len();
            format!("{}: {cluster} zones, {forwards} forwards", zones.join(" "))
        })
        .collect()
}

#[test]
fn corefiles_of_the_field_are_configurations() {
    const WHOLE: &str = ".: 3 zones, 1 forwards";
    for (folder, expected) in [
        ("kubeadm", &[WHOLE][..]),
        ("kubeadm-old", &[WHOLE]),
        ("eks", &[WHOLE]),
        (
            "aks",
            &[
                WHOLE,
                "contoso.com.: 0 zones, 1 forwards",
                "puglife.local.: 0 zones, 1 forwards",
            ],
        ),
        ("gke", &[WHOLE]),
        ("k3s", &[WHOLE]),
        ("kops", &[WHOLE]),
        ("rke2", &[WHOLE]),
        (
            "openshift",
            &[
                "foo.com.: 0 zones, 1 forwards",
                WHOLE,
                "hostname.bind.: 0 zones, 0 forwards",
            ],
        ),
        ("gardener", &[WHOLE]),
        ("helm", &[WHOLE]),
        ("talos", &[WHOLE]),
        (
            "node-cache",
            &[
                "cluster.local.: 0 zones, 1 forwards",
                "in-addr.arpa.: 0 zones, 1 forwards",
                "ip6.arpa.: 0 zones, 1 forwards",
                ".: 0 zones, 1 forwards",
            ],
        ),
        ("kubespray", &["example.com.: 0 zones, 1 forwards", WHOLE]),
        ("tenancy", &[WHOLE]),
    ] {
        let corefile = read(&Path::new(CASES).join(folder));
        assert_eq!(served(&corefile), expected, "{folder}");
        let config = corefile.config().unwrap();
        let has_tenancy = folder == "tenancy";
        assert_eq!(config.tenancy.mode == Mode::Off, !has_tenancy, "{folder}");
        assert_eq!(config.needs_objects(), folder != "node-cache", "{folder}");
    }
}
