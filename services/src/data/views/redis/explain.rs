//! What a person can do about an error of Redis.

use ::redis::{ErrorKind, RedisError};
use user_info_api::config::Redis;

use super::dial;
use super::link::Login;
use crate::data::loader::ConnectError;

/// Whether a server says that it is a node of a cluster: it refuses keys of different slots or of others' slots, or the cluster is down.
pub(super) fn is_of_cluster(error: &RedisError) -> bool {
    matches!(error.code(), Some("CROSSSLOT" | "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN"))
}

/// Explains the error of the first commands to `address`, looking again at a server that hung up.
pub(super) async fn failed(config: &Redis, address: &str, login: &Login<'_>, error: &RedisError) -> ConnectError {
    if error.is_io_error()
        && let Some(reason) = dial::why_it_hung_up(config, address).await
    {
        return reason;
    }
    refused(&format!("redis {address}"), login, error)
}

/// Explains the error of the first commands to `place`.
pub(super) fn refused(place: &str, login: &Login<'_>, error: &RedisError) -> ConnectError {
    let section = login.section;
    let text = format!("{place}: {error}");
    let says = |part: &str| text.contains(part);
    let remedy = match (error.kind(), error.code()) {
        _ if says("without any password configured") || says("no password is set") => {
            format!("the server asks for no password: remove {section}.passwordFile, or set one there")
        }
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => password_wrong(section),
        _ if says("invalid password") || says("'auth' command") => password_wrong(section),
        (_, Some("NOPERM")) if says("cluster") => "allow the user CLUSTER SLOTS and MGET on U:*:VISITS".to_owned(),
        (_, Some("NOPERM")) if section.ends_with("sentinel") => "allow the user SENTINEL GET-MASTER-ADDR-BY-NAME".to_owned(),
        (_, Some("NOPERM")) => "allow the user MGET on U:*:VISITS".to_owned(),
        (_, Some("DENIED")) => format!("protect the server with a password, and name it in {section}.passwordFile"),
        _ if says("DB index") || says("SELECT is not allowed") => format!("check {section}.database"),
        _ if says("cluster support disabled") => format!("the server is not in cluster mode: remove {section}.topology"),
        _ if says("unknown command") && says("MGET") => format!("if it is a Sentinel, set {section}.topology: Sentinel"),
        _ if says("unknown command") && says("SENTINEL") => "the server is no Sentinel: give the addresses of those".to_owned(),
        (ErrorKind::Parse, _) => format!("check that {section}.address is a Redis server and whether it wants TLS"),
        (ErrorKind::InvalidClientConfig, _) => format!("check {section}"),
        _ => return ConnectError::Unreachable(text),
    };
    ConnectError::Configuration(format!("{text} ({remedy})"))
}

fn password_wrong(section: &str) -> String {
    format!("check {section}.username and the password file")
}
