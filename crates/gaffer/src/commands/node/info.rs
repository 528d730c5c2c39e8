//! `ps:info`: all about a job or a process.

use gaffer_cli::{Context, Failure, Format, Target, commands::facts};
use gaffer_client::JobDetail;
use gaffer_core::api::ProcessInfo;
use serde_json::json;

use super::app::{App, missing_process};
use crate::args::ApplicationArgs;

pub(super) async fn run(application: &ApplicationArgs, context: &mut Context<'_>, word: &str) -> Result<(), Failure> {
    let app = App::named(application, None)?;
    match app.job_or_process(word)? {
        Target::Job(job) => {
            let detail = match context.client.job(&job).await {
                Ok(detail) => detail,
                Err(error) => return Err(app.missing(&context.client, &job, error).await),
            };
            match context.output.format() {
                Format::Json => context.output.json(&detail),
                Format::Text => context.output.line(facts::lines(&of_job(&detail))),
            }
        }
        Target::Process(pid) => {
            let info = context.client.process(pid).await.map_err(|error| missing_process(pid, error))?;
            match context.output.format() {
                Format::Json => context.output.json(&info),
                Format::Text => context.output.line(facts::lines(&of_process(&info))),
            }
        }
    }
}

fn of_job(JobDetail { status, .. }: &JobDetail) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut tell = |key, value| told.extend(facts::of_field(key, &value));
    tell("active", json!(status.active));
    tell("running", json!(status.running));
    tell("num_processes", json!(status.max_processes));
    tell("pids", json!(status.pids));
    if let Some(cause) = &status.cause {
        tell("cause", json!(cause));
    }
    told
}

/// All that the node tells, in its order; and what it hides.
fn of_process(info: &ProcessInfo) -> Vec<(String, String)> {
    const KEYS: [&str; 16] = [
        "pid",
        "os_pid",
        "name",
        "cmd",
        "args",
        "env",
        "uid",
        "gid",
        "create_time",
        "commited",
        "redirect_output",
        "redirect_input",
        "custom_streams",
        "active",
        "stopping",
        "lost",
    ];
    let mut told = json!(info);
    for key in ["cmd", "args"] {
        if told[key].is_null() {
            told[key] = json!(facts::HIDDEN);
        }
    }
    KEYS.iter().filter_map(|key| Some(facts::of_field(key, told.get(key)?))).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_process_is_left_out() {
        let mut told = json!({
            "pid": 7, "os_pid": 8, "name": "shop.web", "cmd": "./web", "args": ["-p", "80"], "env": {"A": "1"}, "uid": null,
            "gid": null, "create_time": 1.5, "commited": false, "redirect_output": [], "redirect_input": true,
            "custom_streams": [], "active": true, "stopping": false, "lost": 0,
        });
        let info: ProcessInfo = serde_json::from_value(told.clone()).unwrap();
        let lines = facts::lines(&of_process(&info));
        assert_eq!(
            lines,
            "pid: 7\nos_pid: 8\nname: shop.web\ncmd: ./web\nargs: -p,80\nenv.A: 1\nuid: -\ngid: -\ncreate_time: 1.5\n\
             commited: false\nredirect_output: -\nredirect_input: true\ncustom_streams: -\nactive: true\nstopping: false\n\
             lost: 0"
        );
        assert_eq!(json!(info).as_object().unwrap().len(), 16);

        for key in ["cmd", "args"] {
            told[key] = json!(null);
        }
        told["env"]["A"] = json!(null);
        let lines = facts::lines(&of_process(&serde_json::from_value(told).unwrap()));
        assert!(lines.contains("\ncmd: (hidden)\nargs: (hidden)\nenv.A: (hidden)\nuid: -\n"), "{lines}");
    }
}
