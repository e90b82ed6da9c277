//! What an agent says of itself, and how an entry of another agent is removed.

use serde::{Deserialize, Serialize};

/// The part of the answer to `GET /v1/agent/self` that names the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AgentSelf {
    /// Its settings.
    pub config: AgentConfig,
}

/// An agent's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AgentConfig {
    /// Name of the node that its services are registered at.
    pub node_name: String,
}

/// Body of `PUT /v1/catalog/deregister` for one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CatalogDeregistration {
    /// The node.
    pub node: String,
    /// Identity of the instance.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
}
