use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Waker},
};

use gaffer_core::access::{Resource, Right};
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_000_000;

struct Fixture {
    access: Access,
    admin: Author,
    time: Arc<AtomicU64>,
    file: StateFile,
}

fn author(key: Arc<Key>) -> Author {
    Author { key, source: "a test".to_owned() }
}

impl Fixture {
    async fn new() -> Self {
        let (file, time) = (StateFile::in_memory().unwrap(), Arc::new(AtomicU64::new(NOW)));
        let access = Self::open(&file, &time).await;
        let admin = access.create_admin("root", "secret".to_owned()).await.unwrap();
        let admin = author(access.key(admin.as_str()).await.unwrap());
        Self { access, admin, time, file }
    }

    async fn open(file: &StateFile, time: &Arc<AtomicU64>) -> Access {
        let clock = Clock::standing(Arc::clone(time));
        let access = Access::with(file.clone(), DEFAULT_SESSION_LIFETIME, clock).await.unwrap();
        access.sweep().await.unwrap();
        access
    }

    /// What another start of the node would find.
    async fn again(&self) -> Access {
        Self::open(&self.file, &self.time).await
    }

    fn pass(&self, seconds: u64) {
        self.time.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn make(&self, by: &Author, permissions: Permissions, expires_in: Option<u64>) -> ApiKey {
        let new = NewKey { permissions, expires_in, ..NewKey::default() };
        self.access.create_key(by, new).await.unwrap()
    }

    async fn user(&self, name: &str, key: Option<&ApiKey>) {
        let key = key.map(|key| key.as_str().to_owned());
        let user = NewUser { key, ..NewUser::new(name, "p") };
        self.access.create_user(&self.admin, user).await.unwrap();
    }
}

fn makes_keys() -> Permissions {
    Permissions { create_key: true, ..Permissions::default() }
}

#[tokio::test]
async fn a_key_is_good_until_its_second_comes() {
    let fixture = Fixture::new().await;
    let key = fixture.make(&fixture.admin, Permissions::default(), Some(10)).await;
    let held = fixture.access.key(key.as_str()).await.unwrap();
    fixture.pass(9);
    assert!(fixture.access.key(key.as_str()).await.is_ok() && !held.is_gone());
    fixture.pass(1);
    assert_eq!(fixture.access.key(key.as_str()).await.unwrap_err(), BadKey::Expired);
    assert!(held.is_gone());
    held.gone().await;
    // With the next start it is forgotten.
    let again = fixture.again().await;
    assert_eq!(again.key(key.as_str()).await.unwrap_err(), BadKey::Unknown);
    assert_eq!(fixture.file.read().await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn what_is_kept_is_there_after_the_next_start() {
    let fixture = Fixture::new().await;
    let parent = fixture.make(&fixture.admin, makes_keys(), None).await;
    let by = author(fixture.access.key(parent.as_str()).await.unwrap());
    let child = fixture.make(&by, Permissions::default(), Some(99)).await;
    fixture.user("bob", Some(&parent)).await;
    let session = fixture.access.log_in("bob", "p", "here").await.unwrap().unwrap();
    let again = fixture.again().await;
    for key in [&parent, &child, &session] {
        let (now, then) = (fixture.access.key(key.as_str()).await.unwrap(), again.key(key.as_str()).await.unwrap());
        assert_eq!(now.info(), then.info());
    }
    assert_eq!(again.users(&fixture.admin.key), fixture.access.users(&fixture.admin.key));
    assert!(again.log_in("bob", "p", "here").await.unwrap().is_some());
    assert_eq!(again.admins(), [("root".to_owned(), fixture.admin.key.id().clone())]);
}

#[tokio::test]
async fn the_oldest_log_in_makes_room_for_one_more() {
    let fixture = Fixture::new().await;
    let key = fixture.make(&fixture.admin, Permissions::default(), None).await;
    fixture.user("bob", Some(&key)).await;
    let user = fixture.access.register().user("bob").unwrap().clone();
    let mut sessions = Vec::new();
    for _ in 0..66 {
        fixture.pass(1);
        sessions.push(fixture.access.open_session(Arc::clone(&user), "here").await.unwrap().unwrap());
    }
    for (at, session) in sessions.iter().enumerate() {
        assert_eq!(fixture.access.key(session.as_str()).await.is_ok(), at >= 2, "{at}");
    }
}

#[tokio::test]
async fn a_log_in_is_over_with_the_users_key() {
    let fixture = Fixture::new().await;
    let key = fixture.make(&fixture.admin, Permissions::default(), Some(50)).await;
    fixture.user("bob", Some(&key)).await;
    let session = fixture.access.log_in("bob", "p", "here").await.unwrap().unwrap();
    fixture.pass(50);
    assert_eq!(fixture.access.key(session.as_str()).await.unwrap_err(), BadKey::Expired);
    assert_eq!(fixture.access.log_in("bob", "p", "here").await.unwrap(), None, "there are no rights to have");
}

#[tokio::test]
async fn a_revoked_caller_can_do_nothing_more() {
    let fixture = Fixture::new().await;
    let key = fixture.make(&fixture.admin, Permissions::admin(), None).await;
    let by = author(fixture.access.key(key.as_str()).await.unwrap());
    let other = fixture.make(&fixture.admin, Permissions::default(), None).await;
    fixture.access.revoke_key(&fixture.admin, by.key.id().clone()).await.unwrap();
    let new = || NewKey::default();
    assert!(fixture.access.create_key(&by, new()).await.is_err());
    assert!(fixture.access.revoke_key(&by, other.id()).await.is_err());
    assert!(fixture.access.create_user(&by, NewUser::new("bob", "p")).await.is_err());
    assert!(fixture.access.set_password(&by, "root", "mine".to_owned()).await.is_err());
    assert!(fixture.access.set_user_key(&by, "root", None).await.is_err());
    assert!(fixture.access.delete_user(&by, "root").await.is_err());
    assert!(fixture.access.user(&by.key, "root").is_err() && fixture.access.key_info(&by.key, by.key.id()).is_err());
}

#[tokio::test]
async fn a_change_goes_on_though_nobody_waits_for_it() {
    let fixture = Fixture::new().await;
    let key = fixture.make(&fixture.admin, Permissions::default(), None).await;
    let held = fixture.access.key(key.as_str()).await.unwrap();
    {
        let mut revoking = Box::pin(fixture.access.revoke_key(&fixture.admin, key.id()));
        assert!(revoking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    held.gone().await;
    assert_eq!(fixture.access.key(key.as_str()).await.unwrap_err(), BadKey::Unknown);
    assert_eq!(fixture.file.read().await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn keys_that_are_made_while_their_parent_is_revoked_go_with_it() {
    let fixture = Fixture::new().await;
    for _ in 0..20 {
        let parent = fixture.make(&fixture.admin, makes_keys(), None).await;
        let by = author(fixture.access.key(parent.as_str()).await.unwrap());
        let making: Vec<_> = (0..8)
            .map(|_| {
                let (access, by) = (fixture.access.clone(), by.clone());
                tokio::spawn(async move { access.create_key(&by, NewKey::default()).await })
            })
            .collect();
        fixture.access.revoke_key(&fixture.admin, parent.id()).await.unwrap();
        for made in making {
            if let Ok(key) = made.await.unwrap() {
                assert_eq!(fixture.access.key(key.as_str()).await.unwrap_err(), BadKey::Unknown);
            }
        }
        assert_eq!(fixture.file.read().await.unwrap().keys.len(), 1, "that of root");
    }
}

/// Something that somebody tries.
#[derive(Clone, Debug)]
enum Try {
    Make { by: usize, permissions: Permissions, parent: Option<usize>, expires_in: Option<u64> },
    Revoke { by: usize, key: usize },
    AddUser { by: usize, name: u8, key: Option<usize> },
    SetKey { by: usize, name: u8, key: Option<usize> },
    DeleteUser { by: usize, name: u8 },
    LogIn { name: u8 },
    Pass(u64),
}

fn permissions() -> impl Strategy<Value = Permissions> {
    let scope = prop_oneof![Just("*"), Just("a"), Just("a:x"), Just("b")];
    let scopes = move || prop::collection::btree_set(scope.clone().prop_map(|text| text.parse().unwrap()), 0..2);
    (prop::bool::weighted(0.1), any::<bool>(), any::<bool>(), scopes(), scopes(), scopes()).prop_map(
        |(admin, create_key, create_user, manage, write, read)| Permissions {
            admin,
            create_key,
            create_user,
            manage,
            write,
            read,
        },
    )
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let at = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    let one = prop_oneof![
        6 => (at(), permissions(), prop::option::weighted(0.3, at()), prop::option::weighted(0.3, 1..50u64)).prop_map(
            |(by, permissions, parent, expires_in)| Try::Make { by, permissions, parent, expires_in }
        ),
        2 => (at(), at()).prop_map(|(by, key)| Try::Revoke { by, key }),
        2 => (at(), 0..3u8, prop::option::of(at())).prop_map(|(by, name, key)| Try::AddUser { by, name, key }),
        1 => (at(), 0..3u8, prop::option::of(at())).prop_map(|(by, name, key)| Try::SetKey { by, name, key }),
        1 => (at(), 0..3u8).prop_map(|(by, name)| Try::DeleteUser { by, name }),
        1 => (0..3u8).prop_map(|name| Try::LogIn { name }),
        1 => (1..30u64).prop_map(Try::Pass),
    ];
    prop::collection::vec(one, 1..25)
}

/// What a caller may do, as a list that can be compared.
fn rights(permissions: &Permissions) -> Vec<bool> {
    let job = "a.x".parse().unwrap();
    let sessions = ["a", "b"].map(|name| name.parse().unwrap());
    let resources =
        [Resource::Everything, Resource::Job(&job), Resource::Session(&sessions[0]), Resource::Session(&sessions[1])];
    let rights = [Right::Read, Right::Write, Right::Manage];
    let all = resources.iter().flat_map(|resource| rights.map(|right| permissions.allow(right, *resource)));
    all.chain([permissions.admin, permissions.admin || permissions.create_key]).collect()
}

async fn history(tries: Vec<Try>) {
    let fixture = Fixture::new().await;
    let access = &fixture.access;
    let mut held: Vec<(Arc<Key>, ApiKey)> = Vec::new();
    let caller = |held: &[(Arc<Key>, ApiKey)], at: usize| match at % (held.len() + 1) {
        0 => fixture.admin.clone(),
        at => author(Arc::clone(&held[at - 1].0)),
    };
    for step in tries {
        match step {
            Try::Make { by, permissions, parent, expires_in } => {
                let (by, parent) = (caller(&held, by), parent.map(|parent| caller(&held, parent).key.id().clone()));
                let new = NewKey { permissions: permissions.clone(), parent, expires_in, label: None };
                if let Ok(made) = access.create_key(&by, new).await {
                    let by = &by.key;
                    assert!(!by.is_gone() && (by.permissions().admin || by.permissions().create_key));
                    let (mine, theirs) = (rights(by.permissions()), rights(&permissions));
                    assert!(mine.iter().zip(&theirs).all(|(mine, theirs)| *mine || !theirs), "{by:?} {permissions:?}");
                    let key = access.key(made.as_str()).await.unwrap();
                    held.push((key, made));
                }
            }
            Try::Revoke { by, key } => {
                let (by, Author { key, .. }) = (caller(&held, by), caller(&held, key));
                if key.id() != fixture.admin.key.id() && access.revoke_key(&by, key.id().clone()).await.is_ok() {
                    assert!(key.is_gone());
                }
            }
            Try::AddUser { by, name, key } => {
                let (by, key) = (caller(&held, by), key.map(|key| caller(&held, key).key.id().to_string()));
                let user = NewUser { key: key.clone(), ..NewUser::new(format!("u{name}"), "p") };
                if access.create_user(&by, user).await.is_ok() {
                    assert!(by.key.permissions().admin || by.key.permissions().create_user);
                }
            }
            Try::SetKey { by, name, key } => {
                let (by, key) = (caller(&held, by), key.map(|key| caller(&held, key).key.id().to_string()));
                drop(access.set_user_key(&by, &format!("u{name}"), key).await);
            }
            Try::DeleteUser { by, name } => drop(access.delete_user(&caller(&held, by), &format!("u{name}")).await),
            Try::LogIn { name } => {
                let name = format!("u{name}");
                let user = access.register().user(&name).cloned();
                let Some(user) = user else { continue };
                if let Ok(Some(made)) = access.open_session(user, "here").await {
                    let key = access.key(made.as_str()).await.unwrap();
                    held.push((key, made));
                }
            }
            Try::Pass(seconds) => fixture.pass(seconds),
        }
        check(&fixture, &held).await;
    }
    // The file holds what is in memory, but for what is good no more.
    let again = fixture.again().await;
    assert_eq!(again.keys(&fixture.admin.key), access.keys(&fixture.admin.key));
    let strip = |users: Vec<UserInfo>| users.into_iter().map(|user| user.username).collect::<Vec<_>>();
    assert_eq!(strip(again.users(&fixture.admin.key)), strip(access.users(&fixture.admin.key)));
}

/// What always holds.
async fn check(fixture: &Fixture, held: &[(Arc<Key>, ApiKey)]) {
    let register = fixture.access.register();
    let infos: Vec<KeyInfo> = register.keys().iter().map(|key| key.info()).collect();
    for info in &infos {
        // Nothing goes with what is not there, outlives it, or permits more.
        let Some(parent) = &info.parent else { continue };
        let parent = register.key(parent).expect("the parent is there");
        let ends = |expires: Option<u64>| expires.unwrap_or(u64::MAX);
        assert!(ends(info.expires) <= ends(parent.info().expires));
        if info.user.is_some() {
            assert_eq!(&info.permissions, parent.permissions());
        }
    }
    for user in register.users() {
        assert!(user.key.as_ref().is_none_or(|key| register.key(key).is_some()), "{user:?} has the rights of nothing");
    }
    for (key, shown) in held {
        let known = register.find(shown.as_str());
        assert_eq!(known.is_none(), key.is_revoked(), "what is revoked is known no more, and the reverse");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_tried_nobody_gets_more_than_they_were_given(tries in tries()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(history(tries));
    }
}

/// Each history hashes some passwords, which takes time.
fn cases() -> u32 {
    if std::env::var("GAFFER_TEST_SCALE").is_ok_and(|scale| scale == "full") { 1000 } else { 50 }
}
