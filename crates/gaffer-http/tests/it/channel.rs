//! `/{pid}/channel`.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::sockets::{Client, Listening};

/// A node with `cat` as process 1.
async fn echo() -> Listening {
    let node = Listening::start().await;
    node.load(json!({"name": "echo", "cmd": "cat", "redirect_output": ["out", "err"], "redirect_input": true})).await;
    node
}

/// The next frame: type, id, body.
async fn frame(client: &mut Client) -> (String, String, String) {
    let text = client.text().await;
    let (header, body) = text.split_once('\0').unwrap();
    let words: Vec<&str> = header.split(' ').collect();
    let ["V1", kind, id] = words[..] else { panic!("no frame: {text:?}") };
    (kind.to_owned(), id.to_owned(), body.to_owned())
}

/// The next frame, which must be an error: its id, number and code.
async fn error(client: &mut Client) -> (String, u64, String) {
    let (id, body) = error_body(client).await;
    assert!(!body["reason"].as_str().unwrap().is_empty());
    (id, body["errno"].as_u64().unwrap(), body["error"].as_str().unwrap().to_owned())
}

/// The next frame, which must be an error: its id and body.
async fn error_body(client: &mut Client) -> (String, Value) {
    let (kind, id, body) = frame(client).await;
    assert_eq!(kind, "error", "{body}");
    (id, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn each_message_is_written_and_answered_in_order() {
    let node = echo().await;
    let mut client = node.open("/1/channel").await;
    for number in 0..50 {
        client.send(format!("V1 message id{number}\0line {number}\n")).await;
    }
    let (mut answers, mut output) = (Vec::new(), String::new());
    while answers.len() < 50 || !output.ends_with("line 49\n") {
        let (kind, id, body) = frame(&mut client).await;
        match kind.as_str() {
            "response" => {
                assert_eq!(body, "OK");
                answers.push(id);
            }
            _ => output.push_str(&body),
        }
    }
    assert_eq!(answers, (0..50).map(|number| format!("id{number}")).collect::<Vec<_>>());
    assert_eq!(output, (0..50).map(|number| format!("line {number}\n")).collect::<String>());
    node.stop().await;
}

#[tokio::test]
async fn bodies_hold_anything() {
    let node = echo().await;
    let mut writer = node.open("/1/channel?mode=2").await;
    let mut reader = node.open("/1/channel?mode=1").await;
    writer.send(Message::binary(b"V1 message a\0x\0y \xff\n".to_vec())).await;
    assert_eq!(frame(&mut writer).await, ("response".into(), "a".into(), "OK".into()));
    let mut output = String::new();
    while !output.ends_with('\n') {
        let (kind, id, body) = frame(&mut reader).await;
        assert_eq!((kind.as_str(), id.len()), ("message", 32));
        output.push_str(&body);
    }
    assert_eq!(output, "x\0y \u{FFFD}\n");
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_frame_is_answered_and_the_channel_goes_on() {
    let node = echo().await;
    let mut client = node.open("/1/channel?mode=2").await;
    for wrong in ["", "hello", "V1 message\0x", "V9 message a\0x", "V1 response a\0x"] {
        client.send(wrong).await;
        assert_eq!(error(&mut client).await, ("gaffer_error".into(), 400, "invalid_frame".into()), "{wrong:?}");
    }
    client.send("V1 message a\0x").await;
    assert_eq!(frame(&mut client).await.0, "response");
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_told_with_the_codes_of_the_original() {
    let node = echo().await;
    node.load(json!({"name": "mute", "cmd": "sleep 1000", "redirect_output": ["out"]})).await;
    node.load(json!({"name": "deaf", "cmd": "cat", "redirect_input": true})).await;
    for (path, errno, code) in [
        ("/77/channel", 404, "not_found"),
        ("/99999999999999999999999/channel", 400, "bad_value"),
        ("/1/channel/nope", 404, "ENOENT"),
        ("/1/channel?mode=0", 400, "bad_value"),
        ("/2/channel", 403, "EPERM"),
        ("/2/channel/out", 403, "EPERM"),
        ("/3/channel", 403, "EPERM"),
    ] {
        let mut client = node.open(path).await;
        assert_eq!(error(&mut client).await, ("gaffer_error".into(), errno, code.into()), "{path}");
        assert_eq!(u64::from(client.closed().await), 4000 + errno, "{path}");
    }
    let mut reader = node.open("/2/channel?mode=1").await;
    reader.send("V1 message a\0x").await;
    let (id, body) = error_body(&mut reader).await;
    assert_eq!((id.as_str(), body["errno"].as_u64(), body["error"].as_str()), ("a", Some(403), Some("EPERM")));
    assert!(body["reason"].as_str().unwrap().contains("`mode=read`"), "{body}");
    node.stop().await;
}

#[tokio::test]
async fn a_stream_is_chosen_by_its_label() {
    let node = Listening::start().await;
    let job = json!({"name": "web", "cmd": "echo oops >&2; cat <&3 >&3", "shell": true, "redirect_output": ["out", "err"],
        "custom_streams": ["extra"], "redirect_input": true});
    node.load(job).await;
    let mut err = node.open("/1/channel/err?mode=1&history=3").await;
    assert_eq!(frame(&mut err).await.2, "oops\n");
    let mut extra = node.open("/1/channel/extra").await;
    extra.send("V1 message a\0ping\n").await;
    let mut kinds = [frame(&mut extra).await, frame(&mut extra).await].map(|(kind, _, body)| (kind, body));
    kinds.sort();
    assert_eq!(kinds, [("message".into(), "ping\n".into()), ("response".into(), "OK".into())]);
    node.stop().await;
}

#[tokio::test]
async fn it_closes_with_its_process() {
    let node = Listening::start().await;
    let job = json!({"name": "web", "cmd": "read line; echo bye", "shell": true, "redirect_output": ["out"],
        "redirect_input": true});
    node.load(job).await;
    let mut both = node.open("/1/channel").await;
    let mut writer = node.open("/1/channel?mode=2").await;
    writer.send("V1 message a\0go\n").await;
    assert_eq!(frame(&mut writer).await.0, "response");
    assert_eq!(frame(&mut both).await.2, "bye\n");
    for client in [&mut both, &mut writer] {
        assert_eq!(client.closed().await, 1000);
    }
    node.stop().await;
}
