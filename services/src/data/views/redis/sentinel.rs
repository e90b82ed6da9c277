//! Sentinels, which tell who is the master (<https://redis.io/docs/latest/develop/reference/sentinel-clients/>).

use ::redis::{ErrorKind, Value};
use user_info_api::config::{Redis, Sentinel};

use super::link::{Link, Login};
use super::{explain, hedge};
use crate::data::loader::ConnectError;

/// The address of the server that the Sentinels call the master, and that does so itself.
pub(super) async fn master(config: &Redis) -> Result<String, ConnectError> {
    let Some(sentinel) = &config.sentinel else {
        return Err(ConnectError::Configuration("views.redis.sentinel.masterName: set it, or another topology".to_owned()));
    };
    hedge::first(config.seeds(), |address| master_by(config, sentinel, address)).await
}

/// The master, as the Sentinel at `address` knows it.
async fn master_by(config: &Redis, sentinel: &Sentinel, address: &str) -> Result<String, ConnectError> {
    let login = Login::of_sentinel(sentinel);
    let mut link = Link::open(config, &login, address).await?;
    let mut command = ::redis::cmd("SENTINEL");
    command.arg("get-master-addr-by-name").arg(&sentinel.master_name);
    let master = match link.send(&command).await {
        Ok(Value::Array(parts)) => joined(&parts),
        Ok(_) => None,
        Err(error) => return Err(explain::failed(config, address, &login, &error).await),
    };
    let unknown = || {
        let name = &sentinel.master_name;
        ConnectError::Configuration(format!("sentinel {address}: knows no master {name:?} (check views.redis.sentinel.masterName)"))
    };
    let master = master.ok_or_else(unknown)?;
    confirm(config, &master).await?;
    Ok(master)
}

/// Asks the server at `address` whether it is a master: in the middle of a failover a Sentinel may name one that no longer is.
async fn confirm(config: &Redis, address: &str) -> Result<(), ConnectError> {
    let login = Login::of_server(config);
    let mut link = Link::open(config, &login, address).await?;
    match link.send(&::redis::cmd("ROLE")).await {
        Ok(Value::Array(role)) if role.first() == Some(&Value::BulkString(b"master".to_vec())) => Ok(()),
        Ok(_) => Err(ConnectError::Unreachable(format!("redis {address}: is no master, though a Sentinel calls it so"))),
        // The user need not be allowed to ask; the Sentinel is believed then.
        Err(error) if error.code() == Some("NOPERM") || error.kind() == ErrorKind::UnexpectedReturnType => Ok(()),
        Err(error) => Err(explain::failed(config, address, &login, &error).await),
    }
}

/// Host and port as one address.
fn joined(parts: &[Value]) -> Option<String> {
    let [Value::BulkString(host), Value::BulkString(port)] = parts else { return None };
    let (host, port) = (std::str::from_utf8(host).ok()?, std::str::from_utf8(port).ok()?);
    Some(super::slots::address(host, port))
}
