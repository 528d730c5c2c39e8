//! `kill`: signals to jobs and processes.

use gaffer_cli::{Context, Failure, Target, Targets, job_or_process_word};
use gaffer_core::names::Signal;

use super::Acts;

pub(super) async fn run(context: &mut Context<'_>, signal: Option<Signal>, words: &[String]) -> Result<(), Failure> {
    let (signal, words) = read(signal, words)?;
    let targets = Targets::jobs_and_processes(&context.client, words).await?;
    let mut acts = Acts::new(context.output, &targets);
    for target in &targets.found {
        let outcome = match target {
            Target::Job(name) => context.client.signal(name, signal).await,
            Target::Process(pid) => context.client.signal_process(*pid, signal).await,
        };
        acts.done(target, outcome)?;
    }
    acts.finish()
}

/// The signal and what it is sent to. Unless it is known, the signal is the last of the words.
pub(super) fn read(signal: Option<Signal>, words: &[String]) -> Result<(Signal, &[String]), Failure> {
    let (signal, words) = match (signal, words.split_last()) {
        (Some(signal), _) => (signal, words),
        (None, Some((last, words))) if !words.is_empty() => {
            (last.parse().map_err(|error| Failure::Usage(format!("{error}")))?, words)
        }
        (None, _) => {
            return Err(Failure::Usage("no signal is given; write `kill NAME HUP`, or `kill -HUP NAME`".to_owned()));
        }
    };
    words.iter().try_for_each(|word| job_or_process_word(word).map(drop))?;
    Ok((signal, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(signal: Option<&str>, words: &str) -> Result<String, String> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        match read(signal.map(|signal| signal.parse().unwrap()), &words) {
            Ok((signal, words)) => Ok(format!("{signal}: {}", words.join(" "))),
            Err(failure @ Failure::Usage(_)) => Err(failure.to_string()),
            Err(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn the_signal_is_the_last_word_unless_it_is_known() {
        assert_eq!(told(None, "web 7 HUP").as_deref(), Ok("SIGHUP: web 7"));
        assert_eq!(told(None, "7 9").as_deref(), Ok("SIGKILL: 7"));
        assert_eq!(told(Some("9"), "web 7").as_deref(), Ok("SIGKILL: web 7"));
    }

    #[test]
    fn what_does_not_read_is_refused() {
        assert!(told(None, "web").unwrap_err().starts_with("no signal is given"));
        assert!(told(None, "web NOPE").unwrap_err().contains("NOPE"));
        assert!(told(None, "web a,b HUP").unwrap_err().contains("`a,b`"));
    }
}
