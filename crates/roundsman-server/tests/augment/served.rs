//! The real binary, from a request to a webhook: what lookups add arrives, and is counted.

use super::binary::Folder;
use super::service::{Act, Service};
use reqwest::Client;
use std::net::SocketAddr;
use std::time::Duration;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Two lookups, the second by what the first one adds, and a webhook.
fn configuration(address: SocketAddr) -> String {
    format!(
        "store = \"memory:\"\n\
         [[augment]]\nname = \"person\"\nfrom = \"sqlite:people.db\"\nmatch = \"/payload/id\"\n\
         query = \"select id, name from people where id in ({{values}})\"\ncache = \"60s\"\n\
         into = \"/payload/person\"\n\
         [[augment]]\nname = \"greeting\"\nfrom = \"http://{address}/?id={{value}}\"\n\
         match = \"/payload/person/name\"\ninto = \"/payload/greeting\"\nallow_private = true\n\
         template = \"Hello {{{{ payload.person.name }}}}\"\n\
         [[deliver]]\nto = \"webhook\"\nurl = \"http://{address}/hook\"\nsecret = \"{SECRET}\"\n\
         allow_private = true\n"
    )
}

// The binary is waited for on a thread of its own, and the service answers beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_added_to_on_its_way_through_the_binary() {
    let folder = Folder::new();
    let file = rusqlite::Connection::open(folder.path("people.db")).unwrap();
    file.execute_batch(
        "create table people (id integer primary key, name text);
         insert into people values (7, 'Ada')",
    )
    .unwrap();
    let service = Service::start(|_| Act::Well("<html>".to_owned())).await;
    folder.write("r.toml", configuration(service.address));
    // The service answers what is no JSON: its augmentation alone is at fault.
    let checked = folder.run("check --config r.toml");
    assert_eq!(checked.code, Some(1), "{}{}", checked.out, checked.err);
    assert!(checked.out.contains("augment person: answers"), "{}", checked.out);
    assert!(checked.out.contains("augment greeting: the answer is no JSON"), "{}", checked.out);
    assert!(checked.err.contains("do not work: greeting"), "{}", checked.err);

    service.acts(|asked| match &*asked.path {
        "/hook" => Act::Well(String::new()),
        _ => Act::Well("{\"of\":1}".to_owned()),
    });
    let checked = folder.run("check --config r.toml");
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    let serving = folder.serve("--config r.toml");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new();
    let mut hooks = Vec::new();
    for payload in ["{\"id\":7}", "{\"id\":7,\"n\":2}", "{\"id\":8}"] {
        let message = format!("{{\"topic\":\"t\",\"payload\":{payload}}}");
        let posted = client.post(format!("{}/v1/messages", serving.url));
        let posted = posted.header("content-type", "application/json").body(message).send().await;
        assert_eq!(posted.unwrap().status(), 202);
        while hooks.len() == service.asked().iter().filter(|asked| asked.path == "/hook").count() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        hooks = service.asked();
        hooks.retain(|asked| asked.path == "/hook");
    }
    let ada = "\"person\":{\"id\":7,\"name\":\"Ada\"},\"greeting\":\"Hello Ada\"";
    for (hook, expected) in hooks.iter().zip([
        format!("\"data\":{{\"id\":7,{ada}}}"),
        format!("\"data\":{{\"id\":7,\"n\":2,{ada}}}"),
        "\"data\":{\"id\":8}".to_owned(),
    ]) {
        assert!(hook.body.contains(&expected), "{}", hook.body);
    }
    let metrics = client.get(format!("{}/metrics", serving.url)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "roundsman_augment_hits_total{augment=\"person\"} 1",
        "roundsman_augment_misses_total{augment=\"person\"} 2",
        "roundsman_augment_seconds_count{augment=\"person\"} 2",
        "roundsman_augment_seconds_count{augment=\"greeting\"} 2",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
}
