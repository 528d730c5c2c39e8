//! The half of `run` that is for the node: one more process of a job of the loaded application.

use std::io;

use gaffer_cli::{
    ConnectionArgs, Failure, Output,
    commands::Acts,
    lookup::{Finder, Want},
};
use gaffer_client::Error;
use gaffer_core::supervisor::OneOff;

use super::app::App;
use crate::{args::ApplicationArgs, commands::run::OneMore};

/// Launches one more process of a job of the loaded application, and tells its pid. Answers whether there is such a job: none is loaded
/// where no node was named and none listens at the usual place. A node that was named must be reached: what is meant for it must not
/// run here, and as little may what is meant for one that lookup servers find.
pub(in crate::commands) async fn commit(
    one_more: &OneMore,
    application: &ApplicationArgs,
    connection: &ConnectionArgs,
    output: &mut Output,
) -> Result<bool, Failure> {
    let finder = Finder::of(connection, output)?;
    let job = match App::named(application, None)?.job(&one_more.name) {
        Ok(job) => job,
        Err(failure) if finder.is_some() => return Err(failure),
        // A path, say, is no name.
        Err(_) => return Ok(false),
    };
    let client = match &finder {
        Some(finder) => finder.client(&[Want::Job(job.clone())], output).await?,
        None => connection.client(output)?,
    };
    match client.status(&job).await {
        Ok(_) => {}
        Err(error) if finder.is_some() => return Err(error.into()),
        Err(error) if error.is_not_found() => return Ok(false),
        Err(Error::Unreachable { endpoint, cause })
            if cause.io_kind() == Some(io::ErrorKind::ConnectionRefused) && !connection.means_a_node()? =>
        {
            if connection.api_key.is_some() {
                output.hint(format_args!("no node listens at {endpoint}, so `{}` runs here", one_more.name));
            }
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    }
    let once = OneOff { env: one_more.variables.clone(), graceful_timeout: one_more.graceful_timeout };
    let pid = client.commit(&job, &once).await;
    let mut acts = Acts::of_one(output);
    acts.result(&job, "pid", pid.map(|pid| pid.get()), |pid| format!("'{job}': new process {pid} launched"))?;
    acts.finish().map(|()| true)
}
