//! What is found in databases and in Redis, and how values reach them.

use super::world::augmentation;
use super::{around, ask, url};
use roundsman_delivery::Found;
use roundsman_server::config::parse_span;
use roundsman_server::lookup::{self, Augmentation};

fn json(found: &Found, value: &str) -> serde_json::Value {
    serde_json::from_slice(found.get(value).expect(value)).unwrap()
}

const ATTACKS: [&str; 4] =
    [r#""1) or (1=1""#, r#""'; drop table people; --""#, r#""\" or \"\"=\"""#, r#""\u0000""#];

const QUERY: &str = "query = \"select id, name, score, ok from people where id in ({values})\"";

#[tokio::test]
async fn sqlite_finds_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(
        "create table people (id integer primary key, name text, score real, ok integer, raw blob);
         insert into people values (1, 'Ada \"x\"', 1.5, 1, x'00ff'), (2, null, null, 0, null);",
    )
    .unwrap();
    let it = augmentation(&format!("sqlite:{}", path.display()), QUERY);
    let found = ask(&it, &["1", "\"2\"", "3", "\"x\""]).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found["1"], r#"{"id":1,"name":"Ada \"x\"","score":1.5,"ok":1}"#);
    assert_eq!(json(&found, "\"2\"")["name"], serde_json::Value::Null);
    assert_eq!(ask(&it, &ATTACKS).await.unwrap().len(), 0);
    assert_eq!(ask(&it, &["1"]).await.unwrap().len(), 1, "the table is still there");
    assert_eq!(lookup::check(&it, &around()).await, Ok(()));

    let it = augmentation(
        &format!("sqlite:{}", path.display()),
        "query = \"select id, nme from people where id in ({values})\"",
    );
    let wrong = lookup::check(&it, &around()).await.unwrap_err();
    assert!(wrong.contains("nme"), "{wrong}");
    let it = augmentation("sqlite:/nowhere/people.db", QUERY);
    assert!(lookup::check(&it, &around()).await.is_err());
}

#[tokio::test]
async fn postgres_finds_rows() {
    let url = url("POSTGRES");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let setup = "drop table if exists augment_people;
         create table augment_people (id int primary key, name text, score numeric, ok bool, at timestamptz, more jsonb);
         insert into augment_people values (1, 'Ada', 12345678901234567890.5, true, '2026-01-02T03:04:05Z', '{\"a\":[1]}'), (2, null, null, false, null, null);";
    client.batch_execute(setup).await.unwrap();
    for place in ["in ({values})", "= any({values})"] {
        let query = format!("query = \"select * from augment_people where id {place}\"");
        let it = augmentation(&url, &query);
        let found = ask(&it, &["1", "\"2\"", "3", "\"x\"", "99999999999"]).await.unwrap();
        assert_eq!(found.len(), 2);
        let text = String::from_utf8_lossy(&found["1"]);
        assert!(
            text.starts_with(r#"{"id":1,"name":"Ada","score":12345678901234567890.5,"ok":true"#),
            "{text}"
        );
        assert_eq!(json(&found, "1")["more"]["a"][0], 1);
        assert_eq!(ask(&it, &ATTACKS).await.unwrap().len(), 0);
        assert_eq!(ask(&it, &["1"]).await.unwrap().len(), 1);
        assert_eq!(lookup::check(&it, &around()).await, Ok(()));
    }
    let it =
        augmentation(&url, "query = \"select id, nme from augment_people where id in ({values})\"");
    assert!(lookup::check(&it, &around()).await.unwrap_err().contains("nme"));
    let it = augmentation(
        &url,
        "query = \"select name, id from augment_people where id in ({values})\"",
    );
    assert!(lookup::check(&it, &around()).await.unwrap_err().contains("select `id` first"));
    let slow = augmentation(
        &url,
        "query = \"select id from (select pg_sleep(9), id from augment_people) x where id in ({values})\"",
    );
    let slow = Augmentation { timeout: parse_span("200ms").unwrap(), ..slow };
    let wrong = ask(&slow, &["1"]).await.unwrap_err().what;
    assert!(wrong.contains("timeout"), "the server gives up too: {wrong}");
}

#[tokio::test]
async fn mysql_finds_rows() {
    use mysql_async::prelude::Queryable;
    let url = url("MYSQL");
    let mut connection =
        mysql_async::Conn::new(mysql_async::Opts::from_url(&url).unwrap()).await.unwrap();
    for statement in [
        "drop table if exists augment_people",
        "create table augment_people (id int primary key, name varchar(50), score decimal(30,2), ok bool, at datetime, raw varbinary(10))",
        "insert into augment_people values (0, 'nobody', 1, 0, null, null), (1, 'Ad\u{e9}', 1234567890123456789012.25, 1, '2026-01-02 03:04:05', x'00ff')",
    ] {
        connection.query_drop(statement).await.unwrap();
    }
    let it = augmentation(
        &url,
        "query = \"select id, name, score, ok, at, raw from augment_people where id in ({values})\"",
    );
    let found = ask(&it, &["1", "7", "\"x\""]).await.unwrap();
    assert_eq!(found.len(), 1, "`x` is not the 0 that it is compared as");
    let expected = "{\"id\":1,\"name\":\"Ad\u{e9}\",\"score\":1234567890123456789012.25,\"ok\":1,\"at\":\"2026-01-02T03:04:05\",\"raw\":\"AP8=\"}";
    assert_eq!(String::from_utf8_lossy(&found["1"]), expected);
    assert_eq!(ask(&it, &ATTACKS).await.unwrap().len(), 0);
    assert_eq!(ask(&it, &["1"]).await.unwrap().len(), 1);
    assert_eq!(lookup::check(&it, &around()).await, Ok(()));
}

#[tokio::test]
async fn redis_finds_strings_hashes_and_json() {
    let url = url("REDIS");
    let client = redis::Client::open(&*url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut setup = redis::pipe();
    setup.cmd("SET").arg("augment:s:1").arg("Ada \"x\"").ignore();
    setup.cmd("SET").arg("augment:j:1").arg("{\"n\":[1]}").ignore();
    setup.cmd("HSET").arg("augment:h:1").arg("name").arg("Ada").ignore();
    setup.query_async::<()>(&mut connection).await.unwrap();
    for (command, expected) in [
        ("get augment:s:{value}", r#""Ada \"x\"""#),
        ("json augment:j:{value}", r#"{"n":[1]}"#),
        ("hgetall augment:h:{value}", r#"{"name":"Ada"}"#),
    ] {
        let it = augmentation(&url, &format!("query = \"{command}\""));
        let found = ask(&it, &["1", "2", "\"1 2\\r\\nFLUSHALL\""]).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found["1"], expected);
        assert_eq!(lookup::check(&it, &around()).await, Ok(()));
    }
}
