//! Attacks on access tokens, as data: each is a token that is good but for one thing, most of them
//! signed with the service's own key, and each is refused over the wire like any other.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use reqwest::StatusCode;
use serde_json::{Map, Value, json};

mod house;

use house::{House, VERSION, answer, check_error};

fn base64(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn part(token: &str, at: usize) -> &str {
    token.split('.').nth(at).expect("three parts")
}

fn decoded(token: &str, at: usize) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part(token, at)).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// A good token, taken apart, and the keys of both sides.
struct Forge {
    good: String,
    header: Value,
    claims: Value,
    ours: EncodingKey,
    point: Vec<u8>,
    theirs: rcgen::KeyPair,
}

impl Forge {
    fn new(house: &House) -> Self {
        let good = house.token().to_owned();
        let pem = std::fs::read_to_string(house.path().join("token.key")).expect("made");
        let pair = rcgen::KeyPair::from_pem(&pem).expect("a key");
        Self {
            header: decoded(&good, 0),
            claims: decoded(&good, 1),
            ours: EncodingKey::from_ec_der(&pair.serialize_der()),
            point: pair.public_key_raw().to_vec(),
            theirs: rcgen::KeyPair::generate().expect("a key"),
            good,
        }
    }

    /// A token of these two texts, signed by our key as the algorithm says that ours use.
    fn sealed(&self, header: &str, claims: &str) -> String {
        self.sealed_by(&self.ours, Algorithm::ES256, header, claims)
    }

    fn sealed_by(&self, key: &EncodingKey, by: Algorithm, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64(header), base64(claims));
        let signature = crypto::sign(message.as_bytes(), key, by).expect("signed");
        format!("{message}.{signature}")
    }

    /// A good token but for one field of its header; `null` takes it away.
    fn header(&self, field: &str, value: Value) -> String {
        self.sealed(&changed(&self.header, field, value), &self.claims.to_string())
    }

    /// A good token but for one of its claims; `null` takes it away.
    fn claim(&self, field: &str, value: Value) -> String {
        self.sealed(&self.header.to_string(), &changed(&self.claims, field, value))
    }

    /// A good token with this algorithm and no or another's signature.
    fn unsigned(&self, algorithm: &str, signature: &str) -> String {
        let header = changed(&self.header, "alg", json!(algorithm));
        format!("{}.{}.{signature}", base64(&header), part(&self.good, 1))
    }

    /// A token that is signed with a symmetric key made of what everybody knows.
    fn confused(&self, by: Algorithm, name: &str, secret: &[u8]) -> String {
        let header = changed(&self.header, "alg", json!(name));
        let key = EncodingKey::from_secret(secret);
        self.sealed_by(&key, by, &header, &self.claims.to_string())
    }

    /// A token by the attacker's own key, with these fields in its header.
    fn theirs(&self, fields: &Value) -> String {
        let mut header = self.header.as_object().expect("an object").clone();
        header.extend(fields.as_object().expect("an object").clone());
        let key = EncodingKey::from_ec_der(&self.theirs.serialize_der());
        let (header, claims) = (Value::from(header).to_string(), self.claims.to_string());
        self.sealed_by(&key, Algorithm::ES256, &header, &claims)
    }

    /// The good token with one character of this part changed.
    fn flipped(&self, at: usize) -> String {
        let mut parts: Vec<String> = self.good.split('.').map(str::to_owned).collect();
        let with = if parts[at].starts_with('A') { "B" } else { "A" };
        parts[at].replace_range(..1, with);
        parts.join(".")
    }
}

fn changed(object: &Value, field: &str, value: Value) -> String {
    let mut object: Map<String, Value> = object.as_object().expect("an object").clone();
    match value {
        Value::Null => object.remove(field),
        value => object.insert(field.to_owned(), value),
    };
    Value::from(object).to_string()
}

type Case = (&'static str, String);

fn algorithms(forge: &Forge) -> Vec<Case> {
    let signature = part(&forge.good, 2);
    vec![
        ("none", forge.unsigned("none", "")),
        ("None", forge.unsigned("None", "")),
        ("NONE with a signature", forge.unsigned("NONE", signature)),
        ("no algorithm", forge.header("alg", Value::Null)),
        ("an empty algorithm", forge.header("alg", json!(""))),
        ("an algorithm that is a number", forge.header("alg", json!(256))),
        ("several algorithms", forge.header("alg", json!(["ES256", "none"]))),
        ("RS256 with an EC signature", forge.header("alg", json!("RS256"))),
        ("PS256 with an EC signature", forge.header("alg", json!("PS256"))),
        ("ES384 with a P-256 signature", forge.header("alg", json!("ES384"))),
        ("EdDSA with a P-256 signature", forge.header("alg", json!("EdDSA"))),
        ("ES256 in small letters", forge.header("alg", json!("es256"))),
        ("HS256 by the public key", forge.confused(Algorithm::HS256, "HS256", &forge.point)),
        ("HS384 by the public key", forge.confused(Algorithm::HS384, "HS384", &forge.point)),
        ("HS512 by the public key", forge.confused(Algorithm::HS512, "HS512", &forge.point)),
        ("HS256 by its coordinates", forge.confused(Algorithm::HS256, "HS256", &forge.point[1..])),
        ("HS256 by nothing", forge.confused(Algorithm::HS256, "HS256", b"")),
        ("HMAC under the name ES256", forge.confused(Algorithm::HS256, "ES256", &forge.point)),
    ]
}

fn keys(forge: &Forge) -> Vec<Case> {
    let raw = forge.theirs.public_key_raw();
    let coordinate = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": coordinate(&raw[1..33]),
                     "y": coordinate(&raw[33..]), "kid": "mine", "alg": "ES256"});
    let kid = forge.header["kid"].as_str().expect("text").to_owned();
    vec![
        ("no key id", forge.header("kid", Value::Null)),
        ("an empty key id", forge.header("kid", json!(""))),
        ("a path as key id", forge.header("kid", json!("../../token.key"))),
        ("a device as key id", forge.header("kid", json!("/dev/null"))),
        ("a query as key id", forge.header("kid", json!("x' UNION SELECT 'k' --"))),
        ("a command as key id", forge.header("kid", json!("|touch /tmp/x"))),
        ("a number as key id", forge.header("kid", json!(7))),
        ("our key id and more", forge.header("kid", json!(format!("{kid}\0")))),
        ("our key id in capitals", forge.header("kid", json!(kid.to_uppercase()))),
        ("by another key under our id", forge.theirs(&json!({}))),
        ("by another key under its id", forge.theirs(&json!({"kid": "mine"}))),
        ("by a key that it brings", forge.theirs(&json!({"jwk": jwk}))),
        ("by a key that it brings and names", forge.theirs(&json!({"jwk": jwk, "kid": "mine"}))),
        ("by a key at a URL", forge.theirs(&json!({"jku": "https://localhost:1/keys"}))),
        ("by a certificate at a URL", forge.theirs(&json!({"x5u": "https://localhost:1/c.pem"}))),
        ("by a certificate that it brings", forge.theirs(&json!({"x5c": ["AAAA"]}))),
        ("not an access token", forge.header("typ", json!("secevent+jwt"))),
        ("an encrypted one", forge.header("typ", json!("JWE"))),
    ]
}

fn claims(forge: &Forge) -> Vec<Case> {
    let now = forge.claims["iat"].as_i64().expect("a number");
    let (aud, id) = (&forge.claims["aud"], "00000000-0000-4000-8000-000000000009");
    let graph = aud.as_str().expect("text").replace(":arm", ":graph");
    let doubled = format!("{{\"aud\":{aud},{}", &forge.claims.to_string()[1..]);
    vec![
        ("expired", forge.claim("exp", json!(now - 1))),
        ("without an end", forge.claim("exp", Value::Null)),
        ("an end that is text", forge.claim("exp", json!("4102444800"))),
        ("an end beyond all numbers", forge.claim("exp", json!(1e300))),
        ("a life longer than any of ours", forge.claim("exp", json!(now + 86_400))),
        ("not good yet", forge.claim("nbf", json!(now + 3_000))),
        ("without a beginning", forge.claim("nbf", Value::Null)),
        ("without its issue", forge.claim("iat", Value::Null)),
        ("for the directory", forge.claim("aud", json!(graph))),
        ("for Azure", forge.claim("aud", json!("https://management.azure.com/"))),
        ("for another tenant's API", forge.claim("aud", json!(format!("urn:holdfast:{id}:arm")))),
        ("for several", forge.claim("aud", json!([aud, "x"]))),
        ("for nobody", forge.claim("aud", Value::Null)),
        ("of another tenant", forge.claim("tid", json!(id))),
        ("of no tenant", forge.claim("tid", Value::Null)),
        ("of a principal that never was", forge.claim("appid", json!(id))),
        ("of a client id that is none", forge.claim("appid", json!("../../etc/passwd"))),
        ("of another object id", forge.claim("oid", json!(id))),
        ("of no object id", forge.claim("oid", Value::Null)),
        ("with a claim twice", forge.sealed(&forge.header.to_string(), &doubled)),
        ("claims that are a list", forge.sealed(&forge.header.to_string(), "[]")),
        ("claims that are no JSON", forge.sealed(&forge.header.to_string(), "aud=arm")),
    ]
}

fn shapes(forge: &Forge) -> Vec<Case> {
    let good = &forge.good;
    let (header, body, signature) = (part(good, 0), part(good, 1), part(good, 2));
    let other = forge.claim("ver", json!("2.0"));
    let long = forge.claim("ver", json!("x".repeat(5_000)));
    vec![
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("no signature", format!("{header}.{body}.")),
        ("no third part", format!("{header}.{body}")),
        ("half a signature", format!("{header}.{body}.{}", &signature[..43])),
        ("a signature of zeros", format!("{header}.{body}.{}", "A".repeat(86))),
        ("a padded signature", format!("{good}==")),
        ("another token's signature", format!("{header}.{body}.{}", part(&other, 2))),
        ("another token's claims", format!("{header}.{}.{signature}", part(&other, 1))),
        ("the header twice", format!("{header}.{header}.{body}.{signature}")),
        ("five parts", format!("{header}.{body}.{signature}.x.y")),
        ("a flipped header", forge.flipped(0)),
        ("a flipped body", forge.flipped(1)),
        ("a flipped signature", forge.flipped(2)),
        ("cut off", good[..good.len() - 9].to_owned()),
        ("wrapped in base64", BASE64_STANDARD.encode(good)),
        ("a scheme twice", format!("Bearer {good}")),
        ("two tokens", format!("{good},{good}")),
        ("too long", long),
    ]
}

#[test]
fn every_attack_on_a_token_is_refused() {
    let house = House::new();
    let forge = Forge::new(&house);
    let url = house.url(&format!("/subscriptions?api-version={VERSION}"));
    let ask = |token: &str| {
        answer(house.client.get(&url).header("authorization", format!("Bearer {token}")))
    };
    let same = forge.sealed(&forge.header.to_string(), &forge.claims.to_string());
    for good in [&forge.good, &same] {
        assert_eq!(ask(good).0, StatusCode::OK, "the cases break a token that is good");
    }
    let cases = [algorithms(&forge), keys(&forge), claims(&forge), shapes(&forge)].concat();
    assert!(cases.len() >= 50, "{}", cases.len());
    for (case, token) in cases {
        let answer = ask(&token);
        assert_eq!(answer.0, StatusCode::UNAUTHORIZED, "{case}: {}", answer.1);
        check_error(&answer, StatusCode::UNAUTHORIZED, "AuthenticationFailed");
    }
}
