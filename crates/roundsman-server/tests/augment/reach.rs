//! What is asked over HTTP, in which words, and where that may lead.

use super::service::{Act, Service};
use super::world::{World, added, augmentation};
use super::{around, ask};
use roundsman_delivery::{Augment, Found, Trouble};
use roundsman_server::lookup::Augmentation;
use roundsman_server::webhook::{Answer, Resolve, Surroundings};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn a_request_each_or_one_for_many() {
    let each = Service::start(|_| Act::Well(r#"{"data":{"name":"Ada"}}"#.to_owned())).await;
    let mut world = World::new(&each.one(), "pointer = \"/data\"");
    world.send(1..=2).await;
    let name = "{\"name\":\"Ada\"}";
    assert_eq!(world.payloads(2).await, [added(1, name), added(2, name)]);
    assert_eq!(each.asked().len(), 2);

    let many = Service::start(|_| Act::Well(r#"{"d":[{"n":1,"x":{"y":2}}]}"#.to_owned())).await;
    let more = "pointer = \"/d\"\nkey = \"n\"\nmethod = \"PUT\"\nbody = '{\"ids\":{values}}'\n\
                headers = { authorization = \"Bearer x\" }";
    let mut world = World::new(&format!("http://{}/all", many.address), more);
    world.send(1..=1).await;
    assert_eq!(world.payloads(1).await, [added(1, r#"{"n":1,"x":{"y":2}}"#)]);
    let asked = &many.asked()[0];
    assert_eq!((&*asked.path, &*asked.body), ("/all", r#"{"ids":[1]}"#));
    assert!(asked.head.starts_with("put "), "{}", asked.head);
    assert!(asked.head.contains("authorization: bearer x"), "{}", asked.head);
}

#[tokio::test]
async fn a_value_that_is_gone_is_one_that_there_is_nothing_for() {
    for status in ["404 Not Found", "410 Gone"] {
        let gone = Service::start(move |_| Act::Says(status, String::new(), "x".to_owned())).await;
        let it = augmentation(&gone.one(), "allow_private = true");
        assert_eq!(ask(&it, &["1"]).await.unwrap().len(), 0);
        let it = augmentation(&gone.many(), "allow_private = true");
        assert!(
            ask(&it, &["1", "2"]).await.is_err(),
            "of many, it is the service that is not there"
        );
    }
}

/// A resolver that leads here only when it is asked the second time.
struct Turns(AtomicUsize);

impl Resolve for Turns {
    fn resolve(&self, _: String) -> Answer<Vec<IpAddr>, io::Error> {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let address: IpAddr = if first { "192.0.2.1" } else { "127.0.0.1" }.parse().unwrap();
        Box::pin(async move { Ok(vec![address]) })
    }
}

async fn ask_around(it: &Augmentation, around: &Surroundings) -> Result<Found, Trouble> {
    let Augment { lookup, .. } = it.augment(around).unwrap();
    lookup.look_up(vec!["1".into()]).await
}

#[tokio::test]
async fn private_addresses_are_asked_only_where_that_is_allowed() {
    let service = Service::start(|_| Act::Well("{}".to_owned())).await;
    let port = service.address.port();
    let it = augmentation(&format!("http://localhost:{port}/{{value}}"), "");
    let refused = ask(&it, &["1"]).await.unwrap_err();
    assert!(refused.what.contains("loopback"), "{refused:?}");
    let it = augmentation(&format!("http://a.example:{port}/{{value}}"), "");
    let turns = Surroundings { resolver: Arc::new(Turns(AtomicUsize::new(1))), ..around() };
    let refused = ask_around(&it, &turns).await.unwrap_err();
    assert!(refused.what.contains("loopback"), "a name that leads here: {refused:?}");
    assert!(service.asked().is_empty());

    let it = augmentation(&format!("http://a.example:{port}/{{value}}"), "allow_private = true");
    assert!(ask_around(&it, &turns).await.is_ok());
    let own = Surroundings { own: service.address, ..turns };
    let refused = ask_around(&it, &own).await.unwrap_err();
    assert!(refused.what.contains("this server itself"), "{refused:?}");
}
