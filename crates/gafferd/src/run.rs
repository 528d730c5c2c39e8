//! From start to end.

use std::{pin::pin, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use gaffer_core::{
    JobConfig, JobName, Manager, ManagerError,
    applications::{Application, SignalHandler},
    backend::RealBackend,
    os,
    supervisor::Refusal,
};
use gaffer_http::{HttpHandler, api};
use gaffer_plugins::Plugins;
use tokio::{runtime::Runtime, time::timeout};
use tracing::{error, info, warn};

use crate::{args::Args, console, endpoints, reload, settings::Settings, state::Open};

/// Time at the end for threads of the runtime that still read some file.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// Time for the first processes to be launched before clients are served. By then all jobs are known in any case, and
/// those that take longer are launched meanwhile.
const FIRST_LAUNCHES: Duration = Duration::from_secs(1);

/// Runs the node until it is stopped.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::read(&args)?;
    os::mark_inherited_descriptors_cloexec().context("cannot keep inherited descriptors from processes")?;
    let limit = match os::raise_nofile_limit() {
        Ok(limit) => Some(limit),
        Err(error) => {
            warn!(%error, "cannot raise the limit of open files; few processes and clients will do");
            os::original_nofile_limit()
        }
    };
    let lowered = limit.and_then(|limit| endpoints::spare_descriptors(&mut settings.endpoints, limit.soft));
    settings.warnings.extend(lowered);
    for warning in &settings.warnings {
        warn!("{warning}");
    }
    // Before anything is bound or launched: another gafferd may be at work.
    let _until_the_end = gaffer_daemon::hold_pidfile(settings.pidfile.as_ref())?;
    serve(settings, args.verbose)
}

fn serve(settings: Settings, verbose: u8) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(node(settings, verbose));
    runtime.shutdown_timeout(STRAGGLERS);
    outcome
}

async fn node(settings: Settings, verbose: u8) -> anyhow::Result<ExitCode> {
    // First of all: from here on a signal to stop is kept until it can be heeded.
    let signals = SignalHandler::install().context("cannot catch signals")?;
    let Open { access, folder: _locked } = settings.state.open().await?;
    let has_keys = access.is_some();
    let http = HttpHandler::new(endpoints::bind(&settings.endpoints).await?);
    let addresses = http.addresses().to_vec();
    let plugins = Plugins::new(settings.plugins, addresses.iter().map(ToString::to_string).collect());
    let http = http.with_options(api::Options { access, plugin_list: plugins.list(), ..settings.api });
    for warning in endpoints::exposed(&settings.endpoints, &addresses, has_keys) {
        warn!("{warning}");
    }
    let registrar = settings.lookup.map(|lookup| lookup.registrar(&addresses)).transpose()?;
    let signals = reload::at_hangup(signals, http.certificates());
    let manager = Manager::start(settings.manager, RealBackend::start).context("cannot start the process launcher")?;
    let mut applications: Vec<Box<dyn Application>> = vec![Box::new(signals)];
    applications.extend(console::of_verbosity(verbose).map(|console| Box::new(console) as Box<dyn Application>));
    // Before all jobs, of whose first launch they hear, and so after all of them at the end, of whose last exit they hear as well.
    applications.push(Box::new(plugins.clone()));
    start(&manager, applications).await?;
    // Clients that connect meanwhile wait: whoever is answered finds all jobs.
    let mut loading = pin!(load(&manager, settings.jobs));
    let loaded = timeout(FIRST_LAUNCHES, &mut loading).await.is_ok();
    // At the end they are stopped in this order: a node that nobody finds any more is not asked.
    let mut applications: Vec<Box<dyn Application>> = Vec::new();
    applications.extend(registrar.map(|registrar| Box::new(registrar) as Box<dyn Application>));
    applications.push(Box::new(http));
    start(&manager, applications).await?;
    for address in addresses {
        info!(endpoint = address.endpoint, "listening on {address}");
    }
    if !loaded {
        loading.await;
    }
    plugins.node_is_up();
    let wrong = manager.stopped().await;
    for text in &wrong {
        error!("{text}");
    }
    info!("stopped");
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn start(manager: &Manager, applications: Vec<Box<dyn Application>>) -> anyhow::Result<()> {
    if let Err((name, error)) = manager.start_applications(applications).await {
        manager.stop_now().await;
        return Err(anyhow!(error).context(format!("cannot start {name}")));
    }
    Ok(())
}

async fn load(manager: &Manager, jobs: Vec<JobConfig>) {
    let names: Vec<JobName> = jobs.iter().map(|job| job.name().clone()).collect();
    for (name, outcome) in names.iter().zip(manager.load_all(jobs).await) {
        match outcome {
            // A signal to stop may come in the middle of this.
            Ok(()) | Err(ManagerError::Refused(Refusal::ShuttingDown) | ManagerError::Stopped) => {}
            // A client was faster with a job of this name.
            Err(error) => error!(%error, "job `{name}` was not loaded"),
        }
    }
}
