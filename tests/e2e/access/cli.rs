//! Keys and users by our own programs.

use std::{
    fs,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::PathBuf,
};

use gaffer_tests::{Client, Daemon, RunningClient, Said, processes, wait_until};
use nix::sys::signal::Signal;
use rustix::{
    fs::{Mode, OFlags},
    termios::{LocalModes, tcgetattr},
};
use serde_json::{Value, json};

use super::{Keys, PASSWORD, ask, make};
use crate::help;

const JOBS: &str = "[process:shop:web]\ncmd = misbehave forever\n[process:blog:web]\ncmd = misbehave forever\n";

fn gaffer(daemon: &Daemon) -> Client {
    Client::ours(daemon, "gaffer")
}

fn gafferctl(daemon: &Daemon) -> Client {
    Client::ours(daemon, "gafferctl")
}

/// The user file of these programs.
fn user_file(daemon: &Daemon) -> PathBuf {
    daemon.path("client-home/.gaffer/gaffer.ini")
}

/// What is on stdout, as JSON.
#[track_caller]
fn document(client: &Client, args: &[&str]) -> Value {
    serde_json::from_str(&client.prints(&[&["--json"], args].concat())).unwrap()
}

#[test]
fn who_logs_in_has_the_rights_of_the_user_until_logging_out() {
    let keys = Keys::new();
    let daemon = keys.start(JOBS);
    for (client, name, list) in [(gaffer(&daemon), "gaffer", "apps"), (gafferctl(&daemon), "gafferctl", "groups")] {
        let said = client.run(&[list]);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said}");
        let words = format!("{name}: Unauthorized access. You need an API key: ");
        assert!(said.stderr.starts_with(&words) && said.stderr.contains(&format!("`{name} login`")), "{said}");
        assert_eq!(client.run(&["-q", list]).stderr.lines().count(), 1, "hints are left out");

        let said = client.run_with_input(&["login", "-u", "root"], "wrong\n");
        assert_eq!(said.stderr, format!("{name}: unauthorized: username or password is wrong\n"), "{said}");
        assert_eq!(said.code, 1, "{said}");
        let said = client.run_with_input(&["login", "-u", "root"], format!("{PASSWORD}\nmore"));
        assert_eq!((said.code, said.stdout.as_str()), (0, "User 'root' authenticated.\n"), "{said}");
        assert!(client.prints(&[list]).contains("shop\n"));

        let text = fs::read_to_string(user_file(&daemon)).unwrap();
        let key = text.trim_end().rsplit_once("key = ").unwrap().1.to_owned();
        assert!(text.contains(&format!("[node \"http://{}\"]\n", daemon.address())), "{text}");
        assert_eq!(user_file(&daemon).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(key, keys.admin, "it is one of its own");
        assert_eq!(ask(&daemon, &key, "GET", "/sessions", "").status, 200);

        assert_eq!(client.prints(&["logout"]), format!("Logged out of http://{}.\n", daemon.address()));
        assert_eq!(ask(&daemon, &key, "GET", "/sessions", "").status, 403, "it is good for nothing any more");
        assert!(!fs::read_to_string(user_file(&daemon)).unwrap().contains("key"));
        assert!(client.fails(&["logout"]).contains("nobody is logged in at http://"));
    }
}

#[test]
fn what_people_wrote_into_their_file_stays_there() {
    let keys = Keys::new();
    let daemon = keys.start("");
    let url = format!("http://{}", daemon.address());
    // The same place, written in another way.
    let before = format!("# mine\n[node \"{url}/\"]\n  name = here\n\n[node \"http://elsewhere\"]\nkey = other\n");
    let file = daemon.setup().file("user.ini", &before);
    let gaffer = gaffer(&daemon).env("GAFFER_CONFIG", &file).env("GAFFER_PASSWORD", PASSWORD);
    for node in [url.as_str(), "here"] {
        gaffer.prints(&["-g", node, "login", "-u", "root"]);
        let text = fs::read_to_string(&file).unwrap();
        let key = text.lines().find_map(|line| line.strip_prefix("  key = ")).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(text, before.replace("  name", &format!("  key = {key}\n  name")));
        assert_eq!(gaffer.prints(&["-g", node, "apps"]), "");
    }
    gaffer.prints(&["-g", "here", "logout"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);

    // A file that is named need not be there yet; and one with mistakes is left alone.
    let new = daemon.path("new/user.ini");
    gaffer.clone().env("GAFFER_CONFIG", &new).prints(&["login", "-u", "root"]);
    assert!(new.exists());
    fs::write(&file, "[nod \"x\"]\n").unwrap();
    let said = gaffer.run(&["login", "-u", "root"]);
    assert_eq!(said.code, 1, "{said}");
    assert!(said.stderr.contains("user.ini:1: "), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "[nod \"x\"]\n");
}

#[test]
fn a_key_that_is_good_for_nothing_is_logged_out_with_and_one_of_no_log_in_is_not() {
    let keys = Keys::new();
    let daemon = keys.start("");
    let ctl = gafferctl(&daemon);
    ctl.prints(&["login", "-u", "root", "-p", PASSWORD]);
    let list = document(&ctl, &["keys"]);
    let session = list.as_array().unwrap().iter().find(|key| key["user"] == "root").unwrap()["key"].as_str().unwrap();
    ctl.prints(&["--api-key", &keys.admin, "del_key", session]);
    assert!(ctl.fails(&["keys"]).contains("the key is unknown here"));
    ctl.prints(&["logout"]);
    assert!(ctl.fails(&["logout"]).contains("nobody is logged in"));
    let said = ctl.fails(&["--api-key", &keys.admin, "logout"]);
    let id = &keys.admin[..12];
    assert!(
        said.contains(&format!("the key {id} does not come from a log-in; `gafferctl del_key {id}` revokes it")),
        "{said}"
    );
    ctl.prints(&["--api-key", &keys.admin, "keys"]);
}

#[test]
fn keys_and_users_are_made_shown_changed_and_deleted_in_the_original_s_words() {
    let keys = Keys::new();
    let daemon = keys.start(JOBS);
    let gaffer = gaffer(&daemon).env("GAFFER_API_KEY", &keys.admin);
    let made = gaffer.prints(&["key:create", "shop+rw", "+k", "--label", "till", "--expires-in", "1h"]);
    let key = made.lines().last().unwrap().to_owned();
    let id = &key[..12];
    assert_eq!(
        made,
        format!(
            "A key with the following permissions will be created:\n\n  admin: false\n  create_user: false\n  create_key: true\n  \
             manage: -\n  read: shop\n  write: shop\n\nThe key '{id}' has been created.\n{key}\n"
        )
    );
    let shown = gaffer.prints(&["key", &key]);
    assert!(shown.starts_with(&format!("Key '{id}' found.\nLabel: till\nPermissions:\n  admin: false\n")), "{shown}");
    let list = gaffer.prints(&["keys"]);
    assert!(
        list.lines().any(|line| line.starts_with(id) && line.ends_with("create_key write=shop read=shop")),
        "{list}"
    );
    assert!(!list.contains(&key), "keys are never shown whole");

    // It permits what it says, and no more.
    let with = |key: &str| gaffer.clone().env("GAFFER_API_KEY", key);
    assert_eq!(with(&key).prints(&["apps"]), "shop\n");
    let said = with(&key).run(&["ps:stop", "shop.web"]);
    assert_eq!(said.code, 1, "{said}");
    assert!(said.stderr.starts_with("gaffer: Forbidden access. API key permissions aren't enough: "), "{said}");
    assert!(with(&key).fails(&["key:create", "admin"]).contains("Forbidden access."));
    let child = with(&key).prints(&["-q", "key:create", "read=shop"]);
    assert_eq!(with(child.trim_end()).prints(&["apps"]), "shop\n");

    let said = gaffer.run_with_input(&["user:add", "anna", "-k", id], "s3cret\n");
    assert_eq!(
        (said.code, said.stdout),
        (
            0,
            format!(
                "Creating the user 'anna' with the following infos:\nAPI Key: {id}\nType: 1\n\nUser 'anna' created\n"
            )
        )
    );
    let said = gaffer.run(&["-q", "user:add", "anna", "-p", "x"]);
    assert_eq!((said.code, said.stderr.as_str()), (1, "gaffer: User 'anna' already exists\n"), "{said}");
    assert_eq!(gaffer.prints(&["user", "anna"]), format!("User 'anna' found\nAPI Key: {id}\nType: 1\n"));
    assert!(gaffer.prints(&["users"]).contains(&format!("anna     1  {id}\n")));
    let anna = with("");
    anna.prints(&["login", "-u", "anna", "-p", "s3cret"]);
    assert_eq!(anna.prints(&["apps"]), "shop\n");
    assert_eq!(gaffer.prints(&["user:setpassword", "anna", "-p", "other"]), "anna's password changed\n");
    assert!(anna.fails(&["login", "-u", "anna", "-p", "s3cret"]).contains("username or password is wrong"));
    assert_eq!(gaffer.prints(&["user:setkey", "anna", "--none"]), "anna's key changed\n");
    let said = anna.fails(&["login", "-u", "anna", "-p", "other"]);
    assert!(
        said.contains("User 'anna' has no API key, and so may do nothing; `gaffer user:setkey anna KEY`"),
        "{said}"
    );

    assert_eq!(gaffer.prints(&["user:del", "anna"]), "User 'anna' deleted\n");
    assert_eq!(gaffer.prints(&["key:delete", id]), format!("The key '{id}' has been deleted.\n"));
    assert!(with(child.trim_end()).fails(&["apps"]).contains("access."), "what it made goes with it");
    for (args, words) in [
        (&["user", "anna"][..], "User 'anna' not found".to_owned()),
        (&["user:del", "anna"], "User 'anna' not found".to_owned()),
        (&["user:setpassword", "anna", "-p", "x"], "User 'anna' not found".to_owned()),
        (&["key", id], format!("Key '{id}' not found")),
        (&["key:delete", id], format!("Key '{id}' not found")),
    ] {
        let said = gaffer.run(args);
        assert_eq!((said.code, said.stderr), (3, format!("gaffer: {words}\n")));
    }
}

#[test]
fn gafferctl_does_the_same_with_fewer_words_and_as_json() {
    let keys = Keys::new();
    let daemon = keys.start(JOBS);
    let ctl = gafferctl(&daemon).env("GAFFER_API_KEY", &keys.admin);
    let said = ctl.run(&["add_key", "write=shop.web", "read=*", "--label", "till"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, "gafferctl: keep the key: it is not shown again\n"), "{said}");
    let id = said.stdout[..12].to_owned();
    assert_eq!(ask(&daemon, said.stdout.trim_end(), "GET", "/sessions", "").status, 200);
    let made = document(&ctl, &["-q", "add_key", "admin"]);
    let other = made[0]["key"].as_str().unwrap().to_owned();
    assert!(made[0]["api_key"].as_str().unwrap().starts_with(&other), "{made}");

    let shown = ctl.prints(&["get_key", &id]);
    assert!(shown.starts_with(&format!("key: {id}\nlabel: till\npermissions: write=shop.web read=*\n")), "{shown}");
    let shown = document(&ctl, &["get_key", &id, &other]);
    assert_eq!((&shown[0]["label"], &shown[1]["permissions"]["admin"]), (&json!("till"), &json!(true)));

    assert_eq!(ctl.run_with_input(&["add_user", "anna", "-k", &id], "x\n").stdout, "ok\n");
    assert_eq!(document(&ctl, &["add_user", "bert", "-p", "x", "-t", "0"]), json!([{"user": "bert", "ok": true}]));
    assert_eq!(
        document(&ctl, &["get_user", "anna", "bert"]),
        json!([{"username": "anna", "user_type": 1, "key": id}, {"username": "bert", "user_type": 0, "key": null}])
    );
    assert_eq!(document(&ctl, &["users"]).as_array().unwrap().len(), 3);
    assert_eq!(ctl.prints(&["set_user_key", "bert", &other]), "ok\n");
    assert_eq!(ctl.prints(&["set_password", "bert", "-p", "y"]), "ok\n");
    assert_eq!(document(&ctl, &["login", "-u", "bert", "-p", "y"]), json!([{"user": "bert", "ok": true}]));

    let said = ctl.run(&["--json", "del_user", "anna", "nope", "bert"]);
    let list: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (said.code, &list[1]["ok"], &list[2]),
        (3, &json!(false), &json!({"user": "bert", "ok": true})),
        "{said}"
    );
    assert_eq!(ctl.prints(&["del_key", &id, &other]), format!("{id}: ok\n{other}: ok\n"));
    assert_eq!(ctl.run(&["get_key", &id]).code, 3);
}

#[test]
fn a_watch_ends_with_its_key() {
    let keys = Keys::new();
    let daemon = keys.start(JOBS);
    let key = make(&daemon, &keys.admin, &json!({"read": ["shop"]}));
    let watch = gafferctl(&daemon).start(&["--api-key", &key, "watch", "-n", "100"]);
    watch.until_printed("shop.web");
    assert_eq!(ask(&daemon, &keys.admin, "DELETE", &format!("/keys/{}", &key[..12]), "").status, 200);
    let said = watch.wait();
    assert_eq!(said.code, 1, "{said}");
    assert!(said.stderr.contains("API key") && !said.stdout.contains("blog"), "{said}");
}

/// gaffer at a terminal that takes lines and shows what is typed, as that of a person does.
struct AtTerminal {
    running: RunningClient,
    terminal: OwnedFd,
}

impl AtTerminal {
    fn start(daemon: &Daemon, args: &[&str]) -> Self {
        let script = "stty icanon echo; echo ready; exec gaffer \"$@\"";
        let running = Client::bash(daemon).at_terminal(100).start(&[&["-c", script, "gaffer"], args].concat());
        running.until_printed("ready");
        let path = format!("/proc/{}/fd/0", running.pid());
        let terminal = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        Self { running, terminal }
    }

    fn shows(&self) -> bool {
        tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Waits until a password is asked for.
    fn until_unseen(&self) -> &Self {
        wait_until("what is typed is not shown", || if self.shows() { Err("it is shown") } else { Ok(()) });
        self
    }

    fn type_in(&self, lines: &str) -> &Self {
        self.running.type_in(lines);
        self
    }

    /// All that stood on the terminal, and the exit code. It shows again what is typed.
    fn wait(self) -> Said {
        let pid = self.running.pid();
        wait_until("it ends", || if processes::is_alive(pid) { Err(processes::describe(pid)) } else { Ok(()) });
        assert!(self.shows(), "it was left as it was");
        let Self { running, terminal } = self;
        // Its screen ends once nobody has it open.
        drop(terminal);
        running.wait()
    }
}

#[test]
fn who_is_missing_is_asked_for_and_the_password_unseen() {
    let keys = Keys::new();
    let daemon = keys.start("");
    let person = AtTerminal::start(&daemon, &["login"]);
    person.type_in("\nroot\n").until_unseen().type_in("\n").running.until_printed("password is empty.");
    person.until_unseen().type_in(&format!("{PASSWORD}\n"));
    let said = person.wait();
    assert_eq!(said.code, 0, "{said}");
    for words in [
        "username is empty. Please enter a username.",
        "password is empty. Please enter a password.",
        "User 'root' auth",
    ] {
        assert!(said.stdout.contains(words), "{said}");
    }
    assert!(!said.stdout.contains(PASSWORD), "{said}");
}

#[test]
fn a_person_is_asked_before_anything_is_changed() {
    let keys = Keys::new();
    let daemon = keys.start("");
    gaffer(&daemon).prints(&["login", "-u", "root", "-p", PASSWORD]);
    let person = AtTerminal::start(&daemon, &["user:add", "anna"]);
    person.until_unseen().type_in("one\ntwo\none\none\nn\n");
    let said = person.wait();
    assert_eq!(said.code, 0, "{said}");
    assert!(said.stdout.contains("Passwords are different."), "{said}");
    assert!(said.stdout.contains("Confirm the creation of the user 'anna' [y]|n: Ignore 'anna'\n"), "{said}");
    assert_eq!(gaffer(&daemon).run(&["user", "anna"]).code, 3);
    let person = AtTerminal::start(&daemon, &["user:add", "anna", "--no-input"]);
    person.until_unseen().type_in("one\none\n");
    let said = person.wait();
    assert_eq!(said.code, 0, "{said}");
    let answered = |args: &[&str], answer: &str| {
        let running = gaffer(&daemon).at_terminal(100).start(args);
        running.type_in(answer);
        running.wait()
    };
    for (args, question) in [
        (&["user:setpassword", "anna", "-p", "x"][..], "Confirm the change of anna's password [y]|n: "),
        (&["user:setkey", "anna", "--none"], "Confirm the change of anna's key [y]|n: "),
        (&["user:del", "anna"], "Confirm deletion of the user 'anna' [y]|n: "),
        (&["key:delete", &keys.admin], &format!("Delete the key '{}' [y]|n: ", &keys.admin[..12])),
        (&["key:create", "admin"], "Create the key [y]|n: "),
    ] {
        let said = answered(args, "n\n");
        assert!(said.code == 0 && said.stdout.contains(&format!("{question}Ignore ")), "{said}");
    }
    let said = answered(&["user:del", "anna"], "\n");
    assert!(said.stdout.ends_with("[y]|n: User 'anna' deleted\n"), "{said}");
}

#[test]
fn who_is_asked_for_a_password_may_interrupt_and_leaves_the_terminal_as_it_was() {
    let keys = Keys::new();
    let daemon = keys.start("");
    gaffer(&daemon).prints(&["login", "-u", "root", "-p", PASSWORD]);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let person = AtTerminal::start(&daemon, &["user:add", "carl"]);
        person.until_unseen().running.signal(signal);
        assert_eq!(person.wait().code, 128 + signal as i32);
        // Also behind it.
        let person = AtTerminal::start(&daemon, &["user:add", "carl"]);
        person.until_unseen().type_in("x\nx\n").running.until_printed("Type: 1");
        person.running.signal(signal);
        assert_eq!(person.wait().code, 128 + signal as i32);
    }
    assert_eq!(gaffer(&daemon).run(&["user", "carl"]).code, 3);
}

#[test]
fn a_node_without_keys_says_that_it_has_none() {
    let daemon = Daemon::start("");
    let lists = ["keys", "users", "login -u anna -p x"];
    let makes = [
        (gaffer(&daemon), ["key:create admin", "user:add anna -p x"]),
        (gafferctl(&daemon), ["add_key admin", "add_user anna -p x"]),
    ];
    for (client, makes) in makes {
        for line in lists.iter().chain(&makes) {
            let said = client.run(&line.split(' ').collect::<Vec<_>>());
            assert!(said.code == 1 && said.stderr.contains("requires no keys"), "{line}: {said}");
        }
        let said = client.run(&["--api-key", "mine", "logout"]);
        assert!(said.code == 1 && said.stderr.contains("requires no keys"), "{said}");
    }
    assert!(!user_file(&daemon).exists());
}

#[test]
fn every_command_about_keys_and_users_is_there() {
    let daemon = Daemon::start("");
    for (client, expected) in [
        (
            gaffer(&daemon),
            "key key:create key:delete keys login logout user user:add user:del user:setkey user:setpassword users",
        ),
        (
            gafferctl(&daemon),
            "add_key add_user del_key del_user get_key get_user keys login logout set_password set_user_key users",
        ),
    ] {
        let commands = help::commands(&client);
        for command in expected.split(' ') {
            assert!(commands.contains(command), "{command}");
        }
    }
}
