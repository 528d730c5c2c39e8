//! From start to end.

use std::{pin::pin, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use gaffer_core::{
    JobConfig, JobName, Manager, ManagerError, ManagerOptions,
    applications::{Application, SignalHandler},
    backend::RealBackend,
    ini::NodeConfig,
    manager::{self, Restored},
    os,
    supervisor::{Origin, Refusal, Standing},
};
use gaffer_daemon::{log::Reopening, systemd};
use gaffer_http::{HttpHandler, api};
use gaffer_plugins::Plugins;
use tokio::{runtime::Runtime, time::timeout};
use tracing::{error, info, warn};

use crate::{
    args::Args,
    console, endpoints,
    keeping::{self, Keeping},
    reconfigure::{Parts, Reconfigurer},
    service,
    settings::Settings,
    start::Surroundings,
    state::Open,
    webhooks,
};

/// Time at the end for threads of the runtime that still read some file.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// Time for the first processes to be launched before clients are served. By then all jobs are known in any case, and
/// those that take longer are launched meanwhile.
const FIRST_LAUNCHES: Duration = Duration::from_secs(1);

/// Time for what was logged at the start to reach who started the daemon, before that is told that all is well.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Runs the node until it is stopped.
pub(crate) fn run(args: Args, config: NodeConfig, surroundings: &mut Surroundings) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::new(&args, config)?;
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
    for warning in surroundings.warnings.iter().chain(&settings.warnings) {
        warn!("{warning}");
    }
    // Before anything is bound or launched: another gafferd may be at work.
    let _until_the_end = gaffer_daemon::hold_pidfile(settings.pidfile.as_ref())?;
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(node(settings, args, limit.map(|limit| limit.soft), surroundings));
    runtime.shutdown_timeout(STRAGGLERS);
    outcome
}

async fn node(
    settings: Settings,
    args: Args,
    descriptors: Option<u64>,
    surroundings: &mut Surroundings,
) -> anyhow::Result<ExitCode> {
    let (notifier, verbose) = (surroundings.notifier.clone(), args.verbose);
    // First of all: from here on a signal to stop is kept until it can be heeded.
    let signals = SignalHandler::install().context("cannot catch signals")?;
    let reopening = Reopening::install(&surroundings.log).context("cannot catch signals")?;
    let Open { access, file, folder, jobs: kept } = settings.state.open().await?;
    let has_keys = access.is_some();
    let mut summary = settings.summary(surroundings.log.file().map(|file| file.path().to_owned()));
    summary.state = folder.as_ref().map(|folder| folder.path().to_owned());
    let activated = std::mem::take(&mut surroundings.activated);
    let http = HttpHandler::new(endpoints::bind(&settings.endpoints, activated).await?);
    let addresses = http.addresses().to_vec();
    let webhooks = webhooks::open(settings.webhooks.clone(), file).await?;
    let plugins = Plugins::new(settings.plugins.clone(), addresses.iter().map(ToString::to_string).collect());
    let parts = Parts { endpoints: http.endpoints(), webhooks: webhooks.clone(), plugins: plugins.clone() };
    let reconfigurer = Reconfigurer::new(args, &settings, parts, descriptors, notifier.clone());
    let reconfigures = api::Reconfigurer::new(Arc::new(reconfigurer.clone()));
    let http = http.with_options(api::Options {
        access,
        plugin_list: plugins.list(),
        webhooks: Some(webhooks.clone()),
        reconfigurer: reconfigures,
        ..settings.api
    });
    for warning in endpoints::exposed(&settings.endpoints, &addresses, has_keys) {
        warn!("{warning}");
    }
    let registrar = settings.lookup.map(|lookup| lookup.registrar(&addresses)).transpose()?;
    let signals = reconfigurer.at_hangup(signals);
    let signals = service::at_stop(signals, notifier.clone());
    let (records, told) = kept.is_some().then(manager::records).unzip();
    let options = ManagerOptions { records, ..settings.manager };
    let manager = Manager::start(options, RealBackend::start).context("cannot start the process launcher")?;
    let mut applications: Vec<Box<dyn Application>> = vec![Box::new(signals)];
    applications.extend(console::of_verbosity(verbose).map(|console| Box::new(console) as Box<dyn Application>));
    start(&manager, applications).await?;
    let (jobs, keeping) = match (kept, &folder, told) {
        (Some(kept), Some(folder), Some(told)) => {
            match keeping::begin(kept, folder, told, &manager, settings.jobs, &notifier).await {
                Ok(Some(begun)) => begun,
                Ok(None) => return Ok(ended(&manager.stopped().await)),
                Err(error) => {
                    manager.stop_now().await;
                    return Err(error);
                }
            }
        }
        _ => (settings.jobs.into_iter().map(configured).collect(), Keeping::default()),
    };
    summary.jobs = jobs.len();
    summary.processes = jobs.iter().map(processes).fold(0, usize::saturating_add);
    // Before anything happens. They are told of to the manager later, as they are the last to be stopped.
    webhooks.start(&manager).await;
    // Before all jobs, of whose first launch they hear, and so after all of them at the end, of whose last exit they hear as well.
    start(&manager, vec![Box::new(plugins.clone())]).await?;
    // Clients that connect meanwhile wait: whoever is answered finds all jobs.
    let mut loading = pin!(load(&manager, jobs));
    let loaded = timeout(FIRST_LAUNCHES, &mut loading).await.is_ok();
    // At the end they are stopped in this order: a node that nobody finds any more is not asked.
    let mut applications: Vec<Box<dyn Application>> = Vec::new();
    applications.extend(registrar.map(|registrar| Box::new(registrar) as Box<dyn Application>));
    applications.push(Box::new(http));
    applications.push(Box::new(webhooks));
    start(&manager, applications).await?;
    summary.endpoints = addresses.iter().map(ToString::to_string).collect();
    surroundings.announce(&summary);
    for address in addresses {
        info!(endpoint = address.endpoint, "listening on {address}");
    }
    if let Some(ready) = surroundings.ready.take() {
        surroundings.log.flush(LAST_LINES);
        ready.ready().context("cannot go into the background")?;
    }
    notifier.ready(&service::status(summary.jobs, summary.processes));
    // All jobs are known by now, if not launched.
    reconfigurer.manage(manager.clone());
    let working = async {
        if !loaded {
            loading.await;
        }
        plugins.node_is_up();
        manager.stopped().await
    };
    let wrong = tokio::select! {
        wrong = working => wrong,
        never = reopening.run() => match never {},
        never = service::attend(&notifier, &manager, systemd::watchdog()) => match never {},
    };
    keeping.end(wrong.is_empty()).await;
    Ok(ended(&wrong))
}

/// Tells how the node ended.
fn ended(wrong: &[String]) -> ExitCode {
    for text in wrong {
        error!("{text}");
    }
    info!("stopped");
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn start(manager: &Manager, applications: Vec<Box<dyn Application>>) -> anyhow::Result<()> {
    if let Err((name, error)) = manager.start_applications(applications).await {
        manager.stop_now().await;
        return Err(anyhow!(error).context(format!("cannot start {name}")));
    }
    Ok(())
}

/// How many processes a job is to have.
fn processes(job: &Restored) -> usize {
    if job.standing.started { usize::try_from(job.standing.number).unwrap_or(usize::MAX) } else { 0 }
}

fn configured(config: JobConfig) -> Restored {
    let standing = Standing::configured(&config, Origin::Configuration);
    Restored { config, standing, survivors: Vec::new() }
}

async fn load(manager: &Manager, jobs: Vec<Restored>) {
    let names: Vec<JobName> = jobs.iter().map(|job| job.config.name().clone()).collect();
    for (name, outcome) in names.iter().zip(manager.restore_all(jobs).await) {
        match outcome {
            // A signal to stop may come in the middle of this.
            Ok(()) | Err(ManagerError::Refused(Refusal::ShuttingDown) | ManagerError::Stopped) => {}
            // A client was faster with a job of this name.
            Err(error) => error!(%error, "job `{name}` was not loaded"),
        }
    }
}
