//! Says something to a process, and shows what it answers: `cargo run -p gaffer-client --example talk ENDPOINT PID TEXT`.

#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::error::Error;

use gaffer_client::{Client, SocketOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, pid, text] = &arguments[..] else { return Err("usage: talk ENDPOINT PID TEXT".into()) };
    let client = Client::new(&endpoint.parse()?)?;
    let mut process = client.stdio(pid.parse()?, &SocketOptions::default()).await?;
    process.send(format!("{text}\n").into()).await?;
    let answer = process.recv().await?.ok_or("the process has ended")?;
    print!("{}", String::from_utf8_lossy(&answer));
    process.close().await?;
    Ok(())
}
