//! Client tokens: where they travel, whom they let in, and what happens when they run out.

use super::client::Client;
use super::house::House;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use roundsman_server::auth::sign;
use roundsman_server::channel::Limits;
use roundsman_server::config::Secret;
use std::time::{Duration, SystemTime};

const CLOSED: &str = "[auth]\ntoken_secret = \"0123456789abcdef0123456789abcdef\"\n";

fn token(user: &str, topics: &[&str], expires_in: Duration) -> String {
    let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
    let secret = Secret::new("0123456789abcdef0123456789abcdef");
    sign(&secret, user, &topics, SystemTime::now() + expires_in).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn it_travels_in_any_of_three_ways() {
    let house = House::with(Limits::default(), CLOSED).await;
    let token = token("42", &[], HOUR);
    let in_protocol = |encoded: String| format!("phoenix, base64url.bearer.phx.{encoded}");
    let ways = [
        (format!("?token={token}&vsn=2.0.0"), None),
        ("?vsn=2.0.0".into(), Some(("authorization", format!("Bearer {token}")))),
    ];
    let encoded =
        [STANDARD.encode(&token), STANDARD_NO_PAD.encode(&token), URL_SAFE_NO_PAD.encode(&token)];
    let protocols = encoded.map(|encoded| {
        ("?vsn=2.0.0".to_owned(), Some(("sec-websocket-protocol", in_protocol(encoded))))
    });
    for (query, header) in ways.into_iter().chain(protocols) {
        let headers: Vec<_> = header.iter().map(|(name, value)| (*name, &**value)).collect();
        let (mut client, _) = Client::open_with(house.address, &query, &headers).await.unwrap();
        client.join("user:42", "{}").await;
    }
}

#[tokio::test]
async fn without_a_good_one_there_is_no_socket() {
    let house = House::with(Limits::default(), CLOSED).await;
    let good = token("42", &[], HOUR);
    let (front, back) = good.split_at(good.len() - 3);
    let forged = format!("{front}{}", back.chars().rev().collect::<String>());
    let past = token("42", &[], Duration::ZERO);
    for bad in [String::new(), "&token=".into(), "&token=abc".into(), format!("&token={forged}")] {
        let query = format!("?vsn=2.0.0{bad}");
        let refused = Client::open_with(house.address, &query, &[]).await.err().unwrap();
        assert_eq!(refused.status, 403, "{bad}");
        assert!(refused.detail().contains("token"), "{}", refused.body);
    }
    // It is over within the second in which it was made.
    super::client::within(async {
        let query = format!("?vsn=2.0.0&token={past}");
        while let Ok((mut client, _)) = Client::open_with(house.address, &query, &[]).await {
            client.expect_close(1008).await;
        }
    })
    .await;
}

#[tokio::test]
async fn it_says_what_may_be_joined() {
    let house = House::with(Limits::default(), CLOSED).await;
    let token = token("42", &["user:team-*"], HOUR);
    let query = format!("?vsn=2.0.0&token={token}");
    let (mut client, _) = Client::open_with(house.address, &query, &[]).await.unwrap();
    client.join("user:42", "{}").await;
    client.join("user:team-7", "{}").await;
    client.send(r#"["9","9","user:43","phx_join",{}]"#).await;
    client
        .expect(
            r#"["9","9","user:43","phx_reply",{"status":"error","response":{"reason":"unauthorized"}}]"#,
        )
        .await;
    assert_eq!(house.hub.joined_count("user:43"), 0);
    client.expect_silence().await;
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let house = House::with(Limits::default(), CLOSED).await;
    let short = token("42", &[], Duration::from_secs(2));
    let query = format!("?vsn=2.0.0&token={short}");
    let (mut client, _) = Client::open_with(house.address, &query, &[]).await.unwrap();
    client.join("user:42", "{}").await;
    client.expect_close(1008).await;
    super::client::until(|| house.hub.connections() == 0).await;
    assert_eq!(house.hub.joined_count("user:42"), 0);
    assert_eq!(house.told(), ["joined user:42, 1 there", "left user:42, 0 there"]);
}
