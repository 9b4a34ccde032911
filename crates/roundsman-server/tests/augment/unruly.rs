//! Databases that do their worst for one value: the others of its query do not suffer.

use super::url;
use super::world::{World, added, augmentation, bare, marked};
use mysql_async::prelude::Queryable;

const MORE: &str = "on_failure = \"deliver\"\ntimeout = \"400ms\"";

/// What becomes of messages 1, 2 and 3, looked up together by this query.
async fn of_three(from: &str, query: &str) -> Vec<String> {
    let mut world = World::with(&augmentation(from, &format!("{MORE}\nquery = \"{query}\"")));
    world.send(1..=3).await;
    world.payloads(3).await
}

fn of(value: usize) -> String {
    added(value, &format!("{{\"id\":{value},\"n\":{}}}", value * 10))
}

#[tokio::test]
async fn postgres() {
    let url = url("POSTGRES");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let setup = "drop schema if exists augment_unruly cascade; create schema augment_unruly;
         create table augment_unruly.t (id int, n int);
         insert into augment_unruly.t values (1, 10), (1, 11), (2, 20), (3, 30), (3, 31), (9, 90);
         create function augment_unruly.act(what text, of int) returns int language plpgsql as $$
         begin
             if of <> 2 then return 0; end if;
             if what = 'raise' then raise 'not this one'; end if;
             if what = 'end' then perform pg_terminate_backend(pg_backend_pid()); end if;
             perform pg_sleep(9);
             return 0;
         end $$;";
    client.batch_execute(setup).await.unwrap();
    let rows = "select distinct on (id) id, n from augment_unruly.t where id in ({values})";
    for what in ["raise", "end", "sleep"] {
        let query = format!("{rows} and augment_unruly.act('{what}', id) = 0 order by id, n");
        assert_eq!(of_three(&url, &query).await, [of(1), marked(2), of(3)], "{what}");
    }
    let twice = "select id, n from augment_unruly.t where id in ({values}) order by id, n";
    assert_eq!(of_three(&url, twice).await, [1, 2, 3].map(of), "the first row counts");
    let others = "select id, n from augment_unruly.t where id in ({values}) is not null and id > 1";
    let others = format!("{others} order by id, n");
    assert_eq!(of_three(&url, &others).await, [bare(1), of(2), of(3)], "9 is let go");
}

#[tokio::test]
async fn mariadb() {
    let url = url("MYSQL");
    let mut connection =
        mysql_async::Conn::new(mysql_async::Opts::from_url(&url).unwrap()).await.unwrap();
    for statement in [
        "drop table if exists augment_unruly",
        "create table augment_unruly (id int, n int)",
        "insert into augment_unruly values (1, 10), (1, 11), (2, 20), (3, 30), (3, 31), (9, 90)",
    ] {
        connection.query_drop(statement).await.unwrap();
    }
    let rows = "select id, n from augment_unruly where id in ({values})";
    // A subquery of more than one row is an error where it is looked at, for 2.
    let raise = "if(id = 2, (select 1 union select 0), 1) = 1";
    for act in [raise, "if(id = 2, sleep(9), 0) = 0"] {
        let query = format!("{rows} and {act} order by id, n");
        assert_eq!(of_three(&url, &query).await, [of(1), marked(2), of(3)], "{act}");
    }
    let twice = format!("{rows} order by id, n");
    assert_eq!(of_three(&url, &twice).await, [1, 2, 3].map(of), "the first row counts");
    let others = "select id, n from augment_unruly where (id in ({values}) or true) and id > 1";
    let others = format!("{others} order by id, n");
    assert_eq!(of_three(&url, &others).await, [bare(1), of(2), of(3)], "9 is let go");
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unruly.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(
        "create table t (id integer, n integer);
         insert into t values (1, 10), (1, 11), (2, 20), (3, 30), (3, 31), (9, 90);",
    )
    .unwrap();
    let from = format!("sqlite:{}", path.display());
    let rows = "select id, n from t where id in ({values})";
    let forever =
        "with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) from c";
    for act in ["abs(case id when 2 then -9223372036854775807 - 1 else 0 end)", forever] {
        let act = if act == forever {
            format!("(case id when 2 then ({act}) else 0 end)")
        } else {
            act.into()
        };
        let query = format!("{rows} and {act} = 0 order by id, n");
        assert_eq!(of_three(&from, &query).await, [of(1), marked(2), of(3)], "{act}");
    }
    let twice = format!("{rows} order by id, n");
    assert_eq!(of_three(&from, &twice).await, [1, 2, 3].map(of), "the first row counts");
    let others = "select id, n from t where (id in ({values}) or true) and id > 1 order by id, n";
    assert_eq!(of_three(&from, others).await, [bare(1), of(2), of(3)], "9 is let go");
}

#[tokio::test]
async fn redis() {
    let url = url("REDIS");
    let client = redis::Client::open(&*url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut setup = redis::pipe();
    setup.cmd("DEL").arg(&["augment:u:1", "augment:u:2", "augment:u:3"]).ignore();
    for (id, json) in [("1", "{\"n\":1}"), ("2", "{\"n\":"), ("3", "{\"n\":3}")] {
        setup.cmd("SET").arg(format!("augment:u:{id}")).arg(json).ignore();
    }
    setup.query_async::<()>(&mut connection).await.unwrap();
    let expected = [added(1, "{\"n\":1}"), marked(2), added(3, "{\"n\":3}")];
    assert_eq!(of_three(&url, "json augment:u:{value}").await, expected, "half of a value");
    let mut setup = redis::pipe();
    setup.cmd("DEL").arg("augment:u:2").ignore().cmd("SADD").arg("augment:u:2").arg("x").ignore();
    setup.query_async::<()>(&mut connection).await.unwrap();
    assert_eq!(of_three(&url, "json augment:u:{value}").await, expected, "of another type");
}
