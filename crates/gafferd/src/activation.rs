//! Sockets that were handed over, and the endpoints that get them.

use std::os::fd::OwnedFd;

use anyhow::Context;
use gaffer_core::os::ActivatedDescriptor;
use gaffer_daemon::systemd::{self, Activated, Wanting};
use gaffer_http::serve::LocalAddress;

use crate::endpoints::Configured;

/// For each endpoint its socket, if one was handed over for it.
///
/// # Errors
/// Sockets that are for no endpoint.
pub(crate) fn assign(
    configured: &[Configured],
    activated: Vec<ActivatedDescriptor>,
) -> anyhow::Result<Vec<Option<OwnedFd>>> {
    let known =
        |one: &ActivatedDescriptor| Activated { name: one.name.clone(), address: LocalAddress::of(&one.descriptor) };
    let sockets: Vec<Activated> = activated.iter().map(known).collect();
    let wanting: Vec<Wanting<'_>> =
        configured.iter().map(|one| Wanting { name: &one.endpoint.name, bind: &one.endpoint.bind }).collect();
    let assigned = systemd::assign(&sockets, &wanting).context("socket activation")?;
    let mut sockets: Vec<Option<OwnedFd>> = activated.into_iter().map(|one| Some(one.descriptor)).collect();
    let mut take = |position: usize| sockets.get_mut(position).and_then(Option::take);
    Ok(assigned.into_iter().map(|position| position.and_then(&mut take)).collect())
}
