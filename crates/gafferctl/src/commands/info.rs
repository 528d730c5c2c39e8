//! `info`: all there is to know about the node, about jobs and processes.

use std::fmt::Display;

use gaffer_cli::{Context, Failure, Format, Target, Targets, commands::facts, percent, size, span};
use gaffer_client::{Client, Error, JobDetail};
use gaffer_core::{
    ProcessId,
    api::ProcessInfo,
    config::JOB_KEYS,
    stats::{Usage, ctime},
};
use serde_json::{Value, json};

use super::{failed, show};

/// What is known about one thing.
#[derive(Debug)]
struct Facts {
    /// For programs.
    json: Value,
    /// For people, in order.
    text: Vec<(String, String)>,
}

pub(super) async fn run(context: &mut Context<'_>, words: &[String]) -> Result<(), Failure> {
    let mut told = Vec::new();
    let mut failures = Vec::new();
    if words.is_empty() {
        told.push(node(&context.client).await?);
    } else {
        let targets = Targets::jobs_and_processes(&context.client, words).await?;
        failures = targets.failures;
        for target in &targets.found {
            let facts = match target {
                Target::Job(name) => context.client.job(name).await.map(|detail| job(&detail)),
                Target::Process(pid) => process(&context.client, *pid).await,
            };
            match facts {
                Ok(facts) => told.push(facts),
                // The others would fail likewise, after as long a time.
                Err(error @ Error::Unreachable { .. }) => return Err(error.into()),
                Err(error) => failures.push(error.into()),
            }
        }
    }
    match context.output.format() {
        Format::Json => context.output.json(&told.into_iter().map(|facts| facts.json).collect::<Vec<_>>())?,
        Format::Text => {
            let paragraphs: Vec<String> = told.iter().map(|facts| facts::lines(&facts.text)).collect();
            if !paragraphs.is_empty() {
                context.output.line(paragraphs.join("\n\n"))?;
            }
        }
    }
    failed(context.output, &failures)
}

async fn node(client: &Client) -> Result<Facts, Failure> {
    let version = client.version().await?.version;
    let jobs = client.statuses().await?;
    let running: usize = jobs.iter().map(|job| job.running).sum();
    let cpu: f64 = jobs.iter().filter_map(|job| job.cpu).sum();
    let rss: u64 = jobs.iter().filter_map(|job| job.rss).sum();
    let endpoint = client.endpoint().to_string();
    let text = pairs([
        ("endpoint", endpoint.clone()),
        ("version", version.clone()),
        ("jobs", jobs.len().to_string()),
        ("running", running.to_string()),
        ("cpu", percent(cpu)),
        ("memory", size(rss)),
    ]);
    let json = json!({
        "kind": "node", "endpoint": endpoint, "version": version, "jobs": jobs.len(), "running": running, "cpu": cpu, "rss": rss,
    });
    Ok(Facts { json, text })
}

fn job(detail: &JobDetail) -> Facts {
    let JobDetail { status, processes, config, .. } = detail;
    let once: Vec<ProcessId> = processes.iter().copied().filter(|pid| !status.pids.contains(pid)).collect();
    let mut text = pairs([
        ("name", status.name.short()),
        ("state", show::state(status.state).to_owned()),
        ("active", status.active.to_string()),
        ("running", status.running.to_string()),
        ("numprocesses", status.max_processes.to_string()),
        ("pids", list(&status.pids)),
        ("one_off_pids", list(&once)),
        ("uptime", show::or_nothing(status.uptime.map(span))),
        ("restarts", status.restarts.to_string()),
        ("last_exit", show::or_nothing(status.last_exit.map(show::last_exit))),
        ("cause", show::or_nothing(status.cause.as_deref())),
        ("cpu", show::or_nothing(status.cpu.map(percent))),
        ("memory", show::or_nothing(status.rss.map(size))),
    ]);
    let known = JOB_KEYS.iter().filter(|key| !["name", "numprocesses"].contains(*key));
    text.extend(known.filter_map(|key| Some(facts::of_field(key, config.get(key)?))).flatten());
    let mut json = json!(detail);
    json["kind"] = json!("job");
    if let Some(name) = json["config"].get_mut("name") {
        *name = json!(status.name.short()); // The node leaves out the session here.
    }
    Facts { json, text }
}

async fn process(client: &Client, pid: ProcessId) -> Result<Facts, Error> {
    let info = client.process(pid).await?;
    let usage = client.process_stats(pid).await?.usage;
    let mut json = json!(info);
    json["name"] = json!(info.name.short());
    json["stats"] = json!(usage);
    json["kind"] = json!("process");
    Ok(Facts { json, text: process_facts(&info, &usage) })
}

fn process_facts(info: &ProcessInfo, usage: &Usage) -> Vec<(String, String)> {
    let launched = jiff::Timestamp::from_second(info.create_time as i64);
    let mut text = pairs([
        ("pid", info.pid.to_string()),
        ("os_pid", info.os_pid.to_string()),
        ("name", info.name.short()),
        ("cmd", or_hidden(info.cmd.clone())),
        ("args", or_hidden(info.args.as_deref().map(list))),
    ]);
    text.extend(info.env.iter().map(|(key, value)| (format!("env.{key}"), or_hidden(value.clone()))));
    text.extend(pairs([
        ("uid", show::or_nothing(info.uid.as_ref())),
        ("gid", show::or_nothing(info.gid.as_ref())),
        ("create_time", show::or_nothing(launched.ok().map(local))),
        ("one_off", info.once.to_string()),
        ("redirect_output", list(&info.redirect_output)),
        ("redirect_input", info.redirect_input.to_string()),
        ("custom_streams", list(&info.custom_streams)),
        ("active", info.active.to_string()),
        ("stopping", info.stopping.to_string()),
        ("lost", info.lost.to_string()),
        ("user", show::or_nothing(usage.username.as_deref())),
        ("nice", show::or_nothing(usage.nice)),
        ("cpu", show::or_nothing(usage.cpu.map(percent))),
        ("mem", show::or_nothing(usage.mem.map(percent))),
        ("memory", show::or_nothing(usage.rss.map(size))),
        ("address_space", show::or_nothing(usage.vms.map(size))),
        ("cpu_time", show::or_nothing(usage.cpu_time.map(ctime))),
        ("children", usage.children.len().to_string()),
    ]));
    text
}

/// What is told, unless the key may not know it.
fn or_hidden(value: Option<String>) -> String {
    value.unwrap_or_else(|| facts::HIDDEN.to_owned())
}

/// Time and place as they are here.
fn local(time: jiff::Timestamp) -> impl Display {
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z")
}

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Vec<(String, String)> {
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

fn list(items: &[impl Display]) -> String {
    if items.is_empty() { show::NOTHING.to_owned() } else { show::joined(items, ",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_key_may_not_know_of_a_process_is_told_to_be_hidden() {
        let info = serde_json::from_value(json!({
            "pid": 7, "os_pid": 8, "name": "shop.web", "cmd": null, "args": null, "env": {"SECRET": null}, "uid": null, "gid": null,
            "create_time": 1.5, "commited": false, "redirect_output": [], "redirect_input": true, "custom_streams": [],
            "active": true, "stopping": false, "lost": 0,
        }));
        let usage = serde_json::from_value(json!({
            "os_pid": 8, "username": null, "nice": null, "cmdline": null, "cpu": null, "mem": null, "rss": null, "vms": null,
            "cpu_time": null, "create_time": null, "children": [],
        }));
        let lines = facts::lines(&process_facts(&info.unwrap(), &usage.unwrap()));
        assert!(lines.contains("\ncmd: (hidden)\nargs: (hidden)\nenv.SECRET: (hidden)\nuid: -\n"), "{lines}");
    }

    #[test]
    fn a_job_is_told_with_its_configuration_in_the_usual_order() {
        let detail = serde_json::from_value(json!({
            "name": "shop.web", "active": true, "running": 3, "max_processes": 2, "state": "started", "pids": [1, 2],
            "uptime": 312.5, "restarts": 7, "last_exit": {"pid": 9, "exit_code": 0, "term_signal": 9}, "cause": null,
            "cpu": 12.5, "rss": 1_258_291, "running_out": 1, "processes": [1, 2, 5],
            "config": {
                "args": ["-p", "80"], "cmd": "./server", "name": "web", "env": {"B": "two\nlines", "A": ""}, "uid": null,
                "numprocesses": 2, "redirect_output": ["out", "err"],
                "flapping": {"attempts": 2, "window": 1},
            },
        }));
        let facts = job(&detail.unwrap());
        assert_eq!((&facts.json["kind"], &facts.json["config"]["name"]), (&json!("job"), &json!("shop.web")));
        assert_eq!(
            facts::lines(&facts.text),
            "name: shop.web\nstate: started\nactive: true\nrunning: 3\nnumprocesses: 2\npids: 1,2\none_off_pids: 5\n\
             uptime: 5m 12s\nrestarts: 7\nlast_exit: SIGKILL\ncause: -\ncpu: 12.5%\nmemory: 1.2 MiB\n\
             cmd: ./server\nargs: -p,80\nenv.A: \nenv.B: two\\nlines\nuid: -\n\
             flapping.attempts: 2\nflapping.window: 1\nredirect_output: out,err"
        );
    }
}
