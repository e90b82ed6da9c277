//! Where traces go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretRef, rules};
use crate::{config, limits};

/// Where traces of `user_info` and `user_client` go, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    ("!has(self.caSecretRef) || (has(self.otlpEndpoint) && self.otlpEndpoint.startsWith('https://'))",
     "caSecretRef is for a collector that speaks TLS; set otlpEndpoint to its https:// URL"),
])))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Tracing {
    /// Collector that speaks OTLP over gRPC, such as `http://127.0.0.1:4317`, or `https://otel.example.com:4317` over TLS; absent, no trace
    /// is exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::OTLP_ENDPOINT)]
    pub otlp_endpoint: Option<String>,
    /// Authorities of the collector's certificate, under `ca.crt` unless it names another key; absent, the public ones. Read at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// Share of the calls that are recorded where no caller has decided it, 0 to 100.
    #[schemars(transform = &limits::PERCENTAGE)]
    pub percentage: f64,
}

impl Tracing {
    /// The authorities of the collector's certificate, if it has to show one.
    pub fn authorities(&self) -> Option<&SecretRef> {
        self.otlp_endpoint.as_ref().filter(|endpoint| endpoint.starts_with("https://")).and(self.ca_secret_ref.as_ref())
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Self { otlp_endpoint: None, ca_secret_ref: None, percentage: config::Tracing::default().percentage }
    }
}
