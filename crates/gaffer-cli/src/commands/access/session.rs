//! `login`, `logout`: a key of one's own, kept in the user file.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;
use gaffer_client::{Client, Error, Refusal};
use gaffer_core::access::KeyId;

use super::{
    PasswordArgs, Purpose, keyless,
    password::{line, say},
};
use crate::{
    ConnectionArgs, Failure, Output,
    account::Account,
    commands::{Acts, Entry},
};

/// Who logs in.
#[derive(Clone, Debug, Default, Args)]
pub struct LoginArgs {
    /// The user's name [default: asked for]
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,

    #[command(flatten)]
    password: PasswordArgs,
}

/// Logs in: the key that the node gives is kept in the user file.
///
/// # Errors
/// When the node does not know user and password, or the key cannot be kept.
pub async fn login(args: &LoginArgs, connection: &ConnectionArgs, output: &mut Output) -> Result<(), Failure> {
    let account = connection.account_to_keep(output)?;
    let place = account.place()?.path.display().to_string();
    let user = match &args.user {
        Some(user) => user.clone(),
        None => asked()?,
    };
    let password = args.password.read(Purpose::Show)?;
    let outcome = authenticated(&account, &user, &password, output.program()).await;
    let mut acts = Acts::of_one(output);
    let is_in = outcome.is_ok();
    acts.acknowledge(Entry::user(&user), outcome, format_args!("User '{user}' authenticated."))?;
    if is_in && account.key.is_some() && !account.is_key_of_file {
        let output = acts.output();
        output.hint(format_args!(
            "the key is kept in {place}, but that of `--api-key` or GAFFER_API_KEY is used as long as there is one"
        ));
    }
    acts.finish()
}

async fn authenticated(account: &Account, user: &str, password: &str, program: &str) -> Result<(), Failure> {
    // A key that has expired would be refused, whoever logs in.
    let client = account.client(None)?;
    let made =
        client.login(user, password).await.map_err(|error| match error.refusal().map(|refusal| refusal.status) {
            Some(401) => Failure::Failed("unauthorized: username or password is wrong".to_owned()),
            Some(404) => keyless(&client),
            Some(_) | None => error.into(),
        })?;
    let Some(made) = made else {
        let command = if program == "gaffer" { "gaffer user:setkey" } else { "gafferctl set_user_key" };
        return Err(Failure::Failed(format!(
            "User '{user}' has no API key, and so may do nothing; `{command} {user} KEY` gives one, by who may do so"
        )));
    };
    let kept = account.keep(Some(&made.api_key));
    if kept.is_err() {
        // Nobody will have it.
        let _: Result<(), Error> = account.client(Some(&made.api_key))?.logout().await;
    }
    kept
}

/// Asks who it is.
fn asked() -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage("who logs in? `-u USER` says so".to_owned()));
    }
    loop {
        let failed = |error: io::Error| Failure::Failed(format!("cannot ask: {error}"));
        write!(io::stderr(), "username: ").map_err(failed)?;
        let mut stdin = io::stdin().lock();
        if stdin.fill_buf().map_err(failed)?.is_empty() {
            // The end of input ends no line.
            say("")?;
            return Err(Failure::Failed("no username was given".to_owned()));
        }
        let user = line(&mut stdin)?.trim().to_owned();
        if !user.is_empty() {
            return Ok(user);
        }
        say("username is empty. Please enter a username.")?;
    }
}

/// Logs out: the node forgets the key, and so does the user file.
///
/// # Errors
/// When nobody is logged in, or the key is none that comes from logging in.
pub async fn logout(connection: &ConnectionArgs, output: &mut Output) -> Result<(), Failure> {
    let account = connection.account_to_keep(output)?;
    let outcome = left(&account, output.program()).await;
    let mut acts = Acts::of_one(output);
    acts.acknowledge(&account.endpoint, outcome, format_args!("Logged out of {}.", account.endpoint))?;
    acts.finish()
}

async fn left(account: &Account, program: &str) -> Result<(), Failure> {
    let Some(key) = &account.key else {
        let endpoint = &account.endpoint;
        return Err(Failure::Failed(format!("nobody is logged in at {endpoint}; `{program} login` does it")));
    };
    let client = account.client(Some(key))?;
    match client.logout().await {
        Ok(()) => {}
        Err(error) => match error.refusal().map(|refusal| refusal.status) {
            // It has expired.
            Some(401) => {}
            Some(404) => return Err(keyless(&client)),
            Some(403) => still_good(account, &client, key, program).await?,
            Some(_) | None => return Err(error.into()),
        },
    }
    if account.is_key_of_file { account.keep(None) } else { Ok(()) }
}

/// Why a key is still good for something with which nobody can log out. If it is not, there is none.
async fn still_good(account: &Account, client: &Client, key: &str, program: &str) -> Result<(), Failure> {
    if account.client(None)?.sessions().await.is_ok() {
        return Err(keyless(client));
    }
    let Ok(id) = KeyId::of(key) else { return Ok(()) };
    match client.key(&id).await {
        Ok(_) => {
            let command = if program == "gaffer" { "gaffer key:delete" } else { "gafferctl del_key" };
            Err(Failure::Failed(format!("the key {id} does not come from a log-in; `{command} {id}` revokes it")))
        }
        // It was revoked.
        Err(error) if error.refusal().is_some_and(Refusal::is_of_key) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufReader, Read},
        net::TcpListener,
        path::Path,
        sync::mpsc,
        thread,
        time::Duration,
    };

    use gaffer_client::TlsOptions;
    use serde_json::json;

    use super::*;
    use crate::{Exit, user_file::Place};

    const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// A node that answers so, and tells what it was asked: method and path, and the key that was shown.
    fn node(
        mut answer: impl FnMut(&str) -> (u16, serde_json::Value) + Send + 'static,
    ) -> (String, mpsc::Receiver<(String, Option<String>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, asked) = mpsc::channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = String::new();
                let mut reader = BufReader::new(&stream);
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
                let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
                let key = head.lines().find_map(|line| line.strip_prefix("x-api-key: ")).map(str::to_owned);
                let (status, body) = answer(&line);
                let body = body.to_string();
                let length = body.len();
                write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
                    .unwrap();
                if seen.send((line, key)).is_err() {
                    return;
                }
                // Until the client has closed it.
                let _: io::Result<u64> = io::copy(&mut (&stream).take(1), &mut io::sink());
            }
        });
        (url, asked)
    }

    /// What a node answers to a request of this method and path.
    type Answers = fn(&str) -> (u16, serde_json::Value);

    fn refusal(status: u16) -> (u16, serde_json::Value) {
        (status, json!({"errno": status, "error": "forbidden", "reason": "because"}))
    }

    fn account(url: &str, file: &Path, key: Option<&str>) -> Account {
        Account {
            endpoint: url.parse().unwrap(),
            tls: TlsOptions::default(),
            key: key.map(str::to_owned),
            is_key_of_file: key.is_some(),
            place: Some(Place::at(file)),
            section: url.to_owned(),
        }
    }

    fn next(asked: &mpsc::Receiver<(String, Option<String>)>) -> (String, Option<String>) {
        asked.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    #[tokio::test]
    async fn the_key_of_a_log_in_is_kept_and_that_of_before_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("me/gaffer.ini");
        let (url, asked) = node(|_| (200, json!({"api_key": KEY})));
        authenticated(&account(&url, &file, Some("old")), "anna", "x", "gaffer").await.unwrap();
        assert_eq!(next(&asked), ("GET /auth".to_owned(), None));
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("[node \"{url}\"]\nkey = {KEY}\n"));
    }

    #[tokio::test]
    async fn who_is_not_let_in_is_told_why_and_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gaffer.ini");
        for (answer, words) in [
            (refusal(401), "unauthorized: username or password is wrong"),
            (refusal(404), "requires no keys"),
            (refusal(429), "because"),
            (
                (200, json!({"api_key": null})),
                "User 'anna' has no API key, and so may do nothing; `gafferctl set_user_key anna KEY`",
            ),
        ] {
            let (url, _asked) = node(move |_| answer.clone());
            let failure = authenticated(&account(&url, &file, None), "anna", "x", "gafferctl").await.unwrap_err();
            assert!(failure.to_string().contains(words), "{failure}");
            assert!(matches!(failure.exit(), Exit::Failed), "{failure:?}");
            assert!(!file.exists());
        }
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_kept_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gaffer.ini");
        fs::write(&file, "[nod \"x\"]\n").unwrap();
        let (url, asked) =
            node(|line| (200, if line == "GET /auth" { json!({"api_key": KEY}) } else { json!({"ok": true}) }));
        let failure = authenticated(&account(&url, &file, None), "anna", "x", "gaffer").await.unwrap_err();
        assert!(matches!(failure, Failure::UserFile(_)), "{failure:?}");
        assert_eq!(next(&asked).0, "GET /auth");
        assert_eq!(next(&asked), ("DELETE /auth".to_owned(), Some(KEY.to_owned())));
    }

    #[tokio::test]
    async fn who_logs_out_leaves_no_key_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gaffer.ini");
        let expired: Answers = |_| refusal(401);
        let revoked: Answers = |line| refusal(if line == "GET /sessions" { 401 } else { 403 });
        for answers in [|_: &str| (200, json!({"ok": true})), expired, revoked] {
            let (url, asked) = node(answers);
            let text = format!("[node \"{url}\"]\nkey = {KEY}\nname = home\n");
            fs::write(&file, &text).unwrap();
            left(&account(&url, &file, Some(KEY)), "gaffer").await.unwrap();
            assert_eq!(next(&asked), ("DELETE /auth".to_owned(), Some(KEY.to_owned())));
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("[node \"{url}\"]\nname = home\n"));
        }
    }

    #[tokio::test]
    async fn a_key_stays_where_it_is_if_the_node_does_not_take_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gaffer.ini");
        let of_no_log_in: Answers = |line| match line {
            "GET /sessions" => refusal(401),
            "DELETE /auth" => refusal(403),
            _ => (200, json!({"key": "0123456789ab", "permissions": {}})),
        };
        let keyless: Answers = |line| match line {
            "GET /sessions" => (200, json!({"sessions": []})),
            _ => refusal(403),
        };
        for (answers, words) in [
            (
                of_no_log_in,
                "the key 0123456789ab does not come from a log-in; `gaffer key:delete 0123456789ab` revokes it",
            ),
            (keyless, "requires no keys"),
            (|_| refusal(404), "requires no keys"),
            (|_| refusal(503), "because"),
        ] {
            let (url, _asked) = node(answers);
            let text = format!("[node \"{url}\"]\nkey = {KEY}\n");
            fs::write(&file, &text).unwrap();
            let failure = left(&account(&url, &file, Some(KEY)), "gaffer").await.unwrap_err();
            assert!(failure.to_string().contains(words), "{failure}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let failure = left(&account("http://127.0.0.1:1", &file, None), "gaffer").await.unwrap_err();
        assert_eq!(failure.to_string(), "nobody is logged in at http://127.0.0.1:1; `gaffer login` does it");
    }
}
