//! Shows what a process writes, until it ends: `cargo run -p gaffer-client --example follow ENDPOINT PID LABEL`.

#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::error::Error;

use futures_util::StreamExt;
use gaffer_client::{Client, FeedOptions, Told};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, pid, label] = &arguments[..] else { return Err("usage: follow ENDPOINT PID LABEL".into()) };
    let client = Client::new(&endpoint.parse()?)?;
    let options = FeedOptions { history: 10, ..FeedOptions::default() };
    let mut feed = client.follow_output(pid.parse()?, &label.parse()?, &options).await?;
    while let Some(told) = feed.next().await {
        match told? {
            Told::Item(output) if output.ends_line => println!("{}", output.text),
            Told::Item(output) => print!("{}", output.text),
            Told::Lost(what) => println!("[{what}]"),
            Told::Disconnected(error) => println!("[{error}]"),
            Told::Reconnected { .. } => println!("[it goes on]"),
        }
    }
    Ok(())
}
