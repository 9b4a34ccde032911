//! The command line, as a person sees it: what is printed, and the exit code.

#![allow(clippy::unwrap_used, clippy::panic)]

mod binary;

use binary::{Folder, Serving, line};
use std::io::BufReader;
use std::net::TcpStream;

const CLOSED: &str = "[auth]\napi_keys = [\"send-key\"]\noperator_keys = [\"operate-key\"]\n\
                      token_secret = \"0123456789abcdef0123456789abcdef\"\n";

#[test]
fn help_says_what_there_is_and_nothing_else() {
    let help = Folder::new().run("--help");
    assert_eq!(help.code, Some(0));
    for command in ["serve", "check", "send", "listen", "dead", "token"] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command} in {}", help.out);
    }
    assert!(help.out.contains("Without a command it serves"));
    for absent in ["top", "bench", "webhook"] {
        assert!(!help.out.contains(&format!("  {absent}")), "{absent} in {}", help.out);
        assert_eq!(Folder::new().run(absent).code, Some(2), "{absent}");
    }
}

#[test]
fn wrong_flags_exit_with_2() {
    let folder = Folder::new();
    for wrong in ["--loud", "serve --port 1", "send", "send user:1", "token", "listen"] {
        let ended = folder.run(wrong);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{wrong}");
        assert!(ended.err.starts_with("error: "), "{wrong}: {}", ended.err);
    }
    let ended = folder.run("token --user a --expires soon");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("write a number and one of ms, s, m, h, d"), "{}", ended.err);
    for (wrong, says) in [
        ("token --user a --expires 0s", "--expires is nothing"),
        ("token --user a --topics a*b", "--topics is \"a*b\""),
    ] {
        let ended = folder.run(wrong);
        assert_eq!(ended.code, Some(2), "{wrong}");
        assert!(ended.err.contains(says), "{}", ended.err);
    }
    let ended = folder.run("serve --log loud");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("\"loud\" is no log level"), "{}", ended.err);
}

#[test]
fn wrong_configuration_is_one_line_and_exit_2() {
    let folder = Folder::new();
    folder.write("r.toml", "\n[dispatch]\nper_kee = 1\n");
    for command in ["serve", "check", "token --user a"] {
        let ended = folder.run(&format!("{command} --config r.toml"));
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{command}");
        assert_eq!(
            ended.err,
            "error: r.toml:3: dispatch.per_kee is no key of the configuration; did you mean `per_key`?\n"
        );
    }
    let gone = folder.run("check --config gone.toml");
    assert_eq!(gone.code, Some(2));
    assert!(gone.err.starts_with("error: gone.toml: cannot be read: "), "{}", gone.err);

    let open = folder.run("serve --listen 0.0.0.0:4000");
    assert_eq!(open.code, Some(2));
    assert!(open.err.contains("without [auth] listen on \"127.0.0.1:4000\""), "{}", open.err);
    assert_eq!(folder.files(), ["r.toml"]);
}

#[test]
fn check_says_what_the_guarantee_is_and_makes_nothing() {
    let folder = Folder::new();
    let ended = folder.run("check");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.contains("store: sqlite:roundsman.db, SQLite 3."), "{}", ended.out);
    assert!(ended.out.contains("after the end of the machine: kept"), "{}", ended.out);
    let ended = folder.run("check --store memory:");
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("after the end of the process: lost"), "{}", ended.out);
    assert_eq!(folder.files(), [""; 0]);

    folder.write("r.toml", "[[deliver]]\n[[deliver]]\ntopics = \"hook:*\"\n");
    let ended = folder.run("check --store memory: --config r.toml");
    assert!(ended.out.contains("rule 2: never used, since rule 1 takes"), "{}", ended.out);

    folder.write("notes.txt", "not a database");
    let ended = folder.run("check --store sqlite:notes.txt");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("notes.txt is not a Roundsman store"), "{}", ended.err);
}

#[test]
fn check_prints_the_configuration_with_secrets_masked() {
    let folder = Folder::new();
    folder.write("r.toml", CLOSED);
    let ended = folder.run("check --config r.toml --print --listen 0.0.0.0:1 --store memory:");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.starts_with("listen = \"0.0.0.0:1\"\nstore = \"memory:\"\n"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("token_secret = \"***\""), "{}", ended.out);
    assert!(!ended.out.contains("-key\""), "{}", ended.out);
    // Without its secrets, what is printed is a configuration again.
    let masked = ended.out.lines().filter(|line| !line.contains("***"));
    folder.write("again.toml", masked.collect::<Vec<_>>().join("\n"));
    assert_eq!(folder.run("check --config again.toml").code, Some(0));
}

#[test]
fn flags_go_over_the_environment_and_that_over_the_file() {
    let folder = Folder::new();
    folder.write("r.toml", "store = \"sqlite:file.db\"\nlisten = \"127.0.0.1:1\"\n");
    let mut command = folder.command(["check", "--print", "--listen", "127.0.0.1:3"]);
    command.env("ROUNDSMAN_CONFIG", "r.toml").env("ROUNDSMAN_LISTEN", "127.0.0.1:2");
    command.env("ROUNDSMAN_STORE", "memory:");
    let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(out.starts_with("listen = \"127.0.0.1:3\"\nstore = \"memory:\"\n"), "{out}");
}

#[test]
fn without_a_command_it_serves() {
    let folder = Folder::new();
    let mut command = folder.command([""; 0]);
    command.env("ROUNDSMAN_LISTEN", "127.0.0.1:0").env("ROUNDSMAN_DRAIN_SECONDS", "5");
    let serving = Serving::start(&mut command);
    assert!(serving.url.starts_with("http://127.0.0.1:") && !serving.url.ends_with(":0"));
    serving.signal("INT");
    let ended = serving.end();
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.err);
    assert!(folder.files().contains(&"roundsman.db".to_owned()));
}

#[test]
fn more_clients_than_the_soft_limit_of_files_allows() {
    let folder = Folder::new();
    let line = "ulimit -Sn 64; exec \"$0\" serve --store memory: --listen 127.0.0.1:0";
    let serving = Serving::start(&mut folder.shell(line));
    let crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(serving.address()).unwrap()).collect();
    let sent = folder.run(&format!("send user:1 {{}} --url {}", serving.url));
    assert_eq!(sent.code, Some(0), "{}", sent.err);
    drop(crowd);
}

#[test]
fn an_address_or_a_file_that_is_taken_is_exit_1() {
    let folder = Folder::new();
    let serving = folder.serve("");
    let ended = folder.run(&format!("serve --store memory: --listen {}", serving.address()));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains(&format!("cannot listen on {}", serving.address())),
        "{}",
        ended.err
    );
    let ended = folder.run("serve --listen 127.0.0.1:0");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("error: sqlite:roundsman.db: "), "{}", ended.err);
    // It takes no lock.
    assert_eq!(folder.run("check").code, Some(0));
}

#[test]
fn what_is_sent_is_heard() {
    let folder = Folder::new();
    folder.write("r.toml", CLOSED);
    let serving = folder.serve("--config r.toml --store memory:");
    let token = folder.run("token --config r.toml --user 42 --topics team:* --expires 5m");
    assert_eq!(token.code, Some(0), "{}", token.err);
    let (url, token) = (&serving.url, token.out.trim());

    let mut listens = folder.command(["listen", "user:42", "--url", url, "--token", token]);
    let mut listening = listens.spawn().unwrap();
    let mut said = BufReader::new(listening.stderr.take().unwrap());
    assert_eq!(line(&mut said), "listening on user:42");
    let sent = folder.run(&format!(
        "send user:42 {{\"n\":1}} --event hi --key team-7/42 --api-key send-key --url {url}"
    ));
    assert_eq!((sent.code, sent.err.as_str()), (Some(0), ""));
    assert_eq!(sent.out.lines().count(), 1);
    let mut heard = BufReader::new(listening.stdout.take().unwrap());
    assert_eq!(line(&mut heard), "{\"topic\":\"user:42\",\"event\":\"hi\",\"payload\":{\"n\":1}}");
    listening.kill().unwrap();
    listening.wait().unwrap();

    let other = folder.run(&format!("listen user:7 --url {url} --token {token}"));
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("does not let us join user:7: unauthorized"), "{}", other.err);
    let stranger = folder.run(&format!("listen user:42 --url {url} --token nonsense"));
    assert_eq!(stranger.code, Some(1));
    assert!(stranger.err.contains("the server refused: 403 Forbidden"), "{}", stranger.err);
    let keyless = folder.run(&format!("send user:42 {{}} --url {url}"));
    assert_eq!(keyless.code, Some(1));
    assert!(keyless.err.contains("an API key is needed"), "{}", keyless.err);
}

#[test]
fn what_waits_for_an_acknowledgement_is_acknowledged() {
    let folder = Folder::new();
    folder.write("r.toml", "[[deliver]]\nack = \"client\"\n");
    let serving = folder.serve("--config r.toml --store memory:");
    let sent = folder.run(&format!("send user:1 {{}} --url {}", serving.url));
    let mut listening =
        folder.command(["listen", "user:1", "--url", &serving.url]).spawn().unwrap();
    let mut heard = BufReader::new(listening.stdout.take().unwrap());
    let expected = format!(
        "{{\"topic\":\"user:1\",\"event\":\"message\",\"id\":\"{}\",\"attempt\":1,\"payload\":{{}}}}",
        sent.out.trim()
    );
    assert_eq!(line(&mut heard), expected);
    // Only what is acknowledged lets the drain end before its time.
    serving.signal("TERM");
    let ended = serving.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains("cut off") && !ended.err.contains("discarded"), "{}", ended.err);
    listening.kill().unwrap();
    listening.wait().unwrap();
}

#[test]
fn a_file_is_sent_but_for_the_lines_at_fault() {
    let folder = Folder::new();
    let serving = folder.serve("--store memory:");
    let mut lines: Vec<String> = (1..=2500)
        .map(|n| {
            format!("{{\"topic\":\"user:{}\",\"payload\":{{\"n\":{n}}},\"id\":\"m-{n}\"}}", n % 9)
        })
        .collect();
    lines[1] = String::new();
    lines[1499] = "no JSON".to_owned();
    lines[2000] = "{\"topic\":\"\",\"payload\":{}}".to_owned();
    lines[2400] = lines[2399].clone();
    folder.write("all.ndjson", lines.join("\n"));
    let ended = folder.run(&format!("send --file all.ndjson --url {}", serving.url));
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.out, "2496 accepted, 1 duplicates, 2 refused\n");
    let faults: Vec<&str> = ended.err.lines().collect();
    assert_eq!(faults.len(), 2, "{}", ended.err);
    assert!(faults[0].starts_with("all.ndjson:1500: "), "{}", ended.err);
    assert_eq!(faults[1], "all.ndjson:2001: /topic a topic has 1 to 255 bytes");

    let again = folder.run_with_input(
        &format!("send --file - --url {}", serving.url),
        &format!("{}\n{}\n", lines[0], lines[2]),
    );
    assert_eq!(
        (again.code, again.out.as_str()),
        (Some(0), "0 accepted, 2 duplicates, 0 refused\n")
    );
}

#[test]
fn a_server_that_is_not_there_is_exit_1() {
    let folder = Folder::new();
    // Nothing can listen on port 0.
    let ended = folder.run("send user:1 {} --url http://127.0.0.1:0");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("no server answers at http://127.0.0.1:0"), "{}", ended.err);
    let ended = folder.run("send user:1 nonsense");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("the payload is not JSON"), "{}", ended.err);
    assert_eq!(folder.run("send user:1 {} --url here").code, Some(2));
    assert_eq!(folder.run("listen user:1 --url here").code, Some(2));
}
