//! `scale`: how many processes run.

use gaffer_cli::{Context, Failure, commands::Acts};
use gaffer_core::{JobName, supervisor::Scale};

use super::app::App;
use crate::args::ApplicationArgs;

pub(super) async fn run(
    application: &ApplicationArgs,
    context: &mut Context<'_>,
    words: &[String],
) -> Result<(), Failure> {
    let (app, changes) = plan(application, words)?;
    let client = context.client.clone();
    let mut acts = Acts::of_one(context.output);
    for (job, scale) in changes {
        let number = match client.scale(&job, scale).await {
            Ok(number) => Ok(number),
            Err(error) => Err(app.missing(&client, &job, error).await),
        };
        let shown = app.shown(&job);
        acts.result(&job, "numprocesses", number, |number| {
            format!("Scaling {shown} processes... done, now running {number}")
        })?;
    }
    acts.finish()
}

/// The application, and how the numbers of jobs change.
pub(super) fn plan(application: &ApplicationArgs, words: &[String]) -> Result<(App, Vec<(JobName, Scale)>), Failure> {
    let (name, changes) = read(words)?;
    let app = App::named(application, name)?;
    let changes = changes.into_iter().map(|(word, scale)| Ok((app.job(word)?, scale)));
    let changes = changes.collect::<Result<_, Failure>>()?;
    Ok((app, changes))
}

/// A job as it is named, and how its number changes.
type Change<'a> = (&'a str, Scale);

/// The application, if it is named; and the changes, of which there is one at least.
fn read(words: &[String]) -> Result<(Option<&str>, Vec<Change<'_>>), Failure> {
    let (name, changes) = match words.split_first() {
        Some((first, rest)) if change(first).is_none() && !first.contains('=') => (Some(first.as_str()), rest),
        Some(_) | None => (None, words),
    };
    if changes.is_empty() {
        let what = name.map(|name| format!("nothing says how to scale `{name}`"));
        let what = what.unwrap_or_else(|| "nothing is to be scaled".to_owned());
        return Err(Failure::Usage(format!("{what}; write JOB=N, JOB+N or JOB-N")));
    }
    let none = |word: &str| Failure::Usage(format!("`{word}` is no change; write JOB=N, JOB+N or JOB-N"));
    let changes = changes.iter().map(|word| change(word).ok_or_else(|| none(word)));
    Ok((name, changes.collect::<Result<_, _>>()?))
}

/// The last operator counts: names may hold `+` and `-`.
fn change(word: &str) -> Option<Change<'_>> {
    let (job, scale) = word.split_at(word.rfind(['=', '+', '-'])?);
    scale.parse().ok().map(|scale| (job, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (name, changes) = read(&words).map_err(|failure| failure.to_string())?;
        let changes: Vec<String> = changes.iter().map(|(job, scale)| format!("{job} {scale:?}")).collect();
        Ok(format!("{}: {}", name.unwrap_or("-"), changes.join(", ")))
    }

    #[test]
    fn changes_stand_behind_the_application() {
        for (line, expected) in [
            ("dummy=3 dummy1+2 clock-1", "-: dummy Set(3), dummy1 Add(2), clock Sub(1)"),
            ("shop web=3", "shop: web Set(3)"),
            (". web=3", ".: web Set(3)"),
            ("my-shop my-web-2", "my-shop: my-web Sub(2)"),
            ("a+b=0 bank/web+1", "-: a+b Set(0), bank/web Add(1)"),
        ] {
            assert_eq!(told(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_does_not_read_is_refused() {
        for (line, expected) in [
            ("shop", "nothing says how to scale `shop`; write JOB=N, JOB+N or JOB-N"),
            ("web=many", "`web=many` is no change; write JOB=N, JOB+N or JOB-N"),
            ("shop web", "`web` is no change; write JOB=N, JOB+N or JOB-N"),
            ("web=1 worker", "`worker` is no change; write JOB=N, JOB+N or JOB-N"),
            ("shop web=99999999999", "`web=99999999999` is no change; write JOB=N, JOB+N or JOB-N"),
        ] {
            assert_eq!(told(line), Err(expected.to_owned()), "{line}");
        }
        // The name is refused with the others that can be none.
        assert_eq!(told("web=-1").as_deref(), Ok("-: web= Sub(1)"));
    }
}
