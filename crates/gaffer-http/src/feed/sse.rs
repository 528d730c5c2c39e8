//! The event-stream form.

use bytes::{BufMut, Bytes, BytesMut};

use super::FeedId;

const CRLF: &[u8] = b"\r\n";

/// One event. `data` is spread over as many lines as it holds; a line break at its end opens no further line. `notes` are
/// comments about it.
pub(super) fn event(event: &str, id: Option<&FeedId>, data: &str, notes: &[&str]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + event.len() + 96);
    line(&mut out, b"event: ", event.as_bytes());
    if let Some(id) = id {
        line(&mut out, b"id: ", id.to_string().as_bytes());
    }
    for text in lines(data) {
        line(&mut out, b"data: ", text.as_bytes());
    }
    for note in notes {
        line(&mut out, b": ", note.as_bytes());
    }
    out.put_slice(CRLF);
    out.freeze()
}

/// A comment, which readers skip.
pub(super) fn comment(text: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(text.len() + 6);
    line(&mut out, b": ", text.as_bytes());
    out.put_slice(CRLF);
    out.freeze()
}

fn line(out: &mut BytesMut, field: &[u8], value: &[u8]) {
    out.put_slice(field);
    out.put_slice(value);
    out.put_slice(CRLF);
}

/// Splits at every line break that readers of event streams know: LF, CRLF and a lone CR.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let (line, after) = text.split_at(at);
        let after = after.strip_prefix("\r\n").unwrap_or(&after[1..]);
        rest = (!after.is_empty()).then_some(after);
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_looks_as_in_the_manual() {
        let id = FeedId { incarnation: "n".into(), number: 1 };
        assert_eq!(event("stderr", None, "STDERR 20\n", &[]), "event: stderr\r\ndata: STDERR 20\r\n\r\n");
        assert_eq!(event("a", Some(&id), "{}", &[]), "event: a\r\nid: n-1\r\ndata: {}\r\n\r\n");
        assert_eq!(
            event("a", None, "x\ny\rz\r\n\n", &[]),
            "event: a\r\ndata: x\r\ndata: y\r\ndata: z\r\ndata: \r\n\r\n"
        );
        assert_eq!(event("a", None, "", &[]), "event: a\r\ndata: \r\n\r\n");
        assert_eq!(event("a", None, "x", &["y", "z"]), "event: a\r\ndata: x\r\n: y\r\n: z\r\n\r\n");
        assert_eq!(comment("hb"), ": hb\r\n\r\n");
    }

    /// What the standard says a reader makes of a stream: (event, data) of each event.
    fn read(stream: &str) -> Vec<(String, String)> {
        let mut events = Vec::new();
        let (mut name, mut data) = (String::new(), None::<String>);
        let unified = stream.replace("\r\n", "\n").replace('\r', "\n");
        for line in unified.split('\n') {
            if line.is_empty() {
                if let Some(mut data) = data.take() {
                    data.pop();
                    events.push((std::mem::take(&mut name), data));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value.to_owned(),
                "data" => {
                    let data = data.get_or_insert_default();
                    data.push_str(value);
                    data.push('\n');
                }
                "" => {}
                other => panic!("no reader knows the field {other:?} in {stream:?}"),
            }
        }
        events
    }

    proptest! {
        #[test]
        fn whatever_the_text_a_reader_gets_one_event_with_its_lines(text in "[a:é \r\n]{0,40}") {
            let stream = event("out", None, &text, &["note"]);
            let stream = std::str::from_utf8(&stream).unwrap();
            let unified = text.replace("\r\n", "\n").replace('\r', "\n");
            let expected = unified.strip_suffix('\n').unwrap_or(&unified).to_owned();
            prop_assert_eq!(read(stream), [("out".to_owned(), expected)]);
        }

        #[test]
        fn events_and_comments_do_not_run_into_each_other(texts in prop::collection::vec("[a\r\n]{0,6}", 0..6)) {
            let mut stream = Vec::new();
            for text in &texts {
                stream.extend_from_slice(&comment("hb"));
                stream.extend_from_slice(&event("out", None, text, &["note"]));
            }
            prop_assert_eq!(read(std::str::from_utf8(&stream).unwrap()).len(), texts.len());
        }
    }
}
