//! What is kept, as rows of tables.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use gaffer_core::access::{KeyId, Permissions};
use rusqlite::{Connection, Row, named_params};
use serde_json::{Map, Value};

use crate::{Change, KeyDigest, KeyRecord, PasswordHash, Records, StateError, StoredJob, UserRecord, WebhookRecord};

/// Why something does not read, or could not be read again.
type Problem = Box<dyn Error + Send + Sync>;

/// Reads all that is kept.
pub(super) fn read(connection: &Connection, path: &Path) -> Result<Records, StateError> {
    let table = Table { connection, path };
    Ok(Records {
        keys: table.read("keys", "id", key)?,
        users: table.read("users", "name", user)?,
        jobs: table.read("jobs", "name", job)?,
        webhooks: table.read("webhooks", "id", webhook)?,
    })
}

struct Table<'a> {
    connection: &'a Connection,
    path: &'a Path,
}

impl Table<'_> {
    /// Reads all rows of a table. One that does not read is an error: what is left out would be lost.
    fn read<T>(
        &self,
        table: &'static str,
        id: &'static str,
        record: impl Fn(&Row<'_>) -> Result<T, Problem>,
    ) -> Result<Vec<T>, StateError> {
        let failed = |cause| StateError::database(self.path, "read", Arc::new(cause));
        let query = format!("SELECT * FROM {table} ORDER BY place");
        let mut statement = self.connection.prepare_cached(&query).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            records.push(record(row).map_err(|problem| {
                let id = row.get(id).or_else(|_| row.get("place").map(|place: i64| format!("row {place}")));
                let (path, id) = (self.path.to_owned(), id.unwrap_or_default());
                StateError::Row { path, table, id, problem: problem.to_string() }
            })?);
        }
        Ok(records)
    }
}

fn key(row: &Row<'_>) -> Result<KeyRecord, Problem> {
    Ok(KeyRecord {
        id: row.get::<_, String>("id")?.parse()?,
        digest: KeyDigest(row.get("digest")?),
        label: row.get("label")?,
        permissions: permissions(&row.get::<_, String>("permissions")?)?,
        parent: key_id(row, "parent")?,
        user: row.get("user")?,
        created: row.get::<_, i64>("created")?.try_into()?,
        expires: row.get::<_, Option<i64>>("expires")?.map(u64::try_from).transpose()?,
    })
}

fn user(row: &Row<'_>) -> Result<UserRecord, Problem> {
    Ok(UserRecord {
        name: row.get("name")?,
        password: PasswordHash::from_phc(row.get("password")?),
        user_type: row.get("user_type")?,
        key: key_id(row, "key")?,
        extra: extra(&row.get::<_, String>("extra")?)?,
    })
}

fn job(row: &Row<'_>) -> Result<StoredJob, Problem> {
    Ok(StoredJob {
        name: row.get::<_, String>("name")?.parse()?,
        config: row.get("config")?,
        numprocesses: row.get("numprocesses")?,
        start: row.get("start")?,
        started: row.get("started")?,
        number: row.get("number")?,
    })
}

fn webhook(row: &Row<'_>) -> Result<WebhookRecord, Problem> {
    let events = row.get::<_, String>("events")?;
    Ok(WebhookRecord {
        id: row.get("id")?,
        events: serde_json::from_str(&events).map_err(|error| format!("events: {error}"))?,
        url: row.get("url")?,
        secret: row.get("secret")?,
        timeout: Duration::from_millis(row.get::<_, i64>("timeout")?.try_into()?),
        cacert: row.get("cacert")?,
    })
}

fn key_id(row: &Row<'_>, column: &'static str) -> Result<Option<KeyId>, Problem> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| text.parse()).transpose().map_err(|error| format!("{column}: {error}"))?)
}

/// Permissions as they are kept. One that is not known is an error: they would be written back without it.
fn permissions(text: &str) -> Result<Permissions, Problem> {
    let object = serde_json::from_str(text).map_err(|error| format!("permissions: {error}"))?;
    Ok(Permissions::from_json(&object)?)
}

fn extra(text: &str) -> Result<Map<String, Value>, Problem> {
    Ok(serde_json::from_str(text).map_err(|error| format!("extra: {error}"))?)
}

/// Makes some changes, one after the other.
pub(super) fn apply(connection: &Connection, changes: &[Change]) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            Change::PutKey(key) => put_key(connection, key)?,
            Change::DeleteKey(id) => {
                connection.prepare_cached("DELETE FROM keys WHERE id = ?")?.execute([id.as_str()])?;
            }
            Change::PutUser(user) => put_user(connection, user)?,
            Change::DeleteUser(name) => {
                connection.prepare_cached("DELETE FROM users WHERE name = ?")?.execute([name])?;
            }
            Change::PutJob(job) => put_job(connection, job)?,
            Change::DeleteJob(name) => {
                connection.prepare_cached("DELETE FROM jobs WHERE name = ?")?.execute([name.to_string()])?;
            }
            Change::PutWebhook(webhook) => put_webhook(connection, webhook)?,
            Change::DeleteWebhook(id) => {
                connection.prepare_cached("DELETE FROM webhooks WHERE id = ?")?.execute([id])?;
            }
        }
    }
    Ok(())
}

fn put_key(connection: &Connection, key: &KeyRecord) -> rusqlite::Result<()> {
    let about = |problem| unkept(format!("key `{}`", key.id), problem);
    let kept = readable(serde_json::to_string(&key.permissions), permissions).map_err(about)?;
    let seconds = |time: u64| i64::try_from(time).map_err(|error| about(error.into()));
    let put = "
        INSERT INTO keys (id, digest, label, permissions, parent, user, created, expires)
        VALUES (:id, :digest, :label, :permissions, :parent, :user, :created, :expires)
        ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, label = excluded.label, permissions = excluded.permissions,
            parent = excluded.parent, user = excluded.user, created = excluded.created, expires = excluded.expires";
    connection.prepare_cached(put)?.execute(named_params! {
        ":id": key.id.as_str(),
        ":digest": key.digest.0,
        ":label": key.label,
        ":permissions": kept,
        ":parent": key.parent.as_ref().map(KeyId::as_str),
        ":user": key.user,
        ":created": seconds(key.created)?,
        ":expires": key.expires.map(seconds).transpose()?,
    })?;
    Ok(())
}

fn put_user(connection: &Connection, user: &UserRecord) -> rusqlite::Result<()> {
    let about = |problem| unkept(format!("user `{}`", user.name), problem);
    let kept = readable(serde_json::to_string(&user.extra), extra).map_err(about)?;
    let put = "
        INSERT INTO users (name, password, user_type, key, extra) VALUES (:name, :password, :user_type, :key, :extra)
        ON CONFLICT (name) DO UPDATE SET password = excluded.password, user_type = excluded.user_type, key = excluded.key,
            extra = excluded.extra";
    connection.prepare_cached(put)?.execute(named_params! {
        ":name": user.name,
        ":password": user.password.as_phc(),
        ":user_type": user.user_type,
        ":key": user.key.as_ref().map(KeyId::as_str),
        ":extra": kept,
    })?;
    Ok(())
}

fn put_job(connection: &Connection, job: &StoredJob) -> rusqlite::Result<()> {
    let put = "
        INSERT INTO jobs (name, config, numprocesses, start, started, number)
        VALUES (:name, :config, :numprocesses, :start, :started, :number)
        ON CONFLICT (name) DO UPDATE SET config = excluded.config, numprocesses = excluded.numprocesses, start = excluded.start,
            started = excluded.started, number = excluded.number";
    connection.prepare_cached(put)?.execute(named_params! {
        ":name": job.name.to_string(),
        ":config": job.config,
        ":numprocesses": job.numprocesses,
        ":start": job.start,
        ":started": job.started,
        ":number": job.number,
    })?;
    Ok(())
}

fn put_webhook(connection: &Connection, webhook: &WebhookRecord) -> rusqlite::Result<()> {
    let about = |problem| unkept(format!("webhook `{}`", webhook.id), problem);
    let events = serde_json::to_string(&webhook.events).map_err(|error| about(error.into()))?;
    let timeout = i64::try_from(webhook.timeout.as_millis()).map_err(|error| about(error.into()))?;
    let put = "
        INSERT INTO webhooks (id, events, url, secret, timeout, cacert)
        VALUES (:id, :events, :url, :secret, :timeout, :cacert)
        ON CONFLICT (id) DO UPDATE SET events = excluded.events, url = excluded.url, secret = excluded.secret,
            timeout = excluded.timeout, cacert = excluded.cacert";
    connection.prepare_cached(put)?.execute(named_params! {
        ":id": webhook.id,
        ":events": events,
        ":url": webhook.url,
        ":secret": webhook.secret,
        ":timeout": timeout,
        ":cacert": webhook.cacert,
    })?;
    Ok(())
}

/// What is written as JSON, if it will read again: one thing that does not would keep all of the file from being read.
fn readable<T>(
    written: serde_json::Result<String>,
    read: impl Fn(&str) -> Result<T, Problem>,
) -> Result<String, Problem> {
    let text = written?;
    read(&text)?;
    Ok(text)
}

/// What is wrong with something that cannot be kept.
fn unkept(what: String, problem: Problem) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(format!("{what}: {problem}").into())
}

#[cfg(test)]
mod tests {
    use gaffer_core::access::Scope;
    use serde_json::json;

    use super::{super::schema, *};

    fn read_all(connection: &Connection) -> Result<Records, StateError> {
        read(connection, Path::new("state.db"))
    }

    fn some_key(id: &str) -> KeyRecord {
        let permissions = r#"{"manage": ["shop", "blog:web"], "create_key": true}"#;
        KeyRecord {
            id: id.parse().unwrap(),
            digest: KeyDigest::of(id),
            label: Some("l\0\u{fe}\n'".to_owned()),
            permissions: serde_json::from_str(permissions).unwrap(),
            parent: Some("ffffffffffff".parse().unwrap()),
            user: Some("someone".to_owned()),
            created: 1,
            expires: Some(i64::MAX as u64),
        }
    }

    fn some_user(name: &str) -> UserRecord {
        let Value::Object(extra) = json!({"mail": "\u{0}é", "list": [1, null, {"x": -0.5}]}) else { panic!() };
        let password = PasswordHash::from_phc("$argon2id$x".to_owned());
        UserRecord { name: name.to_owned(), password, user_type: 1, key: None, extra }
    }

    fn some_webhook(id: &str) -> WebhookRecord {
        WebhookRecord {
            id: id.to_owned(),
            events: vec![".".to_owned(), "proc.é'\0\"".to_owned()],
            url: "https://a/?b=\u{0}".to_owned(),
            secret: Some("s".to_owned()),
            timeout: Duration::from_millis(1500),
            cacert: Some("/é".to_owned()),
        }
    }

    #[test]
    fn webhooks_are_kept_in_the_order_of_their_making_until_they_are_deleted() {
        let connection = schema::in_memory().unwrap();
        let plain = WebhookRecord { secret: None, events: vec![], ..some_webhook("a") };
        let changed = WebhookRecord { url: String::new(), ..some_webhook("c") };
        let changes = [
            Change::PutWebhook(some_webhook("c")),
            Change::PutWebhook(some_webhook("b")),
            Change::PutWebhook(plain.clone()),
            Change::PutWebhook(changed.clone()),
            Change::DeleteWebhook("b".to_owned()),
            Change::DeleteWebhook("nothing".to_owned()),
        ];
        apply(&connection, &changes).unwrap();
        assert_eq!(read_all(&connection).unwrap().webhooks, [changed, plain]);
        let late = WebhookRecord { timeout: Duration::MAX, ..some_webhook("d") };
        let error = apply(&connection, &[Change::PutWebhook(late)]).unwrap_err().to_string();
        assert!(error.contains("webhook `d`: out of range"), "{error}");
        assert!(
            !format!("{:?}", WebhookRecord { secret: Some("hush".to_owned()), ..some_webhook("e") }).contains("hush")
        );
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let connection = schema::in_memory().unwrap();
        let plain = KeyRecord { label: None, parent: None, user: None, expires: None, ..some_key("bbbbbbbbbbbb") };
        let keyed = UserRecord { key: Some("ffffffffffff".parse().unwrap()), user_type: 255, ..some_user("") };
        let (keys, users) = ([some_key("cccccccccccc"), plain], [some_user("z"), keyed]);
        let puts = keys.clone().map(Change::PutKey).into_iter().chain(users.clone().map(Change::PutUser));
        apply(&connection, &puts.collect::<Vec<_>>()).unwrap();
        let records = read_all(&connection).unwrap();
        assert_eq!(format!("{:?}", records.keys), format!("{keys:?}"));
        assert_eq!(format!("{:?}", records.users), format!("{users:?}"));
        assert!(records.users.iter().all(|user| user.password.as_phc() == "$argon2id$x"));
    }

    #[test]
    fn jobs_read_as_they_were_written_and_keep_their_places() {
        let connection = schema::in_memory().unwrap();
        let job = |name: &str, config: Option<&str>, number| StoredJob {
            name: name.parse().unwrap(),
            config: config.map(str::to_owned),
            numprocesses: 1,
            start: true,
            started: false,
            number,
        };
        let put = |job: &StoredJob| Change::PutJob(job.clone());
        let [whole, more, standing] = [job("a.b", Some("{}"), 0), job("a.b", Some("[]"), 7), job("c", None, u32::MAX)];
        apply(&connection, &[put(&whole), put(&standing), put(&job("d", None, 1)), put(&more)]).unwrap();
        apply(&connection, &[Change::DeleteJob("d".parse().unwrap())]).unwrap();
        assert_eq!(read_all(&connection).unwrap().jobs, [more, standing]);
        let error = apply(&connection, &[put(&job("d", Some("{"), 1))]).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation));
    }

    #[test]
    fn what_is_replaced_keeps_its_place_and_what_is_made_anew_gets_the_last() {
        let connection = schema::in_memory().unwrap();
        let [one, two, three] = ["111111111111", "222222222222", "333333333333"].map(some_key);
        let [a, b, c] = ["a", "b", "c"].map(some_user);
        let changes = [
            Change::PutKey(three.clone()),
            Change::PutKey(two),
            Change::PutKey(one),
            Change::PutUser(c.clone()),
            Change::PutUser(b),
            Change::PutUser(a),
            Change::PutKey(KeyRecord { created: 2, ..some_key("222222222222") }),
            Change::PutUser(UserRecord { user_type: 2, ..some_user("b") }),
            Change::DeleteKey(three.id.clone()),
            Change::DeleteUser("c".to_owned()),
            Change::DeleteKey("444444444444".parse().unwrap()),
            Change::DeleteUser("nobody".to_owned()),
            Change::PutKey(three),
            Change::PutUser(c),
        ];
        apply(&connection, &changes).unwrap();
        connection.execute_batch("VACUUM").unwrap();
        let records = read_all(&connection).unwrap();
        let keys: Vec<_> = records.keys.iter().map(|key| (&key.id.as_str()[..1], key.created)).collect();
        assert_eq!(keys, [("2", 2), ("1", 1), ("3", 1)]);
        let users: Vec<_> = records.users.iter().map(|user| (user.name.as_str(), user.user_type)).collect();
        assert_eq!(users, [("b", 2), ("a", 1), ("c", 1)]);
    }

    #[test]
    fn what_would_not_read_again_is_not_written() {
        let connection = schema::in_memory().unwrap();
        let mut late = some_key("111111111111");
        late.expires = Some(u64::MAX);
        let mut wide = some_key("222222222222");
        wide.permissions.read = (0..1001).map(|number| format!("s{number}").parse::<Scope>().unwrap()).collect();
        let mut deep = some_user("deep");
        let nested = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        deep.extra.insert("nested".to_owned(), nested);
        for (change, problem) in [
            (Change::PutKey(late), "key `111111111111`: out of range"),
            (Change::PutKey(wide), "key `222222222222`: permissions.read: names more than 1000"),
            (Change::PutUser(deep), "user `deep`: extra: recursion limit"),
        ] {
            let error = apply(&connection, &[change]).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let records = read_all(&connection).unwrap();
        assert!(records.keys.is_empty() && records.users.is_empty());
    }

    #[test]
    fn a_row_that_does_not_read_is_named() {
        for (damage, told) in [
            (
                r#"UPDATE keys SET permissions = '{"fly": true}'"#,
                "`keys` that does not read, `111111111111`: permissions.fly: is no",
            ),
            (
                "UPDATE keys SET permissions = '[]'",
                "`keys` that does not read, `111111111111`: permissions: invalid type",
            ),
            ("UPDATE keys SET digest = x'00'", "`keys` that does not read, `111111111111`: "),
            ("UPDATE keys SET parent = 'x'", "`keys` that does not read, `111111111111`: parent: that is no key"),
            ("UPDATE keys SET id = 'x'", "`keys` that does not read, `x`: that is no key"),
            ("UPDATE keys SET created = -1", "`keys` that does not read, `111111111111`: "),
            ("UPDATE keys SET label = CAST(x'ff' AS TEXT)", "`keys` that does not read, `111111111111`: "),
            ("UPDATE keys SET id = CAST(x'ff' AS TEXT)", "`keys` that does not read, `row 1`: "),
            ("UPDATE users SET user_type = 256", "`users` that does not read, `someone`: "),
            ("UPDATE users SET extra = '{'", "`users` that does not read, `someone`: extra: EOF"),
            ("UPDATE webhooks SET events = '[1]'", "`webhooks` that does not read, `hook`: events: invalid type"),
            ("UPDATE webhooks SET timeout = -1", "`webhooks` that does not read, `hook`: "),
            ("UPDATE users SET key = ''", "`users` that does not read, `someone`: key: that is no key"),
        ] {
            let connection = schema::in_memory().unwrap();
            let changes = [
                Change::PutKey(some_key("111111111111")),
                Change::PutUser(some_user("someone")),
                Change::PutWebhook(some_webhook("hook")),
            ];
            apply(&connection, &changes).unwrap();
            connection.execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {damage}")).unwrap();
            let error = read_all(&connection).unwrap_err();
            assert!(matches!(error, StateError::Row { .. }), "{error:?}");
            assert!(error.to_string().contains(told), "{damage}: {error}");
        }
    }

    #[test]
    fn what_is_no_record_is_refused_by_the_file_itself() {
        let connection = schema::in_memory().unwrap();
        let changes = [Change::PutKey(some_key("111111111111")), Change::PutUser(some_user("someone"))];
        apply(&connection, &changes).unwrap();
        for damage in [
            "UPDATE keys SET id = '11111111111G'",
            "UPDATE keys SET id = '11111111111'",
            "UPDATE keys SET digest = x'00'",
            "UPDATE keys SET digest = NULL",
            "UPDATE keys SET created = 'yesterday'",
            "UPDATE keys SET created = -1",
            "UPDATE keys SET permissions = 'all'",
            "UPDATE users SET user_type = 256",
            "UPDATE users SET extra = ''",
        ] {
            let error = connection.execute_batch(damage).unwrap_err();
            assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation), "{damage}: {error}");
        }
        read_all(&connection).unwrap();
    }
}
