//! From start to end.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use gaffer_core::os::{self, Readiness};
use gaffer_daemon::{
    log::{Log, Reopening},
    reread_certificates,
};
use gaffer_http::serve::{Certificates, Lifetime, Limits, Listener, Server};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{error, info, warn};

use crate::{
    args::{Args, Settings},
    routes::router,
};

/// Time for answers that are under way to finish at a stop.
const DRAIN: Duration = Duration::from_secs(3);

/// Time for what was logged at the start to reach who started the daemon, before that is told that all is well.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Connections at once: each node and each who watches holds one.
const MOST: usize = 16_384;

/// Descriptors that are not for connections.
const OTHERS: u64 = 64;

/// Serves until it is stopped.
pub(crate) fn run(
    args: &Args,
    mut settings: Settings,
    ready: Option<Readiness>,
    log: &Log,
) -> anyhow::Result<ExitCode> {
    let limit = os::raise_nofile_limit().inspect_err(|error| warn!(%error, "cannot raise the limit of open files"));
    if let Some(limit) = limit.ok().or_else(os::original_nofile_limit) {
        let most = usize::try_from(limit.soft.saturating_sub(OTHERS)).unwrap_or(usize::MAX).clamp(1, MOST);
        settings.endpoint.limits = Limits { max_connections: most, ..settings.endpoint.limits };
    }
    let _until_the_end = gaffer_daemon::hold_pidfile(args.pidfile.as_ref())?;
    let runtime = Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(serve(settings, ready, log))
}

async fn serve(settings: Settings, ready: Option<Readiness>, log: &Log) -> anyhow::Result<ExitCode> {
    let Settings { endpoint, options } = settings;
    let on = |kind| signal(kind).context("cannot catch signals");
    let (mut interrupt, mut terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    let (mut quit, hangup) = (on(SignalKind::quit())?, on(SignalKind::hangup())?);
    let reopening = Reopening::install(log).context("cannot catch signals")?;
    let listener = Listener::bind(&endpoint).await?;
    let address = listener.listening().clone();
    let certificates = Certificates::of(std::slice::from_ref(&listener));
    let is_open = address.tcp().is_some_and(|address| !address.ip().to_canonical().is_loopback());
    if is_open && endpoint.tls.as_ref().is_none_or(|tls| tls.cacert.is_none()) {
        warn!(
            "whoever reaches {address} can register nodes and read which there are; --cacert lets in who shows a certificate, and --bind \
             127.0.0.1:5010 only programs of this machine"
        );
    }
    let lifetime = Lifetime::new();
    let server = Server::start(vec![listener], router(options, lifetime.clone()), lifetime);
    info!("listening on {address}");
    if let Some(ready) = ready {
        log.flush(LAST_LINES);
        ready.ready().context("cannot go into the background")?;
    }
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        _ = quit.recv() => "SIGQUIT",
        never = at_hangup(hangup, certificates) => match never {},
        never = reopening.run() => match never {},
    };
    info!("{name}: stopping");
    server.shutdown(DRAIN).await;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Reads certificates anew at each SIGHUP.
async fn at_hangup(mut hangup: Signal, certificates: Certificates) -> std::convert::Infallible {
    loop {
        if hangup.recv().await.is_none() {
            // The runtime delivers none any more.
            std::future::pending::<()>().await;
        }
        if certificates.is_empty() {
            info!("SIGHUP: there are no certificates to read again");
            continue;
        }
        match reread_certificates(&certificates).await {
            Ok(()) => info!("SIGHUP: the certificates were read again, for new connections"),
            Err(problem) => error!("SIGHUP: {problem}"),
        }
    }
}
