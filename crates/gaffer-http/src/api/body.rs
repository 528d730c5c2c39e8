//! The bodies of requests.

use std::time::Duration;

use axum::{
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::{
    Api, ApiError,
    access::{Caller, Visitor},
};

/// Time for the body of a request to arrive: a client that stalls must not hold its place for ever.
const ARRIVAL: Duration = Duration::from_secs(60);

/// Time, and bytes, that are taken of a body which is refused: many clients look for an answer only when they have sent all, and
/// would find their connection cut.
const REFUSED_TIME: Duration = Duration::from_secs(2);
const REFUSED_BYTES: usize = 64 * 1024 * 1024;
/// Who sends nothing for so long waits for the answer.
const REFUSED_PAUSE: Duration = Duration::from_millis(300);

/// The body as it came, up to the limit.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<Api> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let most = api.max_body;
        // Who asks whether it may send is told before it does.
        let asks = request.headers().contains_key(header::EXPECT);
        let visitor = Visitor::of(request.extensions());
        let lifetime = api.lifetime_of(request.extensions()).clone();
        let mut body = request.into_body();
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if asks && announced > most {
            return Err(too_large(most));
        }
        let reading = async { if announced > most { Ok(None) } else { read(&mut body, most).await } };
        let read = tokio::select! {
            biased;
            () = lifetime.closing().cancelled() => {
                let reason = "the node is shutting down";
                return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", reason));
            }
            read = timeout(ARRIVAL, reading) => read,
        };
        match read {
            // A body takes its time. Who may no more when it is there must not act.
            Ok(Ok(Some(_))) if matches!(&visitor, Visitor::Known(caller) if caller.is_gone()) => {
                Err(Caller::gone_error())
            }
            Ok(Ok(Some(body))) => Ok(Self(body)),
            Ok(Ok(None)) => {
                let _late = timeout(REFUSED_TIME, discard(&mut body)).await;
                Err(too_large(most))
            }
            Ok(Err(error)) => Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_body", error)),
            Err(_) => {
                let reason = format!("the body did not arrive within {} seconds", ARRIVAL.as_secs());
                Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", reason))
            }
        }
    }
}

/// Reads to the end; `None` as soon as it is more than `most` bytes.
async fn read(body: &mut axum::body::Body, most: usize) -> Result<Option<Bytes>, axum::Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // What is no data is trailers, which nothing here has.
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > most - whole.len() {
            return Ok(None);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(whole.freeze()))
}

async fn discard(body: &mut axum::body::Body) {
    let mut left = REFUSED_BYTES;
    while let Ok(Some(Ok(frame))) = timeout(REFUSED_PAUSE, body.frame()).await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

fn too_large(most: usize) -> ApiError {
    let reason = format!("the body is larger than the {most} bytes that are taken");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", reason)
}
