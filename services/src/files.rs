//! The files that a configuration names: what the start would refuse of them.
//!
//! Each is read as the start reads it, so that both say the same. Nobody is connected to.

use std::fmt::Display;
use std::path::Path;

use user_info_api::config::{Consul, Tracing, UserClientConfig, UserInfoConfig};

use crate::{collector, data, registry, tls};

/// What `user_info` would refuse when it starts, one sentence for each field.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn user_info(config: &UserInfoConfig) -> Vec<String> {
    let mut found: Vec<String> = config.server.tls.as_ref().map_or_else(Vec::new, |tls| said(&tls::server_refusals(tls)));
    found.extend(data::refusals(&config.users, &config.views).await);
    if let Some(agents) = &config.registry.consul {
        found.extend(consul(agents, "registry.consul").await);
    }
    found.extend(traces(&config.tracing));
    found
}

/// What `user_client` would refuse when it starts, one sentence for each field.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn user_client(config: &UserClientConfig) -> Vec<String> {
    let mut found: Vec<String> = config.tls.as_ref().map_or_else(Vec::new, |tls| said(&tls::client_refusals(tls, "tls")));
    for (agents, section) in [(&config.discovery.consul, "discovery.consul"), (&config.registry.consul, "registry.consul")] {
        if let Some(agents) = agents {
            found.extend(consul(agents, section).await);
        }
    }
    found.extend(traces(&config.tracing));
    found
}

/// What `check` says of the config file at `path`, in which something was `found`.
pub fn report(path: &Path, found: &[String]) -> String {
    let path = path.display();
    let lines: String = found.iter().map(|refusal| format!("{path}: {refusal}\n")).collect();
    format!("{lines}(files are judged as this machine has them; --no-files leaves them out)")
}

/// A file of a token that cannot be read is no reason not to start, but nothing is registered or found without it.
async fn consul(consul: &Consul, section: &'static str) -> Vec<String> {
    let mut found = consul.tls.as_ref().map_or_else(Vec::new, |tls| said(&tls::client_refusals(tls, &format!("{section}.tls"))));
    if let Some(file) = &consul.token_file
        && let Err(error) = registry::read_token(file).await
    {
        found.push(format!("{section}.tokenFile: cannot read {error}"));
    }
    found
}

fn traces(tracing: &Tracing) -> Option<String> {
    collector::channel(tracing).err().map(|error| error.to_string())
}

fn said(refusals: &[impl Display]) -> Vec<String> {
    refusals.iter().map(ToString::to_string).collect()
}
