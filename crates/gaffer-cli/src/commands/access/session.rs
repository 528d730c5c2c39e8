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

/// Logs in: the key that the node gives is kept in the user file, and the node forgets the one that was there.
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
    if is_in && account.given.is_some() {
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
    let unused = match &kept {
        Ok(()) => account.kept.as_deref().filter(|before| *before != made.api_key),
        Err(_) => Some(made.api_key.as_str()),
    };
    if let Some(unused) = unused {
        forget(account, unused).await;
    }
    kept
}

/// Has the node forget a key that nobody has any more, if it comes from a log-in; others the node leaves alone. It expires by itself if
/// that fails.
async fn forget(account: &Account, key: &str) {
    if let Ok(client) = account.client(Some(key)) {
        let _: Result<(), Error> = client.logout().await;
    }
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

/// Logs out: the node forgets the key, and so does the user file, also if the node has nothing to forget.
///
/// # Errors
/// When nobody is logged in, or a key that is not of the user file does not come from logging in.
pub async fn logout(connection: &ConnectionArgs, output: &mut Output) -> Result<(), Failure> {
    let account = connection.account_to_keep(output)?;
    let outcome = left(&account, output.program()).await;
    let mut acts = Acts::of_one(output);
    let (outcome, said) = match outcome {
        Ok(said) => (Ok(()), said),
        Err(failure) => (Err(failure), None),
    };
    acts.acknowledge(&account.endpoint, outcome, format_args!("Logged out of {}.", account.endpoint))?;
    if let Some(said) = said {
        let place = account.place()?.path.display();
        acts.output().hint(format_args!("the key is only gone from {place}; the node said: {said}"));
    }
    acts.finish()
}

/// Has node and user file forget the key; what the node said, if it has not forgotten it.
async fn left(account: &Account, program: &str) -> Result<Option<String>, Failure> {
    let Some(key) = account.key() else {
        let endpoint = &account.endpoint;
        return Err(Failure::Failed(format!("nobody is logged in at {endpoint}; `{program} login` does it")));
    };
    let client = account.client(Some(key))?;
    let refusal = match client.logout().await {
        Ok(()) => None,
        Err(error) => match error.refusal() {
            Some(Refusal { status: 404, .. }) => return Err(keyless(&client)),
            Some(refusal) if refusal.is_of_key() => Some(refusal.clone()),
            Some(_) | None => return Err(error.into()),
        },
    };
    match refusal {
        refusal if account.uses_kept() => {
            // Whoever logs out does not want to be who he was, whatever the node makes of the key.
            account.keep(None)?;
            Ok(refusal.map(|refusal| refusal.reason))
        }
        Some(Refusal { status: 403, .. }) => still_good(account, &client, key, program).await.map(|()| None),
        Some(_) | None => Ok(None),
    }
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
            given: None,
            kept: key.map(str::to_owned),
            place: Some(Place::at(file)),
            section: url.to_owned(),
        }
    }

    fn next(asked: &mpsc::Receiver<(String, Option<String>)>) -> (String, Option<String>) {
        asked.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    #[tokio::test]
    async fn the_key_of_a_log_in_is_kept_and_that_of_before_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("me/gaffer.ini");
        let is_there: Answers = |_| (200, json!({"api_key": KEY, "ok": true}));
        let of_no_log_in: Answers =
            |line| if line == "GET /auth" { (200, json!({"api_key": KEY})) } else { refusal(403) };
        for (answers, given) in [(is_there, None), (of_no_log_in, None), (is_there, Some("mine".to_owned()))] {
            let (url, asked) = node(answers);
            let account = Account { given, ..account(&url, &file, Some("old")) };
            authenticated(&account, "anna", "x", "gaffer").await.unwrap();
            assert_eq!(next(&asked), ("GET /auth".to_owned(), None), "it is not shown to log in");
            assert_eq!(next(&asked), ("DELETE /auth".to_owned(), Some("old".to_owned())));
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.ends_with(&format!("[node \"{url}\"]\nkey = {KEY}\n")), "{text}");
        }
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
        let done: Answers = |_| (200, json!({"ok": true}));
        let expired: Answers = |_| refusal(401);
        let revoked: Answers = |_| refusal(403);
        for (answers, said) in [(done, None), (expired, Some("because")), (revoked, Some("because"))] {
            let (url, asked) = node(answers);
            let text = format!("[node \"{url}\"]\nkey = {KEY}\nname = home\n");
            fs::write(&file, &text).unwrap();
            let told = left(&account(&url, &file, Some(KEY)), "gaffer").await.unwrap();
            assert_eq!(told.as_deref(), said);
            assert_eq!(next(&asked), ("DELETE /auth".to_owned(), Some(KEY.to_owned())));
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("[node \"{url}\"]\nname = home\n"));
        }
    }

    #[tokio::test]
    async fn a_key_of_no_file_is_gone_only_if_the_node_takes_it_back() {
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
        ] {
            let (url, _asked) = node(answers);
            let text = format!("[node \"{url}\"]\nkey = other\n");
            fs::write(&file, &text).unwrap();
            let account = Account { given: Some(KEY.to_owned()), ..account(&url, &file, Some("other")) };
            let failure = left(&account, "gaffer").await.unwrap_err();
            assert!(failure.to_string().contains(words), "{failure}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[tokio::test]
    async fn a_key_stays_where_it_is_if_the_node_cannot_tell() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gaffer.ini");
        let other_host: Answers = |_| (403, json!({"errno": 403, "error": "forbidden_host", "reason": "not here"}));
        let answers: [(Answers, &str); 3] =
            [(|_| refusal(404), "requires no keys"), (|_| refusal(503), "because"), (other_host, "not here")];
        for (answers, words) in answers {
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
