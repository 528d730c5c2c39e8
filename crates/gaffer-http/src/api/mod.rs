//! The routes over a [`Manager`]: each handler extracts, asks, answers.
//!
//! Every error, also of a route that does not exist, has the body
//! `{"errno": <status>, "error": "<code>", "reason": "<sentence>"}`.

mod access;
mod auth;
mod body;
mod channel;
mod control;
mod error;
mod extract;
mod family;
mod feeds;
mod form;
mod groups;
mod job;
mod keys;
mod openapi;
mod path;
mod paths;
mod pids;
mod plugins;
mod processes;
mod reload;
mod root;
mod schema;
mod sessions;
mod stats;
mod status;
mod streams;
mod users;
mod waiting_input;
mod watch;
mod webhooks;
mod websocket;
mod wstreams;

use std::{path::PathBuf, sync::Arc};

pub use self::{
    control::{Carried, Commands},
    plugins::PluginList,
};
use axum::{
    Extension, Router,
    extract::FromRef,
    http::Extensions,
    middleware,
    routing::{any, get, post},
};
use gaffer_core::Manager;
pub use gaffer_state::Access;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::reload::{Reconfigure, ReconfigureError, Reconfigurer};
use self::{
    access::{Doorkeeper, Guarded},
    plugins::Plugins,
    waiting_input::WaitingInput,
};
pub use crate::{
    front::{ApiError, Hosts, InvalidHost},
    origin::{InvalidOrigin, Origin, Origins},
};
use crate::{
    front::{answer, cors, frame, hosts},
    serve::{Connected, Lifetime},
    sites::Sites,
    webhooks::Webhooks,
};

/// Most bytes of a request's body, where nothing else is set: far more than any job, and a fair piece of a process's input.
pub const DEFAULT_MAX_BODY: usize = 1024 * 1024;

/// What handlers ask.
#[derive(Clone)]
struct Api {
    manager: Guarded,
    doorkeeper: Doorkeeper,
    /// Most bytes of a request's body.
    max_body: usize,
    waiting_input: WaitingInput,
    /// That of the server: endless answers and websockets end with it.
    lifetime: Lifetime,
    plugins: Plugins,
    reconfigurer: Reconfigurer,
    webhooks: Option<Webhooks>,
}

impl Api {
    /// How long what a request begins may go on: as long as its endpoint is served, if it came over one.
    fn lifetime_of<'a>(&'a self, request: &'a Extensions) -> &'a Lifetime {
        request.get::<Connected>().map_or(&self.lifetime, Connected::lifetime)
    }
}

impl FromRef<Api> for Plugins {
    fn from_ref(api: &Api) -> Self {
        api.plugins.clone()
    }
}

/// What there is to choose about the API.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most bytes of a request's body. Default: [`DEFAULT_MAX_BODY`].
    pub max_body: usize,
    /// Which web pages may call.
    pub origins: Origins,
    /// The folder of plugins, whose [`sites`](crate::sites) are served below `/_plugin`. It need not exist yet. Default: none, and
    /// so no sites.
    pub plugins: Option<PathBuf>,
    /// What `/plugins` tells. Default: that there are none.
    pub plugin_list: PluginList,
    /// Routes of the embedder's own. They come before ours, so that they may replace some, but not `/channel`. A fallback has no
    /// effect, and `OPTIONS` is answered before they are asked. No key is needed for them: whom they answer is theirs to say.
    pub routes: Router,
    /// The keys and users, if keys are to be required. Default: none, and so everybody may do everything.
    pub access: Option<Access>,
    /// How requests may address the node.
    pub hosts: Hosts,
    /// What reads the node's configuration again. Default: nothing does, as it has none.
    pub reconfigurer: Reconfigurer,
    /// The webhooks of the manager, for who may manage everything. Default: none, and their calls are answered with a 404.
    pub webhooks: Option<Webhooks>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body: DEFAULT_MAX_BODY,
            origins: Origins::default(),
            plugins: None,
            plugin_list: PluginList::default(),
            routes: Router::new(),
            access: None,
            hosts: Hosts::default(),
            reconfigurer: Reconfigurer::default(),
            webhooks: None,
        }
    }
}

/// Makes the router over a manager. Its feeds end with the server's life.
pub fn router(manager: Manager, options: Options, lifetime: Lifetime) -> Router {
    let max_body = options.max_body;
    let plugins = Plugins {
        list: options.plugin_list,
        sites: Sites::new(options.plugins),
        policy: options.origins.frame_ancestors(),
    };
    let doorkeeper = Doorkeeper { access: options.access, hosts: Arc::new(options.hosts) };
    let manager = Guarded::new(manager);
    let api = Api {
        manager,
        doorkeeper: doorkeeper.clone(),
        max_body,
        waiting_input: WaitingInput::default(),
        lifetime,
        plugins,
        reconfigurer: options.reconfigurer,
        webhooks: options.webhooks,
    };
    let channel = control::routes(api.clone(), options.origins.clone());
    let (routes, mut document) = described().split_for_parts();
    let (by_pid, more) = by_pid().split_for_parts();
    document.merge(more);
    control::describe(&mut document.paths);
    let by_pid = by_pid.fallback(frame::no_route).method_not_allowed_fallback(frame::no_method).with_state(api.clone());
    let ours = routes
        .merge(undescribed())
        .fallback(async |request| paths::by_pid(by_pid, request).await)
        .method_not_allowed_fallback(frame::no_method)
        .layer(Extension(openapi::Document::new(document)))
        .with_state(api);
    let cors = middleware::from_fn_with_state(Arc::new(options.origins), cors::cors);
    let all = if options.routes.has_routes() {
        // One after the other, as they may have routes in common.
        let theirs = options.routes.method_not_allowed_fallback(frame::no_method);
        channel.fallback_service(theirs.fallback_service(ours).layer(cors))
    } else {
        ours.layer(cors).merge(channel)
    };
    all.layer(middleware::from_fn_with_state(doorkeeper, access::identify)).layer(middleware::from_fn(frame::frame))
}

/// Every call, with its description.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(root::welcome))
        .routes(routes!(root::ping))
        .routes(routes!(root::version))
        .routes(routes!(openapi::document))
        .routes(routes!(reload::plan, reload::apply))
        .routes(routes!(processes::list, processes::load))
        .routes(routes!(processes::config, processes::update, processes::update_by_post, processes::unload_or_stop))
        .routes(routes!(processes::pids))
        .routes(routes!(processes::start))
        .routes(routes!(processes::stop))
        .routes(routes!(processes::restart))
        .routes(routes!(processes::add_one))
        .routes(routes!(processes::add))
        .routes(routes!(processes::sub_one))
        .routes(routes!(processes::sub))
        .routes(routes!(processes::signal))
        .routes(routes!(status::all))
        .routes(routes!(status::one))
        .routes(routes!(stats::all))
        .routes(routes!(stats::of_job))
        .routes(routes!(stats::of_process))
        .routes(routes!(streams::read, streams::write))
        .routes(routes!(watch::everything))
        .routes(routes!(watch::one_segment))
        .routes(routes!(watch::two_segments))
        .routes(routes!(watch::three_segments))
        .routes(routes!(wstreams::open))
        .routes(routes!(groups::list))
        .routes(routes!(groups::jobs, groups::unload))
        .routes(routes!(groups::start))
        .routes(routes!(groups::stop))
        .routes(routes!(groups::restart))
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::file))
        .routes(routes!(webhooks::list, webhooks::add))
        .routes(routes!(webhooks::detail, webhooks::remove))
        .merge(sessions_family())
}

/// The calls of gaffer 0.5.
fn sessions_family() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::jobs))
        .routes(routes!(sessions::session, sessions::load))
        .routes(routes!(job::detail, job::exists, job::update, job::unload))
        .routes(routes!(job::stats))
        .routes(routes!(job::number, job::scale))
        .routes(routes!(job::pids))
        .routes(routes!(job::signal))
        .routes(routes!(job::state, job::set_state))
        .routes(routes!(job::commit))
        .routes(routes!(pids::list))
        .routes(routes!(auth::log_in, auth::log_out))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::detail, keys::revoke))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::detail, users::update, users::delete))
        .routes(routes!(users::set_password))
        .routes(routes!(users::set_key))
        .layer(middleware::from_fn(family::codes))
}

/// The calls of gaffer 0.5 whose path begins with a pid.
fn by_pid() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(pids::detail, pids::stop))
        .routes(routes!(pids::stats))
        .routes(routes!(pids::signal))
        .routes(routes!(channel::open))
        .routes(routes!(channel::open_stream))
        .layer(middleware::from_fn(family::codes))
}

/// What only says, better than a bare 404 would, that there is no such call; and the paths of calls that a description, which
/// has no paths of any length, cannot tell apart from those that it has.
fn undescribed() -> Router<Api> {
    let unknown_action = any(paths::unknown_action);
    Router::new()
        .route("/processes/{name_or_pid}/_signal", post(processes::no_signal))
        .route("/processes/{name_or_pid}/{action}", unknown_action.clone())
        .route("/processes/{name_or_pid}/{action}/{argument}", unknown_action.clone())
        .route("/groups/{group}/{action}", unknown_action)
        .route("/_plugin/{plugin}", get(plugins::file))
        .route("/_plugin/{plugin}/", get(plugins::file))
}
