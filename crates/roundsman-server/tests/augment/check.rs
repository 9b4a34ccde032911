//! What `check` says of sources: of each fault, where it is and what would be right.

use super::service::{Act, Service};
use super::world::augmentation;
use super::{around, url};
use roundsman_server::lookup::check;
use roundsman_server::webhook::{Surroundings, trust};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

/// What is said of this one.
async fn of(from: &str, more: &str) -> Result<(), String> {
    check(&augmentation(from, more), &around()).await
}

async fn fault(from: &str, more: &str) -> String {
    of(from, more).await.expect_err(more)
}

/// That each of these queries is faulted with these words, and the first with nothing.
async fn faults(from: &str, queries: &[(&str, &str)]) {
    for (number, (query, words)) in queries.iter().enumerate() {
        let said = of(from, &format!("query = \"{query}\"")).await;
        match number {
            0 => assert_eq!(said, Ok(()), "{query}"),
            _ => {
                let said = said.expect_err(query);
                assert!(said.contains(words), "{query}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(
        "create table people (id integer primary key, name text);
         create view turned as select name, id from people",
    )
    .unwrap();
    let from = format!("sqlite:{}", path.display());
    let queries = [
        ("select id, name from people where id in ({values})", ""),
        ("select id, nme from people where id in ({values})", "nme"),
        ("select id from persons where id in ({values})", "persons"),
        ("select name, id from people where id in ({values})", "select `id` first"),
        ("select * from turned where id in ({values})", "select `id` first"),
        ("select id frm people where id in ({values})", "syntax"),
        ("delete from people where id in ({values})", "readonly"),
    ];
    faults(&from, &queries).await;
    let query = "query = \"select id from people where id in ({values})\"";
    let missing = fault("sqlite:/nowhere/people.db", query).await;
    assert!(missing.contains("/nowhere/people.db"), "{missing}");
    let locked = rusqlite::Connection::open(&path).unwrap();
    locked.execute_batch("begin exclusive").unwrap();
    let late = fault(&from, &format!("timeout = \"100ms\"\n{query}")).await;
    assert!(late.contains("locked") || late.contains("100ms"), "{late}");
}

#[tokio::test]
async fn of_postgres() {
    let url = url("POSTGRES");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let setup = "drop schema if exists augment_check cascade; create schema augment_check;
         create table augment_check.people (id int primary key, name text);
         create view augment_check.turned as select name, id from augment_check.people;
         drop role if exists augment_check; create role augment_check login;
         grant usage on schema augment_check to augment_check";
    client.batch_execute(setup).await.unwrap();
    let queries = [
        ("select id, name from augment_check.people where id in ({values})", ""),
        ("select id, nme from augment_check.people where id in ({values})", "nme"),
        ("select id from augment_check.persons where id in ({values})", "persons"),
        ("select name, id from augment_check.people where id in ({values})", "select `id` first"),
        ("select * from augment_check.turned where id = any({values})", "select `id` first"),
        ("select id frm augment_check.people where id = any({values})", "syntax"),
    ];
    faults(&url, &queries).await;
    let query = format!("query = \"{}\"", queries[0].0);
    let stranger = url.replacen("roundsman@", "augment_check@", 1);
    assert_ne!(stranger, url);
    let denied = fault(&stranger, &query).await;
    assert!(denied.contains("permission denied for table people"), "{denied}");
    client.batch_execute("begin; lock table augment_check.people").await.unwrap();
    let late = fault(&url, &format!("timeout = \"200ms\"\n{query}")).await;
    assert!(late.contains("timeout") || late.contains("200ms"), "{late}");
    let nobody = fault("postgres://roundsman@127.0.0.1:1/postgres", &query).await;
    assert!(nobody.contains("refused"), "{nobody}");
}

#[tokio::test]
async fn of_mysql() {
    use mysql_async::prelude::Queryable;
    let url = url("MYSQL");
    let opts = mysql_async::Opts::from_url(&url).unwrap();
    let mut connection = mysql_async::Conn::new(opts).await.unwrap();
    for statement in [
        "drop table if exists augment_check",
        "create table augment_check (id int primary key, name text)",
        "create or replace view augment_turned as select name, id from augment_check",
        "create or replace user augment_check@'%' identified by 'x'",
    ] {
        connection.query_drop(statement).await.unwrap();
    }
    let queries = [
        ("select id, name from augment_check where id in ({values})", ""),
        ("select id, nme from augment_check where id in ({values})", "nme"),
        ("select id from augment_checks where id in ({values})", "augment_checks"),
        ("select name, id from augment_check where id in ({values})", "select `id` first"),
        ("select * from augment_turned where id in ({values})", "select `id` first"),
        ("select id frm augment_check where id in ({values})", "syntax"),
    ];
    faults(&url, &queries).await;
    let query = format!("query = \"{}\"", queries[0].0);
    let stranger = url.replacen("roundsman:roundsman@", "augment_check:x@", 1);
    assert_ne!(stranger, url);
    let denied = fault(&stranger, &query).await;
    assert!(denied.to_lowercase().contains("denied"), "{denied}");
    connection.query_drop("lock tables augment_check write").await.unwrap();
    let late = fault(&url, &format!("timeout = \"200ms\"\n{query}")).await;
    assert!(late.contains("200ms") || late.contains("max_statement_time"), "{late}");
}

#[tokio::test]
async fn of_redis() {
    let url = url("REDIS");
    assert_eq!(of(&url, "query = \"get augment:check:{value}\"").await, Ok(()));
    let client = redis::Client::open(&*url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut setup = redis::pipe();
    setup.cmd("ACL").arg(&["SETUSER", "augment-check", "on", ">x", "~other:*", "+@all"]).ignore();
    setup.cmd("HSET").arg("augment:check-hash:0").arg("a").arg("b").ignore();
    setup.query_async::<()>(&mut connection).await.unwrap();
    let stranger = url.replacen("redis://", "redis://augment-check:x@", 1);
    let denied = fault(&stranger, "query = \"get augment:check:{value}\"").await;
    assert!(denied.contains("NOPERM"), "{denied}");
    let wrong = fault(&url, "query = \"get augment:check-hash:{value}\"").await;
    assert!(wrong.contains("WRONGTYPE") || wrong.contains("wrong kind"), "{wrong}");
    let module = fault(&url, "query = \"json.get augment:check:{value}\"").await;
    assert!(module.to_lowercase().contains("unknown command"), "{module}");
    let nobody = fault("redis://127.0.0.1:1", "query = \"get {value}\"").await;
    assert!(nobody.contains("refused"), "{nobody}");
}

#[tokio::test]
async fn of_services() {
    let private = "allow_private = true\ntimeout = \"200ms\"";
    let service = Service::start(|_| Act::Well("[]".to_owned())).await;
    assert_eq!(of(&service.many(), private).await, Ok(()));
    for (says, words) in [
        (|| Act::Says("401 Who", String::new(), String::new()), "401"),
        (|| Act::Says("403 No", String::new(), String::new()), "403"),
        (|| Act::Says("302 There", "location: /x\r\n".into(), String::new()), "302"),
        (|| Act::Well("<html>".into()), "no JSON"),
        (|| Act::Well("[{\"name\":1}]".into()), "no \"id\" to be matched on"),
        (|| Act::Hangs, "no answer within 200ms"),
    ] as [(fn() -> Act, &str); 6]
    {
        service.acts(move |_| says());
        let said = fault(&service.many(), private).await;
        assert!(said.contains(words), "{said}");
    }
    let said = fault("http://localhost:1/{value}", "").await;
    assert!(said.contains("loopback"), "{said}");
    let said = fault("http://127.0.0.1:2/{value}", private).await;
    assert!(said.contains("refused"), "{said}");
}

/// A service over TLS that answers everybody `{}`, with a certificate for `localhost` that nobody
/// has signed; its address and that certificate.
async fn encrypted() -> (SocketAddr, rustls_pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                let _ = stream.write_all(answer).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    (address, made.cert.der().clone())
}

#[tokio::test]
async fn of_certificates() {
    let (address, certificate) = encrypted().await;
    let url = format!("https://localhost:{}/{{value}}", address.port());
    let said = fault(&url, "allow_private = true").await;
    assert!(said.contains("certificate"), "{said}");
    let trusting = Surroundings { tls: trust(&[certificate]).unwrap(), ..around() };
    let it = augmentation(&url, "allow_private = true");
    assert_eq!(check(&it, &trusting).await, Ok(()));
    let other = format!("https://127.0.0.1:{}/{{value}}", address.port());
    let other = augmentation(&other, "allow_private = true");
    let said = check(&other, &trusting).await.unwrap_err();
    assert!(said.contains("certificate"), "another name: {said}");
}
