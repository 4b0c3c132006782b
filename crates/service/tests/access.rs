//! Who gets in: first start, credentials, tokens, and everything that gives no access.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use api::credentials::FILE_NAME;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::principal::Principal;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

mod house;

use house::{House, VERSION, answer, check_error};

/// Calls `each` with every file and directory below, and its permission bits.
fn walk(path: &Path, each: &mut impl FnMut(&Path, bool, u32)) {
    let meta = fs::symlink_metadata(path).expect("it is there");
    each(path, meta.is_dir(), meta.permissions().mode() & 0o777);
    if meta.is_dir() {
        for entry in fs::read_dir(path).expect("listed") {
            walk(&entry.expect("an entry").path(), each);
        }
    }
}

#[test]
fn the_first_start_makes_files_that_only_their_owner_can_read() {
    let house = House::new();
    house.make_vault("v1");
    let mut files = Vec::new();
    walk(house.path(), &mut |path, is_dir, mode| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // The modes of SQLite's files are the ledger's; nobody else can enter their directory.
        if !name.starts_with("ledger.db") {
            let expected = if is_dir { 0o700 } else { 0o600 };
            assert_eq!(mode & !expected, 0, "{} has mode {mode:o}", path.display());
        }
        files.push(name);
    });
    for name in ["ca.pem", "ca.key", "token.key", FILE_NAME] {
        assert!(files.iter().any(|file| file == name), "{name} is missing: {files:?}");
    }
}

#[test]
fn the_credentials_say_all_that_a_client_needs() {
    let house = House::new();
    let credentials = house.credentials();
    let tenancy = house.engine.tenancy();
    assert_eq!(credentials.endpoint, house.url(""));
    assert_eq!(Path::new(&credentials.ca_file), house.path().join("ca.pem"));
    assert_eq!(credentials.tenant_id, tenancy.tenant.to_string());
    assert_eq!(credentials.subscription_id, tenancy.subscription.to_string());

    let ledger = fs::read(house.path().join("ledger.db")).expect("readable");
    let secret = credentials.client_secret.as_bytes();
    assert!(!ledger.windows(secret.len()).any(|window| window == secret), "in the clear");
}

#[test]
fn a_restart_keeps_the_principal_and_follows_the_port() {
    let house = House::new();
    let (before, old_token) = (house.credentials(), house.token().to_owned());
    let house = house.restarted(|_| {});
    let after = house.credentials();
    assert_eq!(after.client_id, before.client_id);
    assert_eq!(after.endpoint, house.url(""));

    let url = house.url(&format!("/subscriptions?api-version={VERSION}"));
    let with_old = answer(house.client.get(url).bearer_auth(old_token));
    assert_eq!(with_old.0, StatusCode::OK, "tokens outlive a restart");
}

#[test]
fn lost_or_broken_credentials_are_made_anew() {
    for broken in [None, Some("{}"), Some("not JSON")] {
        let house = House::new();
        let before = house.credentials();
        let house = house.restarted(|dir| {
            let file = dir.join(FILE_NAME);
            match broken {
                None => fs::remove_file(file).expect("removed"),
                Some(text) => fs::write(file, text).expect("written"),
            }
        });
        assert_ne!(house.credentials().client_id, before.client_id, "{broken:?}");
    }
}

#[test]
fn every_token_endpoint_gives_a_token_for_the_right_secret() {
    let house = House::new();
    let credentials = house.credentials();
    let tenant = &credentials.tenant_id;
    for path in [
        "/adfs/oauth2/token".to_owned(),
        format!("/adfs/{tenant}/oauth2/token"),
        format!("/adfs/{tenant}/oauth2/v2.0/token"),
        format!("/{tenant}/oauth2/v2.0/token"),
        "/ADFS/OAuth2/Token/".to_owned(),
    ] {
        let (status, body) = house.token_request(
            &path,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &credentials.client_id),
                ("client_secret", &credentials.client_secret),
                ("scope", &house.url("/.default")),
                ("client_info", "1"),
                ("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#),
            ],
        );
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
        let claims = claims(body["access_token"].as_str().expect("a token"));
        assert_eq!(claims["appid"], json!(credentials.client_id));
        assert_eq!(claims["tid"], json!(tenant));
        for claim in ["aud", "iss", "iat", "nbf", "exp", "oid", "ver"] {
            assert!(!claims[claim].is_null(), "{claim}");
        }
    }
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn a_wrong_secret_and_an_unknown_client_are_refused_alike() {
    let house = House::new();
    let credentials = house.credentials();
    let secret = &credentials.client_secret;
    let mut texts = Vec::new();
    for (id, secret) in [
        (credentials.client_id.as_str(), "wrong"),
        (&credentials.client_id, ""),
        ("00000000-0000-4000-8000-000000000000", secret),
        ("nobody", secret),
    ] {
        let (status, body) = house.log_in(id, secret);
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
        assert_eq!(body["error"], "invalid_client");
        assert_eq!(body["error_codes"], json!([7_000_215]));
        texts.push(body["error_description"].clone());
    }
    texts.dedup();
    assert_eq!(texts, ["AADSTS7000215: Invalid client secret provided."]);
}

#[test]
fn what_is_no_request_for_a_token_is_refused() {
    let house = House::new();
    let id = house.credentials().client_id;
    let grant = ("grant_type", "client_credentials");
    let other = format!("/{}/oauth2/v2.0/token", house.engine.tenancy().subscription);
    let adfs = "/adfs/oauth2/token";
    for (path, form, error) in [
        (adfs, vec![], "unsupported_grant_type"),
        (adfs, vec![("grant_type", "password")], "unsupported_grant_type"),
        (adfs, vec![grant], "invalid_request"),
        (adfs, vec![grant, ("client_id", &id)], "invalid_request"),
        (&other, vec![grant, ("client_id", &id), ("client_secret", "x")], "invalid_request"),
    ] {
        let (status, body) = house.token_request(path, &form);
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!(error)), "{form:?}");
    }
}

#[test]
fn without_a_valid_token_nothing_is_told() {
    let house = House::new();
    let valid = house.token().to_owned();
    let (head, rest) = valid.split_at(valid.len() / 2);
    let url = |path: &str| house.url(path);
    let vaults = house.sub("/providers/Microsoft.RecoveryServices/vaults?api-version=2026-08-01");
    for path in [vaults.as_str(), "/subscriptions", "/no/such/route", "/", "/healthz"] {
        for sent in [
            None,
            Some(String::new()),
            Some("Bearer".to_owned()),
            Some("Bearer ".to_owned()),
            Some(format!("Basic {valid}")),
            Some(valid.clone()),
            Some(format!("Bearer {rest}{head}")),
            Some(format!("Bearer {valid}x")),
        ] {
            let mut request = house.client.get(url(path));
            if let Some(value) = &sent {
                request = request.header("authorization", value);
            }
            let response = request.send().expect("an answer");
            let challenge = response.headers().get("www-authenticate").cloned();
            let challenge = challenge.expect("401 says where to log in");
            let expected =
                format!("Bearer authorization_uri=\"{}\", error=\"invalid_token\"", url("/adfs"));
            assert_eq!(challenge, expected.as_str());
            let answer = (response.status(), house::json_of(response));
            check_error(&answer, StatusCode::UNAUTHORIZED, "AuthenticationFailed");
        }
    }
}

#[test]
fn a_forged_token_is_refused_over_the_wire_too() {
    let house = House::new();
    let mut good = claims(house.token());
    let key = rcgen::KeyPair::generate().expect("a key");
    let key = EncodingKey::from_ec_der(&key.serialize_der());
    let header = Header::new(Algorithm::ES256);
    let forged = jsonwebtoken::encode(&header, &good, &key).expect("encodable");
    good["exp"] = json!(9_999_999_999_i64);
    let body = BASE64_URL_SAFE_NO_PAD.encode(good.to_string());
    let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let (own_header, own_rest) = house.token().split_once('.').expect("a JWT");
    let own_signature = own_rest.split_once('.').expect("a JWT").1;
    for token in [
        forged,
        format!("{none}.{body}."),
        format!("{none}.{body}.{own_signature}"),
        format!("{own_header}.{body}.{own_signature}"),
    ] {
        let url = house.url(&format!("/subscriptions?api-version={VERSION}"));
        let answer = answer(house.client.get(url).bearer_auth(token));
        check_error(&answer, StatusCode::UNAUTHORIZED, "AuthenticationFailed");
    }
}

#[test]
fn a_token_for_the_directory_does_not_open_the_api() {
    let house = House::new();
    let credentials = house.credentials();
    let (status, body) = house.token_request(
        "/adfs/oauth2/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", &credentials.client_id),
            ("client_secret", &credentials.client_secret),
            ("scope", &house.url("/graph/.default")),
        ],
    );
    assert_eq!(status, StatusCode::OK);
    let token = body["access_token"].as_str().expect("a token");
    let url = house.url(&format!("/subscriptions?api-version={VERSION}"));
    let answer = answer(house.client.get(url).bearer_auth(token));
    check_error(&answer, StatusCode::UNAUTHORIZED, "AuthenticationFailed");
}

/// The owner's principal in the ledger, changed.
fn change_owner(house: &House, change: impl FnOnce(&mut Principal)) {
    let id = house.credentials().client_id.parse().expect("a UUID");
    let ledger = house.engine.ledger();
    let mut owner = ledger.principal(id).expect("readable").expect("made at the start");
    change(&mut owner);
    ledger.put_principal(&owner).expect("written");
}

#[test]
fn a_token_of_a_principal_that_is_another_now_gives_no_access() {
    let house = House::new();
    change_owner(&house, |owner| owner.object_id = house.engine.tenancy().tenant);
    check_error(&house.get("/subscriptions"), StatusCode::UNAUTHORIZED, "AuthenticationFailed");
}

#[test]
fn the_way_to_a_token_is_open_and_names_the_host_that_was_asked() {
    let house = House::new();
    for host in ["localhost", "127.0.0.1"] {
        let base = format!("https://{host}:{}", house.address.port());
        let get = |path: &str| answer(house.client.request(Method::GET, format!("{base}{path}")));
        let (status, metadata) = get("/metadata/endpoints?api-version=2022-09-01");
        assert_eq!(status, StatusCode::OK);
        assert_eq!(metadata["resourceManager"], json!(base));
        assert_eq!(metadata["authentication"]["loginEndpoint"], json!(format!("{base}/adfs")));
        assert_eq!(get("/metadata/endpoints?api-version=2019-05-01").1, json!([metadata]));
        let old = get("/metadata/endpoints?api-version=2015-01-01").1;
        assert_eq!(old["portalEndpoint"], json!(format!("{base}/portal")));

        for prefix in ["/adfs", "/adfs/x", "/x/v2.0", "/x"] {
            let (status, config) = get(&format!("{prefix}/.well-known/openid-configuration"));
            assert_eq!(status, StatusCode::OK, "{prefix}");
            assert_eq!(config["token_endpoint"], json!(format!("{base}/adfs/oauth2/token")));
        }
        let (status, keys) = get("/adfs/discovery/keys");
        assert_eq!((status, &keys["keys"][0]["crv"]), (StatusCode::OK, &json!("P-256")));
    }
}

#[test]
fn a_client_that_does_not_know_the_authority_does_not_connect() {
    let house = House::new();
    let stranger = reqwest::blocking::Client::builder().build().expect("a client");
    let error = stranger.get(house.url("/metadata/endpoints")).send().expect_err("unknown CA");
    assert!(error.is_connect(), "{error:?}");
}
