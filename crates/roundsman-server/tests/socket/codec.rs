//! The codecs by themselves: they take back what they gave, and no input makes them panic.

use super::client::unhex;
use proptest::prelude::*;
use roundsman_server::channel::{
    BinaryPush, Frame, NoFrame, Ref, Status, binary_broadcast, binary_push, binary_reply,
    text_push, text_reply,
};
use serde_json::{Value, json};

/// Any JSON, three levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

/// The fields of a server's binary frame, read by the layout in the books, not by our code.
fn read_binary(frame: &[u8], fields: usize) -> (u8, Vec<String>, Vec<u8>) {
    let mut rest = &frame[1 + fields..];
    let read = frame[1..=fields].iter().map(|len| {
        let (field, after) = rest.split_at(usize::from(*len));
        rest = after;
        String::from_utf8(field.to_vec()).unwrap()
    });
    let read = read.collect();
    (frame[0], read, rest.to_vec())
}

proptest! {
    #[test]
    fn a_text_frame_is_read_as_it_was_written(
        parts in prop::collection::vec(any_json(), 5..9),
    ) {
        let text = serde_json::to_string(&parts).unwrap();
        let frame = Frame::decode(&text).unwrap();
        let read = [frame.join_ref, frame.reference, frame.topic, frame.event, frame.payload];
        for (read, part) in read.iter().zip(&parts) {
            prop_assert_eq!(read.get(), part.to_string());
        }
        let (topic, event) = (frame.topic(), frame.event());
        prop_assert_eq!(topic.as_deref(), parts[2].as_str());
        prop_assert_eq!(event.as_deref(), parts[3].as_str());
    }

    #[test]
    fn what_we_write_reads_back(
        join_ref in any_json(), reference in any_json(), topic in any::<String>(),
        event in any::<String>(), payload in any_json(),
    ) {
        let raw = |value: &Value| serde_json::value::to_raw_value(value).unwrap();
        let (join, own) = (Ref::of(&raw(&join_ref)), Ref::of(&raw(&reference)));
        let name = json!(topic).to_string();
        let pushed = text_push(&join, &own, &name, &event, &payload.to_string());
        let frame = Frame::decode(&pushed).unwrap();
        prop_assert_eq!(&*frame.topic().unwrap(), &topic);
        prop_assert_eq!(&*frame.event().unwrap(), &event);
        prop_assert_eq!(frame.payload.get(), payload.to_string());
        let replied = text_reply(&join, &own, &name, Status::Error, &payload.to_string());
        let expected = json!([join_ref, reference, topic, "phx_reply",
            {"status": "error", "response": payload}]);
        prop_assert_eq!(serde_json::from_str::<Value>(&replied).unwrap(), expected);
    }

    #[test]
    fn fewer_than_five_are_no_frame(parts in prop::collection::vec(any_json(), 0..5)) {
        let text = serde_json::to_string(&parts).unwrap();
        prop_assert_eq!(Frame::decode(&text).err(), Some(NoFrame));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), cut in any::<prop::sample::Index>()) {
        let _ = Frame::decode(&text);
        let whole = r#"["1","2","user:\u0031","ack",{"ids":["é"]}]"#;
        let at = whole.floor_char_boundary(cut.index(whole.len()));
        prop_assert!(Frame::decode(&whole[..at]).is_err());
    }

    #[test]
    fn a_binary_push_reads_back(
        fields in prop::array::uniform4("\\PC{0,60}"), data in any::<Vec<u8>>(),
    ) {
        let [join_ref, reference, topic, event] = fields.each_ref().map(String::as_str);
        let push = BinaryPush { join_ref, reference, topic, event, data: &data };
        let fits = fields.iter().all(|field| field.len() <= 255);
        let written = push.encode();
        prop_assert_eq!(written.is_some(), fits);
        if let Some(written) = written {
            prop_assert_eq!(BinaryPush::decode(&written).unwrap(), push);
            for end in 0..written.len() - data.len() {
                prop_assert!(BinaryPush::decode(&written[..end]).is_err());
            }
        }
    }

    #[test]
    fn what_we_write_in_binary_is_laid_out_by_the_book(
        fields in prop::array::uniform3("\\PC{0,60}"), data in any::<Vec<u8>>(),
    ) {
        let [one, two, three] = fields.each_ref().map(String::as_str);
        let owned = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
        let expected: Vec<(u8, Vec<String>, _)> = vec![
            (0, owned(&[one, two, three]), binary_push(one, two, three, &data)),
            (1, owned(&[one, two, three, "ok"]), binary_reply(one, two, three, Status::Ok, &data)),
            (2, owned(&[one, two]), binary_broadcast(one, two, &data)),
        ];
        for (kind, fields, written) in expected {
            prop_assert_eq!(written.is_some(), fields.iter().all(|field| field.len() <= 255));
            if let Some(written) = written {
                let (seen, read, rest) = read_binary(&written, fields.len());
                prop_assert_eq!((seen, read, &rest), (kind, fields, &data));
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        if let Ok(push) = BinaryPush::decode(&bytes) {
            prop_assert_eq!(bytes[0], 0);
            prop_assert_eq!(push.encode().unwrap(), bytes);
        }
    }
}

#[test]
fn a_field_has_255_bytes_and_no_more() {
    let (full, over) = ("é".repeat(127) + "a", "é".repeat(128));
    assert_eq!((full.len(), over.len()), (255, 256));
    let push = |topic| BinaryPush { join_ref: "1", reference: "2", topic, event: "e", data: b"x" };
    let written = push(&full).encode().unwrap();
    assert_eq!(BinaryPush::decode(&written).unwrap(), push(&full));
    assert_eq!(push(&over).encode(), None);
    assert_eq!(binary_push("1", &over, "e", b""), None);
    assert_eq!(binary_reply("1", &over, "t", Status::Ok, b""), None);
    assert_eq!(binary_broadcast(&over, "e", b""), None);
    let cut_in_a_letter = [0, 0, 0, 1, 0, 0xc3];
    assert_eq!(BinaryPush::decode(&cut_in_a_letter), Err(NoFrame));
}

#[test]
fn golden_vectors() {
    let frame = unhex("00010106033132757365723a3162696e050607");
    let push = BinaryPush {
        join_ref: "1",
        reference: "2",
        topic: "user:1",
        event: "bin",
        data: &[5, 6, 7],
    };
    assert_eq!(BinaryPush::decode(&frame).unwrap(), push);
    assert_eq!(push.encode().unwrap(), frame);
    let data = [5, 6, 7];
    let reply = binary_reply("1", "2", "user:1", Status::Ok, &data).unwrap();
    assert_eq!(reply, unhex("01010106023132757365723a316f6b050607"));
    let pushed = binary_push("1", "user:1", "bp", &data).unwrap();
    assert_eq!(pushed, unhex("0001060231757365723a316270050607"));
    let broadcast = binary_broadcast("user:1", "bc", &data).unwrap();
    assert_eq!(broadcast, unhex("020602757365723a316263050607"));
}

#[test]
fn references_are_the_clients_own() {
    for raw in [r#""3""#, "3", "1.50", "null", r#""\u0041""#, "true", "{}"] {
        let text = format!(r#"[{raw},{raw},"t","e",{{}}]"#);
        let frame = Frame::decode(&text).unwrap();
        assert_eq!(Ref::of(frame.join_ref).as_json(), raw);
    }
    let text = |raw: &str| {
        let raw: &serde_json::value::RawValue = serde_json::from_str(raw).unwrap();
        Ref::of(raw).to_text().into_owned()
    };
    assert_eq!([text(r#""3""#), text("3"), text("null"), text(r#""\u0041""#)], ["3", "3", "", "A"]);
}
