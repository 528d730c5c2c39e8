//! Keys and users as they are asked.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use gaffer_core::{
    access::{KeyId, Permissions},
    api::access::{KeyInfo, NewKey, NewUser, UserInfo},
};
use serde_json::{Map, Value};
use tokio::{
    sync::{Mutex as Turn, RwLock as Turns, Semaphore},
    time::{self, sleep_until},
};
use tracing::warn;

use crate::{
    ApiKey, Author, Change, Key, KeyRecord, PasswordHash, StateError, StateFile, UserRecord,
    audit::{self, Cause},
    clock::Clock,
    register::Register,
    rules::{self, AccessError},
    throttle::Throttle,
};

/// Who may do what on a node: its keys and users, in memory and in its state file. Cheap to clone; clones are the same.
///
/// Whatever is changed stands in the file before anybody is told, and so before it counts. A change goes on if who asked for it
/// does not wait for it.
#[derive(Clone, Debug)]
pub struct Access {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: StateFile,
    register: RwLock<Register>,
    /// Keys may be made side by side; all else is done one after the other.
    turns: Turns<()>,
    /// When it was looked last whether another program has written.
    looked: Turn<Option<time::Instant>>,
    /// When what is good no more was forgotten last.
    swept: Mutex<Instant>,
    throttle: Mutex<Throttle>,
    /// Passwords take time and memory to check.
    checking: Semaphore,
    session_lifetime: Duration,
    clock: Clock,
}

/// How long a key from a log-in is good, where nothing else is set.
pub const DEFAULT_SESSION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Passwords that are checked at once.
const CHECKS: usize = 2;

/// How often what is good no more is forgotten, if anything is done at all.
const SWEEP: Duration = Duration::from_secs(3600);

/// Between two looks whether another program has written.
const PAUSE: Duration = Duration::from_millis(100);

/// So often a change is said anew. Another program changes something once in a while.
const RETRIES: usize = 16;

/// Why a text is no key that is good for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// There is no such key, or no longer.
    #[error("the key is unknown here")]
    Unknown,
    /// Its time is over.
    #[error("the key has expired")]
    Expired,
}

/// Why a log-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// There is no such user, or the password is another.
    #[error("username or password is wrong")]
    Wrong,
    /// There were too many wrong ones.
    #[error("too many log-ins have failed; try again in {} s", .0.as_secs().max(1))]
    TooMany(Duration),
    /// It cannot be written down.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why somebody whose password is right gets no key.
enum NotOpened {
    /// The user is gone meanwhile, or has another password.
    Changed,
    /// The user has no rights.
    NoRights,
    State(StateError),
}

impl From<StateError> for NotOpened {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl Access {
    /// Takes in what stands in a file, and forgets what is good no more.
    ///
    /// # Errors
    /// When it does not read.
    pub async fn open(file: StateFile) -> Result<Self, StateError> {
        Self::open_for(file, DEFAULT_SESSION_LIFETIME).await
    }

    /// The same, where keys from log-ins are good for so long.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_for(file: StateFile, session_lifetime: Duration) -> Result<Self, StateError> {
        let access = Self::with(file, session_lifetime, Clock::default()).await?;
        access.sweep().await?;
        Ok(access)
    }

    /// Takes in what stands in a file, beside a node that has it open: nothing is changed by it.
    ///
    /// # Errors
    /// When it does not read.
    pub async fn open_beside(file: StateFile) -> Result<Self, StateError> {
        Self::with(file, DEFAULT_SESSION_LIFETIME, Clock::default()).await
    }

    pub(crate) async fn with(file: StateFile, session_lifetime: Duration, clock: Clock) -> Result<Self, StateError> {
        let mut register = Register::default();
        register.take(file.read().await?, &clock);
        let inner = Inner {
            file,
            register: RwLock::new(register),
            turns: Turns::new(()),
            looked: Turn::new(None),
            swept: Mutex::new(Instant::now()),
            throttle: Mutex::default(),
            checking: Semaphore::new(CHECKS),
            session_lifetime,
            clock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn register(&self) -> RwLockReadGuard<'_, Register> {
        // Nothing that holds the lock can panic, and each change is whole.
        self.inner.register.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn register_mut(&self) -> RwLockWriteGuard<'_, Register> {
        self.inner.register.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.inner.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is good no more.
    pub(crate) async fn sweep(&self) -> Result<(), StateError> {
        self.alone(Cause::Upkeep, |register| {
            let gone = register.expired().into_iter().chain(register.orphans());
            Ok(register.revocation(gone))
        })
        .await
    }

    /// Forgets what is good no more, now and then, and where there is no room left.
    async fn sweep_in_time(&self) -> Result<(), StateError> {
        let is_due = {
            let mut swept = self.inner.swept.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = swept.elapsed() >= SWEEP || self.register().len() >= rules::MOST_KEYS;
            if is_due {
                *swept = Instant::now();
            }
            is_due
        };
        if is_due { self.sweep().await } else { Ok(()) }
    }

    /// Changes something that depends on how all stands: says what, writes it down, and has it count. It is said anew if another
    /// program has changed something meanwhile.
    async fn alone<E: From<StateError> + Send + 'static>(
        &self,
        cause: Cause,
        change: impl Fn(&Register) -> Result<Vec<Change>, E> + Send + 'static,
    ) -> Result<(), E> {
        self.to_the_end(async move |access| {
            let _turn = access.inner.turns.write().await;
            let mut tries = 0;
            loop {
                let changes = change(&access.register())?;
                if changes.is_empty() {
                    return Ok(());
                }
                match access.inner.file.write_if_current(changes.clone()).await {
                    Ok(()) => {
                        let mut register = access.register_mut();
                        audit::changed(&cause, &register, &changes);
                        register.apply(changes, &access.inner.clock);
                        return Ok(());
                    }
                    Err(StateError::Outdated { .. }) if tries < RETRIES => access.take().await?,
                    Err(error) => return Err(error.into()),
                }
                tries += 1;
            }
        })
        .await
    }

    /// Takes in what another program has written. Whoever calls it has the turn, so that nothing is on its way to the file.
    async fn take(&self) -> Result<(), StateError> {
        let records = self.inner.file.read().await?;
        let mut register = self.register_mut();
        audit::changed(&Cause::Owner, &register, &audit::differences_of(&register, &records));
        register.take(records, &self.inner.clock);
        Ok(())
    }

    /// Goes on if who waits does not: what stands in the file must count here, too.
    async fn to_the_end<T, E, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StateError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let work = tokio::spawn(work(self.clone()));
        // It ends early with the runtime only, and with that so does this.
        work.await.unwrap_or_else(|_| Err(StateError::Closed.into()))
    }

    // Being known.

    /// The key that a text is.
    ///
    /// # Errors
    /// When it is none, or its time is over.
    pub async fn key(&self, text: &str) -> Result<Arc<Key>, BadKey> {
        if text.len() > ApiKey::MAX_LENGTH {
            return Err(BadKey::Unknown);
        }
        let mut key = self.register().find(text).cloned();
        if key.is_none() && KeyId::of(text).is_ok() {
            self.refresh().await;
            key = self.register().find(text).cloned();
        }
        let key = key.ok_or(BadKey::Unknown)?;
        if key.is_expired() { Err(BadKey::Expired) } else { Ok(key) }
    }

    /// Takes in what another program has written: `gafferd --create-admin-user`, beside this one. Many who ask at once are one look, and there
    /// are few looks in a second: anybody can cause them.
    async fn refresh(&self) {
        let arrived = time::Instant::now();
        let look = async move |access: Self| -> Result<(), StateError> {
            let mut looked = access.inner.looked.lock().await;
            if let Some(last) = *looked {
                if last > arrived {
                    return Ok(()); // Somebody else has looked meanwhile.
                }
                sleep_until(last + PAUSE).await;
            }
            *looked = Some(time::Instant::now());
            if access.inner.file.is_changed_by_others().await? {
                let _turn = access.inner.turns.write().await;
                access.take().await?;
            }
            Ok(())
        };
        if let Err(error) = self.to_the_end(look).await {
            warn!(%error, "cannot see whether the state file was changed");
        }
    }

    /// Logs a user in: a new key with the rights of the user's; `None` if the user has none. `place` is from where.
    ///
    /// # Errors
    /// When user and password do not fit, or it was tried too often.
    pub async fn log_in(&self, user: &str, password: &str, place: &str) -> Result<Option<ApiKey>, LogInError> {
        if user.len() > rules::MAX_NAME || password.len() > PasswordHash::MAX_PASSWORD {
            return Err(LogInError::Wrong); // There is no such user; and nothing so long is remembered, or worked on.
        }
        // Whoever waits for a turn is counted only then.
        let Ok(_turn) = self.inner.checking.acquire().await else { return Err(LogInError::Wrong) };
        {
            let mut throttle = self.throttle();
            throttle.ask(Instant::now(), user, place).map_err(LogInError::TooMany)?;
            throttle.guess(Instant::now(), user, place);
        }
        // Also for names that are known: how long it takes must not tell which are.
        self.refresh().await;
        let record = self.register().user(user).cloned();
        let (checked, given) = (record.clone(), password.to_owned());
        let is_right = blocking(move || match checked {
            Some(user) => user.password.matches(&given),
            None => PasswordHash::matches_nobody(&given),
        });
        let (true, Some(record)) = (is_right.await?, record) else { return Err(LogInError::Wrong) };
        self.throttle().right(user, place);
        self.open_session(record, place).await
    }

    async fn open_session(&self, user: Arc<UserRecord>, place: &str) -> Result<Option<ApiKey>, LogInError> {
        self.sweep_in_time().await?;
        let api_key = ApiKey::generate()?;
        let (id, digest) = (api_key.id(), api_key.digest());
        let (clock, lifetime) = (self.inner.clock.clone(), self.inner.session_lifetime.as_secs().max(1));
        let opened = self.alone(Cause::LogIn(place.to_owned()), move |register| {
            // What was checked may be another by now.
            let now =
                register.user(&user.name).filter(|now| now.password == user.password).ok_or(NotOpened::Changed)?;
            let parent = now.key.as_ref().and_then(|key| register.key(key)).filter(|key| !key.is_gone());
            let parent = parent.ok_or(NotOpened::NoRights)?;
            let gone = register.too_many_sessions_of(&user.name);
            let mut changes = register.revocation(gone);
            let created = clock.now();
            let expires = [Some(created + lifetime), parent.record().expires].into_iter().flatten().min();
            changes.push(Change::PutKey(KeyRecord {
                id: id.clone(),
                digest,
                label: None,
                permissions: parent.permissions().clone(),
                parent: Some(parent.id().clone()),
                user: Some(user.name.clone()),
                created,
                expires,
            }));
            Ok(changes)
        });
        match opened.await {
            Ok(()) => Ok(Some(api_key)),
            Err(NotOpened::NoRights) => Ok(None),
            Err(NotOpened::Changed) => Err(LogInError::Wrong),
            Err(NotOpened::State(error)) => Err(error.into()),
        }
    }

    /// Ends a log-in: its key is revoked. A key that is of no log-in stays, as others may have it.
    ///
    /// # Errors
    /// When it is of no log-in, or cannot be written down.
    pub async fn log_out(&self, by: &Author) -> Result<(), AccessError> {
        let (id, is_session) = (by.key.id().clone(), by.key.user().is_some());
        self.alone(Cause::Author(by.clone()), move |register| {
            if !is_session {
                return Err(AccessError::forbidden("the key is of no log-in; revoke it by DELETE /keys/<id>"));
            }
            Ok(register.revocation([id.clone()]))
        })
        .await
    }

    // Keys.

    /// The keys that the caller may see, in the order of their making.
    pub fn keys(&self, by: &Key) -> Vec<KeyInfo> {
        let register = self.register();
        let visible = register.keys().into_iter().filter(|key| rules::may_see_key(&register, by, key));
        visible.filter(|key| !key.is_expired()).map(|key| key.info()).collect()
    }

    /// What a key permits, and which of those that go with it the caller may see.
    ///
    /// # Errors
    /// When there is no such key, or the caller may not see it.
    pub fn key_info(&self, by: &Key, id: &KeyId) -> Result<(KeyInfo, Vec<KeyId>), AccessError> {
        let register = self.register();
        let key = rules::key_to_see(&register, by, id)?;
        let is_seen = |id: &&KeyId| register.key(id).is_some_and(|key| rules::may_see_key(&register, by, key));
        Ok((key.info(), register.children(id).iter().filter(is_seen).cloned().collect()))
    }

    /// Makes a key.
    ///
    /// # Errors
    /// When it would permit more than the caller may; when what is said of it does not read; when its parent is not there, or not the
    /// caller's; when there are as many as there may be.
    pub async fn create_key(&self, by: &Author, new: NewKey) -> Result<ApiKey, AccessError> {
        rules::check_label(new.label.as_deref())?;
        self.sweep_in_time().await?;
        let by = by.clone();
        self.to_the_end(async move |access| {
            let api_key = ApiKey::generate()?;
            let mut tries = 0;
            loop {
                let turn = access.inner.turns.read().await;
                let record = {
                    let register = access.register();
                    rules::new_key(&register, &by.key, new.clone(), &api_key, access.inner.clock.now())?
                };
                let changes = vec![Change::PutKey(record)];
                // In this order: whoever revokes a key waits until those that go with it are there.
                match access.inner.file.write_if_current(changes.clone()).await {
                    Ok(()) => {
                        let mut register = access.register_mut();
                        audit::changed(&Cause::Author(by), &register, &changes);
                        register.apply(changes, &access.inner.clock);
                        return Ok(api_key);
                    }
                    Err(StateError::Outdated { .. }) if tries < RETRIES => {
                        drop(turn);
                        let _turn = access.inner.turns.write().await;
                        access.take().await?;
                    }
                    Err(error) => return Err(error.into()),
                }
                tries += 1;
            }
        })
        .await
    }

    /// Revokes a key, and those that go with it.
    ///
    /// # Errors
    /// When there is no such key, or it is not the caller's to revoke.
    pub async fn revoke_key(&self, by: &Author, id: KeyId) -> Result<(), AccessError> {
        let key = Arc::clone(&by.key);
        self.alone(Cause::Author(by.clone()), move |register| {
            rules::key_to_revoke(register, &key, &id)?;
            Ok(register.revocation([id.clone()]))
        })
        .await
    }

    // Users.

    /// The users that the caller may see, by name.
    pub fn users(&self, by: &Key) -> Vec<UserInfo> {
        let register = self.register();
        let visible = register.users().filter(|user| rules::may_handle_user(&register, by, user));
        visible.map(|user| info(user)).collect()
    }

    /// What is known of a user.
    ///
    /// # Errors
    /// When there is no such user, or the caller may not see it.
    pub fn user(&self, by: &Key, name: &str) -> Result<UserInfo, AccessError> {
        let register = self.register();
        rules::user_to_handle(&register, by, name).map(|user| info(user))
    }

    /// Makes a user.
    ///
    /// # Errors
    /// When there is one of this name; when the user could do more than the caller may; when what is said does not read; when there are
    /// as many as there may be.
    pub async fn create_user(&self, by: &Author, new: NewUser) -> Result<(), AccessError> {
        rules::check_user(&new.username, &new.extra)?;
        rules::check_password(&new.password)?;
        rules::may_create_user(&by.key, new.user_type)?;
        // Before work is spent on the password.
        rules::check_new_user(&self.register(), &new.username)?;
        let password = self.hash(new.password.clone()).await?;
        let key = Arc::clone(&by.key);
        self.alone(Cause::Author(by.clone()), move |register| {
            rules::check_new_user(register, &new.username)?;
            let rights = rules::key_to_give(register, &key, new.key.as_deref())?;
            Ok(vec![Change::PutUser(UserRecord {
                name: new.username.clone(),
                password: password.clone(),
                user_type: new.user_type,
                key: rights,
                extra: new.extra.clone(),
            })])
        })
        .await
    }

    /// Replaces all that is said of a user, the name aside. Who may not say whose rights users have leaves them as they are. Keys that the
    /// user got by logging in are revoked, that of the caller aside.
    ///
    /// # Errors
    /// As [`create_user`](Self::create_user); also when there is no such user, or it is not the caller's to change.
    pub async fn update_user(&self, by: &Author, new: NewUser) -> Result<(), AccessError> {
        rules::check_user(&new.username, &new.extra)?;
        rules::check_password(&new.password)?;
        // Before work is spent on the password.
        rules::user_to_handle(&self.register(), &by.key, &new.username).map(drop)?;
        let password = self.hash(new.password.clone()).await?;
        let key = Arc::clone(&by.key);
        self.alone(Cause::Author(by.clone()), move |register| {
            let old = rules::user_to_handle(register, &key, &new.username)?;
            if new.user_type != old.user_type {
                rules::may_set_type(&key, new.user_type)?;
            }
            let rights = rules::rights_after(register, &key, old, new.key.as_deref())?;
            let mut changes = register.revocation(other_sessions(register, &key, &new.username));
            changes.push(Change::PutUser(UserRecord {
                name: new.username.clone(),
                password: password.clone(),
                user_type: new.user_type,
                key: rights,
                extra: new.extra.clone(),
            }));
            Ok(changes)
        })
        .await
    }

    /// Gives a user another password, and ends the user's log-ins, that of the caller aside.
    ///
    /// # Errors
    /// When there is no such user, or it is not the caller's to change; when the password is none.
    pub async fn set_password(&self, by: &Author, name: &str, password: String) -> Result<(), AccessError> {
        rules::check_password(&password)?;
        rules::user_to_handle(&self.register(), &by.key, name).map(drop)?;
        let password = self.hash(password).await?;
        let (key, name) = (Arc::clone(&by.key), name.to_owned());
        self.alone(Cause::Author(by.clone()), move |register| {
            let user = UserRecord::clone(rules::user_to_handle(register, &key, &name)?);
            let mut changes = register.revocation(other_sessions(register, &key, &name));
            changes.push(Change::PutUser(UserRecord { password: password.clone(), ..user }));
            Ok(changes)
        })
        .await
    }

    /// Gives a user the rights of another key, or of none, and ends the user's log-ins.
    ///
    /// # Errors
    /// When there is no such user or key, or the caller may not give it.
    pub async fn set_user_key(&self, by: &Author, name: &str, rights: Option<String>) -> Result<(), AccessError> {
        let (key, name) = (Arc::clone(&by.key), name.to_owned());
        self.alone(Cause::Author(by.clone()), move |register| {
            let user = UserRecord::clone(rules::user_to_handle(register, &key, &name)?);
            rules::check_may_rekey(&key)?;
            let rights = rules::key_to_give(register, &key, rights.as_deref())?;
            let mut changes = register.revocation(register.sessions_of(&name));
            changes.push(Change::PutUser(UserRecord { key: rights, ..user }));
            Ok(changes)
        })
        .await
    }

    /// Forgets a user, and ends the user's log-ins.
    ///
    /// # Errors
    /// When there is no such user, or it is not the caller's to forget.
    pub async fn delete_user(&self, by: &Author, name: &str) -> Result<(), AccessError> {
        let (key, name) = (Arc::clone(&by.key), name.to_owned());
        self.alone(Cause::Author(by.clone()), move |register| {
            rules::user_to_handle(register, &key, &name)?;
            let mut changes = register.revocation(register.sessions_of(&name));
            changes.push(Change::DeleteUser(name.clone()));
            Ok(changes)
        })
        .await
    }

    async fn hash(&self, password: String) -> Result<PasswordHash, AccessError> {
        let _turn = self.inner.checking.acquire().await;
        Ok(blocking(move || PasswordHash::new(&password)).await??)
    }

    // What needs no key: who can write the state file may do everything.

    /// Makes a user with a key that permits everything.
    ///
    /// # Errors
    /// When there is a user of this name, or name or password cannot be.
    pub async fn create_admin(&self, name: &str, password: String) -> Result<ApiKey, AccessError> {
        rules::check_user(name, &Map::new())?;
        rules::check_password(&password)?;
        rules::check_new_user(&self.register(), name)?;
        let password = self.hash(password).await?;
        let (name, api_key) = (name.to_owned(), ApiKey::generate()?);
        let (id, digest, created) = (api_key.id(), api_key.digest(), self.inner.clock.now());
        self.alone(Cause::Owner, move |register| {
            rules::check_new_user(register, &name)?;
            let key = KeyRecord {
                id: id.clone(),
                digest,
                label: Some(format!("of the user {name}")),
                permissions: Permissions::admin(),
                parent: None,
                user: None,
                created,
                expires: None,
            };
            let (name, password) = (name.clone(), password.clone());
            let user = UserRecord { name, password, user_type: 0, key: Some(id.clone()), extra: Map::new() };
            Ok::<_, AccessError>(vec![Change::PutKey(key), Change::PutUser(user)])
        })
        .await?;
        Ok(api_key)
    }

    /// The users whose key permits everything, and that.
    pub fn admins(&self) -> Vec<(String, KeyId)> {
        let register = self.register();
        let admin = |user: &Arc<UserRecord>| {
            let key = register.key(user.key.as_ref()?)?;
            key.permissions().admin.then(|| (user.name.clone(), key.id().clone()))
        };
        register.users().filter_map(admin).collect()
    }

    /// Whether any key that is good permits everything.
    pub fn has_admin_key(&self) -> bool {
        self.register().keys().iter().any(|key| key.permissions().admin && !key.is_gone())
    }
}

/// The keys that a user got by logging in, but for the caller's.
fn other_sessions(register: &Register, by: &Key, name: &str) -> Vec<KeyId> {
    let mut sessions = register.sessions_of(name);
    sessions.retain(|id| id != by.id());
    sessions
}

fn info(user: &UserRecord) -> UserInfo {
    let UserRecord { name, password: _, user_type, key, extra } = user.clone();
    UserInfo { username: name, user_type, key, extra }
}

/// Does what takes long, elsewhere.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StateError> {
    // It ends early with the runtime only.
    tokio::task::spawn_blocking(work).await.map_err(|_| StateError::Closed)
}

/// How many bytes it takes, written down.
pub(crate) fn size_of(value: &Map<String, Value>) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

impl AccessError {
    pub(crate) fn forbidden(reason: impl Display) -> Self {
        Self::Forbidden(reason.to_string())
    }
}

#[cfg(test)]
mod tests;
