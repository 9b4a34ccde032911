//! Servers that are set differently, and what the store says of each.

use crate::own::{DURABLE, Own};
use crate::proxy::Proxy;
use roundsman_redis::RedisStore;
use roundsman_store::{AcceptError, Bounds, Draft, Inspect, Store, StoreError};

async fn weaker(server: &Own) -> String {
    let guarantee = RedisStore::inspect_server(&server.url()).await.unwrap();
    assert_eq!(guarantee.survives_machine, guarantee.weaker.is_empty());
    let store = RedisStore::open(&server.url()).await.unwrap();
    let opened = store.probe().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(opened, guarantee);
    guarantee.weaker.join(" ")
}

#[tokio::test]
async fn settings_that_make_the_promise_weaker() {
    let server = Own::start(DURABLE);
    assert_eq!(weaker(&server).await, "");
    // From 7.2 on a sync is waited for, so that once a second will do.
    let version = RedisStore::inspect_server(&server.url()).await.unwrap().store;
    if version.starts_with("Redis 7.0") {
        server.tell(&["CONFIG", "SET", "appendfsync", "everysec"]);
        assert_eq!(weaker(&server).await, "redis-everysec");
    }
    server.tell(&["CONFIG", "SET", "appendfsync", "no"]);
    assert_eq!(weaker(&server).await, "redis-no-fsync");
    server.tell(&["CONFIG", "SET", "appendfsync", "always"]);
    server.tell(&["CONFIG", "SET", "maxmemory", "100mb"]);
    assert_eq!(weaker(&server).await, "");
    server.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert_eq!(weaker(&server).await, "redis-eviction");
    server.tell(&["CONFIG", "SET", "appendonly", "no"]);
    assert_eq!(weaker(&server).await, "redis-no-aof redis-eviction");
}

#[tokio::test]
async fn where_config_may_not_be_asked_the_sync_is_unknown() {
    let server = Own::start(DURABLE);
    server.tell(&["ACL", "SETUSER", "guest", "on", ">secret", "~*", "+@all", "-config"]);
    let url = server.url().replace("redis://", "redis://guest:secret@");
    let guarantee = RedisStore::inspect_server(&url).await.unwrap();
    if guarantee.store.starts_with("Redis 7.0") {
        assert_eq!(guarantee.weaker, ["redis-fsync-unknown"]);
        assert!(!guarantee.survives_machine);
    }
}

#[tokio::test]
async fn wrong_passwords_are_told() {
    let server = Own::start(&[DURABLE, &["--requirepass", "right"]].concat());
    for password in ["", ":wrong@"] {
        let url = server.url().replace("redis://", &format!("redis://{password}"));
        let opened = RedisStore::open(&url).await;
        let Err(StoreError::Unusable(why)) = opened else { panic!("{opened:?}") };
        assert!(why.contains("password") && !why.contains("wrong"), "{why}");
    }
    let url = server.url().replace("redis://", "redis://:right@");
    RedisStore::open(&url).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_user_who_may_not_write_is_told() {
    let server = Own::start(DURABLE);
    server.tell(&["ACL", "SETUSER", "guest", "on", ">secret", "~other*", "+@all"]);
    let url = server.url().replace("redis://", "redis://guest:secret@");
    let opened = RedisStore::open(&url).await;
    assert!(matches!(&opened, Err(StoreError::Unusable(_))), "{opened:?}");
}

/// A replica is refused, and one that becomes one says so to every call, until it is a primary again.
#[tokio::test]
async fn replicas_are_refused() {
    let primary = Own::start(DURABLE);
    let server = Own::start(DURABLE);
    let store = RedisStore::open(&server.url()).await.unwrap();
    let (host, port) = (primary.address().ip().to_string(), primary.address().port().to_string());
    server.tell(&["REPLICAOF", &host, &port]);
    let opened = RedisStore::open(&server.url()).await;
    assert!(matches!(&opened, Err(StoreError::Unavailable(why)) if why.contains("replica")));
    let answer = store.release(roundsman_store::Release::Topic("t".into())).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_) | StoreError::Unusable(_))));
}

/// Where a server can say when it has synced, nothing is accepted that it does not say it of. One
/// that is too old knows no such command, one whose file was turned off refuses it.
#[tokio::test]
async fn what_is_not_said_to_be_on_the_disk_is_not_accepted() {
    let server = Own::start(DURABLE);
    let proxy = Proxy::renewing(server.address()).await;
    let store = RedisStore::open(&proxy.url()).await.unwrap();
    server.tell(&["CONFIG", "SET", "appendonly", "no"]);
    let answer = store.accept(vec![Draft::new("t", "{}").unwrap()], Bounds::NONE).await;
    let Err(AcceptError::Store(StoreError::Unavailable(why))) = answer else {
        panic!("{answer:?}")
    };
    assert!(why.contains("on its disk"), "{why}");
    // Whether it was done all the same is unknown to the sender; here it was.
    assert_eq!(store.counts().await.unwrap().backlog, 1);
}
