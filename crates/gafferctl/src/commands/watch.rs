//! `watch`: events, as they happen.

use futures_util::StreamExt;
use gaffer_cli::{Context, Failure, Format, commands::Link, escaped};
use gaffer_client::{FeedOptions, Told};
use gaffer_core::{
    api::EventMessage,
    events::Pattern,
    voice::{Palette, Voice, time_of_day, time_of_day_at},
};

pub(super) async fn run(
    context: &mut Context<'_>,
    pattern: &Pattern,
    history: usize,
    colorize: bool,
) -> Result<(), Failure> {
    let options = FeedOptions { history, ..FeedOptions::default() };
    let mut feed = context.client.watch(pattern, &options).await?;
    let mut link = Link::new(&context.client);
    // What is asked for here wins over NO_COLOR, and `--color never` over that.
    let has_colour = context.output.has_colour() || colorize && context.output.allows_colour();
    let mut palette = has_colour.then(Palette::default);
    while let Some(told) = feed.next().await {
        match told? {
            Told::Item(event) => match context.output.format() {
                Format::Json => context.output.json(&event)?,
                Format::Text => context.output.bytes(line(&mut palette, &event).as_bytes())?,
            },
            Told::Lost(what) => context.output.say(what),
            Told::Disconnected(error) => link.lost(context.output, &error),
            Told::Reconnected { same_run } => link.found(context.output, same_run),
        }
    }
    Ok(())
}

fn line(palette: &mut Option<Palette>, event: &EventMessage) -> String {
    // Of a node that does not say when it was, the time of hearing it.
    let time = event.time.and_then(time_of_day_at).unwrap_or_else(time_of_day);
    let voice = Voice::new(&event.name, palette.as_mut().map(|palette| palette.of(&event.name)));
    let mut line = String::new();
    voice.line(&mut line, &time, &format!("{} {}", escaped(&event.event), event.name.short()));
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_are_those_of_the_manual() {
        let event = |topic, name| {
            serde_json::from_value(json!({ "event": topic, "name": name, "pid": 3, "time": 1_700_000_000.25 })).unwrap()
        };
        let time = time_of_day_at(1_700_000_000.25).unwrap();
        let line = |event| line(&mut None, &event);
        assert_eq!(line(event("proc.dummy.exit", "dummy")), format!("{time} dummy | proc.dummy.exit dummy\n"));
        assert_eq!(line(event("spawn", "shop.web")), format!("{time} shop.web | spawn shop.web\n"));
    }

    #[test]
    fn what_a_node_says_cannot_reach_the_terminal() {
        let event = serde_json::from_value(json!({ "event": "sp\u{1b}[2Jawn\n", "name": "web" })).unwrap();
        let line = line(&mut None, &event);
        assert!(line.ends_with(" web | sp\\u{1b}[2Jawn\\n web\n"), "{line:?}");
    }

    #[test]
    fn each_job_has_its_colour() {
        let event = |name| serde_json::from_value(json!({ "event": "spawn", "name": name })).unwrap();
        let mut palette = Some(Palette::default());
        let mut begin = |name| line(&mut palette, &event(name)).split_once(' ').unwrap().0.to_owned();
        assert_eq!(
            [begin("a"), begin("b"), begin("a")].map(|begin| begin[..5].to_owned()),
            ["\u{1b}[36m", "\u{1b}[33m", "\u{1b}[36m"]
        );
    }
}
