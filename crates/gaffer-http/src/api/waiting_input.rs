//! Input that waits for processes to read it.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;

/// Bounds the memory that writers take while their processes do not read: they wait as long as they like, but not with more
/// than this together.
#[derive(Clone)]
pub(super) struct WaitingInput {
    /// A permit is a KiB.
    room: Arc<Semaphore>,
}

/// In KiB, over all processes.
const ROOM: u32 = 64 * 1024;

impl Default for WaitingInput {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(ROOM as usize)) }
    }
}

impl WaitingInput {
    /// Takes room for so many bytes, until what is returned is dropped. One writer alone always has room.
    pub(super) fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(ROOM);
        self.room.clone().try_acquire_many_owned(wanted).map_err(|_| {
            let reason = "too much input waits for processes that do not read it; nothing of this was written";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "input_waits", reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_when_there_is_no_room_is_refused_and_room_comes_back() {
        let waiting = WaitingInput::default();
        let most = waiting.take(ROOM as usize * 1024 - 1).unwrap();
        assert_eq!(waiting.take(1).unwrap_err().code(), "input_waits");
        assert!(waiting.take(0).is_ok());
        drop(most);
        let beyond = waiting.take(usize::MAX).unwrap();
        assert!(waiting.take(1).is_err());
        drop(beyond);
        assert!(waiting.take(1).is_ok());
    }
}
