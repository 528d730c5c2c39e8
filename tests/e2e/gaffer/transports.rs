//! Every command over every transport.

use std::{collections::BTreeSet, fs};

use super::gaffer;
use crate::{help, three_ways::Node};

/// Every command that ends by itself, in an order in which they work; and a part of what each prints.
const COMMANDS: [(&str, &str); 15] = [
    ("load", "==> 'shop' has been loaded in "),
    ("load -c web=2 bank", "==> 'bank' has been loaded in "),
    ("apps", "shop\nbank\n"),
    ("scale web=2", "done, now running 2"),
    ("ps", "=== web: `misbehave "),
    ("ps:info web", "num_processes: 2"),
    ("ps:kill web CONT", "'CONT' sent to 'web'"),
    ("logs --no-follow web", "| hello"),
    ("run web", "new process "),
    ("ps:stop web", "'web' stopped"),
    ("ps:start web", "'web' started"),
    ("reload web", "job 'web' reloaded"),
    ("unload web", "job 'web' unloaded"),
    ("unload bank", "==> app 'bank' unloaded"),
    ("unload", "==> app 'shop' unloaded"),
];

/// What needs no node, and what goes on: of that see below.
const OTHERS: [&str; 6] = ["start", "check", "export", "send", "recv", "logs"];

fn started() -> Node {
    let node = Node::start("");
    let folder = node.daemon.path("shop");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("Procfile"), "web: misbehave print hello forever\necho: cat\n").unwrap();
    fs::write(folder.join(".env"), "GAFFER_REDIRECT_INPUT=echo\n").unwrap();
    node
}

#[test]
fn every_command_works_over_tcp_tls_and_a_unix_socket() {
    let node = started();
    let gaffer = gaffer(&node.daemon, &node.daemon.path("shop"));
    for (transport, client) in node.clients(&gaffer) {
        for (line, expected) in COMMANDS {
            let said = client.run(&line.split(' ').collect::<Vec<_>>());
            assert_eq!((said.code, said.stderr.as_str()), (0, ""), "over {transport}: {said}");
            assert!(said.stdout.contains(expected), "over {transport}: {said}");
            if line == "load" {
                node.daemon.until("it has written", || {
                    let said = client.run(&["logs", "--no-follow", "web"]);
                    if said.stdout.contains("hello") { Ok(()) } else { Err(said) }
                });
            }
        }
    }
    let tried = COMMANDS.iter().map(|(line, _)| line.split(' ').next().unwrap()).chain(OTHERS).map(str::to_owned);
    // What handles keys and users is tried where these are required, and lookup calls no node.
    let is_elsewhere =
        |name: &String| ["log", "key", "user", "lookup"].iter().any(|word| name.starts_with(word)) && name != "logs";
    let commands: BTreeSet<String> = help::commands(&gaffer).into_iter().filter(|name| !is_elsewhere(name)).collect();
    assert_eq!(tried.collect::<BTreeSet<_>>(), commands);
}

#[test]
fn what_is_followed_sent_and_received_goes_over_tcp_tls_and_a_unix_socket() {
    let node = started();
    let gaffer = gaffer(&node.daemon, &node.daemon.path("shop"));
    gaffer.prints(&["load"]);
    let pid = node.daemon.until_running("shop.echo", 1)[0].to_string();
    for (transport, client) in node.clients(&gaffer) {
        let (logs, recv) = (client.start(&["logs", "echo"]), client.start(&["recv", &pid]));
        node.daemon.until("both listen", || {
            client.prints(&["send", &pid, "tick"]);
            let silent = [&logs, &recv].iter().filter(|client| client.lines().is_empty()).count();
            if silent == 0 { Ok(()) } else { Err(format!("over {transport}: {silent} heard nothing")) }
        });
        let said = client.run_with_input(&["send", &pid], format!("through a pipe over {transport}\n"));
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "over {transport}: {said}");
        logs.until_printed(&format!("| through a pipe over {transport}"));
        recv.until_printed(&format!("through a pipe over {transport}"));
    }
}
