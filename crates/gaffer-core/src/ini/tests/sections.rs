//! What each section and key becomes.

use std::{path::PathBuf, time::Duration};

use super::{bad, bad_each, good, warnings};
use crate::{
    config::{JOB_KEYS, Owner, SecretSource, WebhookConfig},
    events::Pattern,
    ini::{BindAddress, EndpointLimits, LogLevel, Settings, SocketOwner, settings},
};

#[test]
fn log_ins_are_good_for_as_long_as_is_said() {
    assert_eq!(good("").session_lifetime, None);
    assert_eq!(good("[auth]\nSession_Lifetime = 43200\n").session_lifetime, Some(Duration::from_secs(43_200)));
    bad_each(&[(
        "[auth]\nsession_lifetime = 0",
        "gaffer.ini:2: [auth] session_lifetime: must be a number of seconds from 1 to a year, for example 43200, but is `0`",
    )]);
}

#[test]
fn every_key_of_the_node_is_read() {
    let config = good(
        "[gaffer]\nhttp_endpoints = b, a\nplugins_dir = ~/p q\nbind = 0.0.0.0:1\nbroadcast_address = https://x:5\n\
         backlog = 7\nmax_connections = 9\nheader_timeout = 1.5\nidle_timeout = 60\nmax_body = 2M\ndaemonize = Yes\npidfile = run/g.pid\nerror_log = /e\nlog_level = WARNING\n\
         lookupd_address = http://a\nlookupd_address_2 = http://b\nlookupd_addressX = c\nnode_name = n 1\nrequire_key = on\n\
         state_dir = /s\ncors_origins = http://a, *\nallowed_hosts = h\nstats_interval = 2.5\n\
         [endpoint:a]\nbind = :0\n[endpoint:b]\nbind = [::1]:80\nbacklog = 9\ncertfile = c\nkeyfile = k\ncacert = /a\n\
         [endpoint:c]\nbind = unix:/run/g.sock\n",
    );
    let expected = Settings {
        http_endpoints: vec!["b".into(), "a".into()],
        plugins_dir: Some("~/p q".into()),
        bind: Some("0.0.0.0:1".parse().unwrap()),
        broadcast_address: Some("https://x:5".into()),
        backlog: Some(7),
        limits: EndpointLimits {
            max_connections: Some(9),
            header_timeout: Some(Duration::from_millis(1500)),
            idle_timeout: Some(Duration::from_secs(60)),
        },
        max_body: Some(2 * 1024 * 1024),
        daemonize: true,
        pidfile: Some("run/g.pid".into()),
        error_log: Some("/e".into()),
        log_level: Some(LogLevel::Warning),
        lookupd_addresses: config.settings.lookupd_addresses.clone(), // Looked at below, with their places.
        node_name: Some("n 1".into()),
        require_key: true,
        state_dir: Some("/s".into()),
        cors_origins: vec!["http://a".into(), "*".into()],
        allowed_hosts: vec!["h".into()],
        stats_interval: Duration::from_millis(2500),
        ..Settings::default()
    };
    assert_eq!(config.settings, expected);
    let servers = config.settings.lookupd_addresses.iter().map(|(address, place)| format!("{place}: {address}"));
    let servers: Vec<String> = servers.collect();
    assert_eq!(servers, ["gaffer.ini:15: http://a", "gaffer.ini:16: http://b", "gaffer.ini:17: c"]);
    let [b, a] = &config.endpoints[..] else { panic!("{:?}", config.endpoints) };
    assert_eq!((b.name.as_str(), b.bind.to_string(), b.backlog), ("b", "[::1]:80".to_owned(), Some(9)));
    assert_eq!((&b.certfile, &b.keyfile, &b.cacert), (&path("c"), &path("k"), &path("/a")));
    assert_eq!((a.name.as_str(), a.bind.to_string(), a.backlog), ("a", "0.0.0.0:0".to_owned(), None));
    assert_eq!(a.place.to_string(), "gaffer.ini:24");
    assert_eq!((&a.cacert, a.mode, &a.owner, a.limits), (&None, None, &None, EndpointLimits::default()));
}

#[test]
fn every_key_of_an_endpoint_is_read() {
    let config = good(
        "[endpoint:c]\nbind = unix:/run/g.sock\nmode = 0660\nowner = www:33\nmax_connections = 3\nidle_timeout = 2\n\
         certfile = c\n",
    );
    let [c] = &config.endpoints[..] else { panic!("{:?}", config.endpoints) };
    assert_eq!(c.bind, BindAddress::Unix("/run/g.sock".into()));
    let owner = SocketOwner { user: Some(Owner::Name("www".into())), group: Some(Owner::Number(33)) };
    assert_eq!((c.mode, &c.owner), (Some(0o660), &Some(owner)));
    let node = EndpointLimits {
        max_connections: Some(9),
        header_timeout: Some(Duration::from_secs(1)),
        ..EndpointLimits::default()
    };
    let limits = c.limits.or(node);
    assert_eq!((limits.max_connections, limits.header_timeout), (Some(3), Some(Duration::from_secs(1))));
    assert_eq!(limits.idle_timeout, Some(Duration::from_secs(2)));
}

#[test]
fn owners_are_names_or_numbers() {
    let owner = |text: &str| SocketOwner::from_text(text).map(|owner| (owner.user, owner.group));
    let (name, number) = (|name: &str| Some(Owner::Name(name.into())), |number| Some(Owner::Number(number)));
    assert_eq!(owner("www"), Some((name("www"), None)));
    assert_eq!(owner("0:adm"), Some((number(0), name("adm"))));
    assert_eq!(owner(":1"), Some((None, number(1))));
    for text in ["", ":", "a:", "a:b:c", "a b"] {
        assert_eq!(owner(text), None, "{text}");
    }
}

#[test]
fn keys_of_an_endpoint_that_need_another_are_refused_at_their_lines() {
    assert_eq!(
        bad("[endpoint:a]\nbind = :1\nkeyfile = k\ncacert = c\nmode = 600\nowner = x\n"),
        "gaffer.ini:3: [endpoint:a] keyfile: needs a `certfile`: the certificate that the endpoint shows\n\
         gaffer.ini:4: [endpoint:a] cacert: needs a `certfile`: the certificate that the endpoint shows\n\
         gaffer.ini:5: [endpoint:a] mode: is for unix sockets; remove it, or write `bind = unix:PATH`\n\
         gaffer.ini:6: [endpoint:a] owner: is for unix sockets; remove it, or write `bind = unix:PATH`"
    );
}

#[test]
fn wrong_values_of_an_endpoint_name_the_rule() {
    for mode in ["8", "1000", "u=rw", "-1", "+7", "0o60", "00600"] {
        assert_eq!(
            bad(&format!("[endpoint:a]\nbind = unix:/x\nmode = {mode}")),
            format!(
                "gaffer.ini:3: [endpoint:a] mode: must be an octal file mode from 0 to 777, such as 0600 or 660, but is \
                 `{mode}`"
            )
        );
    }
    bad_each(&[
        (
            "[endpoint:a]\nbind = unix:/x\nowner = a b",
            "gaffer.ini:3: [endpoint:a] owner: must be `USER`, `USER:GROUP` or `:GROUP`, each a name or a number, but is \
             `a b`",
        ),
        (
            "[endpoint:a]\nbind = :1\nmax_connections = 0",
            "gaffer.ini:3: [endpoint:a] max_connections: must be a whole number of 1 or more, but is `0`",
        ),
        (
            "[gaffer]\nidle_timeout = 0",
            "gaffer.ini:2: [gaffer] idle_timeout: must be a number of seconds from 0.1 to a year, but is `0`",
        ),
    ]);
}

#[test]
fn numbers_of_bytes_take_units() {
    for (text, bytes) in [("1", 1), ("512k", 512 << 10), ("3 M", 3 << 20), ("1G", 1 << 30)] {
        assert_eq!(good(&format!("[gaffer]\nmax_body = {text}")).settings.max_body, Some(bytes), "{text}");
    }
    for text in ["", "0", "k", "-1", "1.5m", "1t", "99999999999999999999", "18446744073709551615k", "é"] {
        let expected = "must be a number of bytes of 1 or more, such as 1048576, 512k or 1m, but is";
        let error = bad(&format!("[gaffer]\nmax_body = {text}"));
        assert_eq!(error, format!("gaffer.ini:2: [gaffer] max_body: {expected} `{text}`"));
    }
}

fn path(text: &str) -> Option<PathBuf> {
    Some(text.into())
}

#[test]
fn what_is_not_given_has_its_default() {
    for text in ["", "[gaffer]\nbind =\npidfile =\nlog_level =\nhttp_endpoints =\nplugin_dir=\nbroadcast_address=\n"] {
        let settings = good(text).settings;
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.stats_interval, Duration::from_millis(100));
        assert!(!settings.require_key && !settings.daemonize);
    }
}

#[test]
fn plugin_dir_is_another_name_for_plugins_dir() {
    assert_eq!(good("[gaffer]\nplugin_dir = x").settings.plugins_dir, path("x"));
    assert_eq!(
        bad("[gaffer]\nplugin_dir = x\nplugins_dir = y"),
        "gaffer.ini:3: [gaffer] plugins_dir: is given already at gaffer.ini:2; keep one of the two"
    );
}

#[test]
fn without_http_endpoints_every_endpoint_is_served_in_the_order_of_the_file() {
    let config = good("[endpoint:z]\nbind = a:1\n[endpoint:a]\nbind = unix:x\n");
    assert_eq!(config.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect::<Vec<_>>(), ["z", "a"]);
}

#[test]
fn blanks_in_http_endpoints_do_not_lose_the_second_name() {
    // The original did not trim them: `a, b` lost b.
    let config = good("[gaffer]\nhttp_endpoints = a, b\n[endpoint:b]\nbind = x:1\n[endpoint:a]\nbind = x:2\n");
    assert_eq!(config.endpoints.len(), 2);
}

#[test]
fn every_field_of_a_job_can_be_set_or_has_another_place() {
    for key in JOB_KEYS {
        let value = match key {
            "name" | "env" => continue,
            "cmd" | "args" | "uid" | "gid" | "cwd" | "redirect_output" | "custom_streams" => "x",
            "detach" | "shell" | "os_env" | "redirect_input" | "start" => "off",
            _ => "3",
        };
        let cmd = if key == "cmd" { "" } else { "cmd = x\n" };
        assert_eq!(good(&format!("[job:a]\n{cmd}{key} = {value}\n")).jobs.len(), 1, "{key}");
    }
}

#[test]
fn a_relative_cwd_is_kept_as_it_is() {
    assert_eq!(good("[process:a]\ncmd = x\ncwd = ./y").jobs[0].cwd(), path("./y").as_ref());
}

#[test]
fn booleans_have_all_spellings_of_configparser() {
    for (words, expected) in [(["1", "yes", "True", "ON"], true), (["0", "no", "FALSE", "off"], false)] {
        for word in words {
            assert_eq!(good(&format!("[gaffer]\nrequire_key = {word}")).settings.require_key, expected);
            assert_eq!(good(&format!("[process:a]\ncmd = x\ndetach = {word}")).jobs[0].detach(), expected);
        }
    }
}

#[test]
fn a_job_is_named_by_its_header_in_every_form() {
    let config = good(
        "[process:a]\ncmd = x\n[process:shop:web]\ncmd = x\n[job:shop.eu:b]\ncmd = x\n[job:s/c]\ncmd = x\n\
         [ process : d ]\ncmd = x\n[process:e.f]\ncmd = x\n",
    );
    let names: Vec<String> = config.jobs.iter().map(|job| job.name().to_string()).collect();
    assert_eq!(names, ["default.a", "shop.web", "shop.eu.b", "s.c", "default.d", "e.f"]);
}

#[test]
fn an_environment_is_found_by_any_form_of_the_name_wherever_it_stands() {
    let config = good(
        "[env:shop.web]\nport = 80\nPath = a:b=c\nEMPTY =\nmulti = 1\n  2 = 3\n[process:shop:web]\ncmd = x\n\
         [process:other]\ncmd = y\n",
    );
    let env = config.jobs[0].env();
    assert_eq!(env.keys().collect::<Vec<_>>(), ["EMPTY", "MULTI", "PATH", "PORT"]);
    assert_eq!((env["PORT"].as_str(), env["PATH"].as_str(), env["EMPTY"].as_str()), ("80", "a:b=c", ""));
    assert_eq!(env["MULTI"], "1\n2 = 3");
    assert!(config.jobs[1].env().is_empty());
}

#[test]
fn webhooks_keep_the_case_of_job_names() {
    // The original lower-cased them, so that the events of a job `Web` could not be hooked.
    let config = good("[webhooks]\nCreate = http://a\nproc.Web.spawn = https://b/?x=1;y\n. = http://c\nexit =\n");
    let hooks = config.webhooks.iter().map(|hook| (hook.config.events[0].to_string(), hook.config.url.as_str()));
    let expected = [("create", "http://a"), ("job.default.Web.spawn", "https://b/?x=1;y"), (".", "http://c")];
    assert_eq!(hooks.collect::<Vec<_>>(), expected.map(|(pattern, url)| (pattern.to_owned(), url)));
    assert_eq!(config.webhooks[1].place.to_string(), "gaffer.ini:3");
}

#[test]
fn a_webhook_that_needs_more_than_a_url_has_a_section_of_its_own() {
    let config = good(
        "[webhook:pager]\nevents = exit, proc.web,\n flap\n exit\nurl = https://a/x\nsecret = open sesame\n\
         timeout = 2.5\ncacert = /ca\ncertfile = /c\nkeyfile = /k\n[webhook:all]\nurl = http://b\nsecret_file = /s\n",
    );
    let [pager, all] = &config.webhooks[..] else { panic!("{config:?}") };
    let (place, pager) = (pager.place.to_string(), &pager.config);
    let events: Vec<String> = pager.events.iter().map(ToString::to_string).collect();
    assert_eq!((place.as_str(), pager.name.as_deref()), ("gaffer.ini:1", Some("pager")));
    assert_eq!(events, ["exit", "job.default.web", "flap"]);
    assert_eq!(pager.secret, Some(SecretSource::Text("open sesame".parse().unwrap())));
    assert_eq!(pager.timeout, Duration::from_millis(2500));
    assert_eq!([&pager.cacert, &pager.certfile, &pager.keyfile], [&path("/ca"), &path("/c"), &path("/k")]);
    assert_eq!(all.config.events, [Pattern::All]);
    assert_eq!(all.config.timeout, WebhookConfig::DEFAULT_TIMEOUT);
    assert_eq!(all.config.secret, Some(SecretSource::File("/s".into())));
}

#[test]
fn a_webhook_that_does_not_read_is_told_with_its_place() {
    bad_each(&[
        (
            "[webhooks]\nexti = http://x",
            "gaffer.ini:2: [webhooks] exti: `exti` is no event; known are create, start, stop, restart, update, delete, \
             spawn, reap, exit, stop_pid, flap, spawn_error, and `proc.<name>`",
        ),
        (
            "[webhooks]\nexit = http://me:secret@x/",
            "gaffer.ini:2: [webhooks] exit: has a user or a password in it, which would show wherever the URL does; have \
             what is sent signed with a `secret` instead",
        ),
        (
            "[webhooks]\ncreate = http://x\nload = http://x",
            "gaffer.ini:3: [webhooks] load: is given already at gaffer.ini:2; keep one of the two",
        ),
        (
            "[webhook:a]\nurll = http://x",
            "gaffer.ini:1: [webhook:a] has no `url`; say where the events go, or remove the section\n\
             gaffer.ini:2: [webhook:a] urll: is not a key of this section; did you mean `url`?",
        ),
        (
            "[webhook:a]\nurl = x",
            "gaffer.ini:2: [webhook:a] url: must be a URL that begins with `http://` or `https://`, but is `x`",
        ),
        (
            "[webhook:a]\nurl = https://x\nevent = exit\nevents = exit\nsecret =\ntimeout = 301\nkeyfile = k",
            "gaffer.ini:4: [webhook:a] events: is given already at gaffer.ini:3; keep one of the two\n\
             gaffer.ini:5: [webhook:a] secret: is empty; give a secret, or leave it out\n\
             gaffer.ini:6: [webhook:a] timeout: must be a number of seconds from 0.1 to 300, but is `301`\n\
             gaffer.ini:7: [webhook:a] keyfile: needs `certfile`, whose key it is",
        ),
        (
            "[webhook:a]\nurl = http://x\ncacert = c\nsecret = a\nsecret_file = b",
            "gaffer.ini:3: [webhook:a] cacert: has no meaning without TLS; give a `url` that begins with `https://`\n\
             gaffer.ini:5: [webhook:a] secret_file: is one of two secrets; give either `secret` or `secret_file`",
        ),
    ]);
    let told = bad("[webhook:a]\nurl = http://x\nsecret = hush\n[webhook:a]\nurl = http://y\n");
    assert_eq!(told, "gaffer.ini:4: [webhook:a] is given already at gaffer.ini:1; join the two");
}

#[test]
fn plugins_have_keys_of_their_own() {
    let config = good("[plugin:My Plugin]\nURL = x\nproc.dummy.spawn = 1\n[plugin:b]\n");
    assert_eq!(config.plugins["My Plugin"]["url"], "x");
    assert_eq!(config.plugins["My Plugin"]["proc.dummy.spawn"], "1");
    assert!(config.plugins["b"].is_empty());
}

#[test]
fn what_is_shown_and_trusted_at_lookup_servers_is_read() {
    let tls = good("[lookup_ssl]\ncertfile = c\nKeyfile = k\nca_certs = /a\n").lookup_tls;
    assert_eq!((tls.certfile, tls.keyfile, tls.cacert), (path("c"), path("k"), path("/a")));
    assert_eq!(good("[lookup_ssl]\ncacert = /a\n").lookup_tls.cacert, path("/a"));
    bad_each(&[(
        "[lookup_ssl]\ncertfil = c",
        "gaffer.ini:2: [lookup_ssl] certfil: is not a key of this section; did you mean `certfile`?",
    )]);
}

#[test]
fn what_has_not_landed_is_accepted_with_a_warning() {
    assert_eq!(
        warnings(
            "[ssl]\ncertfile = a\nanything = b\n[auth]\nauth_backend = default\n\
             keys_dbname = :memory:\n[gaffer]\ndaemonize = true\nrequire_key = no\n\
             [webhooks]\ncreate = http://x\n[plugin:p]\n[endpoint:a]\nbind = unix:/x\ncertfile = c\ncacert =\n"
        ),
        "gaffer.ini:1: [ssl] is known but not supported yet; it has no effect\n\
         gaffer.ini:5: [auth] auth_backend: has no effect: keys and users are kept in the state folder, which `[gaffer] state_dir` names\n\
         gaffer.ini:6: [auth] keys_dbname: has no effect: keys and users are kept in the state folder, which `[gaffer] state_dir` names"
    );
}

#[test]
fn every_key_of_the_node_either_works_or_warns() {
    for (key, landed) in settings::KEYS {
        let value = match key {
            "daemonize" | "require_key" => "1",
            "bind" => "x:1",
            "broadcast_address" => "http://x",
            "log_level" => "info",
            "http_endpoints" | "include" | "include_dir" => "",
            _ => "1",
        };
        let expected = match landed {
            settings::Landed::Yes => String::new(),
            settings::Landed::NotYet => {
                format!("gaffer.ini:2: [gaffer] {key}: is known but not supported yet; it has no effect")
            }
        };
        assert_eq!(warnings(&format!("[gaffer]\n{key} = {value}\n")), expected);
    }
}

#[test]
fn a_bind_of_the_node_beside_endpoints_is_warned_of() {
    assert_eq!(warnings("[gaffer]\nbind = :1"), "");
    assert_eq!(
        warnings("[gaffer]\nbind = :1\n[endpoint:a]\nbind = :2\n"),
        "gaffer.ini:2: [gaffer] bind: has no effect, because `[endpoint:a]` says what to serve; give the address in an \
         endpoint of its own"
    );
}

#[test]
fn addresses_are_checked_for_their_form() {
    for address in ["127.0.0.1:5000", "localhost", ":80", "[::1]:65535", "unix:/x", "unix:x y"] {
        let bind = good(&format!("[endpoint:a]\nbind = {address}")).endpoints[0].bind.clone();
        assert_eq!(Ok(bind), address.parse());
    }
    bad_each(&[
        ("[endpoint:a]\nbind = 5000", "gaffer.ini:2: [endpoint:a] bind: `5000`: `5000` is not a host name or address"),
        (
            "[gaffer]\nbind = :1 # all",
            "gaffer.ini:2: [gaffer] bind: `:1 # all`: `1 # all` is not a port; use a number from 0 to 65535; a comment \
             must stand on a line of its own",
        ),
    ]);
}

#[test]
fn wrong_values_of_the_node_name_the_rule_and_the_value() {
    bad_each(&[
        ("[gaffer]\nbacklog = -1", "gaffer.ini:2: [gaffer] backlog: must be a whole number of 1 or more, but is `-1`"),
        ("[gaffer]\nbacklog = 0", "gaffer.ini:2: [gaffer] backlog: must be a whole number of 1 or more, but is `0`"),
        (
            "[endpoint:a]\nbind = :1\nbacklog = 0",
            "gaffer.ini:3: [endpoint:a] backlog: must be a whole number of 1 or more, but is `0`",
        ),
        ("[gaffer]\nbacklog =", "gaffer.ini:2: [gaffer] backlog: must be a whole number of 1 or more, but is ``"),
        (
            "[gaffer]\nbacklog = 5 ; five",
            "gaffer.ini:2: [gaffer] backlog: must be a whole number of 1 or more, but is `5 ; five`; a comment must \
             stand on a line of its own",
        ),
        ("[gaffer]\ndaemonize = maybe", "gaffer.ini:2: [gaffer] daemonize: must be true or false, but is `maybe`"),
        (
            "[gaffer]\nlog_level = loud",
            "gaffer.ini:2: [gaffer] log_level: must be critical, error, warning, info or debug, but is `loud`",
        ),
        (
            "[gaffer]\nbroadcast_address = x:1",
            "gaffer.ini:2: [gaffer] broadcast_address: must be a URL that begins with `http://` or `https://`, but is \
             `x:1`",
        ),
        (
            "[webhooks]\ncreate = ftp://x",
            "gaffer.ini:2: [webhooks] create: must be a URL that begins with `http://` or `https://`, but is `ftp://x`",
        ),
        (
            "[gaffer]\nhttp_endpoints = a, a\n[endpoint:a]\nbind = :1",
            "gaffer.ini:2: [gaffer] http_endpoints: names `a` twice; give it once",
        ),
        (
            "[gaffer]\ninclude = a.ini",
            "gaffer.ini:2: [gaffer] include: cannot be followed, because this configuration was not read from a file",
        ),
    ]);
    for interval in ["0", "0.09", "-1", "nan", "inf", "1e300", "x", ""] {
        assert_eq!(
            bad(&format!("[gaffer]\nstats_interval = {interval}")),
            format!(
                "gaffer.ini:2: [gaffer] stats_interval: must be a number of seconds from 0.1 to a year, for example \
                 0.5, but is `{interval}`"
            )
        );
    }
}
