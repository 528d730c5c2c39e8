//! Clients of others than the original.

use gaffer_tests::{Client, Daemon, Environment};

#[test]
fn pythons_websockets_talk_to_a_process() {
    let daemon = Daemon::start(
        "[process:echo]\ncmd = cat\nredirect_output = out\nredirect_input = true\n\
         [process:mute]\ncmd = sleep 1000\nredirect_output = out\n",
    );
    let Some(client) = Client::driver(&daemon, Environment::Modern, "wstreams.py") else { return };
    let (echo, _) = daemon.only_process("echo");
    let (mute, _) = daemon.only_process("mute");
    client.prints(&[&format!("ws://{}", daemon.address()), &echo.to_string(), &mute.to_string()]);
}
