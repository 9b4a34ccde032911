//! Who gets in: keys, tokens, hosts, proxies and origins, as requests show them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use roundsman_server::auth::{Access, Client, Denied, MAX_TOKEN, Role, sign};
use roundsman_server::config::{Config, Overrides, Secret};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parsed = pairs.iter().map(|(name, value)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    });
    let mut headers = HeaderMap::new();
    parsed.for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

fn address(written: &str) -> IpAddr {
    written.parse().unwrap()
}

fn access(text: &str) -> Access {
    Access::new(&Config::parse("r.toml", text, &Overrides::default(), &|_| None).unwrap())
}

fn closed(extra: &str) -> Access {
    access(&format!(
        "{extra}\n[auth]\napi_keys = [\"send\"]\noperator_keys = [\"operate\"]\ntoken_secret = \"{SECRET}\"\n"
    ))
}

fn status(answer: Result<(), Denied>) -> u16 {
    answer.err().map_or(200, |denied| denied.status)
}

fn keys() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys")
}

fn seconds_from_now(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + offset
}

fn hs256(claims: &Value) -> String {
    signed(Algorithm::HS256, claims, &EncodingKey::from_secret(SECRET.as_bytes()))
}

fn signed(algorithm: Algorithm, claims: &Value, key: &EncodingKey) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

fn refusal(access: &Access, token: &str) -> String {
    let denied = access.client(Some(token)).unwrap_err();
    assert_eq!(denied.status, 403);
    denied.detail.trim_start_matches("the client token is refused: ").to_owned()
}

#[test]
fn without_auth_only_this_machine_is_served() {
    let open = access("");
    let own = address("127.0.0.1");
    for (host, expected) in [
        ("localhost:4000", 200),
        ("127.0.0.1:4000", 200),
        ("[::1]:4000", 200),
        ("LOCALHOST", 200),
        ("evil.example:4000", 421),
        ("localhost.evil.example", 421),
        ("192.168.0.7:4000", 421),
        ("localhost:port", 421),
    ] {
        assert_eq!(status(open.admit(&headers(&[("host", host)]), own)), expected, "{host}");
    }
    assert_eq!(status(open.admit(&headers(&[]), own)), 421);
    let two = headers(&[("host", "localhost"), ("host", "evil.example")]);
    assert_eq!(status(open.admit(&two, own)), 421);
    for proxied in ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
    {
        let through = headers(&[("host", "localhost"), (proxied, "x")]);
        assert_eq!(status(open.admit(&through, own)), 403, "{proxied}");
    }
    assert_eq!(status(open.admit(&headers(&[("host", "localhost")]), address("10.0.0.1"))), 403);
    assert_eq!(status(open.role(&HeaderMap::new(), Role::Operator)), 200);
    assert_eq!(open.client(None), Ok(Client::anybody()));
}

#[test]
fn with_auth_any_host_and_any_proxy() {
    let through = headers(&[("host", "push.example"), ("via", "1.1 edge")]);
    assert_eq!(status(closed("").admit(&through, address("203.0.113.9"))), 200);
}

#[test]
fn keys_open_what_their_role_allows() {
    let access = closed("");
    for (header, sender, operator) in [
        ("Bearer send", 200, 403),
        ("Bearer operate", 200, 200),
        ("bearer send", 200, 403),
        ("Bearer sen", 403, 403),
        ("Bearer send2", 403, 403),
        ("Bearer ", 403, 403),
        ("Basic send", 401, 401),
        ("send", 401, 401),
    ] {
        let asked = headers(&[("authorization", header)]);
        assert_eq!(status(access.role(&asked, Role::Sender)), sender, "{header}");
        assert_eq!(status(access.role(&asked, Role::Operator)), operator, "{header}");
    }
    assert_eq!(status(access.role(&HeaderMap::new(), Role::Sender)), 401);
}

#[test]
fn what_auth_does_not_open_is_closed() {
    let empty = access("[auth]\n");
    let asked = headers(&[("authorization", "Bearer x")]);
    assert_eq!(status(empty.role(&asked, Role::Sender)), 403);
    assert_eq!(status(empty.role(&HeaderMap::new(), Role::Sender)), 403);
    let token = hs256(&json!({"sub": "a", "exp": seconds_from_now(60)}));
    assert!(refusal(&empty, &token).contains("no token_secret is configured"));
}

#[test]
fn a_token_lets_its_user_join() {
    let access = closed("");
    assert_eq!(access.client(None).unwrap_err().status, 403);

    let expires = UNIX_EPOCH + Duration::from_secs(seconds_from_now(60).unsigned_abs());
    let topics = ["team:7".to_owned(), "room:*".to_owned()];
    let token = sign(&Secret::new(SECRET), "42", &topics, expires).unwrap();
    let client = access.client(Some(&token)).unwrap();
    assert_eq!((client.user.as_deref(), client.expires_at), (Some("42"), Some(expires)));
    for (topic, may) in [
        ("user:42", true),
        ("user:4", false),
        ("user:421", false),
        ("user:*", false),
        ("team:7", true),
        ("team:77", false),
        ("room:", true),
        ("room:a", true),
        ("rooms", false),
    ] {
        assert_eq!(client.may_join(topic), may, "{topic}");
    }
}

#[test]
fn a_user_named_like_a_pattern_is_only_that_user() {
    let token = hs256(&json!({"sub": "*", "exp": seconds_from_now(60)}));
    let client = closed("").client(Some(&token)).unwrap();
    assert!(client.may_join("user:*") && !client.may_join("user:1"));
    let nameless = hs256(&json!({"topics": ["a"], "exp": seconds_from_now(60)}));
    let client = closed("").client(Some(&nameless)).unwrap();
    assert!(client.may_join("a") && !client.may_join("user:"));
}

#[test]
fn tokens_that_are_refused() {
    let access = closed("");
    let claims = json!({"sub": "a", "exp": seconds_from_now(60)});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let other = EncodingKey::from_secret(b"another secret of thirty-two bytes!");
    let long = hs256(&json!({"sub": "a".repeat(MAX_TOKEN), "exp": seconds_from_now(60)}));
    let somebody = hs256(&json!({"sub": "b", "exp": seconds_from_now(60)}));
    let good = hs256(&claims);
    let body = good.split('.').nth(1).unwrap();
    for (token, why) in [
        (hs256(&json!({"sub": "a", "exp": seconds_from_now(-1)})), "it has run out"),
        (hs256(&json!({"sub": "a"})), "it has no exp that is a time"),
        (hs256(&json!({"sub": "a", "exp": "soon"})), "it cannot be read"),
        (hs256(&json!({"sub": "a", "exp": 1e300})), "it has no exp that is a time"),
        (hs256(&json!({"sub": 7, "exp": seconds_from_now(60)})), "it cannot be read"),
        (hs256(&json!({"topics": "a", "exp": seconds_from_now(60)})), "it cannot be read"),
        (
            hs256(&json!({"sub": "a", "exp": seconds_from_now(60), "nbf": seconds_from_now(30)})),
            "its nbf is still to come",
        ),
        (
            signed(Algorithm::HS512, &claims, &key),
            "its algorithm is not that of the configured key",
        ),
        (signed(Algorithm::HS256, &claims, &other), "its signature is not of the configured key"),
        (long, "it is longer than 8 KiB"),
        (format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."), "it cannot be read"),
        (
            good.replace(body, somebody.split('.').nth(1).unwrap()),
            "its signature is not of the configured key",
        ),
        ("a.b.c".to_owned(), "it cannot be read"),
        (String::new(), "it cannot be read"),
    ] {
        assert_eq!(refusal(&access, &token), why, "{token:.80}");
    }
}

#[test]
fn public_keys_go_with_one_algorithm_each() {
    let read = |name: &str| std::fs::read(keys().join(name)).unwrap();
    let claims = json!({"sub": "a", "exp": seconds_from_now(60)});
    let signers = [
        (Algorithm::RS256, EncodingKey::from_rsa_pem(&read("rs256.key")).unwrap()),
        (Algorithm::ES256, EncodingKey::from_ec_pem(&read("es256.key")).unwrap()),
        (Algorithm::EdDSA, EncodingKey::from_ed_pem(&read("eddsa.key")).unwrap()),
    ];
    for public in ["rs256", "es256", "eddsa"] {
        let path = keys().join(format!("{public}.pem"));
        let access = access(&format!("[auth]\ntoken_public_key = \"{}\"", path.display()));
        for (algorithm, signer) in &signers {
            let fits = format!("{algorithm:?}").eq_ignore_ascii_case(public);
            let answer = access.client(Some(&signed(*algorithm, &claims, signer)));
            assert_eq!(answer.is_ok(), fits, "{algorithm:?} at {public}: {answer:?}");
        }
        // The public key is known to everybody: it must never pass for an HS256 secret.
        let forged = EncodingKey::from_secret(&read(&format!("{public}.pem")));
        assert!(access.client(Some(&signed(Algorithm::HS256, &claims, &forged))).is_err());
    }
}

#[test]
fn a_proxy_is_believed_where_it_is_trusted() {
    let access = closed("trusted_proxies = [\"10.0.0.0/8\", \"::1\"]");
    for (peer, said, client) in [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::1", "2001:db8::9", "2001:db8::9"),
        ("192.168.0.1", "203.0.113.9", "192.168.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
    ] {
        let seen = access.peer(&headers(&[("x-forwarded-for", said)]), address(peer));
        assert_eq!(seen, address(client), "{peer} says {said}");
    }
    let lines = headers(&[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.9")]);
    assert_eq!(access.peer(&lines, address("10.0.0.1")), address("203.0.113.9"));
}

#[test]
fn pages_of_the_same_origin_may_open_sockets() {
    let peer = address("10.0.0.1");
    let plain = closed("trusted_proxies = [\"10.0.0.0/8\"]");
    for (origin, host, proto, expected) in [
        (None, "push.example", None, 200),
        (Some("http://push.example"), "push.example", None, 200),
        (Some("http://push.example:80"), "Push.Example", None, 200),
        (Some("http://push.example:4000"), "push.example:4000", None, 200),
        (Some("http://push.example:4001"), "push.example:4000", None, 403),
        (Some("https://push.example"), "push.example", None, 403),
        (Some("https://push.example"), "push.example", Some("https"), 200),
        (Some("http://push.example"), "push.example", Some("https"), 403),
        (Some("http://evil.example"), "push.example", None, 403),
        (Some("null"), "push.example", None, 403),
        (Some("http://push.example/path"), "push.example", None, 403),
        (Some(""), "push.example", None, 403),
    ] {
        let mut pairs = vec![("host", host)];
        pairs.extend(origin.map(|origin| ("origin", origin)));
        pairs.extend(proto.map(|proto| ("x-forwarded-proto", proto)));
        assert_eq!(status(plain.origin(&headers(&pairs), peer)), expected, "{pairs:?}");
    }
    // Anybody can say so; only the proxy is believed.
    let claimed = headers(&[
        ("host", "push.example"),
        ("origin", "https://push.example"),
        ("x-forwarded-proto", "https"),
    ]);
    assert_eq!(status(plain.origin(&claimed, address("203.0.113.9"))), 403);
}

#[test]
fn configured_origins_take_the_place_of_the_own() {
    let access = access("[auth]\norigins = [\"https://shop.example\"]");
    let peer = address("127.0.0.1");
    for (origin, expected) in
        [("https://SHOP.example:443", 200), ("http://shop.example", 403), ("http://own", 403)]
    {
        let asked = headers(&[("host", "own"), ("origin", origin)]);
        assert_eq!(status(access.origin(&asked, peer)), expected, "{origin}");
    }
}

#[test]
fn rules_change_while_it_runs() {
    let access = closed("");
    let old = headers(&[("authorization", "Bearer send")]);
    let new = headers(&[("authorization", "Bearer fresh")]);
    assert_eq!(status(access.role(&old, Role::Sender)), 200);
    let changed =
        Config::parse("r.toml", "[auth]\napi_keys = [\"fresh\"]", &Overrides::default(), &|_| None);
    access.change(&changed.unwrap());
    assert_eq!(status(access.role(&old, Role::Sender)), 403);
    assert_eq!(status(access.role(&new, Role::Sender)), 200);
}

#[test]
fn what_a_token_insists_on_must_be_known_here() {
    let access = closed("");
    let claims = json!({"sub": "42", "exp": seconds_from_now(60)});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let crit = Some(vec!["urn:example:bound".to_owned()]);
    let header = Header { crit, ..Header::new(Algorithm::HS256) };
    let refused = access.client(Some(&encode(&header, &claims, &key).unwrap())).unwrap_err();
    assert_eq!(refused.status, 403);
    assert!(refused.detail.contains("crit"), "{}", refused.detail);
    assert!(access.client(Some(&hs256(&claims))).is_ok());
}
