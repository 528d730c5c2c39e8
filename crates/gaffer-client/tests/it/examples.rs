//! The examples, run.

use std::process::Command;

use crate::fixture::{label, node, pid};

fn example(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(gaffer_tests::example("gaffer-client", name));
    command.args(arguments);
    command
}

fn shown(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn they_do_what_they_say() {
    let (daemon, client) = node();
    let endpoint = format!("http://{}", daemon.address());
    let shown_status = shown(&mut example("status", &[&endpoint]));
    assert_eq!(shown_status, "echo: Started, 1 of 1 run\nshop.api: Started, 1 of 1 run\n");
    let echo = pid(&daemon, "echo");
    assert_eq!(shown(&mut example("talk", &[&endpoint, &echo.to_string(), "hello"])), "hello\n");
    assert_eq!(client.recent_output(echo, &label("out"), 9).await.unwrap(), "hello\n");
    let following = example("follow", &[&endpoint, &echo.to_string(), "out"]);
    let mut following = following_until(following, "hello\n");
    client.stop_process(echo).await.unwrap();
    assert!(following.wait().unwrap().success(), "it ends with the process");
}

/// Starts a program, and waits until it shows a text.
fn following_until(mut command: Command, text: &str) -> std::process::Child {
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut seen = vec![0; text.len()];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut seen).unwrap();
    assert_eq!(String::from_utf8(seen).unwrap(), text);
    child
}
