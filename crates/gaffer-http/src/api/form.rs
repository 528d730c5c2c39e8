//! Bodies of the sessions family that are not whole jobs.

use axum::extract::{FromRequest, Request};
use gaffer_core::{
    config::{FieldError, InvalidConfig},
    names::Signal,
    supervisor::{OneOff, Scale},
};
use serde_json::{Map, Value};

use super::{Api, ApiError, extract::Object};

/// A body that is an object with certain fields.
pub(super) struct Form<T>(pub(super) T);

/// What can be read from an object.
pub(super) trait Fields: Sized {
    /// Reads it. A mistake names its field.
    fn read(object: &Map<String, Value>) -> Result<Self, InvalidConfig>;
}

impl<T: Fields> FromRequest<Api> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let Object(object) = Object::from_request(request, api).await?;
        Ok(Self(T::read(&object)?))
    }
}

/// The value of a field that must be there.
fn field<'a>(object: &'a Map<String, Value>, name: &str, expected: &str) -> Result<&'a Value, FieldError> {
    let value = object.get(name).filter(|value| !value.is_null());
    value.ok_or_else(|| FieldError::new(name, format!("is missing; give {expected}")))
}

impl Fields for Signal {
    fn read(object: &Map<String, Value>) -> Result<Self, InvalidConfig> {
        let expected = "a number from 1 to 64, or a name such as HUP";
        let value = field(object, "signal", expected)?;
        let number = value.as_i64().and_then(|number| Self::new(number.try_into().ok()?).ok());
        let signal = number.or_else(|| value.as_str()?.parse().ok());
        Ok(signal.ok_or_else(|| FieldError::new("signal", format!("must be {expected}, but is {value}")))?)
    }
}

impl Fields for Scale {
    fn read(object: &Map<String, Value>) -> Result<Self, InvalidConfig> {
        let expected = "a number, which is added, or a text such as \"+1\", \"-1\" or \"=3\"";
        let value = field(object, "scale", expected)?;
        let number = value.as_i64().and_then(|number| {
            let size = number.unsigned_abs().try_into().ok()?;
            Some(if number < 0 { Self::Sub(size) } else { Self::Add(size) })
        });
        let scale = number.or_else(|| value.as_str()?.parse().ok());
        Ok(scale.ok_or_else(|| FieldError::new("scale", format!("must be {expected}, but is {value}")))?)
    }
}

/// A one-off, and the keys of the body that mean nothing.
pub(super) struct Commit {
    pub(super) once: OneOff,
    pub(super) ignored: Vec<String>,
}

impl Fields for Commit {
    fn read(object: &Map<String, Value>) -> Result<Self, InvalidConfig> {
        let (once, ignored) = OneOff::from_json(object)?;
        Ok(Self { once, ignored })
    }
}
