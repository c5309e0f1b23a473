//! Listeners that are encrypted, what they show, and how long their peers may take.

use super::parse;
use crate::config::Config;
use crate::server::{Scheme, TimeoutOptions};
use crate::tls::{self, ClientAuth, PairFiles};
use std::time::Duration;

const PAIR: &str = "certificate = \"/c\"\nkey = \"/k\"\n";

fn shown(certificate: &str, key: &str, client_auth: ClientAuth) -> tls::Options {
    let pair = PairFiles {
        certificate: certificate.into(),
        key: key.into(),
    };
    tls::Options { pair, client_auth }
}

#[test]
fn listeners_have_what_their_block_or_the_server_says() {
    let config = parse(
        "[server]\nlisten = [\":53\", \"tls://:853\", \"https://127.0.0.1:443\"]\n\
         [tls]\ncertificate = \"/c\"\nkey = \"/k\"\nca = \"/a\"\nclient_auth = \"verify_if_given\"\n\
         [timeouts]\nread = \"2s\"\n[kubernetes]\n\
         [[block]]\nzones = [\"a\"]\nlisten = [\"quic://[::]:853\", \"tls://:853\"]\n[block.kubernetes]\n\
         [[block]]\nzones = [\"b\"]\nlisten = [\"tls://[::1]:8853\"]\n[block.kubernetes]\n\
         [block.tls]\ncertificate = \"/c2\"\nkey = \"/k2\"\n\
         [block.timeouts]\nwrite = \"1s\"\nidle = \"24h\"\n",
    );
    let server = &config.server;
    let endpoint = |text: &str| text.parse().unwrap();
    let schemes: Vec<Scheme> = server.listen.iter().map(|listen| listen.scheme).collect();
    use Scheme::{Dns, Https, Quic, Tls};
    assert_eq!(schemes, [Dns, Tls, Https, Quic, Tls]);
    let first = shown("/c", "/k", ClientAuth::VerifyIfGiven("/a".into()));
    let second = shown("/c2", "/k2", ClientAuth::NoCert);
    let read = TimeoutOptions {
        read: Some(Duration::from_secs(2)),
        ..TimeoutOptions::default()
    };
    let own = TimeoutOptions {
        read: None,
        write: Some(Duration::from_secs(1)),
        idle: Some(Duration::from_secs(24 * 3600)),
    };
    for (text, tls, timeouts) in [
        ("[::]:53", None, read),
        ("tls://[::]:853", Some(&first), read),
        ("https://127.0.0.1:443", Some(&first), read),
        ("quic://[::]:853", Some(&first), read),
        ("tls://[::1]:8853", Some(&second), own),
        ("tls://[::2]:8853", None, TimeoutOptions::default()),
    ] {
        assert_eq!(server.tls_of(endpoint(text)), tls, "{text}");
        assert_eq!(server.timeouts_of(endpoint(text)), timeouts, "{text}");
    }
    // One port is UDP's and TCP's apart.
    assert_eq!(config.blocks[1].listeners.len(), 2);
    assert_eq!(config.blocks[1].listeners[1], config.blocks[0].listeners[1]);
}

#[test]
fn every_word_of_client_auth_is_known() {
    for (word, client_auth) in [
        ("nocert", ClientAuth::NoCert),
        ("request", ClientAuth::Request),
        ("require", ClientAuth::Require),
        ("verify_if_given", ClientAuth::VerifyIfGiven("/a".into())),
        (
            "require_and_verify",
            ClientAuth::RequireAndVerify("/a".into()),
        ),
    ] {
        let text = format!(
            "[server]\nlisten = [\"tls://:853\"]\n[tls]\n{PAIR}ca = \"/a\"\nclient_auth = \"{word}\"\n"
        );
        let config = parse(&text);
        assert_eq!(config.server.tls[0].1.client_auth, client_auth, "{word}");
    }
}

#[test]
fn what_can_not_be_served_is_said_with_what_to_write() {
    let listen = "[server]\nlisten = [\":53\", \"tls://:853\"]\n";
    let second = |table: &str| {
        format!(
            "{listen}[tls]\n{PAIR}[timeouts]\nread = \"2s\"\n[kubernetes]\n[[block]]\nzones = [\"a\"]\n[block.kubernetes]\n{table}"
        )
    };
    for (what, text, expected) in [
        (
            "no table",
            listen.to_owned(),
            "`tls://[::]:853` shows a certificate: write [tls] with `certificate` and `key`",
        ),
        (
            "no key",
            format!("{listen}[tls]\ncertificate = \"/c\"\n"),
            "f.toml:3:2: tls: needs `certificate` and `key`, two files in PEM",
        ),
        (
            "no authority",
            format!("{listen}[tls]\n{PAIR}client_auth = \"require_and_verify\"\n"),
            "f.toml:3:2: tls: needs `ca`, a file of the authorities",
        ),
        (
            "an unknown word",
            format!("{listen}[tls]\n{PAIR}client_auth = \"some\"\n"),
            "f.toml:6:15: tls.client_auth: ",
        ),
        (
            "another certificate",
            second("[block.tls]\ncertificate = \"/c2\"\nkey = \"/k2\"\n"),
            "another block has another [tls] at `tls://[::]:853`",
        ),
        (
            "other timeouts",
            second("[block.timeouts]\nread = \"3s\"\n"),
            "another block has other [timeouts] at `[::]:53`",
        ),
        (
            "too short",
            "[timeouts]\nidle = \"500ms\"\n".to_owned(),
            "f.toml:2:8: timeouts.idle: ",
        ),
        (
            "one port for two",
            format!("[server]\nlisten = [\"https://:853\", \"tls://:853\"]\n[tls]\n{PAIR}"),
            "`https://[::]:853` has TCP port 853 already; choose another port for `tls://[::]:853`",
        ),
        (
            "DNS and QUIC on one",
            format!("[server]\nlisten = [\":853\", \"quic://0.0.0.0:853\"]\n[tls]\n{PAIR}"),
            "`[::]:853` has UDP port 853 already; choose another port for `quic://0.0.0.0:853`",
        ),
        (
            "no port",
            "[server]\nlisten = [\"https://127.0.0.1\"]\n".to_owned(),
            "`127.0.0.1` has no port; write `127.0.0.1:443`",
        ),
    ] {
        let error = Config::from_toml(&text, "f.toml")
            .expect_err(what)
            .to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
}
