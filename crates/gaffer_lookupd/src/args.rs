//! The command line.

use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, error::ErrorKind};
use gaffer_core::api::lookup::DEFAULT_PORT;
use gaffer_daemon::{log::LogArgs, tls_files};
use gaffer_http::{
    front::{Front, Hosts},
    origin::Origins,
    serve::{BindAddress, Endpoint, TlsFiles},
};

use crate::options::{Options, Pings};

/// Where gaffer nodes register, and clients find the nodes that run a job.
#[derive(Clone, Debug, Parser)]
#[command(name = "gaffer_lookupd", version)]
pub(crate) struct Args {
    /// Listen here: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:5010", value_parser = address)]
    bind: BindAddress,

    /// Connections that may wait to be accepted
    #[arg(long, value_name = "N", default_value = "128", value_parser = clap::value_parser!(u32).range(1..))]
    backlog: u32,

    /// Serve TLS: the certificate chain to show, PEM
    #[arg(long, value_name = "FILE")]
    certfile: Option<PathBuf>,

    /// The certificate's key, PEM [default: in the file of --certfile]
    #[arg(long, value_name = "FILE")]
    keyfile: Option<PathBuf>,

    /// Demand client certificates of these authorities, PEM: of nodes, and of clients
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// Log every job that nodes register
    #[arg(short)]
    pub(crate) verbose: bool,

    /// Go into the background, once it listens; the log goes on with --error-log, or if stderr is a file
    #[arg(long)]
    pub(crate) daemon: bool,

    /// File to write the process number to; refuses to start while another running process is named there
    #[arg(long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) log: LogArgs,

    /// Ask a node for a sign of life after so many seconds of silence
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds, help_heading = "Nodes")]
    ping_interval: Duration,

    /// Take a node for gone that gives none within so many seconds [default: as --ping-interval]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Nodes")]
    ping_timeout: Option<Duration>,

    /// Let these web pages ask, such as https://console.example; * for all [default: those of this machine]
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', help_heading = "Web pages")]
    cors_origins: Vec<String>,

    /// Further host names that requests may be addressed to; * for all [default: any, but for requests of this machine]
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = "Web pages")]
    allowed_hosts: Vec<String>,
}

/// What a command line comes to.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    pub(crate) options: Options,
}

impl Args {
    /// Reads the command line, or ends the program as its user asked: with the help, the version or what is wrong.
    pub(crate) fn read() -> (Self, Settings) {
        Self::from_words(env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn from_words(words: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<(Self, Settings), clap::Error> {
        let args = Self::try_parse_from(words)?;
        let settings = args.settings().map_err(|(kind, problem)| Self::command().error(kind, problem))?;
        Ok((args, settings))
    }

    fn settings(&self) -> Result<Settings, (ErrorKind, String)> {
        let Self { certfile, keyfile, cacert, .. } = self;
        let tls: Option<TlsFiles> = tls_files(certfile.as_ref(), keyfile.as_ref(), cacert.as_ref())
            .map_err(|problem| (ErrorKind::MissingRequiredArgument, problem.to_string()))?;
        let wrong = |option: &str, problem: String| (ErrorKind::ValueValidation, format!("{option}: {problem}"));
        let origins = Origins::from_list(&self.cors_origins);
        let origins = origins.map_err(|error| wrong("--cors-origins", error.to_string()))?;
        let hosts = Hosts::from_list(&self.allowed_hosts);
        let hosts = hosts.map_err(|error| wrong("--allowed-hosts", error.to_string()))?;
        let pings = Pings { interval: self.ping_interval, timeout: self.ping_timeout.unwrap_or(self.ping_interval) };
        let endpoint = Endpoint {
            name: "lookup".to_owned(),
            bind: self.bind.clone(),
            backlog: self.backlog,
            tls,
            ..Endpoint::default()
        };
        Ok(Settings { endpoint, options: Options { front: Front { origins, hosts }, pings } })
    }
}

/// As of gafferd, but the port that is left out is ours.
fn address(text: &str) -> Result<BindAddress, String> {
    BindAddress::with_default_port(text, DEFAULT_PORT).map_err(|error| error.to_string())
}

/// Reads a time that a node may take.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "must be a number of seconds from 0.1 to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Settings, String> {
        let words = std::iter::once("gaffer_lookupd").chain(line.split(' ').filter(|word| !word.is_empty()));
        Args::from_words(words).map(|(_, settings)| settings).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn without_options_it_is_as_the_manual_says() {
        let Settings { endpoint, options } = read("").unwrap();
        assert_eq!((endpoint.bind.to_string().as_str(), endpoint.backlog), ("0.0.0.0:5010", 128));
        assert_eq!((endpoint.tls, options.pings), (None, Pings::default()));
    }

    #[test]
    fn the_port_that_is_left_out_is_that_of_lookup_servers() {
        let bind = |text: &str| read(&format!("--bind {text}")).unwrap().endpoint.bind.to_string();
        assert_eq!(
            [bind("127.0.0.1"), bind("[::1]"), bind("127.0.0.1:5000"), bind("unix:/l.sock")],
            ["127.0.0.1:5010", "[::1]:5010", "127.0.0.1:5000", "unix:/l.sock"]
        );
    }

    #[test]
    fn a_time_that_is_not_given_is_that_of_the_other() {
        let pings = |line: &str| read(line).map(|settings| settings.options.pings);
        let seconds = Duration::from_secs_f64;
        assert_eq!(pings("--ping-interval 2"), Ok(Pings { interval: seconds(2.0), timeout: seconds(2.0) }));
        let both = pings("--ping-interval 2 --ping-timeout 0.5");
        assert_eq!(both, Ok(Pings { interval: seconds(2.0), timeout: seconds(0.5) }));
    }

    #[test]
    fn what_does_not_read_is_told_with_its_option() {
        for (line, told) in [
            ("--bind http://a", "write host:port without a scheme"),
            ("--backlog 0", "--backlog"),
            ("--keyfile k", "--keyfile needs a --certfile"),
            ("--cors-origins nonsense", "--cors-origins: "),
            ("--allowed-hosts http://a", "--allowed-hosts: `http://a` is not a host name"),
            ("--ping-interval 0", "from 0.1 to 86400"),
            ("--ping-timeout NaN", "from 0.1 to 86400"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
