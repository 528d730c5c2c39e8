//! Items into chunks.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use gaffer_core::{
    api::feed::{self, AFTER_LINE_BREAK, HEARTBEAT, LINE_BREAK, NO_LINE_BREAK},
    names::StreamLabel,
};

use super::{FeedId, FeedKind, Item, Media, Output, sse, transcript::Transcript};

/// Writes items in one of the forms. What it writes are chunks: one each per item, and none of them empty.
#[derive(Debug)]
pub(super) struct Encoder {
    kind: FeedKind,
    media: Media,
    /// Only in event streams, which are text. A process has few streams, so a list will do.
    transcripts: Vec<(StreamLabel, Transcript)>,
}

impl Encoder {
    pub(super) fn new(kind: FeedKind, media: Media) -> Self {
        Self { kind, media, transcripts: Vec::new() }
    }

    /// Appends the chunks of an item: none, if there is nothing to tell in this form; two, if an unfinished character is given up.
    pub(super) fn encode(&mut self, item: Item, chunks: &mut VecDeque<Bytes>) {
        match (item, self.kind) {
            (Item::Message(message), FeedKind::Longpoll | FeedKind::Continuous) => {
                chunks.push_back(with_line_end(&message.json));
            }
            (Item::Message(message), FeedKind::EventSource) => {
                let json = String::from_utf8_lossy(&message.json);
                chunks.push_back(sse::event(&message.event, message.id.as_ref(), &json, &[]));
            }
            (Item::MessagesLost(count), FeedKind::Continuous) => {
                chunks.push_back(with_line_end(format!("{{\"lagged\":{count}}}").as_bytes()));
            }
            (Item::MessagesLost(count), FeedKind::EventSource) => {
                chunks.push_back(sse::comment(&feed::events_lost(count)));
            }
            (Item::Output(output), FeedKind::Longpoll | FeedKind::Continuous) => {
                chunks.extend((!output.data.is_empty()).then_some(output.data));
            }
            (Item::Output(Output { label, data, end }), FeedKind::EventSource) => {
                let Some(text) = self.transcript(&label).push(&data) else { return };
                if text.text.is_empty() {
                    chunks.push_back(sse::comment(&format!("{LINE_BREAK} of {label}")));
                    return;
                }
                let id = end.map(|end| FeedId { number: end.number.saturating_sub(text.open), ..end });
                let notes = [(text.ends_last, AFTER_LINE_BREAK), (!text.ends_line(), NO_LINE_BREAK)];
                let notes: Vec<&str> = notes.into_iter().filter_map(|(holds, note)| holds.then_some(note)).collect();
                chunks.push_back(sse::event(label.as_str(), id.as_ref(), &text.text, &notes));
            }
            (Item::OutputLost(label, count), FeedKind::EventSource) => {
                // The rest of a character that was begun is among what was lost.
                let text = self.transcript(&label).break_off();
                chunks.extend(text.map(|text| sse::event(label.as_str(), None, &text, &[NO_LINE_BREAK])));
                chunks.push_back(sse::comment(&feed::bytes_lost(count, &label)));
            }
            (Item::Resumed(label), FeedKind::EventSource) => self.transcript(&label).resume(),
            (Item::Note(text), FeedKind::EventSource) => chunks.push_back(sse::comment(text)),
            // A longpoll is over with the first item and has no place for more; bytes of a process are kept pure.
            (Item::MessagesLost(_), FeedKind::Longpoll)
            | (Item::OutputLost(..) | Item::Resumed(_) | Item::Note(_), FeedKind::Longpoll | FeedKind::Continuous) => {}
        }
    }

    /// Appends what was held back, once nothing more comes.
    pub(super) fn finish(&mut self, chunks: &mut VecDeque<Bytes>) {
        for (label, mut transcript) in std::mem::take(&mut self.transcripts) {
            chunks.extend(transcript.break_off().map(|text| sse::event(label.as_str(), None, &text, &[NO_LINE_BREAK])));
        }
    }

    /// A sign of life.
    pub(super) fn heartbeat(&self) -> Bytes {
        match (self.kind, self.media) {
            (FeedKind::EventSource, _) => sse::comment(HEARTBEAT),
            (_, Media::Bytes) => Bytes::from_static(b"\n"),
            (_, Media::Json) => Bytes::from_static(b"\r\n"),
        }
    }

    fn transcript(&mut self, label: &StreamLabel) -> &mut Transcript {
        let at = self.transcripts.iter().position(|(known, _)| known == label).unwrap_or_else(|| {
            self.transcripts.push((label.clone(), Transcript::default()));
            self.transcripts.len() - 1
        });
        &mut self.transcripts[at].1
    }
}

fn with_line_end(line: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(line.len() + 2);
    out.put_slice(line);
    out.put_slice(b"\r\n");
    out.freeze()
}
