//! `status`: whether a job runs, or a table of jobs.

use anstyle::{AnsiColor, Style};
use gaffer_cli::{Context, Failure, Format, Table, Targets, percent, size, span};
use gaffer_core::api::{JobState, JobStatus};

use super::{failed, show};

pub(super) async fn run(context: &mut Context<'_>, names: &[String]) -> Result<(), Failure> {
    if let ([name], Format::Text) = (names, context.output.format())
        && let Ok(job) = name.parse()
    {
        let status = context.client.status(&job).await?;
        return context.output.line(if status.active { "active" } else { "stopped" });
    }
    let mut jobs = context.client.statuses().await?;
    let mut failures = Vec::new();
    if !names.is_empty() {
        let loaded: Vec<_> = jobs.iter().map(|job| job.name.clone()).collect();
        let targets = Targets::jobs_of(&loaded, names);
        jobs.retain(|job| targets.found.contains(&job.name));
        failures = targets.failures;
    }
    match context.output.format() {
        Format::Json => context.output.json(&jobs)?,
        Format::Text if !jobs.is_empty() => context.output.table(table(&jobs))?,
        Format::Text if names.is_empty() => {
            context.output.hint("no jobs are loaded; `gafferctl load_process FILE` loads some")
        }
        Format::Text => {}
    }
    failed(context.output, &failures)
}

fn table(jobs: &[JobStatus]) -> Table {
    let mut headings = vec!["NAME", "STATE", "RUNNING", "PIDS", "UPTIME", "CPU", "MEMORY", "RESTARTS", "LAST EXIT"];
    let has_causes = jobs.iter().any(|job| job.cause.is_some());
    if has_causes {
        headings.push("CAUSE");
    }
    let mut table = Table::new(&headings).numbers(&[2, 5, 6, 7]);
    for job in jobs {
        let mut cells = vec![
            job.name.short(),
            show::state(job.state).to_owned(),
            format!("{}/{}", job.running, job.max_processes),
            show::few_pids(&job.pids),
            show::or_nothing(job.uptime.map(span)),
            show::or_nothing(job.cpu.map(percent)),
            show::or_nothing(job.rss.map(size)),
            job.restarts.to_string(),
            show::or_nothing(job.last_exit.map(show::last_exit)),
        ];
        if has_causes {
            cells.push(job.cause.clone().unwrap_or_default());
        }
        table.row(style(job), cells);
    }
    table
}

/// What does not run as it should stands out; what nobody wants to run steps back.
fn style(job: &JobStatus) -> Style {
    match job.state {
        JobState::GivenUp => AnsiColor::Red.on_default(),
        JobState::Flapping => AnsiColor::Yellow.on_default(),
        JobState::Stopped => Style::new().dimmed(),
        JobState::Started if job.cause.is_some() => AnsiColor::Red.on_default(),
        JobState::Started => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(name: &str, state: &str, cause: Option<&str>) -> JobStatus {
        let status = json!({
            "name": name, "active": true, "running": 2, "max_processes": 3, "state": state, "pids": [1, 2],
            "uptime": 312.5, "restarts": 7, "last_exit": {"pid": 9, "exit_code": 0, "term_signal": 9},
            "cause": cause, "cpu": 12.5, "rss": 1_258_291,
        });
        serde_json::from_value(status).unwrap()
    }

    fn lines(jobs: &[JobStatus]) -> Vec<String> {
        table(jobs).to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_row_tells_all_about_a_job() {
        let mut idle = job("shop.api", "started", None);
        idle = JobStatus { pids: vec![], uptime: None, last_exit: None, cpu: None, rss: None, ..idle };
        let lines = lines(&[job("web", "started", None), idle]);
        assert_eq!(
            lines,
            [
                "\u{1b}[1mNAME      STATE    RUNNING  PIDS  UPTIME    CPU   MEMORY  RESTARTS  LAST EXIT\u{1b}[0m",
                "web       started      2/3  1 2   5m 12s  12.5%  1.2 MiB         7  SIGKILL",
                "shop.api  started      2/3  -     -           -        -         7  -",
            ]
        );
    }

    #[test]
    fn what_does_not_run_as_it_should_is_coloured_and_says_why() {
        let jobs = [
            job("a", "given_up", Some("kept crashing")),
            job("b", "flapping", None),
            job("c", "stopped", None),
            job("d", "started", Some("no such program")),
        ];
        let lines = lines(&jobs);
        assert!(lines[0].ends_with("CAUSE\u{1b}[0m"), "{lines:?}");
        for (line, (begin, end)) in lines[1..].iter().zip([
            ("\u{1b}[31ma ", "kept crashing\u{1b}[0m"),
            ("\u{1b}[33mb ", "SIGKILL\u{1b}[0m"),
            ("\u{1b}[2mc ", "SIGKILL\u{1b}[0m"),
            ("\u{1b}[31md ", "no such program\u{1b}[0m"),
        ]) {
            assert!(line.starts_with(begin) && line.ends_with(end), "{line:?}");
        }
    }
}
