//! Where a webhook is sent: judged on the address that is dialled, whatever a name said before.

use super::house::{House, Liar};
use super::receiver::Receiver;
use roundsman_store::State;
use std::net::SocketAddr;
use tokio::net::TcpListener;

fn rule(host: &str, port: u16, allow_private: bool) -> String {
    format!(
        "[retry]\nmax_attempts = 1\n[[deliver]]\nto = \"webhook\"\nurl = \"http://{host}:{port}/\"\n\
         allow_private = {allow_private}\ntimeout = \"2s\"\n"
    )
}

#[tokio::test]
async fn a_name_of_a_private_address_is_refused_unless_the_rule_allows_it() {
    let mut receiver = Receiver::well().await;
    let port = receiver.address.port();
    for (address, what) in [
        ("127.0.0.1", "127.0.0.1 is a loopback address"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1 is a loopback address"),
        ("10.0.0.1", "10.0.0.1 is a private address"),
        ("169.254.1.1", "169.254.1.1 is a link-local address"),
        ("169.254.169.254", "169.254.169.254 is a cloud's metadata address"),
        ("64:ff9b::7f00:1", "64:ff9b::7f00:1 is a loopback address"),
        ("fd00::1", "fd00::1 is a private address"),
        ("224.0.0.1", "224.0.0.1 is a multicast address"),
    ] {
        let resolver = Liar::new(&[&[address]]);
        let house = House::with(&rule("hook.example", port, false), resolver, &[]);
        house.send("a", "a").await;
        let expected = format!("{what}, which the rule does not allow");
        assert_eq!(house.dead("a").await, expected);
    }
    assert!(receiver.got.try_recv().is_err());
    let house = House::with(&rule("hook.example", port, true), Liar::new(&[&["127.0.0.1"]]), &[]);
    house.send("a", "a").await;
    house.once("a", State::Delivered).await;
}

#[tokio::test]
async fn of_several_addresses_those_refused_are_left_out() {
    let receiver = Receiver::well().await;
    let port = receiver.address.port();
    // The first is nobody's, but may be dialled by this rule; the metadata address never is.
    let mixed: &[&str] = &["169.254.169.254", "0.0.0.0", "127.0.0.1"];
    let house = House::with(&rule("hook.example", port, true), Liar::new(&[mixed]), &[]);
    house.send("a", "a").await;
    house.once("a", State::Delivered).await;
}

#[tokio::test]
async fn a_name_that_changes_its_answer_gains_nothing_by_it() {
    let mut receiver = Receiver::well().await;
    let port = receiver.address.port();
    // Public when it is looked at, private from then on: a second look would be led astray.
    let rebinding = Liar::new(&[&["192.0.2.1", "8.8.8.8"], &["127.0.0.1"]]);
    let text = rule("hook.example", port, false).replace("2s", "100ms");
    let house = House::with(&text, rebinding.clone(), &[]);
    house.send("a", "a").await;
    let first = house.dead("a").await;
    assert!(!first.contains("loopback"), "it went to the address that was judged: {first}");
    house.send("b", "b").await;
    let second = house.dead("b").await;
    assert!(second.contains("127.0.0.1 is a loopback address"), "{second}");
    assert!(receiver.got.try_recv().is_err(), "nothing ever reached it");
}

#[tokio::test]
async fn nothing_is_sent_to_the_server_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own: SocketAddr = listener.local_addr().unwrap();
    let mut receiver = Receiver::on(listener, |_| super::receiver::status(200));
    let text = format!("listen = \"{own}\"\n{}", rule("hook.example", own.port(), true));
    let house = House::with(&text, Liar::new(&[&["127.0.0.1"]]), &[]);
    house.send("a", "a").await;
    assert_eq!(house.dead("a").await, "this is the address of this server itself");
    assert!(receiver.got.try_recv().is_err());
}
