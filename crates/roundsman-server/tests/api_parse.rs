//! What a body may hold and what each fault is called, by name: bytes in, drafts or a problem out.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

use proptest::prelude::*;
use roundsman_delivery::{Offline, Rule, Rules, To};
use roundsman_server::config::Limits;
use roundsman_server::http::{Form, MAX_FAULTS, Parsed, Problem, Shape, parse};
use roundsman_store::{Draft, Timestamp};
use serde_json::json;

fn read(body: impl AsRef<[u8]>, form: Form) -> Result<Parsed, Problem> {
    parse(body.as_ref(), form, &Rules::default(), &Limits::default(), &|_| true)
}

fn one(body: impl AsRef<[u8]>) -> Draft {
    let mut drafts = read(body, Form::Json).unwrap().drafts;
    assert_eq!(drafts.len(), 1);
    drafts.remove(0)
}

/// The problem of a JSON body: its status, and its faults as (index, pointer, detail).
fn problem(body: impl AsRef<[u8]>, form: Form) -> (u16, Vec<(usize, String, String)>) {
    let problem = read(body, form).unwrap_err();
    let faults = problem.errors.into_iter();
    let faults = faults.map(|fault| (fault.index, fault.pointer, fault.detail.into_owned()));
    (problem.status.as_u16(), faults.collect())
}

/// One fault, of an object with these members beside a good topic and payload.
#[track_caller]
fn fault_of(members: &str, pointer: &str, words: &str) {
    let body = format!(r#"{{"topic":"user:1","payload":{{}},{members}}}"#);
    let (status, faults) = problem(&body, Form::Json);
    assert_eq!((status, faults.len()), (422, 1), "{body}: {faults:?}");
    assert_eq!((faults[0].0, &*faults[0].1), (0, pointer), "{body}");
    assert!(faults[0].2.contains(words), "{body}: {}", faults[0].2);
}

#[test]
fn every_field_is_read() {
    let draft = one(
        r#" {"topic": "user:42", "event": "push", "payload": {"n": 1}, "key": ["team-7", "user-42"],
            "id": "order-991-shipped", "deliver_at": "2026-12-01T09:00:00Z",
            "expires_at": "2026-12-02T10:00:00+01:00"} "#,
    );
    assert_eq!((&*draft.topic, &*draft.event), ("user:42", "push"));
    assert_eq!(draft.key.as_str(), "team-7/user-42");
    assert_eq!(draft.payload, r#"{"n": 1}"#);
    assert_eq!(&*draft.id.unwrap().0, "order-991-shipped");
    assert_eq!(draft.deliver_at, Some(Timestamp(1_796_115_600_000_000)));
    assert_eq!(draft.expires_at, Some(Timestamp(1_796_202_000_000_000)));
}

#[test]
fn what_is_left_out_has_its_default() {
    for null in ["", r#","event":null,"key":null,"id":null,"deliver_at":null,"expires_at":null"#] {
        let draft = one(format!(r#"{{"topic":"a/b~","payload":{{}}{null}}}"#));
        assert_eq!(&*draft.event, "message");
        assert_eq!(draft.key.parts().collect::<Vec<_>>(), ["a/b~"]);
        assert_eq!((draft.id, draft.deliver_at, draft.expires_at), (None, None, None));
    }
}

#[test]
fn a_key_that_is_a_string_is_one_part() {
    let draft = one(r#"{"topic":"t","payload":{},"key":"team/7"}"#);
    assert_eq!(draft.key.parts().collect::<Vec<_>>(), ["team/7"]);
    let draft = one(r#"{"topic":"t","payload":{},"key":["t\u0065am","a/b"]}"#);
    assert_eq!(draft.key.parts().collect::<Vec<_>>(), ["team", "a/b"]);
}

#[test]
fn payloads_stay_as_they_were_sent() {
    for payload in [
        "{}",
        "{ }",
        r#"{"n":9007199254740993,"f":1.0e+2,"huge":123456789012345678901234567890}"#,
        r#"{"b":1,"a":2,"a":3,"\u00e9":"é\ud800","s":"\/"}"#,
        "{\r\n\t\"a\" : [ 1 , 2 ]\n}",
    ] {
        assert_eq!(one(format!(r#"{{"topic":"t","payload": {payload} }}"#)).payload, payload);
    }
}

#[test]
fn lines_arrays_and_single_objects() {
    let lines = "\r\n{\"topic\":\"a\",\"payload\":{}}\r\n\n  {\"topic\":\"b\",\"payload\":{}}";
    let parsed = read(lines, Form::Lines).unwrap();
    let topics: Vec<_> = parsed.drafts.iter().map(|draft| &*draft.topic).collect();
    assert_eq!((topics, parsed.shape), (vec!["a", "b"], Shape::Lines));

    let array = r#" [{"topic":"a","payload":{}}, {"topic":"b","payload":{}}] "#;
    let parsed = read(array, Form::Json).unwrap();
    assert_eq!((parsed.drafts.len(), parsed.shape), (2, Shape::Array));

    let twice = r#"{"topic":"a","payload":{}}{"topic":"b","payload":{}}"#;
    assert_eq!(problem(twice, Form::Json).0, 400);
    assert_eq!(problem(twice, Form::Lines).0, 400);
    let across = "{\"topic\":\"a\",\n\"payload\":{}}";
    assert_eq!(problem(across, Form::Lines).0, 400);
}

#[test]
fn faults_of_each_field() {
    fault_of(r#""event":"""#, "/event", "1 to 255 bytes");
    fault_of(r#""event":"a\u0000b""#, "/event", "control");
    fault_of(r#""event":"phx_join""#, "/event", "phx_");
    fault_of(r#""event":"presence_state""#, "/event", "presence_");
    fault_of(r#""event":7"#, "/event", "a string");
    fault_of(r#""event":"\ud800""#, "/event", "Unicode");
    fault_of(r#""key":{}"#, "/key", "a string, or an array");
    fault_of(r#""key":[]"#, "/key", "at least one part");
    fault_of(r#""key":"""#, "/key", "empty");
    fault_of(r#""key":["a",7]"#, "/key", "a string, or an array");
    fault_of(r#""key":["a",""]"#, "/key/1", "empty");
    fault_of(&format!(r#""key":["{}"]"#, "k".repeat(256)), "/key/0", "255");
    fault_of(r#""key":["1","2","3","4","5","6","7","8","9"]"#, "/key", "at most 8");
    fault_of(r#""id":"""#, "/id", "1 to 128");
    fault_of(r#""id":"a.b""#, "/id", "1 to 128");
    fault_of(r#""id":12"#, "/id", "a string");
    fault_of(r#""deliver_at":"tomorrow""#, "/deliver_at", "RFC 3339");
    fault_of(r#""deliver_at":"2026-12-01T09:00:00""#, "/deliver_at", "zone");
    fault_of(r#""expires_at":1796115600"#, "/expires_at", "RFC 3339");
    let times = r#""deliver_at":"2026-12-01T09:00:00Z","expires_at":"2026-12-01T09:00:00Z""#;
    fault_of(times, "/expires_at", "after deliver_at");
    fault_of(r#""topics":1"#, "/topics", "topic, payload, event, key, id, deliver_at, expires_at");
    fault_of(r#""a/b~c":1"#, "/a~1b~0c", "unknown field \"a/b~c\"");
    fault_of(r#""payload":{}"#, "/payload", "twice");
    fault_of(r#""to\u0070ic":"x""#, "/topic", "twice");
}

#[test]
fn faults_of_what_is_required() {
    let (status, faults) = problem("{}", Form::Json);
    let pointers: Vec<_> = faults.iter().map(|(_, pointer, _)| pointer.as_str()).collect();
    assert_eq!((status, pointers), (422, vec!["/topic", "/payload"]));
    for (topic, words) in [
        (json!(""), "1 to 255 bytes"),
        (json!("t".repeat(256)), "1 to 255 bytes"),
        (json!("a\u{85}"), "control"),
        (json!("phoenix"), "phoenix"),
        (json!(null), "a string"),
        (json!(["user:1"]), "a string"),
    ] {
        let (status, faults) =
            problem(json!({"topic": topic, "payload": {}}).to_string(), Form::Json);
        assert_eq!((status, &*faults[0].1), (422, "/topic"), "{topic}");
        assert!(faults[0].2.contains(words), "{topic}: {faults:?}");
    }
    for payload in [json!(null), json!([]), json!("{}"), json!(1), json!(true)] {
        let (status, faults) =
            problem(json!({"topic": "t", "payload": payload}).to_string(), Form::Json);
        assert_eq!((status, &*faults[0].1), (422, "/payload"), "{payload}");
    }
}

#[test]
fn all_faults_are_answered_together_and_say_where() {
    let good = r#"{"topic":"t","payload":{}}"#;
    let bad = r#"{"topic":"","payload":1,"key":[""],"x":0,"deliver_at":"?"}"#;
    let all = |pointers: &[&str]| -> Vec<(usize, String)> {
        let mut all: Vec<_> = pointers.iter().map(|at| (1, (*at).to_owned())).collect();
        all.sort();
        all
    };
    let found = |body: String, form: Form| {
        let (status, faults) = problem(body, form);
        assert_eq!(status, 422);
        let mut found: Vec<_> = faults.into_iter().map(|(index, at, _)| (index, at)).collect();
        found.sort();
        found
    };
    assert_eq!(
        found(format!("[{good},{bad},{good}]"), Form::Json),
        all(&["/1/topic", "/1/payload", "/1/key/0", "/1/x", "/1/deliver_at"])
    );
    assert_eq!(
        found(format!("{good}\n\n{bad}\n{good}"), Form::Lines),
        all(&["/topic", "/payload", "/key/0", "/x", "/deliver_at"])
    );
    assert_eq!(found(format!("[{good},[],{good}]"), Form::Json), all(&["/1"]));
    assert_eq!(found(format!("{good}\n17\n"), Form::Lines), all(&[""]));
}

#[test]
fn bodies_without_a_message() {
    for body in ["[]", " [ ] ", "17", "\"x\"", "null", "true", "-1.5"] {
        assert_eq!(problem(body, Form::Json).0, 422, "{body}");
    }
    for body in ["", "\n", "\r\n \n"] {
        assert_eq!(problem(body, Form::Lines).0, 422, "{body:?}");
    }
}

#[test]
fn unreadable_bodies_say_where() {
    for (body, index, pointer, place) in [
        ("", 0, "", "line 1, column 0"),
        ("{\"topic\":\n\"t\",,}", 0, "", "line 2, column 5"),
        ("[{\"topic\":\"t\",\"payload\":{}},{\"a\" 1}]", 1, "/1", "line 1, column 34"),
        ("[{\"topic\":\"t\",\"payload\":{}}", 1, "/1", "line 1, column 27"),
        ("[{\"topic\":\"t\",\"payload\":{\"a\":tru}}]", 0, "/0", "line 1"),
        ("[1e999]", 0, "/0", "line 1"),
        ("{} x", 0, "", "line 1, column 4"),
        ("{\"topic\":\"a\nb\"}", 0, "", "line 1, column 11"),
        ("\u{feff}{}", 0, "", "line 1, column 1"),
    ] {
        let (status, faults) = problem(body, Form::Json);
        assert_eq!((status, faults[0].0, &*faults[0].1), (400, index, pointer), "{body:?}");
        assert!(faults[0].2.starts_with(place), "{body:?}: {}", faults[0].2);
    }
    let (status, faults) = problem("\n{\"topic\":\"t\",\"payload\":{}}\n\n{\"a\":]", Form::Lines);
    assert_eq!((status, faults[0].0), (400, 1));
    assert!(faults[0].2.starts_with("line 4, column 6"), "{faults:?}");
}

#[test]
fn bytes_that_are_no_utf_8_say_where() {
    let (status, faults) = problem(b"{\"topic\":\n  \"\xff\"}", Form::Json);
    assert_eq!(status, 400);
    assert!(faults[0].2.starts_with("line 2, column 4"), "{faults:?}");
    let (_, faults) = problem(b"{}\n\n{}\n{\"a\":\"\xc3\"}", Form::Lines);
    assert_eq!(faults[0].0, 2);
    assert!(faults[0].2.starts_with("line 4, column 7"), "{faults:?}");
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!(r#"{{"topic":"t","payload":{{"a":{}{}}}}}"#, "[".repeat(inner), "]".repeat(inner))
    };
    assert!(read(nested(128), Form::Json).is_ok());
    let (status, faults) = problem(nested(129), Form::Json);
    assert_eq!((status, &*faults[0].1), (422, "/payload"));
    assert_eq!(problem(nested(100_000), Form::Json).0, 422);
    assert_eq!(problem("[".repeat(1_000_000), Form::Json).0, 400);
    let flat = format!(r#"{{"topic":"t","payload":{{"a":"{}"}}}}"#, "[\\\"".repeat(300));
    assert!(read(flat, Form::Json).is_ok());
}

#[test]
fn a_message_over_256_kib_is_named() {
    let of = |size: usize| {
        let empty = r#"topic"t"payload{"a":""}"#.len();
        format!(r#"{{"topic":"t", "payload": {{"a":"{}"}}}}"#, "x".repeat(size - empty))
    };
    assert!(read(of(256 << 10), Form::Json).is_ok());
    let body = format!("[{},{}, {}]", of(100), of((256 << 10) + 1), r#"{"topic":""}"#);
    let (status, faults) = problem(body, Form::Json);
    assert_eq!((status, faults.len(), faults[0].0, &*faults[0].1), (413, 1, 1, "/1"));
    let strange = format!(r#"{{"topic":"t","payload":{{}}{}}}"#, r#","x":1"#.repeat(200_000));
    assert_eq!(problem(strange, Form::Json).0, 413);
}

#[test]
fn more_than_ten_thousand_messages() {
    let many = |count: usize| vec![r#"{"topic":"t","payload":{}}"#; count];
    let array = |count| format!("[{}]", many(count).join(","));
    assert_eq!(read(array(10_000), Form::Json).unwrap().drafts.len(), 10_000);
    assert_eq!(read(array(10_001), Form::Json).unwrap_err().status, 413);
    assert_eq!(read(many(10_000).join("\n"), Form::Lines).unwrap().drafts.len(), 10_000);
    assert_eq!(read(many(10_001).join("\n"), Form::Lines).unwrap_err().status, 413);
}

#[test]
fn the_list_of_faults_has_an_end() {
    let body = format!("[{}]", vec!["{}"; 9_000].join(","));
    let problem = read(body, Form::Json).unwrap_err();
    assert_eq!((problem.status.as_u16(), problem.errors.len()), (422, MAX_FAULTS));
    assert!(problem.detail.contains("at least"));
}

#[test]
fn rules_decide_which_topics_there_are_and_what_is_held() {
    let drop = Rule { offline: Offline::Drop, ..Rule::channel("drop:*") };
    let hook = Rule { to: To::Target(0), ..Rule::channel("hook:*") };
    let rules = Rules::new(vec![drop, hook, Rule::channel("user:*")]);
    let joined = |topic: &str| topic == "user:here";
    let held = |topic: &str| {
        let body = json!({"topic": topic, "payload": {}}).to_string();
        parse(body.as_bytes(), Form::Json, &rules, &Limits::default(), &joined)
            .map(|parsed| parsed.drafts[0].held)
    };
    assert_eq!(held("user:here"), Ok(false));
    assert_eq!(held("user:away"), Ok(true));
    assert_eq!(held("drop:1"), Ok(false));
    assert_eq!(held("hook:1"), Ok(false));
    let refused = held("team:1").unwrap_err();
    assert_eq!((refused.status.as_u16(), &*refused.errors[0].pointer), (422, "/topic"));
    assert!(refused.detail.contains("no delivery rule matches"));
}

#[test]
fn an_id_tells_a_second_sending_from_another_message() {
    let print = |body: &str| one(body).id.unwrap().1;
    let first = print(
        r#"{"topic":"t","payload":{"a":1,"b":"é"},"id":"x","deliver_at":"2026-12-01T09:00:00Z"}"#,
    );
    let same = [
        r#"{"id":"x","deliver_at":"2026-12-01T10:00:00+01:00","payload":{"b":"\u00e9", "a":1},"topic":"t"}"#,
        r#"{"topic":"t","key":"t","event":"message","payload":{"a":1,"b":"é"},"id":"x",
            "deliver_at":"2026-12-01T09:00:00.000Z","expires_at":null}"#,
    ];
    let at = r#""deliver_at":"2026-12-01T09:00:00Z""#;
    let others = [
        format!(r#"{{"topic":"u","key":"t","payload":{{"a":1,"b":"é"}},"id":"x",{at}}}"#),
        format!(r#"{{"topic":"t","key":["t","u"],"payload":{{"a":1,"b":"é"}},"id":"x",{at}}}"#),
        format!(r#"{{"topic":"t","event":"e","payload":{{"a":1,"b":"é"}},"id":"x",{at}}}"#),
        format!(r#"{{"topic":"t","payload":{{"a":2,"b":"é"}},"id":"x",{at}}}"#),
        r#"{"topic":"t","payload":{"a":1,"b":"é"},"id":"x"}"#.to_owned(),
        r#"{"topic":"t","payload":{"a":1,"b":"é"},"id":"x","expires_at":"2026-12-01T09:00:00Z"}"#
            .to_owned(),
    ];
    assert!(same.iter().all(|body| print(body) == first));
    assert!(others.iter().all(|body| print(body) != first));
}

/// JSON of any kind, with white space here and there.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        "-?[1-9][0-9]{0,30}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| json!(text).to_string()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|all| format!("[ {}]", all.join(" ,"))),
            object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((any::<String>(), value), 0..4).prop_map(|members| {
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("{} :\t{value}", json!(name))).collect();
        format!("{{{}\n}}", members.join(", "))
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), lines: bool) {
        let form = if lines { Form::Lines } else { Form::Json };
        let _ = read(&bytes, form);
    }

    #[test]
    fn no_text_like_a_message_panics(text in r#"[\[\]{}":,\\ \ntopicpayloadkeyid0-9u]{0,80}"#, lines: bool) {
        let form = if lines { Form::Lines } else { Form::Json };
        let _ = read(&text, form);
    }

    #[test]
    fn no_value_of_a_field_panics(value in any_json(), field in 0usize..8) {
        let name = ["topic", "payload", "event", "key", "id", "deliver_at", "expires_at", "x"][field];
        let _ = read(format!(r#"{{"{name}":{value},"id":"i"}}"#), Form::Json);
    }

    #[test]
    fn payloads_come_back_identical(payload in object(any_json())) {
        let draft = one(format!(r#"[{{"topic":"t","payload": {payload} ,"id":"i"}}]"#));
        prop_assert_eq!(draft.payload.as_ref(), payload.as_bytes());
    }
}
