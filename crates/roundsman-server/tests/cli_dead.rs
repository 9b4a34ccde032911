//! Dead letters from the command line, and what a kill in the middle leaves of them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod binary;

use binary::{Ended, Folder, Serving, line};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

/// Nothing listens on port 1 of this machine, and one failure is enough.
const HOPELESS: &str = "[retry]\nmax_attempts = 1\n\
    [[deliver]]\ntopics = \"hook:*\"\nto = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\n\
    secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\nallow_private = true\n\
    concurrency = 100\nper_host = 100\npark_after = \"1d\"\n\
    [[deliver]]\ntopics = \"user:*\"\n";

fn hopeless(flags: &str) -> (Folder, Serving) {
    let folder = Folder::new();
    folder.write("c.toml", HOPELESS);
    let serving = folder.serve(&format!("--config c.toml {flags}"));
    (folder, serving)
}

/// What the server says of itself.
fn stats(serving: &Serving) -> Value {
    let mut socket = TcpStream::connect(serving.address()).unwrap();
    let request = "GET /v1/stats HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn wait_for_dead(serving: &Serving, count: u64) {
    loop {
        let stats = stats(serving);
        if stats["dead"] == count && stats["backlog"] == 0 {
            return;
        }
        std::thread::yield_now();
    }
}

fn dead(folder: &Folder, serving: &Serving, line: &str) -> Ended {
    folder.run(&format!("dead {line} --url {}", serving.url))
}

fn ids(listed: &Ended) -> Vec<String> {
    let id = |line: &str| {
        let letter: Value = serde_json::from_str(line).unwrap();
        letter["id"].as_str().unwrap().to_owned()
    };
    listed.out.lines().map(id).collect()
}

#[test]
fn listed_shown_replayed_and_dropped() {
    let (folder, serving) = hopeless("--store memory:");
    let lines: Vec<String> = (0..3)
        .map(|n| {
            format!(
                "{{\"topic\":\"hook:{n}\",\"key\":[\"team\",\"u{n}\"],\"payload\":{{\"n\":{n}}},\"id\":\"id-{n}\"}}"
            )
        })
        .collect();
    folder.write("all.ndjson", lines.join("\n"));
    assert_eq!(folder.run(&format!("send --file all.ndjson --url {}", serving.url)).code, Some(0));
    wait_for_dead(&serving, 3);

    let listed = dead(&folder, &serving, "list");
    assert_eq!((listed.code, listed.out.lines().count()), (Some(0), 4), "{}", listed.out);
    assert!(listed.out.starts_with("ID    GIVEN UP "), "{}", listed.out);
    let row: Vec<&str> = listed.out.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((row[0], &row[2..6]), ("id-0", &["attempts", "1", "hook:0", "team/u0"][..]));

    let page = dead(&folder, &serving, "list --json --limit 2");
    assert_eq!(ids(&page), ["id-0", "id-1"]);
    let more = page.err.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(ids(&dead(&folder, &serving, &format!("list --json --after {more}"))), ["id-2"]);
    assert_eq!(ids(&dead(&folder, &serving, "list --json --key team/u1 --since 1h")), ["id-1"]);
    assert_eq!(ids(&dead(&folder, &serving, "list --json --until 1h")), [""; 0]);

    let shown = dead(&folder, &serving, "show id-1");
    assert_eq!(shown.code, Some(0));
    for words in ["key         team/u1\n", "attempts    1, 1 failed\n", "payload     {\"n\":1}\n"] {
        assert!(shown.out.contains(words), "{words:?} in {}", shown.out);
    }
    assert_eq!(ids(&dead(&folder, &serving, "show id-1 --json")), ["id-1"]);

    let replayed = dead(&folder, &serving, "replay id-0 nobody");
    assert_eq!((replayed.code, replayed.out.as_str()), (Some(1), "1 replayed\n"));
    assert!(replayed.err.contains("no dead letter has the id \"nobody\""), "{}", replayed.err);
    wait_for_dead(&serving, 3);
    assert_eq!(dead(&folder, &serving, "replay --topic hook:*").out, "3 replayed\n");
    wait_for_dead(&serving, 3);
    assert_eq!(dead(&folder, &serving, "drop --key team/u2").out, "1 dropped\n");
    assert_eq!(dead(&folder, &serving, "drop --all").out, "2 dropped\n");
    assert_eq!(dead(&folder, &serving, "show id-1").code, Some(1));
    assert_eq!(stats(&serving)["dead"], 0);
}

#[test]
fn what_is_wrong_is_said() {
    let (folder, serving) = hopeless("--store memory:");
    for (line, code, words) in [
        ("replay", 2, "say which: ids, --all, or one of --key"),
        ("drop", 2, "say which: ids, --all, or one of --key"),
        ("drop --all --key a", 2, "cannot be used with"),
        ("list --since yesterday", 2, "RFC 3339"),
        ("list --key a/", 2, "--key: part 1 of the key is empty"),
        ("list --limit 0", 2, "--limit"),
        ("list --reason sad", 1, "a reason is one of attempts"),
        ("show nobody", 1, "no dead letter has the id \"nobody\""),
    ] {
        let ended = dead(&folder, &serving, line);
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{line}: {}", ended.err);
        assert!(ended.err.contains(words), "{line}: {}", ended.err);
    }
    let gone = folder.run("dead list --url http://127.0.0.1:1");
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("start one with `roundsman serve`"), "{}", gone.err);
}

#[test]
fn a_key_is_watched_live() {
    let (folder, serving) = hopeless("--store memory:");
    let watch = format!("listen --key team --url {}", serving.url);
    let mut child = folder.command(watch.split(' ')).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut err = BufReader::new(child.stderr.take().unwrap());
    assert_eq!(line(&mut err), "watching team");
    for (topic, key) in [("hook:9", "teams"), ("hook:1", "team/a")] {
        let send = ["send", topic, "{}", "--key", key, "--url", &serving.url];
        assert_eq!(Ended::from(folder.command(send).output().unwrap()).code, Some(0));
    }
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last: &String| last != "dead") {
        let words = line(&mut out);
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(words[3].trim_end_matches(';'), "hook:1", "{words:?}");
        seen.push(words[1].to_owned());
    }
    assert_eq!(seen, ["accepted", "dispatched", "dead"]);
    // A server that goes away is waited for.
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));
    assert!(line(&mut err).contains("again in"));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A replay of all of them, and a drop, are cut off by kills of the server at whatever step they
/// are: every letter is in one place after each, and all are there in the end, or gone.
#[test]
fn killed_in_the_middle_nothing_is_lost() {
    const COUNT: u64 = 3000;
    const KILLS: usize = 3;
    let (folder, mut serving) = hopeless("");
    let lines: Vec<String> = (0..COUNT)
        .map(|n| format!("{{\"topic\":\"hook:{}\",\"payload\":{{}},\"id\":\"id-{n}\"}}", n % 50))
        .collect();
    folder.write("all.ndjson", lines.join("\n"));
    assert_eq!(folder.run(&format!("send --file all.ndjson --url {}", serving.url)).code, Some(0));
    wait_for_dead(&serving, COUNT);
    let all = ["dead", "list", "--json", "--limit", "1000000", "--url"];
    for round in 0..KILLS {
        let replay = format!("dead replay --all --url {}", serving.url);
        let mut child = folder.command(replay.split(' ')).spawn().unwrap();
        let replayed = (round as u64 + 1) * 500;
        while stats(&serving)["dead"].as_u64().unwrap() > COUNT - replayed.min(COUNT - 1000) {
            if let Some(ended) = child.try_wait().unwrap() {
                assert!(ended.success());
                break;
            }
        }
        serving.signal("KILL");
        drop(serving);
        child.wait().unwrap();
        serving = folder.serve("--config c.toml");
        // Whatever came alive dies again: all of them, once each, and nothing else.
        wait_for_dead(&serving, COUNT);
        let listed = folder.command(all.iter().copied().chain([&*serving.url])).output().unwrap();
        let listed = ids(&Ended::from(listed));
        let distinct: BTreeSet<&String> = listed.iter().collect();
        assert_eq!((listed.len() as u64, distinct.len() as u64), (COUNT, COUNT), "round {round}");
    }
    let drop_all = format!("dead drop --all --url {}", serving.url);
    let mut child = folder.command(drop_all.split(' ')).spawn().unwrap();
    while stats(&serving)["dead"] == COUNT && child.try_wait().unwrap().is_none() {}
    serving.signal("KILL");
    drop(serving);
    child.wait().unwrap();
    let serving = folder.serve("--config c.toml");
    let left = stats(&serving)["dead"].as_u64().unwrap();
    let listed = folder.command(all.iter().copied().chain([&*serving.url])).output().unwrap();
    assert_eq!(ids(&Ended::from(listed)).len() as u64, left);
    assert_eq!(dead(&folder, &serving, "drop --all").out, format!("{left} dropped\n"));
    assert_eq!(
        (stats(&serving)["dead"].as_u64(), stats(&serving)["backlog"].as_u64()),
        (Some(0), Some(0))
    );
}
