//! The command line.

use std::{env, ffi::OsString, fmt, path::PathBuf};

use clap::{ArgAction, CommandFactory, Parser, error::ErrorKind};
use gaffer_client::{Endpoint, InvalidEndpoint};
use gaffer_core::api::lookup::check_name;
use gaffer_daemon::log::LogArgs;
use gaffer_http::serve::BindAddress;

use crate::unit::Unit;

/// Launch and supervise processes, and serve HTTP to control them.
#[derive(Clone, Default, Parser)]
#[command(name = "gafferd", version)]
pub(crate) struct Args {
    /// Configuration file, or a folder that holds a gafferd.ini; wins over --config
    #[arg(value_name = "CONFIG")]
    file: Option<PathBuf>,

    /// Configuration file, or a folder that holds a gafferd.ini [default: $GAFFERD_CONFIG, else none]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Folder of plugins, whose sites are served below /_plugin [default: ~/.gafferd/plugins]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) plugins_dir: Option<PathBuf>,

    /// Print what happens to processes; twice: every event, and the processes' output
    #[arg(short, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// File to write gafferd's process number to; refuses to start while another running process is named there
    #[arg(long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,

    /// Go into the background, once it listens; as who started it learns by the exit code. Without --error-log the log ends there
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) daemon: bool,

    /// Listen here (host:port or unix:PATH), and at no endpoint of the configuration [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<BindAddress>,

    /// Connections that may wait to be accepted, where an endpoint sets no number of its own [default: 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) backlog: Option<u32>,

    /// Register at this lookup server (http://HOST:PORT, https://HOST:PORT or unix:/PATH), and at none of the configuration; again for more
    #[arg(long, value_name = "URL", value_parser = Endpoint::of_lookup_server, help_heading = "Lookup")]
    pub(crate) lookupd_address: Vec<Endpoint>,

    /// The URL under which lookup servers tell others of this node [default: that of its first endpoint, with the host's full name if it listens on all addresses]
    #[arg(long, value_name = "URL", value_parser = origin, help_heading = "Lookup")]
    pub(crate) broadcast_address: Option<String>,

    /// What lookup servers call this node [default: the host's full name]
    #[arg(long, value_name = "NAME", value_parser = node_name, help_heading = "Lookup")]
    pub(crate) node_name: Option<String>,

    /// The certificate to show to lookup servers, PEM
    #[arg(long, value_name = "FILE", help_heading = "Lookup")]
    pub(crate) client_certfile: Option<PathBuf>,

    /// That certificate's key, PEM [default: in the file of --client-certfile]
    #[arg(long, value_name = "FILE", requires = "client_certfile", help_heading = "Lookup")]
    pub(crate) client_keyfile: Option<PathBuf>,

    /// Trust lookup servers with certificates of these authorities, PEM [default: those that the system trusts]
    #[arg(long, value_name = "FILE", help_heading = "Lookup")]
    pub(crate) client_cacert: Option<PathBuf>,

    /// Say what is wrong with the configuration, or what it comes to, and end
    #[arg(long, conflicts_with_all = ["create_admin_user", "list_admins"])]
    pub(crate) check_config: bool,

    /// Require an API key for all that is more than a sign of life
    #[arg(long)]
    pub(crate) require_key: bool,

    /// Folder for what outlives gafferd: jobs that clients have loaded, keys and users [default: a folder of this configuration below /var/lib/gafferd for root, else below ~/.local/state/gaffer]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Keep no jobs for the next start, and do not look for processes that a killed gafferd has left
    #[arg(long, conflicts_with = "state_dir")]
    pub(crate) no_state: bool,

    /// Make a user whose key permits everything, print that key, and end; beside a gafferd that runs, too
    #[arg(long, help_heading = "Keys")]
    pub(crate) create_admin_user: bool,

    /// The new user's name [default: asked for]
    #[arg(long, value_name = "NAME", requires = "create_admin_user", help_heading = "Keys")]
    pub(crate) username: Option<String>,

    /// The new user's password; others can see it in the list of processes [default: asked for, or a line of stdin]
    #[arg(long, value_name = "PASSWORD", requires = "create_admin_user", help_heading = "Keys")]
    pub(crate) password: Option<String>,

    /// List the users whose keys permit everything, and end
    #[arg(long, conflicts_with = "create_admin_user", help_heading = "Keys")]
    pub(crate) list_admins: bool,

    #[command(flatten)]
    pub(crate) log: LogArgs,

    /// Print a systemd unit that starts gafferd as this command line does, and end: the service, or the sockets that it may be given
    #[arg(long, value_name = "KIND", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "service", help_heading = "Service")]
    pub(crate) systemd_unit: Option<Unit>,

    /// Serve TLS where --bind says: the certificate chain to show, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) certfile: Option<PathBuf>,

    /// The certificate's key, PEM [default: in the file of --certfile]
    #[arg(long, value_name = "FILE")]
    pub(crate) keyfile: Option<PathBuf>,

    /// Demand client certificates of these authorities, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
}

impl fmt::Debug for Args {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Args").field("config", &self.config()).finish_non_exhaustive()
    }
}

impl Args {
    /// Reads the command line, or ends the program as its user asked: with the help, the version or what is wrong.
    pub(crate) fn read() -> Self {
        Self::from_words(env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn from_words(words: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let args = Self::try_parse_from(words)?;
        let files = [&args.certfile, &args.keyfile, &args.cacert].map(Option::as_ref);
        if let Err(problem) = gaffer_daemon::tls_files(files[0], files[1], files[2]) {
            return Err(Self::command().error(ErrorKind::MissingRequiredArgument, problem));
        }
        Ok(args)
    }

    /// The configuration to read: the positional one, else `--config`, else `$GAFFERD_CONFIG`.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        let from_environment = || env::var_os("GAFFERD_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        self.file.clone().or_else(|| self.config.clone()).or_else(from_environment)
    }
}

/// Reads a URL that others are to connect to.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let endpoint: Endpoint = text.parse().map_err(|error: InvalidEndpoint| error.to_string())?;
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    if is_url { Ok(endpoint.to_string()) } else { Err("must begin with http:// or https://".to_owned()) }
}

/// Reads what lookup servers are to call this node.
pub(crate) fn node_name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|problem| problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_positional_configuration_wins() {
        let config = |words: &[&str]| Args::try_parse_from(words).unwrap().config();
        assert_eq!(config(&["gafferd", "-c", "a.ini", "b.ini"]), Some("b.ini".into()));
        assert_eq!(config(&["gafferd", "--config", "a.ini"]), Some("a.ini".into()));
    }

    #[test]
    fn verbosity_counts() {
        let verbose = |words: &[&str]| Args::try_parse_from(words).unwrap().verbose;
        assert_eq!((verbose(&["gafferd"]), verbose(&["gafferd", "-v"]), verbose(&["gafferd", "-vv"])), (0, 1, 2));
    }

    #[test]
    fn an_address_that_does_not_read_is_a_usage_error() {
        let error = Args::try_parse_from(["gafferd", "--bind", "http://localhost"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("write host:port without a scheme"), "{error}");
    }

    #[test]
    fn a_key_without_its_certificate_is_a_usage_error() {
        for option in ["--keyfile", "--cacert"] {
            let error = Args::from_words(["gafferd", option, "x.pem"]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let expected = format!("{option} needs a --certfile: the certificate that the endpoint shows");
            assert!(error.to_string().contains(&expected), "{error}");
            assert!(Args::from_words(["gafferd", option, "x.pem", "--certfile", "c.pem"]).is_ok());
        }
    }
}
