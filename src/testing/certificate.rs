//! A certificate that a test makes for itself: self-signed, for `localhost` and 127.0.0.1, by a new
//! key on P-256. Just enough of X.509 (RFC 5280, section 4.1) for a client that trusts it.

use ring_crypto::rand::SystemRandom;
use ring_crypto::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// Its key, as PKCS #8.
    pub key: String,
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 17];
const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

/// Returns a new certificate whose subject is `name`.
///
/// # Panics
/// The system has no random bits.
pub fn self_signed(name: &str) -> SelfSigned {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("random bits");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).expect("a new key");
    let signed_by = sequence(&[item(OBJECT_ID, &ECDSA_WITH_SHA256)]);
    let subject = sequence(&[item(
        SET,
        &sequence(&[
            item(OBJECT_ID, &COMMON_NAME),
            item(UTF8_STRING, name.as_bytes()),
        ]),
    )]);
    let validity = sequence(&[
        item(UTC_TIME, b"200101000000Z"),
        item(UTC_TIME, b"491231235959Z"),
    ]);
    let public_key = sequence(&[
        sequence(&[item(OBJECT_ID, &EC_PUBLIC_KEY), item(OBJECT_ID, &P256)]),
        bits(pair.public_key().as_ref()),
    ]);
    let names = sequence(&[
        item(DNS_NAME, b"localhost"),
        item(IP_ADDRESS, &[127, 0, 0, 1]),
    ]);
    let extensions = sequence(&[sequence(&[
        item(OBJECT_ID, &SUBJECT_ALT_NAME),
        item(OCTET_STRING, &names),
    ])]);
    let body = sequence(&[
        item(VERSION, &item(INTEGER, &[2])),
        item(INTEGER, &[1]),
        signed_by.clone(),
        subject.clone(),
        validity,
        subject,
        public_key,
        item(EXTENSIONS, &extensions),
    ]);
    let signature = pair.sign(&random, &body).expect("random bits");
    let certificate = sequence(&[body, signed_by, bits(signature.as_ref())]);
    SelfSigned {
        certificate: pem("CERTIFICATE", &certificate),
        key: pem("PRIVATE KEY", key.as_ref()),
    }
}

// === DER (X.690) ===

fn item(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32).to_be_bytes();
    let skipped = length.iter().take_while(|octet| **octet == 0).count();
    let length = &length[skipped.min(3)..];
    let mut item = vec![tag];
    if length.len() > 1 || length[0] > 0x7f {
        item.push(0x80 | length.len() as u8);
    }
    item.extend_from_slice(length);
    item.extend_from_slice(content);
    item
}

fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    item(SEQUENCE, &items.concat())
}

fn bits(octets: &[u8]) -> Vec<u8> {
    // None of the last octet's is left out.
    item(BIT_STRING, &[&[0], octets].concat())
}

// === PEM (RFC 7468) ===

fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
            let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
            for at in 0..4 {
                let digit = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
                text.push(if at <= group.len() { digit.into() } else { '=' });
            }
        }
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
