//! The log, on stderr or in a file.
//!
//! A thread of its own writes it, so that a reader who stalls (a paused terminal, a full pipe, a slow disk) cannot stop supervision.
//! What does not fit into its queue is dropped.
//!
//! | part | knows |
//! | --- | --- |
//! | `options` | what there is to choose |
//! | `target` | where lines go, and the file that is opened anew |
//! | `journal` | what the journal wants of a line |

mod journal;
mod options;
mod target;

use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, level_filters::LevelFilter, warn};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use self::{
    journal::ForJournal,
    target::{Progress, Target},
};
pub use self::{
    options::{Format, LogArgs, LogOptions},
    target::{LogFile, LogFileError},
};

/// Variable that says what is logged, as `tracing`'s filters write it: `debug`, or `info,gaffer_http=trace`.
const FILTER: &str = "GAFFER_LOG";

/// Whether colours may be used on a stream: it is a terminal, and nobody said no.
pub fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Lines that may wait for a stalled reader: some megabytes at most.
const QUEUE: usize = 16_384;

/// The log, as long as this lives. What waits to be written is, when it is dropped.
#[derive(Debug)]
pub struct Log {
    sent: Arc<AtomicU64>,
    writer: NonBlocking,
    progress: Arc<Progress>,
    file: Option<LogFile>,
    format: Format,
    _worker: WorkerGuard,
}

/// A writer that counts lines.
struct Counting {
    writer: NonBlocking,
    sent: Arc<AtomicU64>,
}

impl Write for Counting {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.writer.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Log {
    /// Sends what the program and its libraries log to where the options say: as far as they say where the variable does not.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub fn install(options: &LogOptions) -> Result<Self, LogFileError> {
        let file = options.file.as_deref().map(LogFile::open).transpose()?;
        let progress = Arc::<Progress>::default();
        let target = Target::new(file.as_ref(), Arc::clone(&progress));
        let (writer, worker) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).finish(target);
        let sent = Arc::<AtomicU64>::default();
        let log = Self {
            sent: Arc::clone(&sent),
            writer: writer.clone(),
            progress,
            file,
            format: options.format,
            _worker: worker,
        };
        let problem = subscribe(options, log.file.is_none(), move || Counting {
            writer: writer.clone(),
            sent: Arc::clone(&sent),
        });
        if let Some(problem) = problem {
            warn!("{FILTER} does not read, so it is taken as `{}`: {problem}", options.level);
        }
        Ok(log)
    }

    /// Writes a text among the lines of the log, as it is.
    pub fn say(&self, text: &str) {
        let mut writer = Counting { writer: self.writer.clone(), sent: Arc::clone(&self.sent) };
        // It is dropped like a line if there is no room for it.
        let _: io::Result<()> = writer.write_all(text.as_bytes());
    }

    /// Waits until all that was logged is written, but no longer than this.
    pub fn flush(&self, patience: Duration) {
        let sent = self.sent.load(Ordering::Relaxed);
        let dropped = || u64::try_from(self.writer.error_counter().dropped_lines()).unwrap_or(u64::MAX);
        self.progress.wait(patience, |written| written.saturating_add(dropped()) >= sent);
    }

    /// Whether it is text on stderr.
    pub fn is_for_people(&self) -> bool {
        self.file.is_none() && self.format == Format::Text
    }

    /// The file that it is in, if it is in one.
    pub fn file(&self) -> Option<&LogFile> {
        self.file.as_ref()
    }
}

/// Makes it so. Answers why the variable does not read, if it does not.
fn subscribe<W>(options: &LogOptions, is_on_stderr: bool, writer: W) -> Option<tracing_subscriber::filter::ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let usual = options.level;
    let filter = EnvFilter::builder().with_default_directive(usual.into());
    let wanted = env::var(FILTER).unwrap_or_default();
    let (filter, problem) = match filter.parse(&wanted) {
        Ok(filter) => (filter, None),
        Err(problem) => (EnvFilter::default().add_directive(usual.into()), Some(problem)),
    };
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(options.format == Format::Text && is_on_stderr && colours(&io::stderr()))
        // It would report a failure to write on stderr to stderr, and panic at the second failure.
        .log_internal_errors(false);
    let for_journal = is_on_stderr && journal::is_stderr();
    match options.format {
        Format::Text if for_journal => {
            base.map_event_format(|format| ForJournal(format.with_target(false).with_level(false).without_time()))
                .init();
        }
        Format::Text => base.with_target(false).init(),
        Format::Json => {
            let base = base.json().flatten_event(true).with_current_span(false).with_span_list(false);
            if for_journal { base.map_event_format(ForJournal).init() } else { base.init() }
        }
    }
    problem
}

/// SIGUSR1, caught from its making on: it would end the program otherwise.
#[derive(Debug)]
pub struct Reopening {
    signals: Signal,
    file: Option<LogFile>,
}

impl Reopening {
    /// Catches the signal. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn install(log: &Log) -> io::Result<Self> {
        Ok(Self { signals: signal(SignalKind::user_defined1())?, file: log.file.clone() })
    }

    /// Opens the log's file anew at each of them, as those who rotate logs ask for. Does not end.
    pub async fn run(mut self) -> std::convert::Infallible {
        while self.signals.recv().await.is_some() {
            let Some(file) = self.file.clone() else {
                info!("SIGUSR1: the log is in no file, so there is none to be opened again");
                continue;
            };
            // Off the runtime's threads: a disk may be slow. One that hangs is waited for by nobody.
            match tokio::task::spawn_blocking(move || file.reopen()).await {
                Ok(Ok(())) => info!("SIGUSR1: the log was opened again"),
                Ok(Err(problem)) => error!("SIGUSR1: the log goes on in the file that is open: {}", Told(&problem)),
                Err(_) => {} // The runtime ends.
            }
        }
        // The runtime delivers none any more.
        std::future::pending().await
    }
}

/// An error with its causes.
struct Told<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        self.0.source().map_or(Ok(()), |source| write!(f, ": {}", Told(source)))
    }
}

/// What a level is called among `tracing`'s. (What is critical is an error there.)
fn filter_of(level: gaffer_core::ini::LogLevel) -> LevelFilter {
    use gaffer_core::ini::LogLevel;
    match level {
        LogLevel::Critical | LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}
