//! What there is to choose about the log.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gaffer_core::ini::LogLevel;
use tracing::level_filters::LevelFilter;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: each line is an object.
    Json,
}

/// Options of a command line.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// Write the log to the end of this file, not to stderr; SIGUSR1 has it opened again, once it was moved away
    #[arg(long, value_name = "FILE")]
    pub error_log: Option<PathBuf>,

    /// Log what is at least this severe: critical, error, warning, info or debug; $GAFFER_LOG refines it [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub log_level: Option<LogLevel>,

    /// How a line of the log looks: json for an object a line
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: Format,
}

/// What command line and configuration come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// What is logged at least.
    pub level: LevelFilter,
    /// How.
    pub format: Format,
    /// In which file; `None` for stderr.
    pub file: Option<PathBuf>,
}

impl LogArgs {
    /// What these options come to, over those of a configuration, over what is usual.
    pub fn over(&self, file: Option<PathBuf>, level: Option<LogLevel>, usual: LogLevel) -> LogOptions {
        LogOptions {
            level: super::filter_of(self.log_level.or(level).unwrap_or(usual)),
            format: self.log_format,
            file: self.error_log.clone().or(file),
        }
    }
}

fn level(word: &str) -> Result<LogLevel, &'static str> {
    LogLevel::from_word(word).ok_or("must be critical, error, warning, info or debug")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        log: LogArgs,
    }

    fn options(words: &str, file: Option<&str>, level: Option<LogLevel>) -> Option<LogOptions> {
        let command = Command::try_parse_from(std::iter::once("x").chain(words.split_whitespace())).ok()?;
        Some(command.log.over(file.map(Into::into), level, LogLevel::Info))
    }

    #[test]
    fn the_command_line_wins_over_the_configuration_and_that_over_what_is_usual() {
        let expected =
            |level, format, file: Option<&str>| Some(LogOptions { level, format, file: file.map(Into::into) });
        assert_eq!(options("", None, None), expected(LevelFilter::INFO, Format::Text, None));
        let ini = (Some("i.log"), Some(LogLevel::Warning));
        assert_eq!(options("", ini.0, ini.1), expected(LevelFilter::WARN, Format::Text, ini.0));
        let words = "--log-level DEBUG --log-format json --error-log c.log";
        assert_eq!(options(words, ini.0, ini.1), expected(LevelFilter::DEBUG, Format::Json, Some("c.log")));
        assert_eq!(options("--log-level critical", None, None), expected(LevelFilter::ERROR, Format::Text, None));
        assert!(options("--log-level loud", None, None).is_none());
        assert!(options("--log-format xml", None, None).is_none());
    }
}
