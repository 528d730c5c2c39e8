//! To whom events are sent.

use anyhow::Context;
use gaffer_core::{config::WebhookConfig, ini::Webhook};
use gaffer_http::webhooks::{WebhookError, WebhookOptions, Webhooks};
use gaffer_state::StateFile;

use crate::settings::Mistakes;

/// Opens those that are kept in the file, and those of the configuration.
///
/// # Errors
/// When the file does not read; when a hook of the configuration is of no use.
pub(crate) async fn open(configured: Vec<WebhookConfig>, file: Option<StateFile>) -> anyhow::Result<Webhooks> {
    let webhooks = Webhooks::open(WebhookOptions::default(), file).await.context("cannot read webhooks")?;
    match webhooks.set_configured(configured).await {
        Ok(()) => Ok(webhooks),
        Err(error @ WebhookError::Unusable { .. }) => Err(Mistakes(vec![error.to_string()]).into()),
        Err(error) => Err(error.into()),
    }
}

/// Warns of hooks whose events anybody on the way can read, and change.
pub(crate) fn exposed(webhooks: &[Webhook]) -> Vec<String> {
    let is_exposed = |webhook: &&Webhook| !webhook.config.url.is_tls() && !webhook.config.url.is_local();
    let warning = |Webhook { place, config, .. }: &Webhook| {
        format!(
            "{place}: events go to {} without TLS, so whoever is on the way can read and change them",
            config.url.origin()
        )
    };
    webhooks.iter().filter(is_exposed).map(warning).collect()
}

#[cfg(test)]
mod tests {
    use crate::settings::tests::settings;

    #[test]
    fn what_goes_to_other_machines_without_tls_is_warned_of() {
        let ini = "[webhooks]\nexit = http://a.example/T0/secret\nspawn = https://a.example\nflap = http://127.0.0.1:1/\n\
                   [webhook:b]\nurl = http://[::1]:1\n";
        let warnings = settings(&[], ini).unwrap().warnings;
        let about = |warning: &&String| warning.contains("events go to");
        assert_eq!(
            warnings.iter().filter(about).collect::<Vec<_>>(),
            [
                "gaffer.ini:2: events go to http://a.example without TLS, so whoever is on the way can read and change them"
            ]
        );
    }
}
