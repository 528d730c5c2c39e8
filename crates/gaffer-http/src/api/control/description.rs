//! What the description of the API says of the channel: its routes are not made of handlers that describe themselves.

use utoipa::{
    PartialSchema,
    openapi::{
        Content, HttpMethod, PathItem, Paths, RefOr, Response, ResponseBuilder, Schema,
        path::{Operation, OperationBuilder},
    },
};

const FOREIGN: &str = "a web page from elsewhere may not connect";

/// Adds it to the description.
pub(in crate::api) fn describe(paths: &mut Paths) {
    let greeting = operation("greet", "Says that SockJS is spoken here: its clients are given this address.")
        .response("200", response("a greeting", Some(("text/plain; charset=UTF-8", String::schema()))));
    let info = operation("info", "Tells a client of SockJS what it may use.")
        .response("200", response("what is served", Some(("application/json", serde_json::Value::schema()))))
        .response("403", response(FOREIGN, None));
    let websocket = operation("open", "Opens the channel: subscriptions to many topics, and commands, on one websocket.")
        .description(Some(
            "Messages are objects of JSON; docs/channel.md has all of them. The same is spoken over SockJS, whose sessions are at \
             `/channel/{server}/{session}/{transport}`.",
        ))
        .response("101", response("the channel is open", None))
        .response("400", response("this is no proper request for a websocket", None))
        .response("403", response(FOREIGN, None));
    for (path, operation) in [("/channel", greeting), ("/channel/info", info), ("/channel/websocket", websocket)] {
        paths.paths.insert(path.to_owned(), PathItem::new(HttpMethod::Get, operation.build()));
    }
}

fn operation(id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::from(Operation::default()).tag("channel").operation_id(Some(id)).summary(Some(summary))
}

fn response(description: &str, content: Option<(&str, RefOr<Schema>)>) -> Response {
    let response = ResponseBuilder::new().description(description);
    match content {
        Some((media_type, schema)) => response.content(media_type, Content::new(Some(schema))).build(),
        None => response.build(),
    }
}
