//! Configuration files, good and bad: what they resolve to, or the one line that says what is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use roundsman_delivery::{Ack, Charge, Offline, Order};
use roundsman_server::config::{
    Config, DEFAULT, Fault, Overrides, Secret, StoreUrl, TokenKey, WEBHOOK,
};
use std::path::Path;
use std::time::Duration;

fn read(text: &str) -> Result<Config, Fault> {
    read_over(text, &Overrides::default())
}

fn read_over(text: &str, overrides: &Overrides) -> Result<Config, Fault> {
    let environment = |name: &str| match name {
        "LONG" => Some("0123456789abcdef0123456789abcdef".to_owned()),
        "SHORT" => Some("tiny".to_owned()),
        "STORE" => Some("postgres://a:pw@b/c?schema=d".to_owned()),
        "LOG" => Some("redis://a:pw@b:6379/2/orders".to_owned()),
        "HOOK" => Some("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned()),
        _ => None,
    };
    Config::parse("r.toml", text, overrides, &environment)
}

/// Each file is refused with exactly this line.
#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, line) in cases {
        match read(text) {
            Ok(config) => panic!("taken:\n{text}\nas\n{config}"),
            Err(fault) => assert_eq!(fault.to_string(), *line, "for:\n{text}"),
        }
    }
}

#[test]
fn augmentations_have_their_defaults_and_faults() {
    let good = "[[augment]]\nname = \"profile\"\nfrom = \"sqlite:users.db\"\n\
                query = \"select id, name from users where id in ({values})\"\n\
                match = \"/payload/user_id\"\ninto = \"/payload/user\"\n";
    let config =
        read(&format!("{good}rate = \"200/s\"\non_missing = {{ default = {{ a = 1 }} }}")).unwrap();
    let augment = &config.augments[0];
    assert_eq!((augment.concurrency, augment.batch, augment.rate), (10, 100, Some(200.0)));
    assert_eq!(read(&config.to_string()).unwrap(), config, "what is printed reads back");
    for (more, fault) in [
        ("rate = \"fast\"", "augment.rate is \"fast\""),
        ("allow_private = true", "augment.allow_private is for from = \"https://…\""),
        ("on_missing = \"shrug\"", "augment.on_missing"),
        ("batch_size = 3", "augment.batch_size is no key"),
        ("template = \"{{ found.\"", "augment.template"),
    ] {
        let found = read(&format!("{good}{more}")).unwrap_err().to_string();
        assert!(found.contains(fault), "{found}");
    }
    for (from, fault) in [
        ("ftp://a", "augment.from is \"ftp://a\""),
        ("https://a.example/", "has no place for what is looked up"),
        ("http://127.0.0.1/{value}", "leads to a loopback address"),
        ("http://169.254.169.254/{value}", "leads to a cloud's metadata address"),
    ] {
        let text = good.replace("sqlite:users.db", from);
        let is_web = from.starts_with("http");
        let text = if is_web {
            text.lines()
                .filter(|it| !it.starts_with("query"))
                .fold(String::new(), |all, it| all + it + "\n")
        } else {
            text
        };
        let found = read(&text).unwrap_err().to_string();
        assert!(found.contains(fault), "{found}");
    }
}

#[test]
fn intakes_have_their_defaults_and_faults() {
    let good = "[[intake]]\nfrom = \"env:LOG\"\n";
    let config = read(good).unwrap();
    let shown = config.to_string();
    for line in [
        "from = \"redis://a:***@b:6379/2/orders\"",
        "group = \"roundsman\"",
        "start = \"oldest\"",
        "topic = \"{field:topic}\"",
        "payload = \"{field:payload}\"",
        "on_error = \"stop\"",
    ] {
        assert!(shown.lines().any(|other| other == line), "{line}\n{shown}");
    }
    let more = "group = \"g\"\nstart = \"newest\"\ntopic = \"u:{field:a/b}\"\nevent = \"paid\"\n\
                key = \"{field:t}/{field:a/b}\"\nid = \"none\"\npayload = \"{fields}\"\n\
                add = { \"a b\" = \"{field:c}!\" }\non_error = \"skip\"\n";
    let config = read(&format!("[[intake]]\nfrom = \"redis://b/1/o/x\"\n{more}")).unwrap();
    assert_eq!(read(&config.to_string()).unwrap(), config, "what is printed reads back");
    for (more, fault) in [
        ("topic = \"{key\"", "intake.topic is \"{key\"; write a } behind each {"),
        ("event = \"{value}\"", "intake.event is \"{value}\"; write {field:NAME}, or"),
        ("payload = \"x\"", "intake.payload is \"x\"; write {field:NAME} or"),
        ("id = \"same\"", "intake.id is the same for every record; write what tells"),
        ("group = \"a b\"", "intake.group is \"a b\"; write 1 to 64 letters"),
        ("start = \"now\"", "intake.start is \"now\"; write \"oldest\" or \"newest\""),
        ("on_error = \"cry\"", "intake.on_error is \"cry\"; write \"stop\" or \"skip\""),
        ("add = { a = 1 }", "intake.add.\"a\" is a number; write a string"),
        ("topics = \"x\"", "intake.topics is no key of the configuration; did you mean `topic`?"),
        ("[[intake]]\nfrom = \"redis://c/0/orders\"", "r.toml:4: intake.from and the group"),
    ] {
        let found = read(&format!("{good}{more}")).unwrap_err().to_string();
        assert!(found.contains(fault), "{found}");
    }
    for from in ["ftp://a/b", "redis://a:secret@b", "redis://b/0", "orders"] {
        let found = read(&format!("[[intake]]\nfrom = \"{from}\"\n")).unwrap_err().to_string();
        assert!(found.contains("a stream, like") && !found.contains("secret"), "{found}");
    }
    let more = "topic = \"u:{value/a}\"\nevent = \"{header:e}\"\nkey = \"{key}/{value/b}\"\n\
                id = \"{header:id}\"\npayload = \"{value/c}\"\nadd = { t = \"{header:t}\" }\n";
    let config = read(&format!("[[intake]]\nfrom = \"kafka://a:1,b:2/c.d\"\n{more}")).unwrap();
    assert_eq!(read(&config.to_string()).unwrap(), config, "what is printed reads back");
    let config = read("[[intake]]\nfrom = \"kafka://a:1,b:2/c.d\"\n").unwrap().to_string();
    for line in ["topic = \"{key}\"", "event = \"{header:event}\"", "payload = \"{value}\""] {
        assert!(config.lines().any(|other| other == line), "{line}\n{config}");
    }
    for (from, more, fault) in [
        ("kafka://u:s/secret@a/b", "", "an `@` is behind the first `/`: write characters with"),
        ("kafka://u:secret@a/b?sals=plain", "", "\"sals\" is no option here; there are `sasl`"),
        ("kafka://a", "", "intake.from is \"kafka://a\"; write a topic, like"),
        ("kafka://a/b", "topic = \"{field:a}\"", "write {key}, {value}, {header:NAME}, or"),
        ("kafka://a/b", "payload = \"{fields}\"", "write {value}, {value/POINTER} or {header"),
    ] {
        let found = read(&format!("[[intake]]\nfrom = \"{from}\"\n{more}")).unwrap_err();
        let found = found.to_string();
        assert!(found.contains(fault) && !found.contains("secret"), "{found}");
    }
    assert!(read("[[intake]]").unwrap_err().to_string().contains("intake.from is missing; write"));
}

#[test]
fn the_annotated_file_is_the_defaults() {
    assert_eq!(read(DEFAULT), Ok(Config::default()));
    assert_eq!(read(""), Ok(Config::default()));
}

#[test]
fn what_is_printed_resolves_to_the_same() {
    let text = "listen = \"[::1]:0\"\nstore = \"sqlite:a \\\"b\\\".db\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n\
                [dispatch]\nmax_bytes = \"3KiB\"\n[limits]\nexpires_after = \"never\"\n[retry]\nbackoff = \"1ms..90s\"\n\
                [[deliver]]\ntopics = \"user:*\"\nack = \"client\"\n[[deliver]]\noffline = \"drop\"\norder = \"none\"\n";
    let config = read(text).unwrap();
    assert_ne!(config, Config::default());
    assert_eq!(read(&config.to_string()), Ok(config));
    assert_eq!(read(&Config::default().to_string()), Ok(Config::default()));
}

#[test]
fn secrets_are_masked_wherever_a_configuration_is_shown() {
    let text = "[auth]\napi_keys = [\"sesame-one\"]\noperator_keys = [\"sesame-two\"]\n\
                token_secret = \"sesame sesame sesame sesame sesame\"\n";
    let config = read(text).unwrap();
    for shown in [config.to_string(), format!("{config:?}")] {
        assert!(!shown.contains("sesame") && shown.contains("***"), "{shown}");
    }
}

#[test]
fn every_key_is_read() {
    let config = read(
        "listen = \"localhost:5000\"\nstore = \"memory:\"\naccept_weaker = [\"synchronous\"]\n\
         [dispatch]\nmax_in_flight = 5\nmax_bytes = \"1MiB\"\nper_key = 2\n\
         [limits]\nmax_backlog = 1\nmax_backlog_per_key = 2\nmax_held_per_topic = 3\nmax_ids = 4\nexpires_after = \"1h\"\n\
         [retry]\nmax_attempts = 3\nbackoff = \"1s..2s\"\nmax_age = \"never\"\n\
         [dead]\nkeep = \"30d\"\n\
         [[deliver]]\ntopics = \"a:*\"\nto = \"channel\"\nack = \"client\"\nack_window = 7\nack_timeout = \"2s\"\norder = \"none\"\noffline = \"drop\"\n",
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(
        (config.store, config.accept_weaker),
        (StoreUrl::Memory, vec!["synchronous".to_owned()])
    );
    let dispatch = &config.dispatch;
    assert_eq!((dispatch.max_in_flight, dispatch.max_bytes, dispatch.per_key), (5, 1 << 20, 2));
    let bounds = config.bounds;
    assert_eq!(
        (bounds.backlog, bounds.backlog_per_key, bounds.held_per_topic, bounds.ids),
        (1, 2, 3, 4)
    );
    assert_eq!(bounds.expires_after, Some(Duration::from_hours(1)));
    assert_eq!((config.retry.max_attempts, config.retry.max_age), (3, None));
    assert_eq!(config.dead_kept, Some(Duration::from_hours(30 * 24)));
    let (_, rule) = config.rules.find("a:1").unwrap();
    assert_eq!(
        (rule.ack, rule.ack_window, rule.ack_timeout),
        (Ack::Client, 7, Duration::from_secs(2))
    );
    assert_eq!((rule.order, rule.offline), (Order::None, Offline::Drop));
    assert!(config.rules.find("b:1").is_none());
}

#[test]
fn secrets_come_from_the_environment_and_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "from-the-file\n").unwrap();
    let text = format!(
        "[auth]\napi_keys = [\"plain\", \"file:{}\"]\ntoken_secret = \"env:LONG\"\n",
        path.display()
    );
    let auth = read(&text).unwrap().auth.unwrap();
    assert_eq!(auth.api_keys, [Secret::new("plain"), Secret::new("from-the-file")]);
    assert_eq!(auth.token, Some(TokenKey::Secret(Secret::new("0123456789abcdef0123456789abcdef"))));
}

#[test]
fn what_flags_say_goes_over_the_file() {
    let flags = Overrides { listen: Some("127.0.0.1:0".into()), store: Some("memory:".into()) };
    let config = read_over("listen = \"0.0.0.0:80\"", &flags).unwrap();
    assert_eq!((config.listen.port(), config.store), (0, StoreUrl::Memory));

    let open = Overrides { listen: Some("0.0.0.0:4000".into()), store: None };
    assert_eq!(
        read_over("", &open).unwrap_err().to_string(),
        "--listen or ROUNDSMAN_LISTEN: listen is \"0.0.0.0:4000\", which other machines can reach; \
         without [auth] listen on \"127.0.0.1:4000\", or configure [auth]"
    );
    let wrong = Overrides { listen: None, store: Some("kafka://localhost".into()) };
    assert_eq!(
        read_over("", &wrong).unwrap_err().to_string(),
        "--store or ROUNDSMAN_STORE: store is \"kafka://localhost\"; \
         write the brokers and a prefix: `kafka://host:9092,host:9092/roundsman`"
    );
}

#[test]
fn a_store_with_a_password_is_masked() {
    for written in ["env:STORE", "postgres://a:pw@b/c?schema=d"] {
        let document = format!("store = \"{written}\"");
        let config = read(&document).unwrap();
        assert_eq!(config.store.to_string(), "postgres://a:***@b/c?schema=d");
        assert!(!format!("{config} {config:?}").contains("pw"));
    }
    check(&[(
        "store = \"postgrs://a:pw@b/c\"",
        "r.toml:1: store is \"postgrs://a:***@b/c\"; no such store; \
         write `sqlite:PATH`, `postgres://…`, `mysql://…`, `redis://…`, `kafka://…/PREFIX` or `memory:`",
    )]);
    let url = "kafka://a:pw@b:1,c:2/d";
    let config = read(&format!("store = \"{url}\"\n[[intake]]\nfrom = \"{url}\"")).unwrap();
    let shown = format!("{config}");
    assert_eq!(shown.matches("kafka://a:***@b:1,c:2/d?sasl=plain").count(), 2, "{shown}");
    assert!(!format!("{shown} {config:?}").contains("pw"));
    check(&[
        (
            "store = \"kafka://a:p?w@b/c/d\"",
            "r.toml:1: store is \"kafka://a:***@b/c/d\"; \
             the prefix begins a topic's name: letters, digits, `.`, `_` and `-`, at most 240 of them",
        ),
        (
            "store = \"kafka://a@b/c\"",
            "r.toml:1: store is \"kafka://a@b/c\"; the password is missing; \
             write `name:password@` before the brokers",
        ),
    ]);
}

#[test]
fn tls_to_kafka_is_there_where_it_was_built_in() {
    for url in ["kafkas://a:1/b", "kafka://a:pw@b:1/c?sasl=scram-sha-512"] {
        for found in
            [read(&format!("store = \"{url}\"")), read(&format!("[[intake]]\nfrom = \"{url}\""))]
        {
            if cfg!(feature = "kafka-tls") {
                assert!(found.is_ok(), "{found:?}");
                continue;
            }
            let found = found.unwrap_err().to_string();
            assert!(found.contains("`cargo build --release --features kafka-tls`"), "{found}");
            assert!(!found.contains("pw"), "{found}");
        }
    }
}

#[test]
fn unknown_keys() {
    check(&[
        (
            "\nlissten = 1",
            "r.toml:2: lissten is no key of the configuration; did you mean `listen`?",
        ),
        (
            "[retry]\nbackof = \"1s\"",
            "r.toml:2: retry.backof is no key of the configuration; did you mean `backoff`?",
        ),
        (
            "[[deliver]]\n\n[[deliver]]\ntopic = \"a\"",
            "r.toml:4: deliver.topic is no key of the configuration; did you mean `topics`?",
        ),
        (
            "[zoo]\na = 1",
            "r.toml:1: zoo is no key of the configuration; known here: listen, store, \
          accept_weaker, trusted_proxies, tls, auth, dispatch, limits, retry, dead, intake, augment, deliver",
        ),
        (
            "[auth]\npassword = 1",
            "r.toml:2: auth.password is no key of the configuration; known here: \
          api_keys, operator_keys, token_secret, token_public_key, origins",
        ),
    ]);
}

#[test]
fn wrong_types_and_values() {
    check(&[
        ("listen = 4000", "r.toml:1: listen is a number; write a string, like \"127.0.0.1:4000\""),
        (
            "listen = \":4000\"",
            "r.toml:1: listen is \":4000\"; write an address and a port, like \"127.0.0.1:4000\"",
        ),
        (
            "store = \"disk\"",
            "r.toml:1: store is \"disk\"; no such store; write `sqlite:PATH`, `postgres://…`, `mysql://…`, `redis://…`, `kafka://…/PREFIX` or `memory:`",
        ),
        (
            "store = \"postgres://rider:secret@db:port/post\"",
            "r.toml:1: store is \"postgres://rider:***@db:port/post\"; invalid value for option `port`; a store's URL looks like `postgres://user:password@host/database`",
        ),
        (
            "store = \"postgres:///post\"",
            "r.toml:1: store is \"postgres:///post\"; no host is named, as in `postgres://user@localhost/database`",
        ),
        (
            "store = \"redis://cache/0?db=1\"",
            "r.toml:1: store is \"redis://cache/0?db=1\"; `db=1` is nothing that a Redis URL may ask for; write `?prefix=NAME`",
        ),
        (
            "[[deliver]]\nto = \"webhook\"\nurl = \"https://rider:secret@shop.example/in\"",
            "r.toml:3: deliver.url is \"https://rider:***@shop.example/in\"; leave user and password out of the URL; a header can carry them, like headers = { authorization = \"env:NAME\" }",
        ),
        (
            "trusted_proxies = [\"ten\"]",
            "r.toml:1: trusted_proxies is \"ten\"; write an address or a network, like \"10.0.0.0/8\"",
        ),
        (
            "accept_weaker = \"x\"",
            "r.toml:1: accept_weaker is a string; write a list of names, like [\"synchronous\"]",
        ),
        ("dispatch = 1", "r.toml:1: dispatch is a number; write a table, `[dispatch]`"),
        ("deliver = \"all\"", "r.toml:1: deliver is a string; write [[deliver]]"),
        (
            "[dispatch]\nmax_in_flight = 0",
            "r.toml:2: dispatch.max_in_flight is 0; write a whole number from 1 to 1000000",
        ),
        (
            "[dispatch]\nper_key = \"9\"",
            "r.toml:2: dispatch.per_key is a string; write a whole number from 1 to 1000000",
        ),
        (
            "[dispatch]\nper_key = 1.5",
            "r.toml:2: dispatch.per_key is a number with a point; write a whole number from 1 to 1000000",
        ),
        (
            "[dispatch]\nmax_bytes = \"64 megs\"",
            "r.toml:2: dispatch.max_bytes is \"64 megs\"; write a number and one of B, KiB, MiB, GiB, like \"64MiB\"",
        ),
    ]);
}

#[test]
fn wrong_bounds_and_rules() {
    check(&[
        (
            "[limits]\nmax_ids = -1",
            "r.toml:2: limits.max_ids is -1; write a whole number from 1 to 1000000000000",
        ),
        (
            "[limits]\nexpires_after = \"0s\"",
            "r.toml:2: limits.expires_after is nothing; write at least \"1ms\", like \"7d\"",
        ),
        (
            "[limits]\nexpires_after = \"soon\"",
            "r.toml:2: limits.expires_after is \"soon\"; write a number and one of ms, s, m, h, d, like \"30s\"",
        ),
        (
            "[retry]\nbackoff = \"500ms-10m\"",
            "r.toml:2: retry.backoff is \"500ms-10m\"; write the shortest and the longest wait, like \"500ms..10m\"",
        ),
        (
            "[dead]\nkeep = \"never\"",
            "r.toml:2: dead.keep is \"never\"; write \"forever\", or a number and one of ms, s, m, h, d, like \"30d\"",
        ),
        (
            "[[deliver]]\nack = \"never\"",
            "r.toml:2: deliver.ack is \"never\"; write \"sent\" or \"client\"",
        ),
        (
            "[[deliver]]\noffline = true",
            "r.toml:2: deliver.offline is true or false; write \"hold\" or \"drop\"",
        ),
        (
            "[[deliver]]\ntopics = \"a*b\"",
            "r.toml:2: deliver.topics is \"a*b\"; write a topic, or how topics begin with * behind it, like \"user:*\"",
        ),
        (
            "[tls]\ncert = \"a.pem\"",
            "r.toml:2: tls.cert stands alone; name the private key's file in tls.key",
        ),
        (
            "listen = \"0.0.0.0:4000\"",
            "r.toml:1: listen is \"0.0.0.0:4000\", which other machines can reach; without [auth] listen on \"127.0.0.1:4000\", or configure [auth]",
        ),
    ]);
    let fault = read("listen = \n").unwrap_err().to_string();
    assert!(fault.starts_with("r.toml:1: this is not TOML: "), "{fault}");
}

#[test]
fn secrets_that_cannot_be() {
    check(&[
        (
            "[auth]\ntoken_secret = \"env:SHORT\"",
            "r.toml:2: auth.token_secret has 4 bytes; it needs at least 32, for example from `openssl rand -base64 33`",
        ),
        (
            "[auth]\ntoken_secret = \"env:GONE\"",
            "r.toml:2: auth.token_secret is \"env:GONE\"; set GONE in the environment",
        ),
        (
            "[auth]\napi_keys = [\n\"a\",\n\"\"]",
            "r.toml:4: auth.api_keys is empty; write a secret, or \"env:NAME\", or \"file:PATH\"",
        ),
        (
            "[auth]\napi_keys = [\"a b\"]",
            "r.toml:2: auth.api_keys cannot be sent in a header; use letters, digits and punctuation, without spaces",
        ),
        (
            "[auth]\napi_keys = \"a\"",
            "r.toml:2: auth.api_keys is a string; write a list of keys, like [\"env:NAME\"]",
        ),
        (
            "[auth]\norigins = [\"shop.example\"]",
            "r.toml:2: auth.origins is \"shop.example\"; an origin is scheme, host and port, like `https://shop.example`",
        ),
        (
            "[auth]\ntoken_secret = \"-----BEGIN PUBLIC KEY----- and so on\"",
            "r.toml:2: auth.token_secret is a key in PEM; name its file in auth.token_public_key",
        ),
        (
            "[auth]\ntoken_secret = \"env:LONG\"\ntoken_public_key = \"a\"",
            "r.toml:3: auth.token_public_key stands beside auth.token_secret; keep one of the two",
        ),
    ]);
    let missing = read("[auth]\ntoken_public_key = \"gone.pem\"").unwrap_err().to_string();
    assert!(
        missing.starts_with(
            "r.toml:2: auth.token_public_key is \"gone.pem\"; the file cannot be read: "
        )
    );
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    for wrong in ["p384.pem", "rs256.key", "es256.key", "eddsa.key"] {
        let text = format!("[auth]\ntoken_public_key = \"{}\"", keys.join(wrong).display());
        let fault = read(&text).unwrap_err();
        assert_eq!(
            fault.cure, "the file must hold a public key in PEM, of RSA, of EC P-256 or of Ed25519",
            "{wrong}"
        );
    }
}

#[test]
fn shares_and_slots_are_read_and_printed() {
    let text = "[dispatch]\ncharge = \"bytes\"\nweights = { team-7 = 3, \"team-7/user-42\" = 0.5 }\n\
                per_key = 9\nmin_slots = { \"a~1b\" = 2 }\nmax_slots = { team-9 = 50 }\n\
                reserve = 3\nrate_per_key = \"90/m\"\n";
    let dispatch = read(text).unwrap().dispatch;
    assert_eq!(dispatch.charge, Charge::Bytes);
    let weights: Vec<_> =
        dispatch.weights.iter().map(|(key, weight)| (key.as_str(), weight.thousandths())).collect();
    assert_eq!(weights, [("team-7", 3000), ("team-7/user-42", 500)]);
    assert_eq!(dispatch.min_slots[0].0.parts().collect::<Vec<_>>(), ["a/b"]);
    assert_eq!((dispatch.max_slots[0].1, dispatch.reserve), (50, 3));
    assert_eq!(dispatch.rate_per_key.unwrap().every(), Duration::from_nanos(666_666_667));
    let printed = read(&read(text).unwrap().to_string()).unwrap().dispatch;
    assert_eq!(printed.weights, dispatch.weights);
    assert_eq!(printed.rate_per_key, dispatch.rate_per_key);
    assert_eq!((printed.min_slots, printed.max_slots), (dispatch.min_slots, dispatch.max_slots));
}

#[test]
fn shares_and_slots_that_cannot_be() {
    let cure = "write a number from 0.001 to 1000, like 3 or 0.5";
    let key = "a key is a path of 1 to 8 parts of 1 to 255 bytes, joined by `/`, with `~1` for `/` \
               and `~0` for `~` inside a part";
    let long = "x".repeat(256);
    for (lines, fault) in [
        ("weights = { a = 0 }", format!("dispatch.weights.\"a\" is 0; {cure}")),
        ("weights = { a = -1 }", format!("dispatch.weights.\"a\" is -1; {cure}")),
        ("weights = { a = 0.0001 }", format!("dispatch.weights.\"a\" is 0.0001; {cure}")),
        ("weights = { a = nan }", format!("dispatch.weights.\"a\" is nan; {cure}")),
        ("weights = { a = \"2\" }", format!("dispatch.weights.\"a\" is a string; {cure}")),
        ("weights = 2", "dispatch.weights is a number; write a table, like { \"team-7\" = 3 }".into()),
        (
            "weights = { \"a//b\" = 2 }",
            format!("dispatch.weights.\"a//b\" stands for no key: part 1 of the key is empty; each part needs 1 to 255 bytes; {key}"),
        ),
        (
            "max_slots = { \"1/2/3/4/5/6/7/8/9\" = 2 }",
            format!("dispatch.max_slots.\"1/2/3/4/5/6/7/8/9\" stands for no key: a key has at most 8 parts; {key}"),
        ),
        (
            &format!("weights = {{ {long} = 2 }}"),
            format!("dispatch.weights.\"{long}\" stands for no key: part 0 of the key is longer than 255 bytes; {key}"),
        ),
        ("max_slots = { a = 0 }", "dispatch.max_slots.\"a\" is 0; write a whole number from 1 to 1000000".into()),
        ("min_slots = { a = 0 }", "dispatch.min_slots.\"a\" is 0; write a whole number from 1 to 1000000".into()),
        ("per_key = 0", "dispatch.per_key is 0; write a whole number from 1 to 1000000".into()),
        ("charge = \"money\"", "dispatch.charge is \"money\"; write \"time\" or \"bytes\" or \"count\"".into()),
        (
            "rate_per_key = \"0/s\"",
            "dispatch.rate_per_key is \"0/s\"; write \"none\", or a number and one of /s, /m, /h, like \"100/s\"".into(),
        ),
        (
            "reserve = 1000",
            "dispatch.reserve leaves nothing to others: min_slots and reserve together are 1000 of the 1000 slots of max_in_flight; make them smaller, or max_in_flight larger".into(),
        ),
        (
            "min_slots = { a = 200 }",
            "dispatch.min_slots holds 200 slots free for \"a\", which may use 100; name the key in max_slots with at least as many".into(),
        ),
    ] {
        let said = read(&format!("[dispatch]\n{lines}")).unwrap_err().to_string();
        assert_eq!(said, format!("r.toml:2: {fault}"));
    }
}

#[test]
fn what_this_version_does_not_have() {
    check(&[
        (
            "[[augment]]\nname = \"x\"",
            "r.toml:1: augment.from is missing; write where it is found, like \"postgres://…\", \"sqlite:users.db\", \"redis://…\" or \"https://…\"",
        ),
        (
            "store = \"rabbit://a:5672/p\"",
            "r.toml:1: store is \"rabbit://a:5672/p\"; no such store; write `sqlite:PATH`, `postgres://…`, `mysql://…`, `redis://…`, `kafka://…/PREFIX` or `memory:`",
        ),
    ]);
    let defaults = "[dispatch]\ncharge = 'time'\nweights = { }\nmin_slots = {}\nmax_slots = {}\nreserve = 0\nrate_per_key = \"none\"\n\
                    [[deliver]]\nto = \"channel\"\n";
    assert_eq!(read(defaults), Ok(Config::default()));
}

/// A rule with a webhook, and these lines in it.
fn webhook(lines: &str) -> String {
    format!("[[deliver]]\ntopics = \"hook:*\"\nto = \"webhook\"\n{lines}")
}

#[test]
fn every_key_of_a_webhook_is_read_and_no_secret_is_shown() {
    let text = webhook(
        "url = \"http://127.0.0.1:9/{*}\"\nallow_private = true\n\
         secret = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\", \"env:HOOK\"]\n\
         headers = { Authorization = \"env:LONG\", x-tenant = \"a\" }\n\
         concurrency = 7\nper_host = 3\ntimeout = \"2s\"\norder = \"topic\"\n\
         park_after = \"1m\"\nprobe = \"2s..1h\"\ndisable_after = \"5d\"\n",
    );
    let config = read(&text).unwrap();
    let (number, rule) = config.rules.find("hook:1").unwrap();
    assert_eq!((rule.to, rule.order), (WEBHOOK, Order::Topic));
    let hook = &config.webhooks[&number];
    assert_eq!(hook.url.fill("hook:1").as_deref(), Some("http://127.0.0.1:9/1"));
    assert_eq!((hook.keys.len(), hook.headers.len()), (2, 2));
    assert_eq!((hook.concurrency, hook.per_host, hook.allow_private), (7, 3, true));
    assert_eq!(hook.timeout, Duration::from_secs(2));
    assert_eq!(hook.patience.park_after, Duration::from_mins(1));
    assert_eq!(hook.patience.probe, (Duration::from_secs(2), Duration::from_hours(1)));
    assert_eq!(hook.patience.disable_after, Some(Duration::from_hours(5 * 24)));
    for shown in [config.to_string(), format!("{config:?}")] {
        assert!(!shown.contains("MfKQ9r8GK") && !shown.contains("0123456789abcdef"), "{shown}");
    }

    let plain = read(&webhook("url = \"https://a.example/\"\nsecret = \"env:HOOK\"")).unwrap();
    let hook = &plain.webhooks[&0];
    assert_eq!((hook.concurrency, hook.per_host, hook.allow_private), (20, 4, false));
    assert_eq!((hook.timeout, hook.keys.len()), (Duration::from_secs(10), 1));
    let shown = plain.to_string();
    let again = read(&shown.replace("secret = [\"***\"]", "secret = \"env:HOOK\"")).unwrap();
    assert_eq!(again, plain, "what is printed reads back");
}

#[test]
fn faults_of_webhooks() {
    let fault = |lines: &str| read(&webhook(lines)).unwrap_err().to_string();
    let url = "url = \"https://a.example/\"\n";
    for (lines, expected) in [
        (
            String::new(),
            "r.toml:1: deliver.url is missing; write where to post, like url = \"https://example.com/hook\"",
        ),
        (
            "url = \"a.example\"".to_owned(),
            "r.toml:4: deliver.url is \"a.example\"; write a URL like \"https://example.com/hook\" (relative URL without a base)",
        ),
        (
            "url = \"https://{topic}/\"".to_owned(),
            "r.toml:4: deliver.url is \"https://{topic}/\"; {topic} may stand in the path and in the query, nowhere else",
        ),
        (
            "url = \"http://localhost:8080/\"".to_owned(),
            "r.toml:4: deliver.url leads to a name of this machine; set allow_private = true, if that is meant",
        ),
        (
            "url = \"http://169.254.169.254/\"\nallow_private = true".to_owned(),
            "r.toml:4: deliver.url leads to a cloud's metadata address; write the address of the receiver",
        ),
        (
            format!("{url}secret = \"whsec_!\""),
            "r.toml:5: deliver.secret is no signing secret; write whsec_ and 24 to 64 random bytes in base64, for example \"whsec_\" and what `openssl rand -base64 32` prints",
        ),
    ] {
        assert_eq!(fault(&lines), expected);
    }
}

#[test]
fn faults_of_what_a_webhook_carries_and_bears() {
    let fault = |lines: &str| read(&webhook(lines)).unwrap_err().to_string();
    let url = "url = \"https://a.example/\"\n";
    for (lines, expected) in [
        (
            format!("{url}headers = {{ Host = \"a\" }}"),
            "r.toml:5: deliver.headers names `Host`, which Roundsman says itself; leave it out",
        ),
        (
            format!("{url}headers = {{ webhook-id = \"a\" }}"),
            "r.toml:5: deliver.headers names `webhook-id`, which Roundsman says itself; leave it out",
        ),
        (
            format!("{url}headers = {{ x = \"a\\r\\nb: c\" }}"),
            "r.toml:5: deliver.headers names `x`, and its value cannot stand in a header; leave out line ends and control characters",
        ),
        (
            format!("{url}concurrency = 0"),
            "r.toml:5: deliver.concurrency is 0; write a whole number from 1 to 10000",
        ),
        (
            format!("{url}timeout = \"1h\""),
            "r.toml:5: deliver.timeout is \"1h\"; write \"5m\" at most",
        ),
        (
            format!("{url}allow_private = \"yes\""),
            "r.toml:5: deliver.allow_private is a string; write true or false",
        ),
        (
            format!("{url}probe = \"0s..1m\""),
            "r.toml:5: deliver.probe is \"0s..1m\"; the shortest wait is at least \"1ms\", like \"1s..1m\"",
        ),
        (
            format!("{url}ack = \"client\""),
            "r.toml:5: deliver.ack is for rules with to = \"channel\"; leave it out, or write to = \"channel\"",
        ),
    ] {
        assert_eq!(fault(&lines), expected);
    }
    check(&[(
        "[[deliver]]\nurl = \"https://a\"",
        "r.toml:2: deliver.url is for rules with to = \"webhook\"; leave it out, or write to = \"webhook\"",
    )]);
}
