//! `stats`: what processes use.

use std::{collections::HashMap, ops::ControlFlow, time::Duration};

use anstyle::Style;
use gaffer_cli::{
    Context, Failure, Format, Table, Target, Targets,
    commands::{Link, may_pass},
    percent, size, unless_signalled,
};
use gaffer_core::{
    JobName, ProcessId,
    names::OsPid,
    os,
    stats::{JobStats, ProcessStats, ctime},
};
use serde::Serialize;
use tokio::time::sleep;

use super::{failed, show};

/// A process, as it is told as JSON.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: String,
    #[serde(flatten)]
    process: &'a ProcessStats,
}

/// What is looked at.
#[derive(Debug)]
struct Selection {
    /// Nothing was named, so all is meant.
    is_all: bool,
    targets: Vec<Target>,
    /// The kernel's numbers of the processes that were named: gaffer's may be those of others after a restart of the node.
    os_pids: HashMap<ProcessId, OsPid>,
}

pub(super) async fn once(context: &mut Context<'_>, words: &[String]) -> Result<(), Failure> {
    let jobs = context.client.stats().await?;
    let (selection, failures) = Selection::new(&jobs, words);
    let jobs = selection.of(jobs);
    match context.output.format() {
        Format::Json => context.output.json(&rows(&jobs).collect::<Vec<_>>())?,
        Format::Text if rows(&jobs).next().is_some() => context.output.table(table(&jobs))?,
        Format::Text if failures.is_empty() => context.output.hint("no processes run"),
        Format::Text => {}
    }
    failed(context.output, &failures)
}

/// Goes on, until all processes are gone if only such were named. On a terminal the looks stand in a screen of their own.
pub(super) async fn follow(context: &mut Context<'_>, words: &[String], interval: Duration) -> Result<(), Failure> {
    if context.output.format() == Format::Text && context.output.is_terminal() {
        // A signal ends the program as ever, but not before the terminal is as it was.
        let looks = async {
            context.output.enter_screen()?;
            looks(context, words, interval).await
        };
        let end = unless_signalled(looks).await;
        context.output.leave_screen();
        return match end? {
            ControlFlow::Continue(end) => end,
            ControlFlow::Break(signal) => os::die_of(signal),
        };
    }
    looks(context, words, interval).await
}

async fn looks(context: &mut Context<'_>, words: &[String], interval: Duration) -> Result<(), Failure> {
    let client = context.client.clone();
    let mut run = client.run().await?;
    let mut jobs = client.stats().await?;
    let (mut selection, failures) = Selection::new(&jobs, words);
    let told = failed(context.output, &failures);
    let mut link = Link::new(&client);
    let mut is_first = true;
    loop {
        let seen = selection.of(jobs);
        if selection.is_over(&seen) {
            return told;
        }
        show_look(context, seen, std::mem::take(&mut is_first))?;
        let now = loop {
            sleep(interval).await;
            // First the figures: so they are of this run, or of an earlier one than they are taken for.
            let look = async { Ok((client.stats().await?, client.run().await?)) };
            match look.await {
                Ok((look, now)) => {
                    jobs = look;
                    break now;
                }
                Err(error) if may_pass(&error) => link.lost(context.output, &error),
                Err(error) => return Err(error.into()),
            }
        };
        let same_run = now == run;
        link.found(context.output, same_run);
        run = now;
        if !same_run && selection.forget_processes() {
            let endpoint = client.endpoint();
            let message = format!("gafferd at {endpoint} was restarted, and the processes have ended with it");
            return Err(Failure::Failed(message));
        }
    }
}

fn show_look(context: &mut Context<'_>, mut jobs: Vec<JobStats>, is_first: bool) -> Result<(), Failure> {
    let jobs = &mut jobs;
    match context.output.format() {
        Format::Json => rows(jobs).try_for_each(|row| context.output.json(&row)),
        Format::Text if context.output.is_terminal() => {
            sort_by_cpu(jobs);
            context.output.screen(table(jobs))
        }
        Format::Text if is_first => context.output.line(table(jobs)),
        Format::Text => context.output.line(format_args!("\n{}", table(jobs))),
    }
}

impl Selection {
    /// What the words mean, and which of them mean nothing.
    fn new(jobs: &[JobStats], words: &[String]) -> (Self, Vec<Failure>) {
        let loaded: Vec<JobName> = jobs.iter().map(|job| job.name.clone()).collect();
        let Targets { mut found, mut failures, .. } = Targets::jobs_and_processes_of(&loaded, words);
        found.retain(|target| match target {
            Target::Job(_) => true,
            Target::Process(pid) => {
                let is_there = rows(jobs).any(|row| row.process.pid == *pid);
                if !is_there {
                    failures.push(Failure::NotFound(format!("no process has the pid {pid}")));
                }
                is_there
            }
        });
        let os_pids = rows(jobs).map(|row| (row.process.pid, row.process.usage.os_pid)).collect();
        (Self { is_all: words.is_empty(), targets: found, os_pids }, failures)
    }

    /// What of it is there, in the order of loading.
    fn of(&self, mut jobs: Vec<JobStats>) -> Vec<JobStats> {
        if !self.is_all {
            let is_meant = |ProcessStats { pid, usage }: &ProcessStats| {
                self.targets.contains(&Target::Process(*pid)) && self.os_pids.get(pid) == Some(&usage.os_pid)
            };
            for job in &mut jobs {
                if !self.targets.contains(&Target::Job(job.name.clone())) {
                    job.stats.retain(is_meant);
                    // The sums would be those of others, too.
                    *job = JobStats::new(job.name.clone(), std::mem::take(&mut job.stats));
                }
            }
        }
        jobs
    }

    /// The node was restarted, and its processes have gone; whether nothing is left of what was named.
    fn forget_processes(&mut self) -> bool {
        self.targets.retain(|target| matches!(target, Target::Job(_)));
        !self.is_all && self.targets.is_empty()
    }

    /// Whether nothing can come any more: processes do not come back, jobs do.
    fn is_over(&self, seen: &[JobStats]) -> bool {
        let only_processes = self.targets.iter().all(|target| matches!(target, Target::Process(_)));
        !self.is_all && only_processes && rows(seen).next().is_none()
    }
}

fn rows(jobs: &[JobStats]) -> impl Iterator<Item = Row<'_>> {
    jobs.iter().flat_map(|job| job.stats.iter().map(|process| Row { name: job.name.short(), process }))
}

/// What uses most comes first, among jobs and among the processes of each.
fn sort_by_cpu(jobs: &mut [JobStats]) {
    jobs.sort_by(|a, b| b.totals.cpu.total_cmp(&a.totals.cpu));
    let cpu = |process: &ProcessStats| process.usage.cpu.unwrap_or_default();
    jobs.iter_mut().for_each(|job| job.stats.sort_by(|a, b| cpu(b).total_cmp(&cpu(a))));
}

fn table(jobs: &[JobStats]) -> Table {
    let headings = ["NAME", "PID", "OS PID", "USER", "CPU", "MEM", "MEMORY", "CPU TIME", "COMMAND"];
    let mut table = Table::new(&headings).numbers(&[1, 2, 4, 5, 6, 7]);
    for job in jobs {
        for ProcessStats { pid, usage } in &job.stats {
            let cells = [
                job.name.short(),
                pid.to_string(),
                usage.os_pid.to_string(),
                show::or_nothing(usage.username.as_deref()),
                show::or_nothing(usage.cpu.map(percent)),
                show::or_nothing(usage.mem.map(percent)),
                show::or_nothing(usage.rss.map(size)),
                show::or_nothing(usage.cpu_time.map(ctime)),
                show::or_nothing(usage.cmdline.as_deref()),
            ];
            table.row(Style::new(), cells);
        }
        if job.stats.len() > 1 {
            let nothing = || show::NOTHING.to_owned();
            let time = job.stats.iter().filter_map(|process| process.usage.cpu_time).sum();
            let cells = [
                job.name.short(),
                "sum".to_owned(),
                nothing(),
                nothing(),
                percent(job.totals.cpu),
                percent(job.totals.mem),
                size(job.totals.rss),
                ctime(time),
                nothing(),
            ];
            table.row(Style::new().bold(), cells);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(name: &str, pids: &[u64]) -> JobStats {
        let process = |pid: &u64| -> ProcessStats {
            let process = json!({
                "pid": pid, "os_pid": 4000 + pid, "username": "www", "nice": 0, "cmdline": "server", "cpu": 12.5, "mem": 0.4,
                "rss": 1_258_291, "vms": 5_000_000, "cpu_time": 65.43, "create_time": null, "children": [],
            });
            serde_json::from_value(process).unwrap()
        };
        JobStats::new(name.parse().unwrap(), pids.iter().map(process).collect())
    }

    fn selected(words: &[&str]) -> (Vec<Value>, Vec<String>) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let jobs = vec![job("web", &[1, 2]), job("shop.api", &[3]), job("idle", &[])];
        let (selection, failures) = Selection::new(&jobs, &words);
        let seen = selection.of(jobs);
        let rows = rows(&seen).map(|row| serde_json::to_value(row).unwrap());
        let rows = rows.map(|row| json!([row["name"], row["pid"]])).collect();
        (rows, failures.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn processes_are_those_that_are_named() {
        let all = [json!(["web", 1]), json!(["web", 2]), json!(["shop.api", 3])];
        assert_eq!(selected(&[]), (all.to_vec(), vec![]));
        assert_eq!(selected(&["shop.*", "2"]), (all[1..].to_vec(), vec![]));
        assert_eq!(selected(&["idle"]).0, Vec::<Value>::new());
        let (rows, failures) = selected(&["9", "1", "nope"]);
        assert_eq!(rows, all[..1]);
        assert_eq!(failures, ["no job is named `default.nope`", "no process has the pid 9"]);
    }

    #[test]
    fn only_processes_that_are_all_gone_leave_nothing_to_wait_for() {
        let over = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let (selection, _) = Selection::new(&[job("web", &[1])], &words);
            selection.is_over(&selection.of(vec![job("web", &[7])]))
        };
        assert_eq!([over(&["1"]), over(&["1", "web"]), over(&[])], [true, false, false]);
    }

    #[test]
    fn a_process_of_the_same_number_is_another_one() {
        let (selection, _) = Selection::new(&[job("web", &[1])], &["1".to_owned()]);
        let mut later = job("web", &[1]);
        assert!(!selection.is_over(&selection.of(vec![later.clone()])));
        later.stats[0].usage.os_pid = OsPid::new(9).unwrap();
        assert!(selection.is_over(&selection.of(vec![later])));
    }

    #[test]
    fn a_restart_of_the_node_leaves_jobs() {
        let forget = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Selection::new(&[job("web", &[1])], &words).0.forget_processes()
        };
        assert_eq!([forget(&["1"]), forget(&["1", "web"]), forget(&[])], [true, false, false]);
    }

    #[test]
    fn what_uses_most_comes_first() {
        let mut jobs = [job("web", &[1]), job("api", &[2, 3])];
        jobs[1].stats[1].usage.cpu = Some(50.0);
        sort_by_cpu(&mut jobs);
        let order: Vec<u64> = rows(&jobs).map(|row| row.process.pid.get()).collect();
        assert_eq!(order, [3, 2, 1]);
    }

    #[test]
    fn several_processes_of_a_job_are_summed_up() {
        let text = table(&[job("web", &[1, 2]), job("shop.api", &[3])]).to_string();
        let lines: Vec<String> = text.lines().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(
            lines,
            [
                "NAME      PID  OS PID  USER    CPU   MEM   MEMORY  CPU TIME  COMMAND",
                "web         1    4001  www   12.5%  0.4%  1.2 MiB   1:05.43  server",
                "web         2    4002  www   12.5%  0.4%  1.2 MiB   1:05.43  server",
                "web       sum       -  -     25.0%  0.8%  2.4 MiB   2:10.86  -",
                "shop.api    3    4003  www   12.5%  0.4%  1.2 MiB   1:05.43  server",
            ]
        );
    }
}
