//! `webhooks`, `add_webhook`, `del_webhook`.

use anstyle::Style;
use gaffer_cli::{
    Context, Failure, Format, Table,
    commands::{Acts, Entry, access::stdin_line},
};
use gaffer_core::api::webhooks::{NewWebhook, WebhookInfo};
use serde_json::json;

use crate::args::{NewWebhookArgs, WebhookCommand, webhook_secret};

/// Carries out a command.
pub(crate) async fn run(command: WebhookCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        WebhookCommand::Webhooks => list(context).await,
        WebhookCommand::AddWebhook(hook) => add(context, &hook).await,
        WebhookCommand::DelWebhook { ids } => delete(context, &ids).await,
    }
}

async fn list(context: &mut Context<'_>) -> Result<(), Failure> {
    let webhooks = context.client.webhooks().await?;
    match context.output.format() {
        Format::Json => context.output.json(&webhooks),
        Format::Text => context.output.table(table(&webhooks)),
    }
}

/// A hook of the configuration is told by the name that it has there, if it has one.
fn table(webhooks: &[WebhookInfo]) -> Table {
    let headings =
        ["ID", "ORIGIN", "EVENTS", "URL", "DELIVERED", "FAILED", "RETRIED", "DROPPED", "WAITING", "LAST ERROR"];
    let mut table = Table::new(&headings).numbers(&[4, 5, 6, 7, 8]);
    for hook in webhooks {
        let origin =
            hook.name.as_ref().map_or_else(|| hook.origin.to_string(), |name| format!("{} {name}", hook.origin));
        let counts = [hook.delivered, hook.failed, hook.retried, hook.dropped, hook.waiting];
        let words = [hook.id.clone(), origin, hook.events.join(" "), hook.url.clone()];
        let error = hook.last_error.clone().unwrap_or_else(|| "-".to_owned());
        table.row(Style::new(), words.into_iter().chain(counts.map(|count| count.to_string())).chain([error]));
    }
    table
}

async fn add(context: &mut Context<'_>, hook: &NewWebhookArgs) -> Result<(), Failure> {
    let secret = match hook.secret.as_deref() {
        Some("-") => Some(stdin_line()?),
        secret => secret.map(str::to_owned),
    };
    let secret = secret.map(|secret| webhook_secret(&secret).map_err(Failure::Failed)).transpose()?;
    let mut new = NewWebhook::new(hook.pattern.as_str(), hook.url.as_str());
    new.secret = secret;
    new.timeout = hook.timeout.map(|timeout| timeout.as_secs_f64());
    new.cacert.clone_from(&hook.authorities);
    let made = context.client.add_webhook(&new).await?;
    match context.output.format() {
        Format::Json => context.output.json(&json!(made)),
        Format::Text => context.output.line(made.id),
    }
}

async fn delete(context: &mut Context<'_>, ids: &[String]) -> Result<(), Failure> {
    let mut acts = Acts::of_one(context.output);
    for id in ids {
        let outcome = context.client.remove_webhook(id).await;
        let words = if ids.len() > 1 { format!("{id}: ok") } else { "ok".to_owned() };
        acts.acknowledge(Entry::webhook(id), outcome, words)?;
    }
    acts.finish()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use gaffer_core::api::webhooks::WebhookOrigin;

    use super::*;

    #[test]
    fn a_webhook_is_a_line_of_a_table() {
        let hook = WebhookInfo {
            id: "0123456789ab".to_owned(),
            origin: WebhookOrigin::Configuration,
            name: Some("pager".to_owned()),
            events: vec!["exit".to_owned(), "flap".to_owned()],
            url: "https://a/x".to_owned(),
            signed: true,
            timeout: 20.0,
            cacert: None,
            delivered: 12,
            failed: 1,
            retried: 3,
            dropped: 0,
            waiting: 2,
            last_error: Some("no answer within 20 s".to_owned()),
            last_status: None,
            last_success: None,
        };
        assert_eq!(
            strip_str(&table(&[hook]).to_string()).to_string(),
            "ID            ORIGIN               EVENTS     URL          DELIVERED  FAILED  RETRIED  DROPPED  WAITING  LAST ERROR\n\
             0123456789ab  configuration pager  exit flap  https://a/x         12       1        3        0        2  no answer within 20 s"
        );
    }
}
