//! What is said of sections and keys that do not fit.

use super::{bad, bad_each, good};

#[test]
fn a_wrong_value_of_a_job_names_the_place_the_value_and_the_rule() {
    bad_each(&[
        (
            "[process:web]\ncmd = true\nflapping = 2, -1, 7, 5\n",
            "gaffer.ini:3: [process:web] flapping: window must be 0 seconds or more, but is -1",
        ),
        (
            "[process:web]\ncmd = true\nnumprocesses = two\n",
            "gaffer.ini:3: [process:web] numprocesses: must be a whole number of 0 or more, but is `two`",
        ),
        (
            "[process:web]\ncmd = true\nstart = yes # at once\n",
            "gaffer.ini:3: [process:web] start: must be true or false, but is `yes # at once`; a comment must stand on \
             a line of its own",
        ),
        (
            "[process:web]\ncmd = 'true\n",
            "gaffer.ini:2: [process:web] cmd: has an open quote or a trailing backslash: `'true`",
        ),
        (
            "[process:web]\ncmd =\nargs = x\n",
            "gaffer.ini:2: [process:web] cmd: is missing or empty; give the command to launch",
        ),
    ]);
}

#[test]
fn checks_of_several_fields_are_placed_at_the_field_that_they_name() {
    assert_eq!(
        bad("[process:web]\nnumprocesses = 10001\nredirect_output = a, b, c\ncmd = x\nargs = \"\n"),
        "gaffer.ini:2: [process:web] numprocesses: must be 10000 or less, but is 10001\n\
         gaffer.ini:3: [process:web] redirect_output: has 3 labels, but at most two can be given: one for stdout, one \
         for stderr\n\
         gaffer.ini:5: [process:web] args: has an open quote or a trailing backslash: `\"`"
    );
}

#[test]
fn a_job_without_a_command_is_not_skipped_but_refused() {
    // The original skipped such a section without a word.
    assert_eq!(
        bad("[process:web]\nnumprocesses = 2\n"),
        "gaffer.ini:1: [process:web] has no `cmd`; give the command to launch, or remove the section"
    );
}

#[test]
fn unknown_sections_and_keys_come_with_a_suggestion() {
    let keys = "expected one of cmd, args, uid, gid, cwd, detach, shell, os_env, numprocesses, flapping, \
                redirect_output, redirect_input, custom_streams, graceful_timeout, priority, start";
    let colour = format!("gaffer.ini:3: [process:web] colour: is not a key of this section; {keys}");
    bad_each(&[
        ("[proces:web]", "gaffer.ini:1: [proces:web] is not a section of this file; did you mean `[process:web]`?"),
        ("[Gaffer]", "gaffer.ini:1: [Gaffer] is not a section of this file; did you mean `[gaffer]`?"),
        ("[PROCESS:Web]", "gaffer.ini:1: [PROCESS:Web] is not a section of this file; did you mean `[process:Web]`?"),
        ("[webhok]", "gaffer.ini:1: [webhok] is not a section of this file; did you mean `[webhook:NAME]`?"),
        ("[webhook]", "gaffer.ini:1: [webhook] needs a name: `[webhook:NAME]`"),
        ("[plugins]", "gaffer.ini:1: [plugins] is not a section of this file; did you mean `[plugin:NAME]`?"),
        (
            "[web]",
            "gaffer.ini:1: [web] is not a section of this file; expected [gaffer], [endpoint:NAME], [process:NAME], \
             [env:NAME], [webhooks], [webhook:NAME], [plugin:NAME], [auth], [ssl] or [lookup_ssl]",
        ),
        ("[DEFAULT]", "gaffer.ini:1: [DEFAULT] is not supported: give each key in the section that it is meant for"),
        ("[process]", "gaffer.ini:1: [process] needs a name: `[process:NAME]`"),
        ("[env: ]", "gaffer.ini:1: [env:] needs a name: `[env:NAME]`"),
        ("[gaffer:x]", "gaffer.ini:1: [gaffer:x] takes no name: `[gaffer]`"),
        (
            "[process:web]\ncmd = x\nnumproceses = 2",
            "gaffer.ini:3: [process:web] numproceses: is not a key of this section; did you mean `numprocesses`?",
        ),
        ("[process:web]\ncmd = x\ncolour = red", &colour),
        (
            "[gaffer]\nbacklgo = 1",
            "gaffer.ini:2: [gaffer] backlgo: is not a key of this section; did you mean `backlog`?",
        ),
        (
            "[endpoint:a]\nbind = :1\nkey = 2",
            "gaffer.ini:3: [endpoint:a] key: is not a key of this section; expected one of bind, backlog, mode, \
             owner, certfile, keyfile, cacert, max_connections, header_timeout, idle_timeout",
        ),
        (
            "[auth]\nauth_backed = x",
            "gaffer.ini:2: [auth] auth_backed: is not a key of this section; did you mean `auth_backend`?",
        ),
    ]);
}

#[test]
fn names_and_variables_have_their_own_places() {
    bad_each(&[
        (
            "[process:web]\ncmd = x\nname = y\n",
            "gaffer.ini:3: [process:web] name: is not a key of this section: the job is named by its header, \
             `[process:NAME]`",
        ),
        (
            "[process:web]\ncmd = x\nenv:PORT = 80\n",
            "gaffer.ini:3: [process:web] env: is not a key of this section; variables stand in a section of their own: \
             `[env:web]`, then `KEY = value`",
        ),
        (
            "[job:shop:web]\ncmd = x\nenv = {}\n",
            "gaffer.ini:3: [job:shop:web] env: is not a key of this section; variables stand in a section of their \
             own: `[env:shop:web]`, then `KEY = value`",
        ),
    ]);
}

#[test]
fn an_environment_without_a_job_is_refused() {
    bad_each(&[
        (
            "[process:web]\ncmd = x\n[env:wbe]\n",
            "gaffer.ini:3: [env:wbe] no job is named `default.wbe`; did you mean `[env:web]`?",
        ),
        (
            "[process:shop:web]\ncmd = x\n[env:shp.web]\n",
            "gaffer.ini:3: [env:shp.web] no job is named `shp.web`; did you mean `[env:shop.web]`?",
        ),
        (
            "[env:web]\n",
            "gaffer.ini:1: [env:web] no job is named `default.web`; give it a `[process:NAME]` section, or remove this \
             one",
        ),
    ]);
    // A job that is wrong is there all the same, and one whose header is wrong may be the one that is meant.
    assert!(!bad("[process:web]\n[env:web]\n").contains("no job"));
    assert!(!bad("[proces:web]\ncmd = x\n[env:web]\n").contains("no job"));
}

#[test]
fn endpoints_are_looked_up() {
    bad_each(&[
        (
            "[gaffer]\nhttp_endpoints = pubic\n[endpoint:public]\nbind = :1",
            "gaffer.ini:2: [gaffer] http_endpoints: there is no section `[endpoint:pubic]`; did you mean `public`?",
        ),
        (
            "[gaffer]\nhttp_endpoints = a\n",
            "gaffer.ini:2: [gaffer] http_endpoints: there is no section `[endpoint:a]`; add it, or remove the name",
        ),
        (
            "[endpoint:a]\nbacklog = 1",
            "gaffer.ini:1: [endpoint:a] has no `bind`; give the address, for example `bind = 127.0.0.1:5000`",
        ),
        (
            "[endpoint:a]\nbind =\n",
            "gaffer.ini:1: [endpoint:a] has no `bind`; give the address, for example `bind = 127.0.0.1:5000`",
        ),
    ]);
}

#[test]
fn what_is_given_twice_is_refused_with_both_lines() {
    bad_each(&[
        ("[gaffer]\n[gaffer]\n", "gaffer.ini:2: [gaffer] is given already at gaffer.ini:1; join the two"),
        (
            "[gaffer]\nBacklog = 1\nbacklog = 1\n",
            "gaffer.ini:3: [gaffer] backlog: is given already at gaffer.ini:2; keep one of the two",
        ),
        (
            "[endpoint:a]\nbind = :1\nbind = :1\n[endpoint: a]\nbind = :1",
            "gaffer.ini:3: [endpoint:a] bind: is given already at gaffer.ini:2; keep one of the two\n\
             gaffer.ini:4: [endpoint: a] is given already at gaffer.ini:1; join the two",
        ),
        (
            "[process:a]\ncmd = x\nCMD = x\n",
            "gaffer.ini:3: [process:a] CMD: is given already at gaffer.ini:2; keep one of the two",
        ),
        (
            "[process:a]\ncmd = x\n[env:a]\nport = 1\nPORT = 1\n",
            "gaffer.ini:5: [env:a] PORT: is given already at gaffer.ini:4; keep one of the two",
        ),
        (
            "[plugin:a]\nk = x\nK = x\n[ssl]\na=1\na=1",
            "gaffer.ini:3: [plugin:a] K: is given already at gaffer.ini:2; keep one of the two\n\
             gaffer.ini:6: [ssl] a: is given already at gaffer.ini:5; keep one of the two",
        ),
        (
            "[webhooks]\nexit = http://x\nEXIT = http://x\n",
            "gaffer.ini:3: [webhooks] EXIT: is given already at gaffer.ini:2; keep one of the two",
        ),
    ]);
}

#[test]
fn two_sections_for_one_job_are_refused_whatever_they_are_called() {
    for other in ["process:a", "job:a", "process:default:a", "job:default.a", "process: a"] {
        assert_eq!(
            bad(&format!("[process:a]\ncmd = x\n[{other}]\ncmd = y\n")),
            format!(
                "gaffer.ini:3: [{other}] names the job `default.a`, which [process:a] at gaffer.ini:1 names already; \
                 keep one, or rename it"
            )
        );
    }
    assert_eq!(
        bad("[process:a]\ncmd = x\n[env:a]\n[env:default/a]\n"),
        "gaffer.ini:4: [env:default/a] names the job `default.a`, which [env:a] at gaffer.ini:3 names already; keep \
         one, or rename it"
    );
    assert_eq!(good("[process:a]\ncmd = x\n[process:b:a]\ncmd = y\n").jobs.len(), 2);
}

#[test]
fn names_that_no_job_can_have_are_refused() {
    for (name, part) in [("a b", "' ' cannot stand in a job name"), ("a:b:c", "':' cannot"), ("42", "all digits")] {
        let message = bad(&format!("[process:{name}]\ncmd = x\n"));
        assert!(message.starts_with(&format!("gaffer.ini:1: [process:{name}] `")), "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_lines() {
    assert_eq!(
        bad("[env:c]\nx = 1\n[gaffer]\nhttp_endpoints = z\nbacklog = x\n[process:a]\nstart = 2\n[nope]\n")
            .lines()
            .map(|line| line.split(' ').next().unwrap_or_default())
            .collect::<Vec<_>>(),
        ["gaffer.ini:5:", "gaffer.ini:6:", "gaffer.ini:7:", "gaffer.ini:8:"]
    );
    assert_eq!(
        bad("[env:c]\nx = 1\n[gaffer]\nhttp_endpoints = z\nbacklog = x\n[process:a]\nstart = 2\n").lines().count(),
        5
    );
}
