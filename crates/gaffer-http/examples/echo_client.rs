//! The manual's echo client: says something to a process over a websocket, and shows what the process says.
//!
//! With gafferd running (`gafferd -c examples/gaffer.ini`):
//!
//! ```console
//! $ cargo run -p gaffer-http --example echo_client
//! Sent
//! Receiving...
//! Received 'ECHO
//! '
//! ```
//!
//! Arguments, both optional: the address of the node, and the pid of a process instead of that of the job `echo`.

#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{client_async, tungstenite::Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let node = arguments.next().unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let pid = match arguments.next() {
        Some(pid) => pid.parse()?,
        None => first_pid(&node, "echo").await?,
    };

    let stream = TcpStream::connect(&node).await?;
    let (mut socket, _) = client_async(format!("ws://{node}/wstreams/{pid}"), stream).await?;
    socket.send(Message::text("ECHO\n")).await?;
    println!("Sent\nReceiving...");

    // What is written in one go may come in pieces.
    let mut received = String::new();
    while !received.ends_with('\n') {
        match socket.next().await.ok_or("the process has ended")?? {
            Message::Text(text) => received.push_str(&text),
            Message::Close(why) => return Err(format!("{received}: the node closed the websocket: {why:?}").into()),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    println!("Received '{received}'");
    socket.close(None).await?;
    Ok(())
}

/// The pid of a job's oldest process.
async fn first_pid(node: &str, job: &str) -> Result<u64, Box<dyn Error>> {
    let mut stream = TcpStream::connect(node).await?;
    let request = format!("GET /processes/{job}/_pids HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("the node gave no answer")?;
    let body: serde_json::Value = serde_json::from_str(body)?;
    let pid = body["pids"].get(0).and_then(serde_json::Value::as_u64);
    Ok(pid.ok_or_else(|| format!("`{job}` does not run: {body}"))?)
}
