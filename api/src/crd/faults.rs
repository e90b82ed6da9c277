//! Faults injected on purpose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::config::{Abort, Delay};
use crate::{Duration, limits};

/// Delays or aborts a share of the calls that the limiter let pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    ("!self.enabled || has(self.delay) || has(self.abort)", "nothing to inject; set delay, abort or both, or enabled: false"),
])))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FaultInjection {
    /// Whether faults are injected; `false` keeps the settings.
    pub enabled: bool,
    /// Delay before the call goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// Error instead of the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<Abort>,
    /// Time after which the faults end by themselves, counted from when they were set, 1s to 24h; absent, they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::EXPIRE_AFTER)]
    pub expire_after: Option<Duration>,
}

impl Default for FaultInjection {
    fn default() -> Self {
        Self { enabled: true, delay: None, abort: None, expire_after: None }
    }
}
