//! `load_process`: jobs from a file.

use std::{
    fs::File,
    io::{self, Read},
};

use gaffer_cli::{Context, Exit, Failure};

use super::{Acts, job_file::JobFile};

/// Most bytes that are read.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The status with which the node says that a name is taken.
const CONFLICT: u16 = 409;

pub(super) async fn run(context: &mut Context<'_>, file: &str, start: bool) -> Result<(), Failure> {
    let (shown, bytes) = match file {
        "-" => ("<stdin>", read(io::stdin().lock())),
        path => (path, File::open(path).and_then(read)),
    };
    let bytes = bytes.map_err(|error| Failure::Failed(format!("cannot read `{shown}`: {error}")))?;
    if bytes.len() as u64 > LIMIT {
        return Err(Failure::Failed(format!("`{shown}` is too large; at most {LIMIT} bytes are read")));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(Failure::Placed(format!("{shown}: is empty; give a job, a list of jobs, or {{\"jobs\": [...]}}")));
    }
    let file = match JobFile::read(&bytes) {
        Ok(file) => file,
        Err(problems) => {
            for problem in problems {
                context.output.say_placed(format_args!("{shown}:{problem}"));
            }
            return Err(Failure::Told(Exit::Failed));
        }
    };
    if file.jobs.is_empty() {
        context.output.say_placed(format_args!("{shown}: warning: it holds no job"));
    }
    let mut acts = Acts::of_one(context.output);
    for job in &file.jobs {
        let mut object = job.object.clone();
        // Stopped, unless it is said otherwise; the node's own default is the other way.
        let start = start || object.get("start") == Some(&true.into());
        object.insert("start".to_owned(), start.into());
        let loaded = context.client.load(&object).await;
        for key in loaded.as_deref().unwrap_or_default() {
            acts.output().say_placed(format_args!("{shown}:{}", file.ignored(job, key)));
        }
        let outcome = loaded.map(drop).map_err(|error| match error.refusal() {
            Some(refusal) if refusal.status == CONFLICT => {
                Failure::Placed(format!("{shown}:{}", file.taken(job, &refusal.reason)))
            }
            Some(_) | None => Failure::Call(error),
        });
        acts.name(&job.name, outcome)?;
    }
    acts.finish()
}

fn read(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
