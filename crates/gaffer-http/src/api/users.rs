//! `/users`: who may log in.

use gaffer_core::api::access::{NewUser, UserInfo};
use gaffer_state::AccessError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use axum::response::Response;

use super::{
    ApiError,
    access::KeysRequired,
    answer::{self, Done},
    extract::{Object, Path, Query},
    schema,
};

/// How much to tell.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// `true`: all that is known of each user, and not only the name.
    include_user: Option<String>,
}

/// A name, or all that is known.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum UserOrName {
    Name(String),
    #[schema(value_type = schema::User)]
    User(UserInfo),
}

#[derive(Serialize, ToSchema)]
struct Users {
    users: Vec<UserOrName>,
}

/// Lists the users that the caller may handle: all of them for an admin, those who may do no more than it for a key that has
/// `create_user`.
#[utoipa::path(get, path = "/users", tag = "users", params(Listing), responses(
    (status = 200, description = "by name", body = Users),
))]
pub(super) async fn list(
    KeysRequired { access, author }: KeysRequired,
    Query(listing): Query<Listing>,
) -> Result<Response, ApiError> {
    let permissions = author.key.permissions();
    if !permissions.admin && !permissions.create_user {
        return Err(AccessError::Forbidden(
            "your key does not permit to list users: it has no `create_user`".to_owned(),
        )
        .into());
    }
    let whole = matches!(listing.include_user.as_deref(), Some("true" | "1"));
    let users = access.users(&author.key).into_iter();
    let users =
        users.map(|user| if whole { UserOrName::User(user) } else { UserOrName::Name(user.username) }).collect();
    Ok(answer::private(&Users { users }))
}

/// Makes a user, who may do no more than the caller.
#[utoipa::path(post, path = "/users", tag = "users", request_body = schema::NewUser, responses(
    (status = 200, body = Done),
    (status = 409, description = "there is a user of this name"),
))]
pub(super) async fn create(
    KeysRequired { access, author }: KeysRequired,
    Object(object): Object,
) -> Result<Done, ApiError> {
    let user = read(object, None)?;
    access.create_user(&author, user).await?;
    Ok(Done::default())
}

/// A user by the name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByUser {
    /// Name of a user.
    user: String,
}

/// Tells of a user: one that the caller may handle, or itself.
#[utoipa::path(get, path = "/users/{user}", tag = "users", params(ByUser), responses((status = 200, body = schema::User)))]
pub(super) async fn detail(
    KeysRequired { access, author }: KeysRequired,
    Path(path): Path<ByUser>,
) -> Result<Response, ApiError> {
    Ok(answer::private(&access.user(&author.key, &path.user)?))
}

/// Replaces all that is known of a user, and ends the user's log-ins.
#[utoipa::path(put, path = "/users/{user}", tag = "users", params(ByUser), request_body = schema::UserSettings, responses(
    (status = 200, body = Done),
))]
pub(super) async fn update(
    KeysRequired { access, author }: KeysRequired,
    Path(path): Path<ByUser>,
    Object(object): Object,
) -> Result<Done, ApiError> {
    let user = read(object, Some(&path.user))?;
    access.update_user(&author, user).await?;
    Ok(Done::default())
}

/// Forgets a user, and ends the user's log-ins.
#[utoipa::path(delete, path = "/users/{user}", tag = "users", params(ByUser), responses((status = 200, body = Done)))]
pub(super) async fn delete(
    KeysRequired { access, author }: KeysRequired,
    Path(path): Path<ByUser>,
) -> Result<Done, ApiError> {
    access.delete_user(&author, &path.user).await?;
    Ok(Done::default())
}

/// Gives a user another password, and ends the user's log-ins.
#[utoipa::path(put, path = "/users/{user}/password", operation_id = "set_password", tag = "users", params(ByUser),
    request_body = schema::Password, responses((status = 200, body = Done)))]
pub(super) async fn set_password(
    KeysRequired { access, author }: KeysRequired,
    Path(path): Path<ByUser>,
    Object(mut object): Object,
) -> Result<Done, ApiError> {
    let password = take_text(&mut object, "password")?.ok_or_else(|| missing("password"))?;
    access.set_password(&author, &path.user, password).await?;
    Ok(Done::default())
}

/// Gives a user the rights of another key, or none, and ends the user's log-ins.
#[utoipa::path(put, path = "/users/{user}/key", operation_id = "set_key", tag = "users", params(ByUser),
    request_body = schema::UserKey, responses((status = 200, body = Done)))]
pub(super) async fn set_key(
    KeysRequired { access, author }: KeysRequired,
    Path(path): Path<ByUser>,
    Object(mut object): Object,
) -> Result<Done, ApiError> {
    if !object.contains_key("key") {
        return Err(missing("key"));
    }
    let given = take_text(&mut object, "key")?;
    access.set_user_key(&author, &path.user, given).await?;
    Ok(Done::default())
}

/// Reads what is said of a user. What means nothing here is kept.
fn read(mut object: Map<String, Value>, name: Option<&str>) -> Result<NewUser, ApiError> {
    let given = take_text(&mut object, "username")?;
    let username = match (name, given) {
        (Some(name), None) => name.to_owned(),
        (Some(name), Some(given)) if given == name => given,
        (Some(name), Some(given)) => {
            return Err(wrong(
                "username",
                format_args!("must be `{name}` as in the path, or left out, but is `{given}`"),
            ));
        }
        (None, given) => given.ok_or_else(|| missing("username"))?,
    };
    let password = take_text(&mut object, "password")?.ok_or_else(|| missing("password"))?;
    let user_type = match object.remove("user_type") {
        None | Some(Value::Null) => 1,
        Some(value) => {
            let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
            number.ok_or_else(|| wrong("user_type", format_args!("must be 0 or 1, but is {value}")))?
        }
    };
    let key = take_text(&mut object, "key")?;
    Ok(NewUser { username, password, user_type, key, extra: object })
}

/// Takes a text out; `None` if it is not given. What is wrong is not shown: it may be a password.
fn take_text(object: &mut Map<String, Value>, field: &str) -> Result<Option<String>, ApiError> {
    match object.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(field, "must be a string")),
    }
}

fn missing(field: &str) -> ApiError {
    wrong(field, "is missing")
}

fn wrong(field: &str, problem: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(format_args!("{field}: {problem}"))
}
