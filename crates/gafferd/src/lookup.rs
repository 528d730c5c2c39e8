//! Telling lookup servers of this node.

use std::{cell::LazyCell, collections::HashSet, net::SocketAddr, sync::mpsc, thread, time::Duration};

use anyhow::{Context, anyhow};
use gaffer_client::{
    Client, Endpoint, TlsOptions,
    lookup::{Registrar, Report},
};
use gaffer_core::{ini::NodeConfig, os::host_name};
use gaffer_http::serve::Listening;
use nix::unistd::gethostname;
use tracing::{info, warn};

use crate::{
    args::{self, Args},
    settings::{Mistakes, in_gaffer},
};

/// Time for the host's full name to be found.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whom to tell, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    servers: Vec<Endpoint>,
    tls: TlsOptions,
    origin: Origin,
    /// What the node is called.
    name: String,
}

/// Where others reach this node.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// There, as was said.
    Said(String),
    /// Where it listens; at this host, if that is on all addresses.
    Endpoint { host: String },
}

/// What command line and configuration say; none, if there are no lookup servers.
///
/// # Errors
/// An address that does not read; options that go with nothing.
pub(crate) fn of(args: &Args, config: &NodeConfig) -> Result<Option<Lookup>, Mistakes> {
    let mut servers = if args.lookupd_address.is_empty() {
        let mut mistakes = Vec::new();
        let mut servers = Vec::new();
        for (address, place) in &config.settings.lookupd_addresses {
            match Endpoint::of_lookup_server(address) {
                Ok(server) => servers.push(server),
                Err(problem) => mistakes.push(format!("{place}: [gaffer] lookupd_address: {problem}")),
            }
        }
        if mistakes.is_empty() { servers } else { return Err(Mistakes(mistakes)) }
    } else {
        args.lookupd_address.clone()
    };
    // Two connections of one node with one server would take each other's place, again and again.
    let mut seen = HashSet::new();
    servers.retain(|server| seen.insert(server.clone()));
    let of_client = [("--client-certfile", &args.client_certfile), ("--client-cacert", &args.client_cacert)];
    if let Some((option, _)) = of_client.into_iter().find(|(_, file)| file.is_some())
        && !servers.iter().any(Endpoint::is_tls)
    {
        return Err(Mistakes(vec![format!(
            "{option}: needs a lookup server at https://, which --lookupd-address names"
        )]));
    }
    if servers.is_empty() {
        return Ok(None);
    }
    let told = config.settings.broadcast_address.as_deref().map(args::origin).transpose();
    let told = told.map_err(|problem| Mistakes(vec![in_gaffer(config, "broadcast_address", &problem)]))?;
    // Looked for only if it is needed: that may take a while.
    let host = LazyCell::new(own_name);
    let said = args.broadcast_address.clone().or(told);
    let origin = said.map_or_else(|| Origin::Endpoint { host: host.clone() }, Origin::Said);
    let ini = &config.lookup_tls;
    let (certfile, keyfile) = match &args.client_certfile {
        // The key in the file belongs to the certificate there.
        Some(certfile) => (Some(certfile.clone()), args.client_keyfile.clone()),
        None => (ini.certfile.clone(), ini.keyfile.clone()),
    };
    let cacert = args.client_cacert.clone().or_else(|| ini.cacert.clone());
    let given = config.settings.node_name.as_deref().map(args::node_name).transpose();
    let given = given.map_err(|problem| Mistakes(vec![in_gaffer(config, "node_name", &problem)]))?;
    let name = args.node_name.clone().or(given).unwrap_or_else(|| host.clone());
    let tls = TlsOptions { cacert, certfile, keyfile, insecure: false };
    Ok(Some(Lookup { servers, tls, origin, name }))
}

impl Lookup {
    /// Whom to tell.
    pub(crate) fn servers(&self) -> Vec<String> {
        self.servers.iter().map(ToString::to_string).collect()
    }

    /// What tells the servers, of a node that listens here.
    ///
    /// # Errors
    /// When there is nothing that others could reach; when files of TLS do not serve.
    pub(crate) fn registrar(&self, addresses: &[Listening]) -> anyhow::Result<Registrar> {
        let origin = self.origin(addresses).context(
            "--broadcast-address: is needed, as lookup servers tell others where this node is, and nothing that it listens on has an address",
        )?;
        if matches!(self.origin, Origin::Endpoint { .. })
            && is_of_this_machine(addresses)
            && let Some(server) = self.servers.iter().find(|server| !server.is_local())
        {
            return Err(anyhow!(
                "the lookup server {server} would tell others that this node is at {origin}, where only programs of this machine reach it: \
                 --bind says where to listen, and --broadcast-address what others are told"
            ));
        }
        // Those of the environment are for web pages, and for processes.
        let client = |server: &Endpoint| Client::builder(server).tls(self.tls.clone()).direct(true);
        let servers = self.servers.iter().map(client).collect();
        // What is wrong with a file is said in one sentence.
        Registrar::new(servers, &*self.name, origin, log).map_err(|error| anyhow!("lookup servers: {error}"))
    }

    /// Where others reach the node: as was said, else its first endpoint that has an address.
    fn origin(&self, addresses: &[Listening]) -> Option<String> {
        let host = match &self.origin {
            Origin::Said(origin) => return Some(origin.clone()),
            Origin::Endpoint { host } => host,
        };
        let (address, tls) = addresses.iter().find_map(|listening| Some((listening.tcp()?, listening.tls)))?;
        let scheme = if tls { "https" } else { "http" };
        Some(if address.ip().is_unspecified() {
            format!("{scheme}://{host}:{}", address.port())
        } else {
            format!("{scheme}://{}", SocketAddr::new(address.ip().to_canonical(), address.port()))
        })
    }
}

/// What this host is called, as far as that can be known in a short time.
fn own_name() -> String {
    let (sender, name) = mpsc::channel();
    // It may be asked of servers that do not answer; then the thread ends with the program.
    drop(thread::Builder::new().name("host name".to_owned()).spawn(move || drop(sender.send(host_name()))));
    let bare = || gethostname().ok().and_then(|name| name.into_string().ok()).filter(|name| !name.is_empty());
    name.recv_timeout(PATIENCE).ok().flatten().or_else(bare).unwrap_or_else(|| "localhost".to_owned())
}

fn is_of_this_machine(addresses: &[Listening]) -> bool {
    addresses.iter().find_map(Listening::tcp).is_some_and(|address| address.ip().to_canonical().is_loopback())
}

fn log(report: Report) {
    if matches!(report, Report::Registered { .. }) {
        info!("{report}");
    } else {
        warn!("{report}");
    }
}

#[cfg(test)]
mod tests {
    use gaffer_http::serve::LocalAddress;

    use super::*;
    use crate::settings::tests::settings;

    fn lookup(options: &[&str], ini: &str) -> Result<Option<Lookup>, String> {
        settings(options, ini).map(|settings| settings.lookup)
    }

    fn listening(address: &str, tls: bool) -> Listening {
        let address = match address.strip_prefix("unix:") {
            Some(path) => LocalAddress::Unix(path.into()),
            None => LocalAddress::Tcp(address.parse().unwrap()),
        };
        Listening { endpoint: "a".to_owned(), address, tls }
    }

    #[test]
    fn servers_of_the_command_line_are_in_place_of_those_of_the_file() {
        let servers = |options: &[&str]| {
            let found = lookup(options, "[gaffer]\nlookupd_address = a\nlookupd_address_2 = https://b:1\n").unwrap();
            found.unwrap().servers.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(servers(&[]), ["http://a:5010", "https://b:1"]);
        assert_eq!(
            servers(&["--lookupd-address", "http://c", "--lookupd-address", "unix:/d"]),
            ["http://c:80", "unix:/d"]
        );
        let twice = ["--lookupd-address", "http://c:1", "--lookupd-address", "http://C:1/"];
        assert_eq!(servers(&twice), ["http://c:1"]);
        assert_eq!(lookup(&[], ""), Ok(None));
    }

    #[test]
    fn where_the_node_is_is_said_or_seen() {
        let origin = |options: &[&str], addresses: &[Listening]| {
            let options = [&["--lookupd-address", "a"], options].concat();
            let mut lookup = lookup(&options, "").unwrap().unwrap();
            if let Origin::Endpoint { host } = &mut lookup.origin {
                *host = "host".to_owned();
            }
            lookup.origin(addresses)
        };
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(
            origin(&[], &[listening("unix:/x", false), listening("127.0.0.1:5", false)]),
            at("http://127.0.0.1:5")
        );
        assert_eq!(origin(&[], &[listening("0.0.0.0:5", true)]), at("https://host:5"));
        assert_eq!(origin(&[], &[listening("[::]:5", false)]), at("http://host:5"));
        assert_eq!(origin(&[], &[listening("[2001:db8::1]:5", false)]), at("http://[2001:db8::1]:5"));
        assert_eq!(origin(&[], &[listening("unix:/x", false)]), None);
        assert_eq!(origin(&["--broadcast-address", "https://Node.example"], &[]), at("https://node.example:443"));
    }

    #[test]
    fn others_are_not_sent_to_their_own_machine() {
        let registrar = |options: &[&str]| {
            let lookup = lookup(options, "").unwrap().unwrap();
            lookup.registrar(&[listening("127.0.0.1:5", false)]).map(drop).map_err(|error| error.to_string())
        };
        let error = registrar(&["--lookupd-address", "http://10.0.0.1:5010"]).unwrap_err();
        assert!(error.contains("where only programs of this machine reach it: --bind says"), "{error}");
        assert_eq!(
            registrar(&["--lookupd-address", "http://10.0.0.1:5010", "--broadcast-address", "http://n:1"]),
            Ok(())
        );
        assert_eq!(
            registrar(&["--lookupd-address", "localhost"]),
            Ok(()),
            "who asks a server of this machine is here as well"
        );
    }

    #[test]
    fn what_does_not_read_is_told_with_its_place() {
        let error = lookup(&[], "[gaffer]\nlookupd_address = ftp://a\nlookupd_address_2 = http://a/b\n").unwrap_err();
        assert!(
            error.starts_with("gaffer.ini:2: [gaffer] lookupd_address: `ftp://a`: no node speaks `ftp`"),
            "{error}"
        );
        assert!(
            error.contains("\ngaffer.ini:3: [gaffer] lookupd_address: `http://a/b`: leave out the path"),
            "{error}"
        );
        let wrong = |key: &str, value: &str| {
            lookup(&[], &format!("[gaffer]\nlookupd_address = a\n{key} = {value}\n")).unwrap_err()
        };
        let error = wrong("broadcast_address", "http://a/path");
        assert!(
            error.starts_with("gaffer.ini:3: [gaffer] broadcast_address: `http://a/path`: leave out the path"),
            "{error}"
        );
        let error = wrong("node_name", &"x".repeat(600));
        assert!(error.starts_with("gaffer.ini:3: [gaffer] node_name: has 600 bytes"), "{error}");
        let error = lookup(&["--lookupd-address", "a", "--client-cacert", "x"], "").unwrap_err();
        assert!(error.starts_with("--client-cacert: needs a lookup server at https://"), "{error}");
    }
}
