//! The golden frames: what a plain client and Phoenix said to each other, said to Roundsman.
//!
//! `>` is sent, `<` is to come next, `BIN` is a binary in hex, `CLOSE` with 1000 is the client's own
//! close and its echo, any other is the server's. A frame that comes and is not in the transcript
//! is a fault: it stands where another one, or the answer to a last heartbeat, was to come.

use super::client::{Client, unhex};
use super::house::House;
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const JOIN_PUSH_ERRORS_LEAVE: &str = r#"
> [null,"1","phoenix","heartbeat",{}]
< [null,"1","phoenix","phx_reply",{"response":{},"status":"ok"}]
> ["2","2","user:1","phx_join",{"last":5}]
< ["2","2","user:1","phx_reply",{"response":{"got":{"last":5}},"status":"ok"}]
> ["2","3","user:1","echo",{"a":1}]
< ["2","3","user:1","phx_reply",{"response":{"echo":{"a":1}},"status":"ok"}]
> [null,"4","user:1","echo",{"a":"null join_ref"}]
< ["2","4","user:1","phx_reply",{"response":{"echo":{"a":"null join_ref"}},"status":"ok"}]
> ["99","5","user:1","echo",{"a":"stale join_ref"}]
> ["2","6","user:1","err",{}]
< ["2","6","user:1","phx_reply",{"response":{"reason":"nope"},"status":"error"}]
> ["2","7","user:1","okonly",{}]
< ["2","7","user:1","phx_reply",{"response":{},"status":"ok"}]
> ["2",null,"user:1","echo",{"a":"null ref"}]
< ["2",null,"user:1","phx_reply",{"response":{"echo":{"a":"null ref"}},"status":"ok"}]
> ["2","8","user:1","push",{"x":1}]
< ["2",null,"user:1","pushed",{"x":1}]
> ["2","9","user:1","bcast",{"x":2}]
< [null,null,"user:1","bc",{"x":2}]
> ["2","10","user:2","echo",{"a":"unjoined topic"}]
< [null,"10","user:2","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]
> ["2","11","nope:1","phx_join",{}]
< [null,"11","nope:1","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]
> ["12","12","user:deny","phx_join",{}]
< ["12","12","user:deny","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]
> ["13","13","user:crashjoin","phx_join",{}]
< ["13","13","user:crashjoin","phx_reply",{"response":{"reason":"join crashed"},"status":"error"}]
> ["2","14","user:1","phx_leave",{}]
< ["2","14","user:1","phx_reply",{"response":{},"status":"ok"}]
< ["2","2","user:1","phx_close",{}]
> ["2","15","user:1","phx_leave",{}]
< ["2","15","user:1","phx_reply",{"response":{},"status":"ok"}]
> ["2","16","user:1","echo",{"a":"after leave"}]
< [null,"16","user:1","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]
CLOSE 1000
"#;

const DUPLICATE_JOIN_STALE_LEAVE: &str = r#"
> ["1","1","user:1","phx_join",{}]
< ["1","1","user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
> ["2","2","user:1","phx_join",{}]
< ["2","2","user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
< ["1","1","user:1","phx_close",{}]
> ["1","3","user:1","phx_leave",{}]
> ["2","4","user:1","okonly",{}]
< ["2","4","user:1","phx_reply",{"response":{},"status":"ok"}]
CLOSE 1000
"#;

const CRASH_AND_STOP: &str = r#"
> ["1","1","user:1","phx_join",{}]
< ["1","1","user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
> ["1","2","user:1","crash",{}]
< ["1","1","user:1","phx_error",{"reason":"channel_crash"}]
> ["3","3","user:1","phx_join",{}]
< ["3","3","user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
> ["3","4","user:1","stop",{}]
< ["3","3","user:1","phx_close",{}]
CLOSE 1000
"#;

const BINARY: &str = r#"
> ["1","1","user:1","phx_join",{}]
< ["1","1","user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
> BIN 00010106033132757365723a3162696e050607
< BIN 01010106023132757365723a316f6b050607
> BIN 00010106073132757365723a3162696e70757368050607
< BIN 0001060231757365723a316270050607
> BIN 00010106083132757365723a3162696e6263617374050607
< BIN 020602757365723a316263050607
> BIN 07010106033132757365723a3162696e050607
CLOSE 1011
"#;

/// One connection each.
const ODD: [&str; 16] = [
    "> not json\nCLOSE 1011",
    "> {}\nCLOSE 1011",
    "> [1,2]\nCLOSE 1011",
    "> [null,null,\"user:1\",\"echo\"]\nCLOSE 1011",
    "> BIN 03\nCLOSE 1011",
    "> BIN 04000000\nCLOSE 1011",
    r#"> ["1","1",5,"x",{}]
< [null,"1",5,"phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]
CLOSE 1000"#,
    r#"> ["1","1","phoenix","phx_join",{}]
< [null,"1","phoenix","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]
CLOSE 1000"#,
    r#"> ["1","1","phoenix","bogus",{}]
< [null,"1","phoenix","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]
CLOSE 1000"#,
    r#"> ["1","1","user:1","phx_join","strpayload"]
< ["1","1","user:1","phx_reply",{"response":{"got":"strpayload"},"status":"ok"}]
CLOSE 1000"#,
    r#"> [null,null,"phoenix","heartbeat",{}]
< [null,null,"phoenix","phx_reply",{"response":{},"status":"ok"}]
CLOSE 1000"#,
    r#"> [1,1,"user:1","phx_join",{}]
< [1,1,"user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
CLOSE 1000"#,
    r#"> ["1","1","user:1","phx_join",{},"extra"]
< ["1","1","user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
CLOSE 1000"#,
    r#"> [null,"1","user:1","phx_join",{}]
< [null,"1","user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
CLOSE 1000"#,
    r#"> [1.50,-0e1,"user:\u0031","phx_join",{}]
< [1.50,-0e1,"user:1","phx_reply",{"response":{"got":{}},"status":"ok"}]
CLOSE 1000"#,
    r#"> ["1","1","user:\ud800","phx_join",{}]
< [null,"1","user:\ud800","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]
CLOSE 1000"#,
];

async fn replay(house: &House, transcript: &str) {
    let mut client = Client::open(house.address).await;
    for line in transcript.lines().filter(|line| !line.is_empty()) {
        match line.split_at(2) {
            ("> ", frame) => match frame.strip_prefix("BIN ") {
                Some(hex) => client.send_binary(hex).await,
                None => client.send(frame).await,
            },
            ("< ", frame) => match frame.strip_prefix("BIN ") {
                Some(hex) => {
                    assert_eq!(client.next().await, Some(Message::binary(unhex(hex))), "{line}");
                }
                None => client.expect(frame).await,
            },
            _ if line == "CLOSE 1000" => {
                client.expect_silence().await;
                let own = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                client.stream.send(Message::Close(Some(own))).await.unwrap();
                client.expect_close(1000).await;
            }
            _ => client.expect_close(line["CLOSE ".len()..].parse().unwrap()).await,
        }
    }
    assert_eq!(client.next().await, None, "the connection ends");
}

#[tokio::test]
async fn join_push_errors_and_leave() {
    replay(&House::open().await, JOIN_PUSH_ERRORS_LEAVE).await;
}

#[tokio::test]
async fn a_second_join_and_a_late_leave() {
    replay(&House::open().await, DUPLICATE_JOIN_STALE_LEAVE).await;
}

#[tokio::test]
async fn a_crash_and_a_normal_end() {
    replay(&House::open().await, CRASH_AND_STOP).await;
}

#[tokio::test]
async fn binary() {
    replay(&House::open().await, BINARY).await;
}

#[tokio::test]
async fn odd_and_malformed_frames() {
    let house = House::open().await;
    for transcript in ODD {
        replay(&house, transcript).await;
    }
    super::client::until(|| house.hub.connections() == 0).await;
}
