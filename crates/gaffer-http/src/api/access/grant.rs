//! What a handler asks for, as a type.
//!
//! A manager is handed out by [`Guarded`] alone, and that only to who says what for: a handler that declares nothing has nothing to
//! work with, and does not compile.

use std::marker::PhantomData;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
};
use gaffer_core::{
    JobConfig, JobName, Manager, ProcessId,
    access::{Resource, Right},
    config::FromJson,
    names::SessionId,
};
use serde::de::DeserializeOwned;

use super::{Caller, Visitor};
use crate::{
    api::{
        Api, ApiError,
        extract::{self, Path},
    },
    webhooks::Webhooks,
};

/// A manager that is handed out to who may do something with it.
#[derive(Clone, Debug)]
pub(in crate::api) struct Guarded {
    manager: Manager,
}

/// To what something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum Object {
    /// A session, with all jobs that it has or may get. To read it is to read those of its jobs that one may.
    Session(SessionId),
    /// A job.
    Job(JobName),
    /// A process, and so its job.
    Process(ProcessId),
}

impl Guarded {
    pub(in crate::api) fn new(manager: Manager) -> Self {
        Self { manager }
    }

    /// The manager, for who may do this. That there is no such process is told to everybody: pids are but numbers.
    pub(in crate::api) async fn open(
        &self,
        caller: &Caller,
        right: Right,
        object: &Object,
    ) -> Result<Manager, ApiError> {
        let manager = &self.manager;
        match object {
            Object::Session(session) if right == Right::Read && caller.reads_some_of(session) => {}
            Object::Session(session) => caller.check(right, Resource::Session(session))?,
            Object::Job(job) => caller.check(right, Resource::Job(job))?,
            // A process that is gone still has events and output, which nothing is to be kept from.
            Object::Process(_) if caller.allows(right, Resource::Everything) => {}
            Object::Process(pid) => {
                let job = manager.job_of(*pid).await?;
                caller.check(right, Resource::Job(&job))?;
            }
        }
        Ok(manager.clone())
    }

    /// The manager, for anybody who is known: what it tells is to be sifted, by what the caller may read.
    pub(in crate::api) fn open_to_all(&self, _caller: &Caller) -> &Manager {
        &self.manager
    }

    /// The run of the node.
    pub(in crate::api) fn node(&self) -> &str {
        self.manager.node()
    }
}

/// What is done, as a type.
pub(in crate::api) trait Deed: Send + Sync + 'static {
    /// The right to do it.
    const RIGHT: Right;
}

/// Sees how something stands.
pub(in crate::api) struct Read;
/// Writes to a process.
pub(in crate::api) struct Write;
/// Does all else.
pub(in crate::api) struct Manage;

impl Deed for Read {
    const RIGHT: Right = Right::Read;
}
impl Deed for Write {
    const RIGHT: Right = Right::Write;
}
impl Deed for Manage {
    const RIGHT: Right = Right::Manage;
}

/// What a path names.
pub(in crate::api) trait Names: DeserializeOwned + Send {
    /// To what a call at this path does something.
    fn object(&self) -> Result<Object, ApiError>;
}

/// Leave to do something to what the path names.
pub(in crate::api) struct May<D, P> {
    pub(in crate::api) manager: Manager,
    pub(in crate::api) caller: Caller,
    pub(in crate::api) path: P,
    deed: PhantomData<D>,
}

impl<D: Deed, P: Names> FromRequestParts<Api> for May<D, P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = Visitor::of_parts(parts).known()?;
        let Path(path) = Path::<P>::from_request_parts(parts, api).await?;
        let manager = api.manager.open(&caller, D::RIGHT, &path.object()?).await?;
        Ok(Self { manager, caller, path, deed: PhantomData })
    }
}

/// Leave to ask for a list, or a feed, of what one may read.
pub(in crate::api) struct Anyone {
    pub(in crate::api) manager: Manager,
    pub(in crate::api) caller: Caller,
}

impl FromRequestParts<Api> for Anyone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = Visitor::of_parts(parts).known()?;
        Ok(Self { manager: api.manager.open_to_all(&caller).clone(), caller })
    }
}

/// Leave to see what concerns the whole node.
pub(in crate::api) struct ReadsEverything;

impl FromRequestParts<Api> for ReadsEverything {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, ApiError> {
        Visitor::of_parts(parts).known()?.check(Right::Read, Resource::Everything)?;
        Ok(Self)
    }
}

impl Anyone {
    /// The jobs that the caller may read, of all or of one session, in the order of loading.
    pub(in crate::api) async fn jobs(&self, session: Option<&SessionId>) -> Result<Vec<JobName>, ApiError> {
        readable_jobs(&self.manager, &self.caller, session).await
    }

    /// The pids of processes whose jobs the caller may read, oldest first.
    pub(in crate::api) async fn pids(&self) -> Result<Vec<ProcessId>, ApiError> {
        readable_pids(&self.manager, &self.caller).await
    }

    /// The sessions of which the caller may read a job, in the order in which they came to be.
    pub(in crate::api) async fn sessions(&self) -> Result<Vec<SessionId>, ApiError> {
        readable_sessions(&self.manager, &self.caller).await
    }
}

pub(in crate::api) async fn readable_jobs(
    manager: &Manager,
    caller: &Caller,
    session: Option<&SessionId>,
) -> Result<Vec<JobName>, ApiError> {
    let mut jobs = manager.jobs(session).await?;
    jobs.retain(|job| caller.reads(job));
    Ok(jobs)
}

pub(in crate::api) async fn readable_pids(manager: &Manager, caller: &Caller) -> Result<Vec<ProcessId>, ApiError> {
    let mut pids = manager.pids(None).await?;
    if !caller.reads_everything() {
        let mut readable: Vec<ProcessId> = manager
            .infos()
            .await?
            .into_iter()
            .filter(|job| caller.reads(&job.name))
            .flat_map(|job| [job.pids, job.once].concat())
            .collect();
        readable.sort_unstable();
        pids.retain(|pid| readable.binary_search(pid).is_ok());
    }
    Ok(pids)
}

pub(in crate::api) async fn readable_sessions(manager: &Manager, caller: &Caller) -> Result<Vec<SessionId>, ApiError> {
    let mut sessions = manager.sessions().await?;
    if !caller.reads_everything() {
        let jobs = readable_jobs(manager, caller, None).await?;
        sessions.retain(|session| jobs.iter().any(|job| job.session() == session));
    }
    Ok(sessions)
}

/// Leave to say where events go, whatever of: that takes leave to manage everything. And the hooks that say it.
pub(in crate::api) struct ManagesHooks {
    pub(in crate::api) webhooks: Webhooks,
    pub(in crate::api) caller: Caller,
}

impl FromRequestParts<Api> for ManagesHooks {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = Visitor::of_parts(parts).known()?;
        caller.check(Right::Manage, Resource::Everything)?;
        let none = || ApiError::new(StatusCode::NOT_FOUND, "not_found", "this node has no webhooks");
        let webhooks = api.webhooks.clone().ok_or_else(none)?;
        Ok(Self { webhooks, caller })
    }
}

/// A job in the body of a request, and leave to load it into its session.
pub(in crate::api) struct Loading {
    pub(in crate::api) manager: Manager,
    pub(in crate::api) read: FromJson,
}

impl FromRequest<Api> for Loading {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let caller = Visitor::of(request.extensions()).known()?;
        let extract::Object(job) = extract::Object::from_request(request, api).await?;
        let read = JobConfig::from_json(&job, None, None)?;
        let session = Object::Session(read.config.name().session().clone());
        let manager = api.manager.open(&caller, Right::Manage, &session).await?;
        Ok(Self { manager, read })
    }
}
