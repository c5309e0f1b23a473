//! CoreDNS's own command line, as Go reads it.

use super::super::*;
use std::ffi::OsString;

fn read(line: &str) -> Result<Args, clap::Error> {
    let words = ["tenantdns"].into_iter().chain(line.split_whitespace());
    let words: Vec<OsString> = words.map(OsString::from).collect();
    Args::read(&words)
}

/// Checks that `line` is CoreDNS's, with what `edit` changes of its defaults.
fn check(line: &str, edit: impl FnOnce(&mut CoreDns)) {
    let mut expected = CoreDns::default();
    edit(&mut expected);
    let args = read(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(args.command, Command::CoreDns(expected), "{line}");
}

#[test]
fn flags_have_one_dash_or_two_and_their_value_behind_a_blank_or_an_equals_sign() {
    for line in [
        "-conf /etc/Corefile",
        "--conf /etc/Corefile",
        "-conf=/etc/Corefile",
        "--conf=/etc/Corefile --",
    ] {
        check(line, |c| {
            c.corefile = CorefileFrom::File("/etc/Corefile".into())
        });
    }
    check("-conf stdin", |c| c.corefile = CorefileFrom::Stdin);
    check("-conf a -conf=b=c", |c| {
        c.corefile = CorefileFrom::File("b=c".into())
    });
    check("-conf -quiet", |c| {
        c.corefile = CorefileFrom::File("-quiet".into())
    });
}

#[test]
fn without_conf_it_is_the_corefile_in_the_current_folder() {
    check("-p 1053", |c| c.port = 1053);
    check("-conf= -dns.port=1053", |c| c.port = 1053);
    check("-p 1 -dns.port 2", |c| c.port = 2);
    check("-pidfile /run/pid", |c| c.pidfile = Some("/run/pid".into()));
    assert_eq!(
        CoreDns::default().corefile,
        CorefileFrom::File("Corefile".into())
    );
}

#[test]
fn truths_take_a_value_behind_an_equals_sign_alone() {
    check("-quiet", |c| c.quiet = true);
    check("-quiet=F -plugins=1", |c| c.plugins = true);
    check("-version", |c| c.version = true);
    check("-version=false -quiet=t", |c| c.quiet = true);
}

#[test]
fn what_coredns_refuses_is_wrong_usage() {
    for (line, reason) in [
        ("-conf", "flag needs an argument: -conf"),
        ("-conf a b", "extra command line arguments: b"),
        ("-quiet true", "extra command line arguments: true"),
        ("-conf a -- -quiet", "extra command line arguments: -quiet"),
        ("-conf a -x", "flag provided but not defined: -x"),
        (
            "-conf a --config b",
            "flag provided but not defined: -config",
        ),
        ("-quiet=maybe", "invalid boolean value \"maybe\" for -quiet"),
        ("-p 65536", "invalid value \"65536\" for flag -p"),
        ("-dns.port x", "invalid value \"x\" for flag -dns.port"),
    ] {
        let error = read(line).expect_err(line);
        assert!(error.to_string().contains(reason), "{line}: {error}");
        assert_eq!(error.exit_code(), i32::from(EXIT_USAGE), "{line}");
    }
}

#[test]
fn our_own_command_line_is_ours() {
    for line in ["--version", "-V", "-h", "--help"] {
        let error = read(line).expect_err(line);
        assert_eq!(error.exit_code(), i32::from(EXIT_DONE), "{line}");
    }
    for line in ["", "-", "--", "-x", "conf a"] {
        let error = read(line).expect_err(line);
        assert_eq!(error.exit_code(), i32::from(EXIT_USAGE), "{line}");
    }
    let serve = read("serve --config a").unwrap();
    assert!(matches!(serve.command, Command::Serve(_)));
    let import = read("import-corefile --port 1053 Corefile").unwrap();
    let Command::ImportCorefile(import) = import.command else {
        panic!("{import:?}")
    };
    assert_eq!((&*import.file, import.port), ("Corefile", 1053));
}
