//! Which node, and with what rights.

use std::{env, fmt, path::PathBuf, time::Duration};

use clap::Args;
use gaffer_client::{Client, Endpoint, InvalidEndpoint, TlsOptions, lookup::Lookup};
use gaffer_core::ini::{UserFile, UserNode};

use crate::{Failure, Output, account::Account, lookup, user_file::Place};

/// How long a connection to a lookup server may take to come about: a command waits for it before it does anything.
const LOOKUP_CONNECT: Duration = Duration::from_secs(3);

/// How long a lookup server may take to answer.
const LOOKUP_ANSWER: Duration = Duration::from_secs(5);

/// How an address is read.
type Reader = fn(&str) -> Result<Endpoint, InvalidEndpoint>;

/// Which node is called, and how, as options.
#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// The node: http://HOST:PORT, https://HOST:PORT, unix:/PATH, or a name of the user file [env: GAFFER_ENDPOINT] [default: http://127.0.0.1:5000]
    #[arg(long, global = true, value_name = "URL|NAME")]
    pub connect: Option<String>,

    /// Call the node that has the job, as this lookup server says: HOST, HOST:PORT, http://…, https://…, or a name of the user file; again for more
    #[arg(long, alias = "lookupd-address", global = true, value_name = "ADDR")]
    pub lookupd: Vec<String>,

    /// The certificate to show to the node, PEM
    #[arg(long, global = true, value_name = "FILE")]
    pub certfile: Option<PathBuf>,

    /// The certificate's key, PEM [default: in the file of --certfile]
    #[arg(long, global = true, value_name = "FILE")]
    pub keyfile: Option<PathBuf>,

    /// Trust certificates of these authorities, PEM [default: those that the system trusts]
    #[arg(long, global = true, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Trust any certificate: whoever is in between can read and change everything
    #[arg(long, global = true)]
    pub insecure: bool,

    /// The key that says who you are [env: GAFFER_API_KEY]
    #[arg(long, global = true, value_name = "KEY")]
    pub api_key: Option<String>,
}

/// What options, environment and user file come to.
#[derive(Debug, PartialEq, Eq)]
struct Connection {
    endpoint: Endpoint,
    tls: TlsOptions,
    /// The key that an option or the environment gives.
    given: Option<String>,
    /// The key that the user file has.
    kept: Option<String>,
    /// The URL in the header of its section in the user file, as it stands there.
    section: Option<String>,
    /// Whether the node is named, or the user file has it.
    is_meant: bool,
    /// A word that was taken as a host because it is no name in the user file.
    unknown_name: Option<String>,
}

impl ConnectionArgs {
    /// A client as the options, the environment and the user file say, in this order.
    ///
    /// Blocks while it reads the files.
    ///
    /// # Errors
    /// When one of them does not read, or lookup servers are to find the node.
    pub fn client(&self, output: &mut Output) -> Result<Client, Failure> {
        client_of(&self.account(output, Place::read)?, output)
    }

    /// The node, and where its key is kept, for who logs in or out: the file may be missing.
    ///
    /// Blocks while it reads the files.
    ///
    /// # Errors
    /// When one of them does not read, or lookup servers are to find the node.
    pub(crate) fn account_to_keep(&self, output: &mut Output) -> Result<Account, Failure> {
        self.account(output, Place::read_or_none)
    }

    fn account(&self, output: &mut Output, read: fn(&Place) -> Result<UserFile, Failure>) -> Result<Account, Failure> {
        self.refuse_lookup()?;
        let place = Place::here();
        let file = place.as_ref().map_or_else(|| Ok(UserFile::default()), read)?;
        let connection = self.clone().or_environment().resolve(&file)?;
        if let (Some(name), Some(place)) = (&connection.unknown_name, &place) {
            advise_of_name(name, place, output);
        }
        Ok(connection.account(place))
    }

    /// Whether lookup servers are to find the node.
    pub fn looks_up(&self) -> bool {
        !self.lookupd.is_empty()
    }

    /// Refuses `--lookupd`, for commands that name no job.
    ///
    /// # Errors
    /// [`Failure::Usage`], if it is given.
    pub fn refuse_lookup(&self) -> Result<(), Failure> {
        if self.looks_up() { Err(lookup::names_no_job()) } else { Ok(()) }
    }

    /// The lookup servers that options or environment name, for who asks these themselves. No key is sent to them.
    ///
    /// Blocks while it reads files.
    ///
    /// # Errors
    /// When there is none, or a file does not read.
    pub fn lookup(&self, output: &mut Output) -> Result<Lookup, Failure> {
        let variable = env::var_os("GAFFER_LOOKUPD").map(|value| value.to_string_lossy().into_owned());
        let (servers, _) = self.lookup_servers(&addresses(&self.lookupd, variable.as_deref()), output)?;
        let endpoints: Vec<&Endpoint> = servers.servers().iter().map(Client::endpoint).collect();
        self.refuse_unused_tls(&endpoints)?;
        Ok(servers)
    }

    /// The lookup servers at these addresses, and whether TLS is spoken with one.
    pub(crate) fn lookup_servers(&self, addresses: &[String], output: &mut Output) -> Result<(Lookup, bool), Failure> {
        if self.connect.is_some() {
            let option = output.node_option();
            return Err(Failure::Usage(format!(
                "`--lookupd` and `{option}` are given: the one finds a node, the other names it"
            )));
        }
        let (place, file) = files()?;
        let connections = self.resolve_servers(addresses, &file)?;
        if connections.is_empty() {
            return Err(Failure::Usage(
                "no lookup server is named; `--lookupd ADDR`, or the variable GAFFER_LOOKUPD, names one".to_owned(),
            ));
        }
        let mut servers = Vec::new();
        for Connection { endpoint, tls, unknown_name, .. } in &connections {
            if let (Some(name), Some(place)) = (unknown_name, &place) {
                advise_of_name(name, place, output);
            }
            let builder = Client::builder(endpoint).tls(tls.clone());
            servers.push(builder.connect_timeout(LOOKUP_CONNECT).answer_timeout(LOOKUP_ANSWER).build()?);
        }
        Ok((Lookup::new(servers), connections.iter().any(|connection| connection.endpoint.is_tls())))
    }

    /// A client of a node that was found: with the key that the user file has for it. Others are for nodes that the user has named: whoever
    /// registers at a lookup server could collect them.
    ///
    /// Blocks while it reads the files.
    ///
    /// # Errors
    /// When one of them does not read, or the options cannot be heeded there.
    pub(crate) fn client_of_found(
        &self,
        endpoint: &Endpoint,
        has_tls_server: bool,
        output: &mut Output,
    ) -> Result<Client, Failure> {
        let (place, file) = files()?;
        let connection = self.resolve_found(endpoint, has_tls_server, &file)?;
        client_of(&connection.account(place), output)
    }

    /// Whether options, environment or user file say which node is meant, or anything of it. If not, it is the default one, and it
    /// need not be there.
    ///
    /// Blocks while it reads the file.
    ///
    /// # Errors
    /// When the file does not read.
    pub fn means_a_node(&self) -> Result<bool, Failure> {
        let (_, file) = files()?;
        Ok(self.clone().or_environment().resolve(&file)?.is_meant)
    }

    /// With what the environment says of what no option says. It is not left to clap, for which a variable is as good as an
    /// option: then there is no help without words, and each usage line names the option as if it were required.
    fn or_environment(self) -> Self {
        let variable = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            connect: self.connect.or_else(|| variable("GAFFER_ENDPOINT")),
            api_key: self.api_key.or_else(|| variable("GAFFER_API_KEY")),
            ..self
        }
    }

    fn resolve(&self, file: &UserFile) -> Result<Connection, Failure> {
        let connection = self.resolve_word(self.connect.as_deref(), file, str::parse)?;
        self.refuse_unused_tls(&[&connection.endpoint])?;
        Ok(connection)
    }

    /// Each lookup server once.
    fn resolve_servers(&self, addresses: &[String], file: &UserFile) -> Result<Vec<Connection>, Failure> {
        let mut servers: Vec<Connection> = Vec::new();
        for address in addresses.iter().filter(|address| !address.trim().is_empty()) {
            let server = self.resolve_word(Some(address), file, Endpoint::of_lookup_server)?;
            if servers.iter().all(|known| known.endpoint != server.endpoint) {
                servers.push(server);
            }
        }
        Ok(servers)
    }

    fn resolve_found(&self, endpoint: &Endpoint, has_tls_server: bool, file: &UserFile) -> Result<Connection, Failure> {
        if !has_tls_server {
            self.refuse_unused_tls(&[endpoint])?;
        }
        let found = self.resolve_word(Some(&endpoint.to_string()), file, str::parse)?;
        Ok(Connection { given: None, ..found })
    }

    fn resolve_word(&self, word: Option<&str>, file: &UserFile, read: Reader) -> Result<Connection, Failure> {
        let word = word.map(str::trim).filter(|word| !word.is_empty());
        let named = word.and_then(|word| file.nodes.iter().find(|node| node.name.as_deref() == Some(word)));
        let endpoint: Endpoint = match (named, word) {
            (Some(node), _) => read(&node.url).map_err(|error| Failure::Failed(format!("{}: {error}", node.place)))?,
            (None, Some(word)) => read(word)?,
            (None, None) => Endpoint::default(),
        };
        let is_word = |word: &&str| !word.contains([':', '/', '.']);
        let unknown_name = word.filter(|word| named.is_none() && is_word(word)).map(str::to_owned);
        // What is written in different ways may be the same place.
        let node = named.or_else(|| file.nodes.iter().find(|node| read(&node.url).as_ref() == Ok(&endpoint)));
        let of_file = |value: fn(&UserNode) -> Option<&PathBuf>| node.and_then(value).cloned();
        let (certfile, keyfile) = match &self.certfile {
            // The key in the file belongs to the certificate there.
            Some(certfile) => (Some(certfile.clone()), self.keyfile.clone()),
            None => {
                let keyfile = self.keyfile.clone().or_else(|| of_file(|node| node.keyfile.as_ref()));
                (of_file(|node| node.certfile.as_ref()), keyfile)
            }
        };
        let cacert = self.cacert.clone().or_else(|| of_file(|node| node.cacert.as_ref()));
        let given = self.api_key.clone().filter(|key| !key.is_empty());
        let kept = node.and_then(|node| node.key.clone());
        let tls = TlsOptions { cacert, certfile, keyfile, insecure: self.insecure };
        let is_meant = word.is_some() || node.is_some();
        let section = node.map(|node| node.url.clone());
        Ok(Connection { endpoint, tls, given, kept, section, is_meant, unknown_name })
    }

    /// Refuses options of TLS where none is spoken.
    fn refuse_unused_tls(&self, endpoints: &[&Endpoint]) -> Result<(), Failure> {
        let is_for_tls = [
            ("--certfile", self.certfile.is_some()),
            ("--keyfile", self.keyfile.is_some()),
            ("--cacert", self.cacert.is_some()),
            ("--insecure", self.insecure),
        ];
        let given = is_for_tls.into_iter().find(|(_, is_given)| *is_given);
        match given.filter(|_| !endpoints.iter().any(|endpoint| endpoint.is_tls())) {
            Some((option, _)) => {
                let endpoints: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
                let (endpoints, are) = (endpoints.join(", "), if endpoints.len() == 1 { "is" } else { "are" });
                Err(Failure::Usage(format!("`{option}` needs an https:// endpoint, and {endpoints} {are} none")))
            }
            None => Ok(()),
        }
    }
}

impl Connection {
    fn account(self, place: Option<Place>) -> Account {
        let Self { endpoint, tls, given, kept, section, .. } = self;
        let section = section.unwrap_or_else(|| endpoint.to_string());
        Account { endpoint, tls, given, kept, place, section }
    }
}

/// Where the user file is, and what it says.
fn files() -> Result<(Option<Place>, UserFile), Failure> {
    let place = Place::here();
    let file = place.as_ref().map_or_else(|| Ok(UserFile::default()), Place::read)?;
    Ok((place, file))
}

fn client_of(account: &Account, output: &mut Output) -> Result<Client, Failure> {
    if account.uses_kept()
        && let Some(place) = &account.place
    {
        place.warn_of_readers(output);
    }
    account.client(account.key())
}

fn advise_of_name(name: &str, Place { path, .. }: &Place, output: &mut Output) {
    let path = path.display();
    output.set_advice(format!("`{name}` is no name in {path}, and so it was taken as a host"));
}

/// The addresses that options give, else those that the variable has, between blanks or commas.
fn addresses(given: &[String], variable: Option<&str>) -> Vec<String> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let separated = variable.unwrap_or_default().split(|c: char| c == ',' || c.is_whitespace());
    separated.filter(|address| !address.is_empty()).map(str::to_owned).collect()
}

impl fmt::Debug for ConnectionArgs {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionArgs").field("connect", &self.connect).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [node "https://Shop.example"]
        name = prod
        key = secret
        certfile = /me.pem
        keyfile = /me.key
        cacert = /ca.pem

        [node "unix:///run/gaffer.sock"]
        key = local

        [node "gopher://old"]
        name = old
    "#;

    fn resolved(args: &ConnectionArgs) -> Result<Connection, String> {
        let file = UserFile::parse("/home/me/gaffer.ini", FILE).unwrap();
        args.resolve(&file).map_err(|failure| failure.to_string())
    }

    fn to(word: &str) -> ConnectionArgs {
        ConnectionArgs { connect: Some(word.to_owned()), ..ConnectionArgs::default() }
    }

    #[test]
    fn a_name_means_its_node_with_all_that_the_file_says_of_it() {
        let expected = Connection {
            endpoint: "https://shop.example:443".parse().unwrap(),
            tls: TlsOptions {
                cacert: Some("/ca.pem".into()),
                certfile: Some("/me.pem".into()),
                keyfile: Some("/me.key".into()),
                insecure: false,
            },
            given: None,
            kept: Some("secret".to_owned()),
            section: Some("https://Shop.example".to_owned()),
            is_meant: true,
            unknown_name: None,
        };
        assert_eq!(resolved(&to("prod")), Ok(expected));
    }

    #[test]
    fn a_section_is_found_by_its_url_however_that_is_written() {
        let key = |url: &str| resolved(&to(url)).unwrap().kept;
        assert_eq!(key("https://shop.example:443/").as_deref(), Some("secret"));
        assert_eq!(key("unix:/run/gaffer.sock").as_deref(), Some("local"));
        assert_eq!(key("https://shop.example:444"), None);
        assert_eq!(key("http://shop.example:443"), None);
    }

    #[test]
    fn a_key_goes_to_the_section_as_it_is_written() {
        let section = |word: &str| resolved(&to(word)).unwrap().section;
        assert_eq!(section("prod").as_deref(), Some("https://Shop.example"));
        assert_eq!(section("https://shop.example:443/").as_deref(), Some("https://Shop.example"));
        assert_eq!(section("unix:/run/gaffer.sock").as_deref(), Some("unix:///run/gaffer.sock"));
        assert_eq!(section("http://elsewhere"), None);
    }

    #[test]
    fn a_node_is_meant_if_anything_names_it() {
        let is_meant = |args: &ConnectionArgs, file: &str| {
            let file = UserFile::parse("/home/me/gaffer.ini", file).unwrap();
            args.resolve(&file).unwrap().is_meant
        };
        let nothing = ConnectionArgs::default();
        assert!(!is_meant(&nothing, FILE));
        assert!(is_meant(&nothing, "[node \"http://127.0.0.1:5000\"]\nkey = local\n"));
        assert!(is_meant(&to("http://127.0.0.1:5000"), ""));
        assert!(is_meant(&to("prod"), FILE));
    }

    #[test]
    fn options_win_over_the_file() {
        let key = Some("mine".to_owned());
        let mine = resolved(&ConnectionArgs { api_key: key, certfile: Some("/my.pem".into()), ..to("prod") }).unwrap();
        assert_eq!((mine.given.as_deref(), mine.kept.as_deref()), (Some("mine"), Some("secret")));
        // The file's key is not that of this certificate.
        assert_eq!((mine.tls.certfile, mine.tls.keyfile), (Some("/my.pem".into()), None));
        assert_eq!(mine.tls.cacert, Some("/ca.pem".into()));
        let unset = resolved(&ConnectionArgs { api_key: Some(String::new()), ..to("prod") }).unwrap();
        assert_eq!((unset.given.as_deref(), unset.kept.as_deref()), (None, Some("secret")));
    }

    #[test]
    fn options_of_tls_are_refused_where_none_is_spoken() {
        let args = ConnectionArgs { insecure: true, ..to("http://x:1") };
        assert_eq!(resolved(&args), Err("`--insecure` needs an https:// endpoint, and http://x:1 is none".to_owned()));
        let args = ConnectionArgs { cacert: Some("/ca.pem".into()), ..to("unix:/g.sock") };
        assert_eq!(resolved(&args), Err("`--cacert` needs an https:// endpoint, and unix:/g.sock is none".to_owned()));
        assert!(resolved(&ConnectionArgs { insecure: true, ..to("prod") }).is_ok());
    }

    #[test]
    fn a_word_that_is_no_name_is_a_host() {
        let seen = |word: &str| resolved(&to(word)).map(|it| (it.endpoint.to_string(), it.unknown_name));
        assert_eq!(seen("test"), Ok(("http://test:5000".to_owned(), Some("test".to_owned()))));
        assert_eq!(seen("test:80"), Ok(("http://test:80".to_owned(), None)));
        assert_eq!(seen(" "), Ok(("http://127.0.0.1:5000".to_owned(), None)));
    }

    #[test]
    fn a_named_url_that_is_none_is_told_with_its_place() {
        let error = resolved(&to("old")).unwrap_err();
        assert!(error.starts_with("/home/me/gaffer.ini:12: `gopher://old`: no node"), "{error}");
    }

    fn servers(args: &ConnectionArgs, addresses: &[&str]) -> Vec<Connection> {
        let file = UserFile::parse("/home/me/gaffer.ini", FILE).unwrap();
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        args.resolve_servers(&addresses, &file).unwrap()
    }

    #[test]
    fn lookup_servers_are_named_as_nodes_are_but_for_their_port() {
        let shown = |addresses: &[&str]| {
            servers(&ConnectionArgs::default(), addresses)
                .into_iter()
                .map(|it| it.endpoint.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&["a", " a:5010 ", "", "http://a:5011"]), ["http://a:5010", "http://a:5011"]);
        assert_eq!(shown(&["prod", "https://l"]), ["https://shop.example:443", "https://l:443"]);
        let prod = &servers(&ConnectionArgs::default(), &["prod"])[0];
        assert_eq!(prod.tls.cacert, Some("/ca.pem".into()));
    }

    #[test]
    fn the_variable_is_for_who_gives_no_option() {
        let given = ["x".to_owned()];
        assert_eq!(addresses(&given, Some("a b")), ["x"]);
        assert_eq!(addresses(&[], Some(" a:1,b\thttp://c ,, ")), ["a:1", "b", "http://c"]);
        assert_eq!(addresses(&[], None), [""; 0]);
    }

    #[test]
    fn options_of_tls_are_for_servers_and_for_the_node_that_they_find() {
        let file = UserFile::parse("/home/me/gaffer.ini", FILE).unwrap();
        let args = ConnectionArgs { cacert: Some("/my.pem".into()), ..ConnectionArgs::default() };
        let [plain, safe] = ["http://n:1", "https://n:1"].map(|url| url.parse::<Endpoint>().unwrap());
        assert!(args.resolve_found(&plain, true, &file).is_ok());
        assert_eq!(args.resolve_found(&safe, false, &file).unwrap().tls.cacert, Some("/my.pem".into()));
        assert!(matches!(args.resolve_found(&plain, false, &file), Err(Failure::Usage(_))));
        let refused = args.refuse_unused_tls(&[&plain, &plain]).unwrap_err().to_string();
        assert_eq!(refused, "`--cacert` needs an https:// endpoint, and http://n:1, http://n:1 are none");
    }

    #[test]
    fn a_node_that_was_found_gets_the_key_of_its_section_and_no_other() {
        let file = UserFile::parse("/home/me/gaffer.ini", FILE).unwrap();
        let keys = |args: &ConnectionArgs, url: &str| {
            let found = args.resolve_found(&url.parse().unwrap(), false, &file).unwrap();
            found.account(None).key().map(str::to_owned)
        };
        for api_key in [None, Some("mine".to_owned())] {
            let args = ConnectionArgs { api_key, ..ConnectionArgs::default() };
            assert_eq!(keys(&args, "https://shop.example").as_deref(), Some("secret"));
            assert_eq!(keys(&args, "https://elsewhere"), None);
        }
    }
}
