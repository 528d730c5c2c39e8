//! The command line of webhooks.

use std::{fmt, time::Duration};

use clap::{Args, Subcommand};
use gaffer_core::{
    config::{Secret, WebhookConfig, WebhookUrl},
    events::{InvalidPattern, Pattern},
};

/// What to do about webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// List the webhooks: to whom the node sends its events, and what has become of them
    Webhooks,

    /// Have the node send events to a URL; prints the id of the webhook
    #[command(name = "add_webhook", alias = "add-webhook")]
    AddWebhook(NewWebhookArgs),

    /// Have the node send nothing more to webhooks
    #[command(name = "del_webhook", alias = "del-webhook")]
    DelWebhook {
        /// Webhooks, as `gafferctl webhooks` lists them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

/// A webhook that is to be made.
#[derive(Args)]
pub(crate) struct NewWebhookArgs {
    /// Sign what is sent with this, so that the receiver knows it from what others send; others can see it in the list of
    /// processes, but for `-`, which is a line of stdin
    #[arg(long, value_name = "SECRET|-")]
    pub(crate) secret: Option<String>,

    /// Seconds that the receiver may take to answer, from 0.1 to 300 [default: 20]
    #[arg(long, value_name = "SECONDS", value_parser = timeout)]
    pub(crate) timeout: Option<Duration>,

    /// A file on the node's machine, PEM: trust receivers with a certificate of these authorities [default: those that the
    /// system there trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) authorities: Option<String>,

    /// The beginning of an event's topic, such as `proc.web`, `proc.web.exit` or `exit`; `.` is everything
    #[arg(value_name = "PATTERN", value_parser = pattern)]
    pub(crate) pattern: String,

    /// Where they go: http://… or https://…
    #[arg(value_name = "URL")]
    pub(crate) url: WebhookUrl,
}

impl fmt::Debug for NewWebhookArgs {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWebhookArgs").field("pattern", &self.pattern).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Checks a pattern before the node does, which gets it as it was written.
fn pattern(text: &str) -> Result<String, InvalidPattern> {
    text.parse::<Pattern>().map(|_| text.to_owned())
}

/// Reads a time-out.
fn timeout(text: &str) -> Result<Duration, String> {
    let (least, most) = WebhookConfig::TIMEOUTS;
    let span = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    span.filter(|span| (least..=most).contains(span))
        .ok_or_else(|| "must be a number of seconds from 0.1 to 300".to_owned())
}

/// Checks a secret before the node does.
pub(crate) fn secret(text: &str) -> Result<String, String> {
    text.parse::<Secret>().map(|_| text.to_owned()).map_err(|error| format!("the secret {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: WebhookCommand,
    }

    fn read(line: &str) -> Result<WebhookCommand, String> {
        let words = ["gafferctl"].into_iter().chain(line.split(' '));
        Line::try_parse_from(words).map(|line| line.command).map_err(|error| error.to_string())
    }

    #[test]
    fn a_webhook_is_a_pattern_and_a_url() {
        let line = "add_webhook proc.web https://a.example/x --secret hush --timeout 2.5";
        let Ok(WebhookCommand::AddWebhook(hook)) = read(line) else { panic!() };
        assert_eq!((hook.pattern.as_str(), hook.url.as_str()), ("proc.web", "https://a.example/x"));
        assert_eq!(hook.timeout, Some(Duration::from_millis(2500)));
        assert!(!format!("{hook:?}").contains("hush"));
        assert!(read("add-webhook . http://a").is_ok() && read("del-webhook a b").is_ok());
    }

    #[test]
    fn what_does_not_read_is_told() {
        for (line, told) in [
            ("add_webhook exti http://a", "`exti` is no event"),
            ("add_webhook exit ftp://a", "must be a URL that begins with `http://` or `https://`"),
            ("add_webhook exit http://a --timeout 0", "from 0.1 to 300"),
            ("add_webhook exit", "<URL>"),
            ("del_webhook", "<ID>"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
