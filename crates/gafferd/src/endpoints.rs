//! Where the node listens: put together from command line and configuration file, kept within its means, and bound.

use std::path::PathBuf;

use anyhow::anyhow;
use gaffer_core::{
    ini::{self, EndpointLimits, NodeConfig},
    os::ActivatedDescriptor,
};
use gaffer_http::serve::{
    BindError, DEFAULT_BACKLOG, DEFAULT_MODE, Endpoint, Limits, Listener, Listening, LocalAddress, TlsFiles,
};

use crate::{activation, args::Args, settings::Mistakes};

/// An endpoint, and who asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    pub(crate) endpoint: Endpoint,
    /// What messages about it begin with: file, line and section. `None` if the file does not say where to listen.
    pub(crate) origin: Option<String>,
}

/// `--bind`, else the endpoints of the file, else `[gaffer] bind`, else the default.
///
/// # Errors
/// Options that do not go with the file.
pub(crate) fn of(args: &Args, config: &NodeConfig) -> Result<Vec<Configured>, Vec<String>> {
    let backlog = args.backlog.or(config.settings.backlog).unwrap_or(DEFAULT_BACKLOG);
    if args.bind.is_some() || config.endpoints.is_empty() {
        let bind = args.bind.as_ref().or(config.settings.bind.as_ref()).cloned().unwrap_or_default();
        let tls = tls(args.certfile.as_ref(), args.keyfile.as_ref(), args.cacert.as_ref());
        let limits = limits(config.settings.limits);
        let endpoint = Endpoint { bind, backlog, tls, limits, ..Endpoint::default() };
        let place = config.place_of("bind").filter(|_| args.bind.is_none() && config.settings.bind.is_some());
        let origin = place.map(|place| format!("{place}: [gaffer] bind:"));
        return Ok(vec![Configured { endpoint, origin }]);
    }
    if args.certfile.is_some() {
        // Serving in the clear what was meant to be secret would be worse than not serving.
        let problem = "--certfile: is for the endpoint of --bind, but the configuration has endpoints of its own; give \
                       --bind too, or the `certfile` of each [endpoint:NAME]";
        return Err(vec![problem.to_owned()]);
    }
    let endpoint = |configured: &ini::Endpoint| Endpoint {
        name: configured.name.clone(),
        bind: configured.bind.clone(),
        backlog: configured.backlog.unwrap_or(backlog),
        mode: configured.mode.unwrap_or(DEFAULT_MODE),
        owner: configured.owner.clone(),
        tls: tls(configured.certfile.as_ref(), configured.keyfile.as_ref(), configured.cacert.as_ref()),
        limits: limits(configured.limits.or(config.settings.limits)),
    };
    let configured = |configured: &ini::Endpoint| Configured {
        endpoint: endpoint(configured),
        origin: Some(format!("{}: [endpoint:{}]", configured.place, configured.name)),
    };
    Ok(config.endpoints.iter().map(configured).collect())
}

fn tls(certfile: Option<&PathBuf>, keyfile: Option<&PathBuf>, cacert: Option<&PathBuf>) -> Option<TlsFiles> {
    let certfile = certfile?.clone();
    Some(TlsFiles { certfile, keyfile: keyfile.cloned(), cacert: cacert.cloned() })
}

/// What is given, else the defaults.
fn limits(given: EndpointLimits) -> Limits {
    let default = Limits::default();
    let connections = given.max_connections.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    Limits {
        max_connections: connections.unwrap_or(default.max_connections),
        header_timeout: given.header_timeout.unwrap_or(default.header_timeout),
        idle_timeout: given.idle_timeout.unwrap_or(default.idle_timeout),
    }
}

/// Keeps clients from taking more than half of the descriptors: the rest is for the pipes of processes, without which none
/// can be launched. Each endpoint is lowered in proportion, to 1 at least.
///
/// Answers what its user should know if it does.
pub(crate) fn spare_descriptors(configured: &mut [Configured], limit: u64) -> Option<String> {
    let wide = |number: usize| u128::try_from(number).unwrap_or(u128::MAX);
    // In 128 bits, as any number may be configured.
    let asked: u128 = configured.iter().map(|one| wide(one.endpoint.limits.max_connections)).sum();
    let most = u128::from(limit / 2);
    if asked <= most {
        return None;
    }
    for Configured { endpoint, .. } in configured {
        let most_here = &mut endpoint.limits.max_connections;
        let share = wide(*most_here) * most / asked;
        *most_here = usize::try_from(share).unwrap_or(usize::MAX).max(1);
    }
    Some(format!(
        "max_connections: {asked} clients at once (all endpoints together) would need more than half of the {limit} files that \
         may be open, and leave too few for processes; they are limited to {most}; raise the limit of open files (`ulimit -n`, \
         or LimitNOFILE= of a systemd unit), or lower max_connections"
    ))
}

/// Listens at all of them, or at none: on the sockets that were handed over, and by itself where none was.
///
/// # Errors
/// The first that cannot be listened at, with the place that asked for it; sockets that do not go with them.
pub(crate) async fn bind(
    configured: &[Configured],
    activated: Vec<ActivatedDescriptor>,
) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::with_capacity(configured.len());
    for (one, socket) in configured.iter().zip(activation::assign(configured, activated)?) {
        let listener = match socket {
            Some(socket) => Listener::inherited(&one.endpoint, socket).await,
            None => Listener::bind(&one.endpoint).await,
        };
        listeners.push(listener.map_err(|error| refusal(one, error))?);
    }
    Ok(listeners)
}

/// What to know of endpoints that other machines reach.
pub(crate) fn exposed(configured: &[Configured], listening: &[Listening], has_keys: bool) -> Vec<String> {
    let exposed = |(one, at): (&Configured, &Listening)| {
        let LocalAddress::Tcp(_) = at.address else { return None };
        if at.address.is_loopback() {
            return None;
        }
        // Whoever shows a certificate of theirs is known, too.
        let is_known = has_keys || one.endpoint.tls.as_ref().is_some_and(|tls| tls.cacert.is_some());
        let dangers = [
            (!is_known, "whoever reaches it may run commands here as the user of gafferd (see --require-key)"),
            (!at.tls, "whatever goes over it can be read and changed on its way, keys too (see `certfile`)"),
        ];
        let dangers: Vec<&str> = dangers.into_iter().filter_map(|(is_there, text)| is_there.then_some(text)).collect();
        (!dangers.is_empty()).then(|| format!("{at} is open to other machines: {}", dangers.join("; and ")))
    };
    configured.iter().zip(listening).filter_map(exposed).collect()
}

fn refusal(configured: &Configured, error: BindError) -> anyhow::Error {
    let error = anyhow!(error);
    match &configured.origin {
        Some(origin) => Mistakes(vec![format!("{origin} {error:#}")]).into(),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    /// Address and backlog of each endpoint.
    fn endpoints(options: &[&str], ini: &str) -> Vec<(String, u32)> {
        let settings = settings(options, ini).unwrap();
        settings.endpoints.iter().map(|one| (one.endpoint.bind.to_string(), one.endpoint.backlog)).collect()
    }

    const TWO: &str = "[gaffer]\nbind = 10.0.0.1:1\nbacklog = 7\n[endpoint:a]\nbind = 127.0.0.1:0\nbacklog = 9\n\
                       [endpoint:b]\nbind = [::1]:6000\n";

    #[test]
    fn endpoints_come_from_the_nearest_source() {
        let one = |address: &str, backlog| vec![(address.to_owned(), backlog)];
        assert_eq!(endpoints(&[], ""), one("127.0.0.1:5000", 128));
        assert_eq!(endpoints(&["--backlog", "5"], "[gaffer]\nbind = :80\n"), one("0.0.0.0:80", 5));
        assert_eq!(endpoints(&[], TWO), [("127.0.0.1:0".to_owned(), 9), ("[::1]:6000".to_owned(), 7)]);
        assert_eq!(endpoints(&["--bind", "localhost:0"], TWO), one("localhost:0", 7));
        assert_eq!(endpoints(&["--backlog", "5"], TWO)[1].1, 5);
    }

    #[test]
    fn what_an_endpoint_is_given_reaches_it() {
        let ini = "[gaffer]\nmax_connections = 5\nidle_timeout = 9\nmax_body = 2k\n[endpoint:a]\nbind = unix:/run/g.sock\n\
                   mode = 660\nowner = :4\nmax_connections = 7\n[endpoint:b]\nbind = :1\ncertfile = c\ncacert = a\n";
        let settings = settings(&[], ini).unwrap();
        assert_eq!(settings.api.max_body, 2048);
        let [Configured { endpoint: a, .. }, Configured { endpoint: b, .. }] = &settings.endpoints[..] else {
            panic!("{settings:?}")
        };
        let owner = gaffer_http::serve::SocketOwner::from_text(":4");
        assert_eq!((a.bind.to_string().as_str(), a.mode, &a.owner), ("unix:/run/g.sock", 0o660, &owner));
        let nine = std::time::Duration::from_secs(9);
        assert_eq!(a.limits, Limits { max_connections: 7, idle_timeout: nine, ..Limits::default() });
        assert_eq!(b.limits, Limits { max_connections: 5, idle_timeout: nine, ..Limits::default() });
        assert_eq!(b.tls, tls(Some(&"c".into()), None, Some(&"a".into())));
        assert_eq!((a.tls.as_ref(), b.mode), (None, 0o600));
    }

    #[test]
    fn tls_of_the_command_line_is_for_the_default_endpoint() {
        let options = ["--certfile", "c", "--keyfile", "k"];
        let expected = tls(Some(&"c".into()), Some(&"k".into()), None);
        assert_eq!(settings(&options, "[gaffer]\nbind = :1\n").unwrap().endpoints[0].endpoint.tls, expected);
        let with_bind = [&options[..], &["--bind", "unix:x"]].concat();
        assert_eq!(settings(&with_bind, TWO).unwrap().endpoints[0].endpoint.tls, expected);
        let error = settings(&options, TWO).unwrap_err();
        assert!(error.starts_with("--certfile: is for the endpoint of --bind"), "{error}");
    }

    #[test]
    fn clients_leave_half_of_the_descriptors_to_processes() {
        let lowered = |limits: &[usize], descriptors| {
            let configured = limits.iter().map(|limit| {
                let limits = Limits { max_connections: *limit, ..Limits::default() };
                Configured { endpoint: Endpoint { limits, ..Endpoint::default() }, origin: None }
            });
            let mut configured: Vec<Configured> = configured.collect();
            let warning = spare_descriptors(&mut configured, descriptors);
            let left: Vec<usize> = configured.iter().map(|one| one.endpoint.limits.max_connections).collect();
            (left, warning.is_some())
        };
        assert_eq!(lowered(&[4096], 8192), (vec![4096], false));
        assert_eq!(lowered(&[4096], 1024), (vec![512], true));
        assert_eq!(lowered(&[3000, 1000], 1000), (vec![375, 125], true), "in proportion");
        assert_eq!(lowered(&[1_000_000, 2], 1000), (vec![499, 1], true), "nobody is shut out");
        assert_eq!(lowered(&[usize::MAX, usize::MAX], 1000), (vec![250, 250], true));
        assert_eq!(lowered(&[5], 0), (vec![1], true));
        assert_eq!(lowered(&[usize::MAX], u64::MAX).0, [usize::MAX / 2]);
    }

    #[test]
    fn endpoints_that_other_machines_reach_are_warned_of() {
        let warnings = |cacert: Option<&str>, address: LocalAddress, tls: bool, has_keys: bool| {
            let files = tls.then(|| TlsFiles { certfile: "c".into(), keyfile: None, cacert: cacert.map(Into::into) });
            let configured = Configured { endpoint: Endpoint { tls: files, ..Endpoint::default() }, origin: None };
            exposed(&[configured], &[Listening { endpoint: "a".to_owned(), address, tls }], has_keys)
        };
        let tcp = |address: &str| LocalAddress::Tcp(address.parse().unwrap());
        for near in [tcp("127.0.0.1:1"), tcp("[::1]:1"), LocalAddress::Unix("/x".into())] {
            assert!(warnings(None, near, false, false).is_empty());
        }
        let count = |cacert, tls, has_keys| {
            let warnings = warnings(cacert, tcp("0.0.0.0:1"), tls, has_keys);
            warnings.first().map_or(0, |text| {
                text.matches("whoever reaches").count() + 2 * text.matches("changed on its way").count()
            })
        };
        assert_eq!([count(None, false, false), count(None, false, true), count(None, true, false)], [3, 2, 1]);
        assert_eq!([count(None, true, true), count(Some("ca"), true, false)], [0, 0]);
    }

    #[test]
    fn who_asked_for_an_endpoint_is_known() {
        let origins = |options: &[&str], ini: &str| -> Vec<Option<String>> {
            settings(options, ini).unwrap().endpoints.into_iter().map(|one| one.origin).collect()
        };
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(origins(&[], TWO), [at("gaffer.ini:4: [endpoint:a]"), at("gaffer.ini:7: [endpoint:b]")]);
        assert_eq!(origins(&[], "[gaffer]\nbind = :1\n"), [at("gaffer.ini:2: [gaffer] bind:")]);
        assert_eq!(origins(&["--bind", ":1"], "[gaffer]\nbind = :1\n"), [None]);
        assert_eq!(origins(&[], "[gaffer]\nbind =\n"), [None]);
    }
}
