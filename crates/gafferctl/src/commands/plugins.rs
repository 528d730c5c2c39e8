//! `plugins`: what plugins the node has, and how their applications do.

use anstyle::{AnsiColor, Style};
use gaffer_cli::{Context, Failure, Format, Table};
use gaffer_core::api::plugins::{AppState, PluginInfo};

use super::show;

pub(super) async fn run(context: &mut Context<'_>) -> Result<(), Failure> {
    let plugins = context.client.plugins().await?;
    match context.output.format() {
        Format::Json => context.output.json(&plugins),
        Format::Text if !plugins.is_empty() => context.output.table(table(&plugins)),
        Format::Text => {
            context.output.hint("the node has no plugins; gafferd looks for them in the folder of `--plugins-dir`");
            Ok(())
        }
    }
}

fn table(plugins: &[PluginInfo]) -> Table {
    let mut headings = vec!["NAME", "VERSION", "APP", "PID", "RESTARTS", "SITE", "DESCRIPTION"];
    let cause = |plugin: &PluginInfo| plugin.app.as_ref().and_then(|app| app.cause.clone());
    let has_causes = plugins.iter().any(|plugin| cause(plugin).is_some());
    if has_causes {
        headings.push("CAUSE");
    }
    let mut table = Table::new(&headings).numbers(&[3, 4]);
    for plugin in plugins {
        let app = plugin.app.as_ref();
        let mut cells = vec![
            plugin.name.clone(),
            show::or_nothing(plugin.version.clone()),
            show::or_nothing(app.map(|app| app.state.as_str().to_owned())),
            show::or_nothing(app.and_then(|app| app.pid).map(|pid| pid.to_string())),
            show::or_nothing(app.map(|app| app.restarts.to_string())),
            show::or_nothing(plugin.site.clone()),
            show::or_nothing(plugin.description.clone()),
        ];
        if has_causes {
            cells.push(cause(plugin).unwrap_or_default());
        }
        table.row(style(plugin), cells);
    }
    table
}

/// What does not run as it should stands out; what nobody wants to run steps back.
fn style(plugin: &PluginInfo) -> Style {
    match plugin.app.as_ref().map(|app| app.state) {
        Some(AppState::Waiting) => AnsiColor::Red.on_default(),
        Some(AppState::Stopped) => Style::new().dimmed(),
        Some(AppState::Running | AppState::Ready) | None => Style::new(),
    }
}
