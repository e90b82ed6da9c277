//! How one node of a cluster is asked.

use ::redis::{Cmd, ErrorKind, Pipeline, RedisError, Value};
use user_info_api::config::Redis;

use super::link::{Link, Login};
use super::slots::SlotMap;
use crate::data::loader::ConnectError;

/// How a node is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// As the master.
    Master,
    /// As the one that a slot is about to move to.
    Importing,
    /// As a replica, on a connection of its own that may read from it.
    Replica,
}

/// The commands as one pipeline.
pub(super) fn pipeline<'a>(how: How, commands: impl ExactSizeIterator<Item = &'a Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        if how == How::Importing {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(command.clone());
    }
    pipeline
}

/// Sends a pipeline, on a new connection if there is none or the server has closed it meanwhile, and returns what was asked for.
pub(super) async fn send(
    config: &Redis,
    address: &str,
    how: How,
    link: Option<Link>,
    pipeline: &Pipeline,
) -> Result<(Link, Vec<Value>), RedisError> {
    let kept = match link {
        None => None,
        Some(mut link) => match link.send_all(pipeline).await {
            Ok(values) => Some((link, values)),
            Err(error) if error.is_io_error() => None,
            Err(error) => return Err(error),
        },
    };
    let (link, mut values) = match kept {
        Some(kept) => kept,
        None => {
            let failed = |error: ConnectError| RedisError::from((ErrorKind::Io, "a node cannot be connected to", error.to_string()));
            let mut link = Link::open(config, &Login::of_server(config), address).await.map_err(failed)?;
            if how == How::Replica {
                link.send(&::redis::cmd("READONLY")).await?;
            }
            let values = link.send_all(pipeline).await?;
            (link, values)
        }
    };
    if how == How::Importing {
        // Every other is the reply to ASKING.
        values = values.into_iter().skip(1).step_by(2).collect();
    }
    Ok((link, values))
}

/// The nodes of all slots, as the node at `address` knows them.
pub(super) async fn read_map(link: &mut Link, address: &str) -> Result<SlotMap, RedisError> {
    let reply = link.send(::redis::cmd("CLUSTER").arg("SLOTS")).await?;
    let none = || RedisError::from((ErrorKind::ClusterConnectionNotFound, "the cluster has no slots yet"));
    SlotMap::parse(&reply, address).ok_or_else(none)
}
