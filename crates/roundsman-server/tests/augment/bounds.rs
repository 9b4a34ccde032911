//! Bounds as the source sees them: how many requests are there at once, and how many begin in
//! every tenth of a second; while it hangs, fails and stalls, and while all is tried again.

use super::service::{Act, Asked, Service};
use super::url;
use super::world::{World, augmentation};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_millis(100);

/// Spans in which the one thread of a test did not run: what was on its way then was read late,
/// through no fault of whoever sent it.
type Stalls = Arc<Mutex<Vec<(Instant, Instant)>>>;

/// A pause that is none of the source's or the sender's. Shorter ones are reckoned with: a query
/// may be on its way for so long.
const STALL: Duration = Duration::from_millis(18);

fn watch() -> Stalls {
    let stalls = Stalls::default();
    let found = stalls.clone();
    tokio::spawn(async move {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let now = Instant::now();
            if now - last > STALL {
                found.lock().push((last, now));
            }
            last = now;
        }
    });
    stalls
}

/// Holds every window without a stall to `most`; how many there were.
fn hold(mut arrivals: Vec<Instant>, stalls: &Stalls, most: usize) -> usize {
    arrivals.sort();
    let mut held = 0;
    for (at, first) in arrivals.iter().enumerate() {
        let inside = arrivals[at..].iter().take_while(|it| **it - *first < WINDOW).count();
        let (from, to) = (*first - STALL, *first + WINDOW);
        if !stalls.lock().iter().any(|(begun, ended)| *begun < to && *ended > from) {
            assert!(inside <= most, "{inside} within a window");
            held += 1;
        }
    }
    held
}

#[tokio::test]
async fn a_service_is_never_overrun() {
    let stalls = watch();
    // On a machine that does much else there may be no window without a stall.
    for _ in 0..10 {
        if overrun(&stalls).await > 0 {
            return;
        }
    }
    panic!("this machine stands still again and again");
}

/// Looks up 200 values at a service that does everything wrong; how many windows could be judged.
async fn overrun(stalls: &Stalls) -> usize {
    let count = AtomicUsize::new(0);
    let well = |asked: &Asked| format!("{{\"of\":{}}}", asked.values()[0]);
    let service = Service::start(move |asked| match count.fetch_add(1, Ordering::SeqCst) {
        // All at once stand still for a while, and then go on together.
        n if (100..103).contains(&n) => Act::Late(Duration::from_millis(190), well(asked)),
        n if n % 31 == 7 => Act::Hangs,
        n if n % 17 == 5 => Act::Late(Duration::from_millis(150), well(asked)),
        n if n % 13 == 4 => Act::Says("500 No", String::new(), String::new()),
        n if n % 11 == 3 => Act::Closes,
        n if n % 7 == 2 => Act::BreaksOff(well(asked)),
        _ => Act::Well(well(asked)),
    })
    .await;
    let more = "concurrency = 3\nrate = \"150/s\"\ntimeout = \"200ms\"";
    let mut world = World::new(&service.one(), more);
    world.send(0..200).await;
    let payloads = world.payloads(200).await;
    assert!(payloads.iter().all(|payload| payload.contains("\"of\"")));
    let asked = service.asked();
    assert!(asked.len() > 200, "{} requests", asked.len());
    assert!((2..=3).contains(&service.most_at_once()), "{} at once", service.most_at_once());
    hold(asked.iter().map(|it| it.at).collect(), stalls, 15)
}

#[tokio::test]
async fn a_database_is_never_overrun() {
    let url = url("POSTGRES");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // Each query writes down when it began and how many of its kind there are, and some take long.
    let setup = "drop schema if exists augment_bounds cascade; create schema augment_bounds;
         create table augment_bounds.seen (at timestamptz, at_once bigint);
         create sequence augment_bounds.number;
         create function augment_bounds.see() returns int volatile language plpgsql as $$
         declare n bigint := nextval('augment_bounds.number');
         begin
             insert into augment_bounds.seen select clock_timestamp(), count(*) from pg_stat_activity
                 where application_name = 'roundsman-bounds' and state = 'active';
             perform pg_sleep(case when n % 23 = 5 then 9 when n > 25 then 0.15 else 0.025 end);
             if n % 11 = 4 then raise 'not this time'; end if;
             return 1;
         end $$;";
    client.batch_execute(setup).await.unwrap();
    let mark = if url.contains('?') { '&' } else { '?' };
    let it = augmentation(
        &format!("{url}{mark}application_name=roundsman-bounds"),
        "query = \"select id, (select augment_bounds.see()) from (select unnest(array[{values}]::int[]) id) x\"\n\
         concurrency = 2\nrate = \"50/s\"\nbatch = 2\ntimeout = \"300ms\"",
    );
    let mut world = World::with(&it);
    world.send(0..100).await;
    world.payloads(100).await;
    let query =
        "select extract(epoch from at)::float8, at_once from augment_bounds.seen order by 1";
    let rows = client.query(query, &[]).await.unwrap();
    let most = rows.iter().map(|row| row.get::<_, i64>(1)).max().unwrap();
    assert_eq!(most, 2, "at once");
    // What failed has left nothing behind; of the rest every window counts.
    let at: Vec<f64> = rows.iter().map(|row| row.get(0)).collect();
    let inside = |at: &[f64]| at.iter().take_while(|it| **it - at[0] < 0.1).count();
    let worst = (0..at.len()).map(|from| inside(&at[from..])).max().unwrap();
    assert!(at.len() >= 40 && worst <= 5, "{worst} of {} within a window", at.len());
}
