//! `ping`, `version`: the node itself.

use gaffer_cli::{Context, Failure, Format};
use serde_json::json;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) async fn ping(context: &mut Context<'_>) -> Result<(), Failure> {
    context.client.ping().await?;
    match context.output.format() {
        Format::Text => context.output.acknowledge("ok"),
        Format::Json => context.output.json(&json!({ "ok": true })),
    }
}

/// This program's version is told in any case: it helps to find out why the node does not answer.
pub(super) async fn version(context: &mut Context<'_>) -> Result<(), Failure> {
    let endpoint = context.client.endpoint().to_string();
    if context.output.format() == Format::Text {
        context.output.line(format_args!("gafferctl (version {VERSION})"))?;
    }
    let answer = context.client.version().await;
    match (context.output.format(), &answer) {
        (Format::Text, Ok(node)) => {
            context.output.line(format_args!("{endpoint}: {} (version {})", node.name, node.version))?;
        }
        (Format::Text, Err(_)) => {}
        (Format::Json, _) => {
            let node = answer.as_ref().ok();
            context.output.json(&json!({ "gafferctl": VERSION, "endpoint": endpoint, "node": node }))?;
        }
    }
    Ok(answer.map(drop)?)
}
