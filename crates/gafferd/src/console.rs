//! What `-v` and `-vv` show.

use std::io;

use gaffer_core::{
    applications::{ConsoleOutput, ConsoleSettings},
    events::EventKind,
};
use gaffer_daemon::log;

/// The console for this many `-v`, if any.
pub(crate) fn of_verbosity(verbose: u8) -> Option<ConsoleOutput> {
    let quiet = ConsoleSettings { colorize: log::colours(&io::stdout()), output_streams: false, ..Default::default() };
    let settings = match verbose {
        0 => return None,
        1 => quiet,
        _ => ConsoleSettings { output_streams: true, actions: EventKind::ALL.to_vec(), ..quiet },
    };
    Some(ConsoleOutput::new(settings))
}
