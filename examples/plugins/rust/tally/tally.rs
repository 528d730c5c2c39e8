//! An application of a plugin: counts launches and exits of each job, and tells the log of it.

use std::{
    collections::BTreeMap,
    error::Error,
    io::{self, BufRead, Write},
};

use serde_json::{Value, json};

/// What has happened to a job.
#[derive(Default)]
struct Count {
    launches: u64,
    exits: u64,
    /// Exits that were no success.
    failures: u64,
}

/// Says something to gafferd: one object of JSON, on one line.
fn say(message: &Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{message}")?;
    stdout.flush()
}

/// Tells the log what was counted.
fn tell(counts: &BTreeMap<String, Count>) -> io::Result<()> {
    for (job, Count { launches, exits, failures }) in counts {
        let text = format!("{job}: {launches} launches, {exits} exits, {failures} of them failures");
        say(&json!({"type": "log", "message": text}))?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let (mut every, mut exits) = (100, 0);
    for line in io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line?)?;
        match message["type"].as_str() {
            Some("hello") => {
                if let Some(text) = message["config"]["every"].as_str() {
                    every = text.parse().map_err(|error| format!("[plugin:tally] every: {error}"))?;
                }
                say(&json!({"type": "ready"}))?;
            }
            Some("event") => {
                let data = &message["data"];
                let count = counts.entry(data["name"].as_str().unwrap_or_default().to_owned()).or_default();
                if data["event"] == "spawn" {
                    count.launches += 1;
                    continue;
                }
                count.exits += 1;
                count.failures += u64::from(data["exit_code"] != 0 || data["term_signal"] != 0);
                exits += 1;
                if exits % every.max(1) == 0 {
                    tell(&counts)?;
                }
            }
            Some("lagged") => {
                let text = format!("{} events were lost, and are not counted", message["lost"]);
                say(&json!({"type": "log", "level": "warning", "message": text}))?;
            }
            Some("restart") => counts.clear(),
            Some("stop") => {
                tell(&counts)?;
                break;
            }
            _ => {} // Whatever later versions say.
        }
    }
    Ok(())
}
