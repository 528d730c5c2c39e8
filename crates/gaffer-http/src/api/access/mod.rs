//! Who may do what.
//!
//! | part | is |
//! | --- | --- |
//! | [`caller`](Caller) | who calls, and what that permits |
//! | [`identify`] | from the headers of a request to its caller |
//! | [`grant`](May) | what a handler asks for, as a type: without it there is no manager to be had |
//! | [`audit`] | a line of the log for each refusal, and each change of rights |
//! | [`discretion`] | what is left out of answers to who may only read |
//! | [`socket`] | websockets, where a key may come as the first message, and be revoked in the middle |

pub(super) mod audit;
mod caller;
pub(super) mod discretion;
mod grant;
mod identify;
pub(super) mod socket;

pub(super) use caller::{Caller, Visitor};
pub(super) use grant::{
    Anyone, Guarded, Loading, Manage, ManagesHooks, May, Names, Object, Read, ReadsEverything, Write, readable_jobs,
    readable_pids, readable_sessions,
};
pub(super) use identify::{API_KEY, Doorkeeper, KeysRequired, Place, basic, identify};
