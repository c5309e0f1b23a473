//! Files of a certificate and a key that are right, wrong, and replaced.

use super::*;
use crate::testing::{SelfSigned, self_signed};

/// Two files of a test, removed with it.
struct Files(PairFiles);

impl Files {
    fn new(name: &str, pair: &SelfSigned) -> Self {
        let file = |end: &str| {
            let name = format!("tenantdns-{name}-{}.{end}", std::process::id());
            std::env::temp_dir().join(name)
        };
        let files = Self(PairFiles {
            certificate: file("crt"),
            key: file("key"),
        });
        files.certificate(&pair.certificate);
        files.key(&pair.key);
        files
    }

    fn certificate(&self, text: &str) {
        fs::write(&self.0.certificate, text).unwrap();
    }

    fn key(&self, text: &str) {
        fs::write(&self.0.key, text).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0.certificate);
        let _ = fs::remove_file(&self.0.key);
    }
}

const OFFER: Offer = Offer {
    table: "[tls]",
    protocols: &["dot"],
};

fn open(files: &Files) -> Result<Pair, PairError> {
    Pair::open(&files.0.clone().into(), OFFER)
}

#[test]
fn what_is_no_pair_is_refused_with_its_file() {
    let (a, b) = (self_signed("a"), self_signed("b"));
    let files = Files::new("pairs", &a);
    let place = |path: &Path| path.display().to_string();
    let (certificate, key) = (place(&files.0.certificate), place(&files.0.key));
    for (what, certificate_text, key_text, start) in [
        (
            "no PEM",
            "",
            &*a.key,
            format!("{certificate}: no certificate"),
        ),
        (
            "the key alone",
            &a.key,
            &a.key,
            format!("{certificate}: no certificate"),
        ),
        (
            "no key",
            &a.certificate,
            "",
            format!("{key}: no private key"),
        ),
        (
            "a chain is no key",
            &a.certificate,
            &a.certificate,
            format!("{key}: no private key"),
        ),
        (
            "another's key",
            &a.certificate,
            &b.key,
            format!("{certificate} with {key}: "),
        ),
        (
            "cut short",
            &a.certificate[..100],
            &a.key,
            format!("{certificate}: no certificate"),
        ),
    ] {
        files.certificate(certificate_text);
        files.key(key_text);
        let error = open(&files).unwrap_err().to_string();
        assert!(error.starts_with(&start), "{what}: {error}");
        assert!(!error.contains("BEGIN"), "{what}: {error}");
    }
    fs::remove_file(&files.0.key).unwrap();
    let error = open(&files).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{key}: ")), "{error}");
    files.key(&" ".repeat(LARGEST as usize + 1));
    let error = open(&files).unwrap_err().to_string();
    assert!(
        error.ends_with("too large for a certificate or a key"),
        "{error}"
    );
}

#[test]
fn a_new_pair_is_taken_and_a_bad_one_is_said_once_and_not_taken() {
    let (a, b) = (self_signed("a"), self_signed("b"));
    let files = Files::new("replaced", &a);
    let mut pair = open(&files).unwrap();
    let shown = pair.shown();
    let first = shown.current();
    let same = |expected: &Arc<ServerConfig>| Arc::ptr_eq(&shown.current(), expected);
    assert_eq!(pair.look(), None);
    assert!(same(&first), "nothing has changed");

    // Half of it has been written.
    files.certificate(&b.certificate);
    assert_eq!(pair.look(), None, "the other half may be on its way");
    assert!(same(&first));
    files.key(&b.key);
    assert_eq!(pair.look(), None);
    let second = shown.current();
    assert!(!same(&first), "the new pair is shown");

    for _ in 0..2 {
        files.certificate("none");
        assert_eq!(pair.look(), None);
        let said = pair.look().expect("it stays wrong");
        assert!(said.contains("no certificate in PEM"), "{said}");
        assert_eq!((pair.look(), pair.look()), (None, None), "said once");
        files.certificate(&a.certificate);
        assert_eq!(pair.look(), None, "wrong in another way");
        assert!(pair.look().is_some());
        assert!(same(&second));
        // What was there before is back.
        files.certificate(&b.certificate);
        assert_eq!(pair.look(), None);
        assert!(same(&second));
    }
}

#[test]
fn clients_are_verified_by_authorities_that_are_there_and_followed() {
    let (a, b) = (self_signed("a"), self_signed("b"));
    let files = Files::new("clients", &a);
    let authorities = files.0.certificate.with_extension("ca");
    let options = |client_auth| Options {
        pair: files.0.clone(),
        client_auth,
    };
    for client_auth in [ClientAuth::NoCert, ClientAuth::Request, ClientAuth::Require] {
        assert!(Pair::open(&options(client_auth), OFFER).is_ok());
    }
    let needed = options(ClientAuth::RequireAndVerify(authorities.clone()));
    let place = authorities.display().to_string();
    for (what, text, expected) in [
        ("no file", None, format!("{place}: No such file")),
        (
            "no PEM",
            Some(""),
            format!("{place}: no certificate in PEM"),
        ),
        (
            "a key",
            Some(&*a.key),
            format!("{place}: no certificate in PEM"),
        ),
    ] {
        if let Some(text) = text {
            fs::write(&authorities, text).unwrap();
        }
        let error = Pair::open(&needed, OFFER).unwrap_err().to_string();
        assert!(error.starts_with(&expected), "{what}: {error}");
    }
    fs::write(&authorities, &a.certificate).unwrap();
    let mut pair = Pair::open(&needed, OFFER).unwrap();
    let first = pair.shown().current();
    fs::write(&authorities, &b.certificate).unwrap();
    assert_eq!(pair.look(), None);
    assert!(!Arc::ptr_eq(&pair.shown().current(), &first));
    fs::remove_file(&authorities).unwrap();
}
