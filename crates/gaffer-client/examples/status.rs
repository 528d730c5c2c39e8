//! Shows how the jobs of a node stand: `cargo run -p gaffer-client --example status [ENDPOINT]`.

#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::error::Error;

use gaffer_client::{Client, Endpoint};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1).map_or(Ok(Endpoint::default()), |text| text.parse())?;
    let client = Client::new(&endpoint)?;
    for job in client.statuses().await? {
        println!("{}: {:?}, {} of {} run", job.name.short(), job.state, job.running, job.max_processes);
    }
    Ok(())
}
