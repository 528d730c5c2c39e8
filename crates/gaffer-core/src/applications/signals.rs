//! Signals that end the node.

use std::io;

use tokio::{
    signal::unix::{Signal as Listener, SignalKind, signal},
    task::{JoinHandle, JoinSet},
};
use tracing::info;

use super::{Application, ApplicationError, BoxFuture};
use crate::{manager::Manager, names::Signal};

/// What is done at SIGHUP.
type Reload = Box<dyn FnMut(Manager) -> BoxFuture<'static, ()> + Send>;

/// What is done when a stop begins.
type Stopping = Box<dyn FnOnce(Manager) -> BoxFuture<'static, ()> + Send>;

/// Stops the manager at SIGQUIT, SIGINT or SIGTERM; at once, if a second one comes. SIGHUP calls a hook.
pub struct SignalHandler {
    /// Until the start.
    waiting: Option<(Listeners, Reload)>,
    stopping: Option<Stopping>,
    /// From the start to the stop.
    task: Option<JoinHandle<()>>,
}

impl SignalHandler {
    /// Catches the signals from now on. They are acted on once the manager has started.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn install() -> io::Result<Self> {
        let unavailable = |_: Manager| -> BoxFuture<'static, ()> {
            Box::pin(async {
                info!("SIGHUP: there is nothing to be read again");
            })
        };
        Ok(Self { waiting: Some((Listeners::install()?, Box::new(unavailable))), stopping: None, task: None })
    }

    /// Replaces what is done at SIGHUP. By default it is only logged.
    #[must_use]
    pub fn on_reload(mut self, reload: impl FnMut(Manager) -> BoxFuture<'static, ()> + Send + 'static) -> Self {
        self.waiting = self.waiting.map(|(listeners, _)| (listeners, Box::new(reload) as Reload));
        self
    }

    /// Has this done, too, when the first signal to stop has come: beside the stop, which does not wait for it.
    #[must_use]
    pub fn on_stop(mut self, hook: impl FnOnce(Manager) -> BoxFuture<'static, ()> + Send + 'static) -> Self {
        self.stopping = Some(Box::new(hook));
        self
    }
}

impl std::fmt::Debug for SignalHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignalHandler").finish_non_exhaustive()
    }
}

impl Application for SignalHandler {
    fn name(&self) -> &str {
        "signals"
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        if let Some((listeners, reload)) = self.waiting.take() {
            self.task = Some(tokio::spawn(act(manager, listeners, reload, self.stopping.take())));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        Box::pin(std::future::ready(()))
    }
}

/// Where signals come from.
trait Signals: Send + 'static {
    /// The next one; `None` when no more can come.
    fn next(&mut self) -> impl Future<Output = Option<Caught>> + Send;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caught {
    Quit(Signal),
    Hangup,
}

struct Listeners {
    quit: Listener,
    interrupt: Listener,
    terminate: Listener,
    hangup: Listener,
}

impl Listeners {
    fn install() -> io::Result<Self> {
        Ok(Self {
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

impl Signals for Listeners {
    async fn next(&mut self) -> Option<Caught> {
        let quit = |number: SignalKind| Signal::new(number.as_raw_value()).ok().map(Caught::Quit);
        // Cancel safe: a branch that is not taken has taken nothing out.
        tokio::select! {
            Some(()) = self.quit.recv() => quit(SignalKind::quit()),
            Some(()) = self.interrupt.recv() => quit(SignalKind::interrupt()),
            Some(()) = self.terminate.recv() => quit(SignalKind::terminate()),
            Some(()) = self.hangup.recv() => Some(Caught::Hangup),
            else => None,
        }
    }
}

async fn act(manager: Manager, mut signals: impl Signals, mut reload: Reload, mut hook: Option<Stopping>) {
    // What a signal began goes on while the next one is waited for, and ends with this task.
    let mut under_way = JoinSet::new();
    let mut stopping = false;
    while let Some(signal) = signals.next().await {
        let manager = manager.clone();
        match signal {
            Caught::Quit(signal) if stopping => {
                info!(%signal, "killing what is left");
                under_way.spawn(async move { manager.stop_now().await });
            }
            Caught::Quit(signal) => {
                info!(%signal, "stopping; once more to stop at once");
                stopping = true;
                if let Some(hook) = hook.take() {
                    under_way.spawn(hook(manager.clone()));
                }
                under_way.spawn(async move { manager.stop().await });
            }
            Caught::Hangup => {
                under_way.spawn(reload(manager));
            }
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests measure how long a stop takes, on the runtime's clock")]

    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        backend::simulated::{Behaviour, SimulatedBackend, Simulation},
        config::JobSpec,
        manager::ManagerOptions,
    };

    impl Signals for mpsc::Receiver<Caught> {
        async fn next(&mut self) -> Option<Caught> {
            self.recv().await
        }
    }

    /// A manager with one process that does not heed SIGTERM.
    async fn stubborn() -> Manager {
        let manager = Manager::start(ManagerOptions::default(), |facts| {
            let behave = |_: &_| Behaviour { on_term: None, ..Behaviour::default() };
            Ok(SimulatedBackend::new(facts, Simulation::default(), behave))
        })
        .unwrap();
        let mut spec = JobSpec::new("web".parse().unwrap(), "web");
        spec.graceful_timeout = Duration::from_secs(3600);
        manager.load(spec.check().unwrap()).await.unwrap();
        manager
    }

    fn unexpected() -> Reload {
        Box::new(|_| panic!("nobody asked for a reload"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_stops_gracefully() {
        let manager = stubborn().await;
        let (sender, signals) = mpsc::channel(4);
        tokio::spawn(act(manager.clone(), signals, unexpected(), None));
        let begun = tokio::time::Instant::now();
        sender.send(Caught::Quit(Signal::TERM)).await.unwrap();
        assert_eq!(manager.stopped().await, Vec::<String>::new());
        assert_eq!(begun.elapsed().as_secs(), 3600);
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_signal_stops_at_once() {
        let manager = stubborn().await;
        let (sender, signals) = mpsc::channel(4);
        tokio::spawn(act(manager.clone(), signals, unexpected(), None));
        let begun = tokio::time::Instant::now();
        for _ in 0..2 {
            sender.send(Caught::Quit(Signal::TERM)).await.unwrap();
        }
        assert_eq!(manager.stopped().await, Vec::<String>::new());
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_hook_of_the_stop_is_called_once_and_holds_it_up_no_longer_than_a_second_signal() {
        let manager = stubborn().await;
        let (sender, signals) = mpsc::channel(4);
        let (called, mut calls) = mpsc::channel(4);
        let hook: Stopping = Box::new(move |_| {
            called.try_send(()).unwrap();
            Box::pin(std::future::pending())
        });
        tokio::spawn(act(manager.clone(), signals, unexpected(), Some(hook)));
        sender.send(Caught::Quit(Signal::TERM)).await.unwrap();
        calls.recv().await.unwrap();
        sender.send(Caught::Quit(Signal::TERM)).await.unwrap();
        manager.stopped().await;
        assert!(calls.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hangup_calls_the_hook_and_a_slow_hook_holds_up_no_stop() {
        let manager = stubborn().await;
        let (sender, signals) = mpsc::channel(4);
        let (called, mut calls) = mpsc::channel(4);
        let reload: Reload = Box::new(move |_| {
            called.try_send(()).unwrap();
            Box::pin(std::future::pending())
        });
        tokio::spawn(act(manager.clone(), signals, reload, None));
        sender.send(Caught::Hangup).await.unwrap();
        calls.recv().await.unwrap();
        for _ in 0..2 {
            sender.send(Caught::Quit(Signal::TERM)).await.unwrap();
        }
        manager.stopped().await;
    }

    #[tokio::test]
    async fn a_real_signal_is_caught_from_installation_on() {
        let handler = SignalHandler::install().unwrap();
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
        let (called, mut calls) = mpsc::channel(1);
        let mut handler = handler.on_reload(move |_| {
            let called = called.clone();
            Box::pin(async move { called.send(()).await.unwrap() })
        });
        let manager = stubborn().await;
        handler.start(manager.clone()).await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), calls.recv()).await.expect("caught before the start").unwrap();
        handler.stop().await;
        manager.stop_now().await;
    }
}
