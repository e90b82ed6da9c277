//! What is done about a command that a node of a cluster refused.

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use super::slots;

/// What is done about a refused command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It is sent to this node, which is about to have the slot.
    Ask(String),
    /// It is sent to this node, which has the slot now.
    Moved(String),
    /// It is sent again in a while: the cluster is about to change.
    Wait,
    /// It is sent to another node of the slot.
    Elsewhere,
    /// It has failed.
    Fail,
}

impl Next {
    /// What is done about `error`, said by the node at `from`.
    pub(super) fn after(error: &RedisError, from: &str) -> Self {
        let to =
            |next: fn(String) -> Self| error.redirect_node().and_then(|(node, _)| slots::redirected(node, from)).map_or(Self::Fail, next);
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => to(Self::Moved),
            ErrorKind::Server(ServerErrorKind::Ask) => to(Self::Ask),
            ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown) => Self::Wait,
            // A replica whose master is away or that has just begun, or a master that is one no longer.
            ErrorKind::Server(ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading | ServerErrorKind::ReadOnly) => Self::Elsewhere,
            _ => Self::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_refusals_of_nodes_are_told_apart() {
        let to = |address: &str| address.to_owned();
        for (reply, next) in [
            ("MOVED 3999 10.0.0.1:6381", Next::Moved(to("10.0.0.1:6381"))),
            ("MOVED 3999 :6381", Next::Moved(to("a:6381"))),
            ("ASK 3999 2001:db8::1:6381", Next::Ask(to("[2001:db8::1]:6381"))),
            ("MOVED", Next::Fail),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Next::Wait),
            ("CLUSTERDOWN The cluster is down", Next::Wait),
            ("LOADING Redis is loading the dataset in memory", Next::Elsewhere),
            ("MASTERDOWN Link with MASTER is down", Next::Elsewhere),
            ("READONLY You can't write against a read only replica.", Next::Elsewhere),
            ("NOPERM this user has no permissions", Next::Fail),
            ("ERR unknown command", Next::Fail),
        ] {
            let error = ::redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).and_then(::redis::Value::extract_error).unwrap_err();
            assert_eq!(Next::after(&error, "a:1"), next, "{reply}");
        }
    }
}
