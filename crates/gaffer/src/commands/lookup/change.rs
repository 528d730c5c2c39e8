//! Changes on lookup servers, as the original prints them.

use futures_util::{Stream, StreamExt};
use gaffer_cli::{Failure, Format, Output, escaped};
use gaffer_client::lookup::{Lookup, Told};
use gaffer_core::{
    api::lookup::{Change, NodeInfo},
    voice::time_of_day,
};

/// Prints changes as they come, until the program is interrupted.
pub(super) async fn watch(lookup: &Lookup, output: &mut Output) -> Result<(), Failure> {
    print(lookup.watch(), output).await
}

/// Prints what a watch tells, to its end.
async fn print(mut watch: impl Stream<Item = Told> + Unpin, output: &mut Output) -> Result<(), Failure> {
    while let Some(told) = watch.next().await {
        match told {
            Told::Change(change) => tell(&change, output)?,
            Told::Lost(silent) => output.say(format_args!("{silent}; trying again")),
            Told::Back(server) => output.say(format_args!("connected to gaffer_lookupd at {server} again")),
        }
    }
    Ok(())
}

/// Prints a change; or says how many are missing.
fn tell(change: &Change, output: &mut Output) -> Result<(), Failure> {
    match (output.format(), line(&time_of_day(), change)) {
        (Format::Json, _) => output.json(change),
        (Format::Text, Ok(line)) => output.line(line),
        (Format::Text, Err(lost)) => {
            output.say(format_args!("{lost} changes were lost, because they came faster than they are printed"));
            Ok(())
        }
    }
}

/// The line of a change; or how many are missing.
fn line(time: &str, change: &Change) -> Result<String, u64> {
    let (event, what) = match change {
        Change::AddNode(_) => ("add_node", "add node".to_owned()),
        Change::Identify(NodeInfo { name, origin, .. }) => ("identify", format!("{name}: {origin}")),
        Change::RemoveNode(NodeInfo { name, origin, .. }) => ("remove_node", format!("{name}: node {origin}")),
        Change::AddJob { node, job_name } => ("add_job", format!("load {job_name} in {}", node.origin)),
        Change::RemoveJob { node, job_name } => ("remove_job", format!("unload {job_name} in {}", node.origin)),
        Change::AddProcess { node, job_name, pid } => {
            ("add_process", format!("{job_name}: process id {pid} spawned on {}", node.origin))
        }
        Change::RemoveProcess { node, job_name, pid } => {
            ("remove_process", format!("{job_name}: process {pid} exited on {}", node.origin))
        }
        Change::Lost { lost } => return Err(*lost),
    };
    Ok(format!("{time} {event} | {}", escaped(what)))
}

#[cfg(test)]
mod tests {
    use gaffer_core::{ProcessId, api::lookup::UnknownNode};

    use super::*;

    fn node() -> NodeInfo {
        NodeInfo { name: "n".to_owned(), origin: "http://n:5000".to_owned(), version: "0.1".to_owned() }
    }

    #[test]
    fn changes_are_told_as_the_original_does() {
        let (job_name, pid) = (|| "s.a".to_owned(), ProcessId::new(1));
        for (change, expected) in [
            (Change::AddNode(UnknownNode::default()), "add_node | add node"),
            (Change::Identify(node()), "identify | n: http://n:5000"),
            (Change::RemoveNode(node()), "remove_node | n: node http://n:5000"),
            (Change::AddJob { node: node(), job_name: job_name() }, "add_job | load s.a in http://n:5000"),
            (Change::RemoveJob { node: node(), job_name: job_name() }, "remove_job | unload s.a in http://n:5000"),
            (
                Change::AddProcess { node: node(), job_name: job_name(), pid },
                "add_process | s.a: process id 1 spawned on http://n:5000",
            ),
            (
                Change::RemoveProcess { node: node(), job_name: job_name(), pid },
                "remove_process | s.a: process 1 exited on http://n:5000",
            ),
        ] {
            assert_eq!(line("12:34:56", &change), Ok(format!("12:34:56 {expected}")));
        }
        assert_eq!(line("12:34:56", &Change::Lost { lost: 7 }), Err(7));
    }

    #[test]
    fn what_a_server_says_cannot_reach_the_terminal() {
        let evil = NodeInfo { name: "n\u{1b}[2J\n".to_owned(), ..node() };
        let told = line("12:34:56", &Change::Identify(evil)).unwrap();
        assert_eq!(told, "12:34:56 identify | n\\u{1b}[2J\\n: http://n:5000");
    }
}
