//! `ps`: what the application's processes use, in the manual's blocks.

use std::{
    fmt::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use gaffer_cli::{
    Context, Failure, Format, Output,
    commands::failed,
    ending, escaped,
    lookup::{Finder, Want},
};
use gaffer_client::{Client, Error};
use gaffer_core::{
    JobConfig, JobName,
    api::{JobState, JobStatus, LastExit, lookup::NodeInfo},
    stats::{JobStats, ProcessStats, ctime},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::app::App;

/// So many jobs are asked for at once: for each the node measures 0.1 s.
const AT_ONCE: usize = 8;

/// A job and what it uses.
#[derive(Debug, Serialize)]
struct Block {
    #[serde(flatten)]
    status: JobStatus,
    cmd: String,
    /// In percent of the host's memory.
    mem: f64,
    processes: Vec<Process>,
    /// Where the node is, if it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The name without the application.
    #[serde(skip)]
    shown: String,
}

/// A process of it.
#[derive(Debug)]
struct Process {
    stats: ProcessStats,
    /// Since when it runs, in seconds.
    uptime: f64,
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { stats: ProcessStats { pid, usage }, uptime } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", pid)?;
        map.serialize_entry("os_pid", &usage.os_pid)?;
        map.serialize_entry("uptime", uptime)?;
        map.serialize_entry("cpu", &usage.cpu)?;
        map.serialize_entry("mem", &usage.mem)?;
        map.serialize_entry("rss", &usage.rss)?;
        map.end()
    }
}

pub(super) async fn run(app: &App, context: &mut Context<'_>) -> Result<(), Failure> {
    let blocks = blocks(app, &context.client).await?;
    match context.output.format() {
        Format::Json => context.output.json(&blocks),
        Format::Text => print(&blocks, context.output),
    }
}

/// The same, of all nodes that have the application. What one of them fails with is told, and the others are shown.
pub(super) async fn everywhere(app: &App, finder: &Finder<'_>, output: &mut Output) -> Result<(), Failure> {
    let nodes = finder.nodes(Want::Session(app.name().clone()), output).await?;
    let is_one = nodes.len() == 1;
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    for node in nodes {
        let found = match finder.client_of(&node, output) {
            Ok(client) => blocks(app, &client).await,
            Err(failure) => Err(failure),
        };
        match found {
            Ok(blocks) => {
                if output.format() == Format::Text {
                    if !is_one {
                        output.line(heading(&node))?;
                    }
                    print(&blocks, output)?;
                }
                all.extend(blocks.into_iter().map(|block| Block { origin: Some(node.origin.clone()), ..block }));
            }
            Err(failure) if is_one => return Err(failure),
            Err(failure) => failures.push(failure),
        }
    }
    if output.format() == Format::Json {
        output.json(&all)?;
    }
    failed(output, &failures)
}

/// The line above the blocks of a node.
fn heading(NodeInfo { name, origin, .. }: &NodeInfo) -> String {
    format!("*** {} ({})", escaped(origin), escaped(name))
}

async fn blocks(app: &App, client: &Client) -> Result<Vec<Block>, Failure> {
    let jobs = app.jobs(client).await?;
    let blocks = stream::iter(jobs).map(|job| async move { Block::ask(client, app, &job).await });
    let blocks: Vec<Option<Block>> = blocks.buffered(AT_ONCE).try_collect().await?;
    Ok(blocks.into_iter().flatten().collect())
}

fn print(blocks: &[Block], output: &mut Output) -> Result<(), Failure> {
    blocks.iter().try_for_each(|block| output.line(block.to_string().trim_end()))
}

impl Block {
    /// None, if the job was unloaded meanwhile.
    async fn ask(client: &Client, app: &App, job: &JobName) -> Result<Option<Self>, Error> {
        let answers = tokio::try_join!(client.status(job), client.known_config(job), client.job_stats(job));
        match answers {
            Ok((status, known, stats)) => Ok(Some(Self::new(app.shown(job), status, &known.config, stats))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn new(shown: String, status: JobStatus, config: &JobConfig, stats: JobStats) -> Self {
        let now = node_time(&status, &stats.stats);
        let status = JobStatus { cpu: Some(stats.totals.cpu), rss: Some(stats.totals.rss), ..status };
        let processes = stats.stats.into_iter().map(|stats| {
            let uptime = stats.usage.create_time.map_or(0.0, |begin| now - begin);
            Process { stats, uptime: uptime.max(0.0) }
        });
        let (cmd, mem, processes) = (config.command().to_string(), stats.totals.mem, processes.collect());
        Self { shown, status, cmd, mem, processes, origin: None }
    }
}

/// The time by the node's clock, which need not be ours: when its oldest process was launched, and how long that has run. Ours, if
/// that is not known.
fn node_time(status: &JobStatus, processes: &[ProcessStats]) -> f64 {
    let oldest = status.pids.first().and_then(|oldest| processes.iter().find(|process| process.pid == *oldest));
    match (oldest.and_then(|oldest| oldest.usage.create_time), status.uptime) {
        (Some(begin), Some(uptime)) => begin + uptime,
        (_, _) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, status, cmd, mem, processes, origin: _ } = self;
        writeln!(f, "=== {shown}: `{}`", escaped(cmd))?;
        let cause = status.cause.as_deref().map(escaped);
        if !processes.is_empty() {
            // The node sums up what it knows.
            writeln!(f, "Total CPU: {:.6} Total MEM: {mem:.2}", status.cpu.unwrap_or_default())?;
            if let Some(cause) = cause {
                writeln!(f, "{cause}")?;
            }
            f.write_char('\n')?;
            return processes.iter().try_for_each(|Process { stats, uptime }| {
                // What a node may tell that none lives to see is cut.
                let uptime = Duration::try_from_secs_f64(*uptime).unwrap_or(Duration::MAX);
                writeln!(f, "{shown}.{}: up for {}", stats.pid, ctime(uptime))
            });
        }
        match (status.state, cause) {
            (JobState::Stopped, _) => f.write_str("stopped"),
            (_, Some(cause)) => f.write_str(&cause),
            (JobState::Started, None) if status.max_processes == 0 => f.write_str("scaled to 0"),
            (JobState::Started | JobState::Flapping | JobState::GivenUp, None) => match status.last_exit {
                Some(LastExit { exit_code, term_signal, .. }) => {
                    write!(f, "no process runs; the last one ended with {}", ending(exit_code, term_signal))
                }
                None => f.write_str("no process runs"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A job of which so many processes run, launched a second after each other.
    fn block(state: &str, running: u64, more: &Value) -> Block {
        let pids: Vec<u64> = (1..=running).collect();
        let mut status = json!({
            "name": "shop.web", "active": running > 0, "running": running, "max_processes": 2, "state": state, "pids": pids,
            "uptime": (running > 0).then_some(65.25), "restarts": 0, "last_exit": null, "cause": null,
        });
        status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let stats = pids.iter().map(|pid| {
            json!({
                "pid": pid, "os_pid": 7, "username": null, "nice": null, "cmdline": null, "cpu": 0.9, "mem": 0.1, "rss": null,
                "vms": null, "cpu_time": null, "create_time": 1_000.0 + *pid as f64, "children": [],
            })
        });
        let stats: Vec<ProcessStats> = stats.map(|stats| serde_json::from_value(stats).unwrap()).collect();
        let config =
            serde_json::from_value(json!({ "name": "web", "cmd": "python", "args": ["-u", "a b.py"] })).unwrap();
        let name: JobName = "shop.web".parse().unwrap();
        Block::new("web".to_owned(), serde_json::from_value(status).unwrap(), &config, JobStats::new(name, stats))
    }

    #[test]
    fn a_job_that_runs_is_told_as_the_manual_has_it() {
        assert_eq!(
            block("started", 2, &json!({})).to_string(),
            "=== web: `python -u 'a b.py'`\nTotal CPU: 1.800000 Total MEM: 0.20\n\n\
             web.1: up for 1:05.25\nweb.2: up for 1:04.25\n"
        );
        let ill = block("flapping", 1, &json!({"cause": "it crashes\n"})).to_string();
        assert!(ill.contains("Total MEM: 0.10\nit crashes\\n\n\nweb.1: up"), "{ill}");
    }

    #[test]
    fn why_nothing_runs_is_told() {
        for (state, more, told) in [
            ("stopped", json!({}), "stopped"),
            ("stopped", json!({"cause": "no such program"}), "stopped"),
            ("started", json!({"cause": "no such program"}), "no such program"),
            ("started", json!({"max_processes": 0}), "scaled to 0"),
            ("given_up", json!({}), "no process runs"),
            (
                "started",
                json!({"last_exit": {"pid": 1, "exit_code": 3, "term_signal": 0}}),
                "no process runs; the last one ended with code 3",
            ),
        ] {
            assert_eq!(block(state, 0, &more).to_string(), format!("=== web: `python -u 'a b.py'`\n{told}"));
        }
    }

    #[test]
    fn as_json_it_is_one_object() {
        let block = json!(block("started", 1, &json!({})));
        assert_eq!((&block["name"], &block["cmd"]), (&json!("shop.web"), &json!("python -u 'a b.py'")));
        let process = json!({"pid": 1, "os_pid": 7, "uptime": 65.25, "cpu": 0.9, "mem": 0.1, "rss": null});
        assert_eq!((&block["processes"], block.get("origin")), (&json!([process]), None));
    }

    #[test]
    fn a_node_can_say_nothing_to_the_terminal() {
        let [name, origin] = ["n\n", "http://a\u{1b}[2J"].map(str::to_owned);
        let node = NodeInfo { name, origin, version: "0.1".to_owned() };
        assert_eq!(heading(&node), "*** http://a\\u{1b}[2J (n\\n)");
    }
}
