//! Text, whatever it holds.

use super::site::Site;

/// What comes back for a message, as it is written.
async fn echoed(site: &Site, message: &str) -> String {
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    site.say("/echo/000/x", &format!("[{message}]")).await;
    let frame = site.poll("/echo/000/x").await;
    frame.strip_prefix("a[").and_then(|frame| frame.strip_suffix("]\n")).unwrap().to_owned()
}

#[tokio::test]
async fn what_browsers_lose_comes_escaped() {
    let site = Site::start().await;
    let lost = [0x200c..=0x200f, 0x2028..=0x202f, 0x2060..=0x206f, 0xfff0..=0xffff];
    let lost: Vec<char> = lost.into_iter().flatten().map(|number| char::from_u32(number).unwrap()).collect();
    let escaped: String = lost.iter().map(|character| format!("\\u{:04x}", u32::from(*character))).collect();
    let sent = format!("\"{}\"", lost.into_iter().collect::<String>());
    assert_eq!(echoed(&site, &sent).await, format!("\"{escaped}\""));
    site.stop().await;
}

#[tokio::test]
async fn whatever_was_escaped_comes_back_as_what_it_is() {
    let site = Site::start().await;
    let plane: String = (0..=0xffff).filter_map(char::from_u32).collect();
    let escaped: String = plane.chars().map(|character| format!("\\u{:04x}", u32::from(character))).collect();
    let back = echoed(&site, &format!("\"{escaped}\"")).await;
    assert!(serde_json::from_str::<String>(&back).unwrap() == plane);
    site.stop().await;
}

#[tokio::test]
async fn text_comes_back_over_every_transport() {
    let site = Site::start().await;
    let text = "\0\u{1}\"\\/\r\n\t\u{7f}é\u{2028}\u{feff}\u{ffff}😀</script>";
    let message = serde_json::to_string(&[text]).unwrap();
    let is_back = |frame: &str| {
        let messages: Vec<String> = serde_json::from_str(frame.strip_prefix('a').unwrap()).unwrap();
        assert_eq!(messages, [text]);
    };
    let in_script = |chunk: &str| {
        let (_, string) = chunk.split_once('(').unwrap();
        is_back(&serde_json::from_str::<String>(string.rsplit_once(')').unwrap().0).unwrap());
    };

    let mut stream = site.stream("/echo/000/a").await;
    stream.chunks(&["o\n"]).await;
    site.say("/echo/000/a", &message).await;
    is_back(stream.chunk().await.trim_end());

    let mut events = site.open("GET", "/echo/000/b/eventsource", &[], "").await;
    events.chunks(&["\r\n", "data: o\r\n\r\n"]).await;
    site.say("/echo/000/b", &message).await;
    let event = events.chunk().await;
    assert_eq!(event.lines().count(), 2, "{event:?}");
    is_back(event.trim_end().strip_prefix("data: ").unwrap());

    let mut page = site.open("GET", "/echo/000/c/htmlfile?c=f", &[], "").await;
    assert!(page.chunk().await.contains("parent.f;"));
    assert!(page.chunk().await.contains("\"o\""));
    site.say("/echo/000/c", &message).await;
    in_script(&page.chunk().await);

    assert!(site.get("/echo/000/d/jsonp?c=f").await.body.contains("\"o\""));
    site.say("/echo/000/d", &message).await;
    in_script(&site.get("/echo/000/d/jsonp?c=f").await.body);

    let mut socket = site.socket("/echo/000/e/websocket").await;
    assert_eq!(socket.text().await, "o");
    socket.send(message.as_str()).await;
    is_back(&socket.text().await);

    let mut bare = site.socket("/echo/websocket").await;
    bare.send(text).await;
    assert_eq!(bare.text().await, text);
    drop((stream, events, page, socket, bare));
    site.stop().await;
}
