//! Who may do what: what a key permits, in the terms of gaffer 0.5.
//!
//! [`Permissions`] say it, of [`Scope`]s: everything, a session, a job. A [`Right`] on a [`Resource`] is what is asked for. All of it
//! is pure; where keys are kept, and how one is known, is not this module's to say.

mod key_id;
mod permissions;
mod scope;

pub use key_id::{InvalidKeyId, KeyId};
pub use permissions::{InvalidPermissions, Permissions, Resource, Right};
pub use scope::{InvalidScope, Scope};
