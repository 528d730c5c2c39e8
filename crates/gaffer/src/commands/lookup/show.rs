//! Answers of lookup servers as the original prints them.

use gaffer_cli::escaped;
use gaffer_core::api::lookup::{Jobs, NameConflict, NodeInfo, Nodes, Sessions, Source, Sources};

/// Lines of a text, each with its end.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Adds a line. What others have put into it cannot act on the terminal.
    fn add(&mut self, line: impl AsRef<str>) {
        self.0.push_str(&escaped(line));
        self.0.push('\n');
    }

    /// Adds the nodes that have a job.
    fn sources(&mut self, sources: &[Source]) {
        for Source { node_info: NodeInfo { name, origin, version }, .. } in sources {
            self.add(format!("{origin} - name: {name}, protocol: {version}"));
        }
        self.add("");
    }
}

pub(super) fn nodes(Nodes { nodes, .. }: &Nodes) -> String {
    let mut lines = Lines::default();
    lines.add(format!("{} node(s) found", nodes.len()));
    lines.add("");
    for NodeInfo { name, origin, version } in nodes {
        lines.add(format!("{origin} - {name} (protocol: {version})"));
    }
    lines.0
}

/// That several nodes have one name.
pub(super) fn conflict(NameConflict { name, origins }: &NameConflict) -> String {
    format!("warning: several nodes are called `{name}`: {}", origins.join(", "))
}

pub(super) fn jobs(Jobs { jobs, .. }: &Jobs) -> String {
    let mut lines = Lines::default();
    lines.add(format!("{} job(s) found", jobs.len()));
    lines.add("");
    for job in jobs {
        lines.add(format!("=== {}", job.name));
        lines.sources(&job.sources);
    }
    lines.0
}

pub(super) fn sessions(Sessions { sessions, .. }: &Sessions) -> String {
    let mut lines = Lines::default();
    lines.add(format!("{} session(s) found", sessions.len()));
    lines.add("");
    for session in sessions {
        lines.add(format!("*** session: {}", session.sessionid));
        lines.add("");
        for (name, sources) in &session.jobs {
            lines.add(format!("=== job: {name}"));
            lines.sources(sources);
        }
    }
    lines.0
}

pub(super) fn sources(Sources { sources }: &Sources) -> String {
    let mut lines = Lines::default();
    for Source { pids, node_info: NodeInfo { name, origin, version }, .. } in sources {
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        lines.add(format!("=== {name} (Protocol: {version})"));
        lines.add(format!("Origin: {origin}"));
        lines.add(format!("Pids: {}", pids.join(",")));
        lines.add("");
    }
    lines.0
}

#[cfg(test)]
mod tests {
    use gaffer_core::{
        ProcessId,
        api::lookup::{LookupJob, LookupSession},
    };

    use super::*;

    fn node(name: &str) -> NodeInfo {
        NodeInfo { name: name.to_owned(), origin: format!("http://{name}:5000"), version: "0.1".to_owned() }
    }

    fn source(name: &str) -> Source {
        Source { name: name.to_owned(), pids: [1, 2].map(ProcessId::new).into(), node_info: node(name) }
    }

    #[test]
    fn answers_are_printed_as_the_original_does() {
        let a = || LookupJob { name: "s.a".to_owned(), sources: vec![source("n"), source("m")] };
        let b = || LookupJob { name: "s.b".to_owned(), sources: vec![source("n")] };
        assert_eq!(
            nodes(&Nodes { nodes: vec![node("n"), node("m")], conflicts: vec![] }),
            "2 node(s) found\n\nhttp://n:5000 - n (protocol: 0.1)\nhttp://m:5000 - m (protocol: 0.1)\n"
        );
        assert_eq!(
            jobs(&Jobs { nb_jobs: 2, jobs: vec![a(), b()] }),
            "2 job(s) found\n\n=== s.a\nhttp://n:5000 - name: n, protocol: 0.1\nhttp://m:5000 - name: m, protocol: 0.1\n\n\
             === s.b\nhttp://n:5000 - name: n, protocol: 0.1\n\n"
        );
        let session =
            LookupSession { sessionid: "s".to_owned(), jobs: [a(), b()].map(|job| (job.name, job.sources)).into() };
        assert_eq!(
            sessions(&Sessions { nb_sessions: 1, sessions: vec![session] }),
            "1 session(s) found\n\n*** session: s\n\n\
             === job: s.a\nhttp://n:5000 - name: n, protocol: 0.1\nhttp://m:5000 - name: m, protocol: 0.1\n\n\
             === job: s.b\nhttp://n:5000 - name: n, protocol: 0.1\n\n"
        );
        assert_eq!(
            sources(&Sources { sources: vec![source("n")] }),
            "=== n (Protocol: 0.1)\nOrigin: http://n:5000\nPids: 1,2\n\n"
        );
    }

    #[test]
    fn nothing_is_counted_too() {
        assert_eq!(nodes(&Nodes::default()), "0 node(s) found\n\n");
        assert_eq!(jobs(&Jobs::default()), "0 job(s) found\n\n");
        assert_eq!(sessions(&Sessions::default()), "0 session(s) found\n\n");
        assert_eq!(sources(&Sources::default()), "");
    }

    #[test]
    fn what_a_server_says_cannot_reach_the_terminal() {
        let evil = NodeInfo { name: "n\u{1b}[2J".to_owned(), origin: "http://n\nx".to_owned(), ..node("n") };
        let told = nodes(&Nodes { nodes: vec![evil], conflicts: vec![] });
        assert_eq!(told, "1 node(s) found\n\nhttp://n\\nx - n\\u{1b}[2J (protocol: 0.1)\n");
    }

    #[test]
    fn nodes_of_one_name_are_told_with_their_origins() {
        let conflict = conflict(&NameConflict {
            name: "n".to_owned(),
            origins: ["http://a", "http://b"].map(str::to_owned).into(),
        });
        assert_eq!(conflict, "warning: several nodes are called `n`: http://a, http://b");
    }
}
