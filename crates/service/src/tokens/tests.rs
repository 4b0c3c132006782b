//! Every way of getting in without a token of ours, as data: each case is a token that differs
//! from a good one in one thing.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn tenancy() -> Tenancy {
    Tenancy { tenant: Uuid::from_u128(1), subscription: Uuid::from_u128(2) }
}

fn principal() -> Principal {
    Principal {
        client_id: Uuid::from_u128(3),
        object_id: Uuid::from_u128(4),
        name: "test".to_owned(),
        secret_hash: String::new(),
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key")
}

/// Tokens by this key.
fn tokens(key: &KeyPair) -> Tokens {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("token.key"), key.serialize_pem()).expect("written");
    Tokens::open(dir.path(), tenancy(), at(NOW)).expect("opened")
}

fn kid(tokens: &Tokens) -> String {
    tokens.public().keys[0].kid.clone()
}

fn base64(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn good_claims() -> Value {
    json!({
        "aud": Audience::Arm.claim(tenancy()), "iss": "i", "iat": NOW, "nbf": NOW,
        "exp": NOW + 3600, "appid": principal().client_id.to_string(),
        "oid": principal().object_id.to_string(), "tid": tenancy().tenant.to_string(),
        "ver": "1.0"
    })
}

fn signed(key: &KeyPair, kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(ALGORITHM) };
    let key = EncodingKey::from_ec_der(&key.serialize_der());
    jsonwebtoken::encode(&header, claims, &key).expect("encodable")
}

#[test]
fn a_token_is_good_from_its_issue_to_its_end() {
    let tokens = tokens(&new_key());
    let token = tokens.issue(&principal(), Audience::Arm, "i".to_owned(), at(NOW)).expect("issued");
    let ids = (principal().client_id, principal().object_id);
    for (second, good) in [(-1, false), (0, true), (3599, true), (3600, false)] {
        let checked = tokens.check(&token, at(NOW + second)).ok();
        assert_eq!(checked, good.then_some(ids), "after {second} s");
    }
}

#[test]
fn a_token_for_the_directory_gives_no_access_to_the_api() {
    let tokens = tokens(&new_key());
    let token =
        tokens.issue(&principal(), Audience::Graph, "i".to_owned(), at(NOW)).expect("issued");
    assert!(tokens.check(&token, at(NOW)).is_err());
}

#[test]
fn a_claim_that_is_not_ours_or_not_there_is_refused() {
    let key = new_key();
    let tokens = tokens(&key);
    let kid = kid(&tokens);
    let good = signed(&key, Some(&kid), &good_claims());
    assert!(tokens.check(&good, at(NOW)).is_ok(), "the cases below break a good token");

    for (claim, bad) in [
        ("aud", json!("urn:holdfast:00000000-0000-0000-0000-000000000009:arm")),
        ("aud", json!("https://management.azure.com/")),
        ("aud", json!(["a", "b"])),
        ("aud", json!(null)),
        ("exp", json!(NOW + 3601)),
        ("iat", json!(NOW - 1)),
        ("tid", json!(Uuid::from_u128(9).to_string())),
        ("exp", json!(NOW)),
        ("exp", json!(NOW - 86_400)),
        ("exp", json!("4102444800")),
        ("exp", json!(null)),
        ("exp", json!(1e300)),
        ("nbf", json!(NOW + 1)),
        ("nbf", json!(null)),
        ("appid", json!("")),
        ("appid", json!("../../etc/passwd")),
        ("appid", json!(7)),
        ("oid", json!("x")),
    ] {
        let mut claims = good_claims();
        claims[claim] = bad.clone();
        let token = signed(&key, Some(&kid), &claims);
        assert!(tokens.check(&token, at(NOW)).is_err(), "{claim}: {bad}");

        claims.as_object_mut().expect("an object").remove(claim);
        let token = signed(&key, Some(&kid), &claims);
        assert!(tokens.check(&token, at(NOW)).is_err(), "without {claim}");
    }
}

#[test]
fn a_signature_that_is_not_ours_is_refused() {
    let (key, other) = (new_key(), new_key());
    let tokens = tokens(&key);
    let kid = kid(&tokens);
    let claims = good_claims();
    let good = signed(&key, Some(&kid), &claims);
    let (unsigned, signature) = good.rsplit_once('.').expect("a JWT");
    let body = base64(&claims.to_string());
    let header = |text: &str| format!("{}.{body}", base64(text));
    let none = |alg: &str| header(&format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{kid}"}}"#));

    // HMAC with the public key as its secret: the confusion of symmetric and asymmetric keys.
    let confused = {
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(key.public_key_raw());
        jsonwebtoken::encode(&header, &claims, &secret).expect("encodable")
    };
    let long = format!("{unsigned}.{}", "A".repeat(MAX_BYTES));
    let cases = [
        ("by another key", signed(&other, Some(&kid), &claims)),
        ("by another key, which the header names", signed(&other, Some("mine"), &claims)),
        ("ours without a key id", signed(&key, None, &claims)),
        ("ours with a path as key id", signed(&key, Some("../../../dev/null"), &claims)),
        ("ours with a query as key id", signed(&key, Some("' OR 1=1 --"), &claims)),
        ("confused", confused),
        ("none", format!("{}.", none("none"))),
        ("NONE", format!("{}.", none("NONE"))),
        ("none with a signature", format!("{}.{signature}", none("none"))),
        ("RS256 with an EC signature", format!("{}.{signature}", none("RS256"))),
        ("ES384 with a P-256 signature", format!("{}.{signature}", none("ES384"))),
        ("unknown algorithm", format!("{}.{signature}", none("XX999"))),
        ("no signature", format!("{unsigned}.")),
        ("no third part", unsigned.to_owned()),
        ("a fourth part", format!("{good}.x")),
        ("half a signature", format!("{unsigned}.{}", &signature[..signature.len() / 2])),
        ("a signature of zeros", format!("{unsigned}.{}", "A".repeat(86))),
        ("too long", long),
        ("empty", String::new()),
        ("dots", "..".to_owned()),
        ("not base64", "%%%.%%%.%%%".to_owned()),
    ];
    for (case, token) in cases {
        assert!(tokens.check(&token, at(NOW)).is_err(), "{case}: {token}");
    }
}

#[test]
fn changing_any_byte_of_a_token_breaks_it() {
    let tokens = tokens(&new_key());
    let token = tokens.issue(&principal(), Audience::Arm, "i".to_owned(), at(NOW)).expect("issued");
    let signature_at = token.rfind('.').expect("a JWT");
    // The last character of base64 carries bits that mean nothing.
    for at_byte in (0..token.len() - 1).filter(|at| *at != signature_at) {
        let mut bytes = token.clone().into_bytes();
        bytes[at_byte] = if bytes[at_byte] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        assert!(tokens.check(&changed, at(NOW)).is_err(), "byte {at_byte}");
    }
}

#[test]
fn scopes_mean_the_api_except_the_directorys() {
    for scope in ["https://h//.default", "https://h/.default", "https://h", "", "x"] {
        assert_eq!(Audience::named(scope), Audience::Arm, "{scope}");
    }
    for scope in ["https://h/graph/.default", "https://h/graph", "https://h/Graph/"] {
        assert_eq!(Audience::named(scope), Audience::Graph, "{scope}");
    }
}

#[test]
fn the_key_is_made_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = Tokens::open(dir.path(), tenancy(), at(NOW)).expect("made").public();
    let second = Tokens::open(dir.path(), tenancy(), at(NOW)).expect("opened").public();
    assert_eq!(first, second);
    std::fs::write(dir.path().join("token.key"), "garbage").expect("written");
    assert!(Tokens::open(dir.path(), tenancy(), at(NOW)).is_err());
}
