//! The config file of `user_info`.

use serde::{Deserialize, Serialize};

use super::{Check, FaultInjection, Log, LogFormat, RateLimiter, Registry, Server, Service, Tracing, Users, Views, Violations};

/// The config file of `user_info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UserInfoConfig {
    /// Generation of the spec this file was made from; `/config` tells it back.
    #[serde(default)]
    pub generation: i64,
    /// Who this instance is.
    #[serde(default = "UserInfoConfig::default_service")]
    pub service: Service,
    /// Listeners and workers.
    #[serde(default)]
    pub server: Server,
    /// Store of the users.
    pub users: Users,
    /// Store of the page views.
    pub views: Views,
    /// Registry to join.
    #[serde(default)]
    pub registry: Registry,
    /// Where traces go.
    #[serde(default)]
    pub tracing: Tracing,
    /// How log lines look.
    #[serde(default)]
    pub log_format: LogFormat,
    /// What may change while the service runs.
    #[serde(default)]
    pub live: UserInfoLive,
}

/// What may change while `user_info` runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct UserInfoLive {
    /// Rate limiter; absent, every call passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limiter: Option<RateLimiter>,
    /// Faults; absent, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_injection: Option<FaultInjection>,
    /// Logging.
    pub log: Log,
}

impl UserInfoConfig {
    /// Name under which callers find the service.
    pub const SERVICE_NAME: &'static str = "bbs.user.info";

    fn default_service() -> Service {
        Service::named(Self::SERVICE_NAME)
    }
}

impl Check for UserInfoConfig {
    fn check(&self, v: &mut Violations) {
        v.within("service", &self.service);
        v.within("server", &self.server);
        v.within("users", &self.users);
        v.within("views", &self.views);
        v.within("registry", &self.registry);
        v.within("tracing", &self.tracing);
        v.within("live", &self.live);
    }
}

impl Check for UserInfoLive {
    fn check(&self, v: &mut Violations) {
        v.within("rateLimiter", &self.rate_limiter);
        v.within("faultInjection", &self.fault_injection);
        v.within("log", &self.log);
    }
}
