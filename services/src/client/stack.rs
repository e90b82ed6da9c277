//! The client's pipeline, outermost first, on one screen.

use std::sync::Arc;

use tower::{Service, ServiceBuilder};
use user_info_api::config::UserClientLive;
use user_info_layers::balance::{Balance, InstanceMetrics, NodeSet, Staleness};
use user_info_layers::metrics::Register;
use user_info_layers::middleware::breaker::{BreakerLayer, BreakerMetrics};
use user_info_layers::middleware::metrics::{CallMetrics, MetricsLayer};
use user_info_layers::middleware::spans::ClientSpanLayer;
use user_info_layers::ticker::Ticker;
use user_info_layers::{Call, Error};
use user_info_proto::{GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use super::connection::InstanceConnection;
use super::transport::GetUserInfo;
use crate::settings;
use crate::tls::Connector;

/// What the names of its metrics begin with.
pub(super) const PREFIX: &str = "bbs_user_client";

/// What is counted of calls and instances.
#[derive(Debug)]
pub struct StackMetrics {
    calls: CallMetrics,
    breaker: BreakerMetrics,
    instances: InstanceMetrics,
}

impl StackMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register) -> prometheus::Result<Self> {
        Ok(Self {
            calls: CallMetrics::new(registry, PREFIX, &[GET_USER_INFO])?,
            breaker: BreakerMetrics::new(registry, PREFIX)?,
            instances: InstanceMetrics::new(registry, PREFIX)?,
        })
    }
}

/// Everything a call passes on its way out.
#[derive(Debug, Clone)]
pub struct ClientStack {
    /// Counts and times every call, those included that the breaker refuses.
    pub metrics: MetricsLayer,
    /// Records calls as spans, where a collector is named.
    pub spans: ClientSpanLayer,
    /// Refuses calls while the service fails.
    pub breaker: BreakerLayer,
    /// Picks an instance, and another one if the first did not begin the call or, within the budget, failed.
    pub balance: Balance<GetUserInfoRequest, GetUserInfo>,
    /// The instances, with a connection each.
    pub nodes: Arc<NodeSet<InstanceConnection>>,
    /// Ends calls that outlive their deadline, while [`Ticker::run`] runs.
    pub ticker: Ticker,
}

impl ClientStack {
    /// Builds the pipeline with these settings; it records no spans. Instances are spoken to over `tls`, if there is any.
    pub fn new(live: &UserClientLive, tls: Option<Arc<Connector>>, metrics: StackMetrics) -> Self {
        let stale = Staleness::default();
        let of_connections = stale.clone();
        let connect = move |address: &str| InstanceConnection::open(address, tls.clone(), of_connections.clone());
        let ejection = settings::outlier_ejection(&live.outlier_ejection);
        let nodes = NodeSet::new(ejection, metrics.instances, stale, connect);
        let nodes = Arc::new(nodes);
        let ticker = Ticker::default();
        let (balancing, retries) = (settings::load_balancing(live.load_balancing), settings::retries(&live.retries));
        Self {
            metrics: MetricsLayer::new(Arc::new(metrics.calls)),
            spans: ClientSpanLayer::default(),
            breaker: BreakerLayer::new(settings::breaker(&live.circuit_breaker), metrics.breaker),
            balance: Balance::new(Arc::clone(&nodes), GetUserInfo, balancing, retries, ticker.clone()),
            nodes,
            ticker,
        }
    }

    /// The pipeline as one service.
    pub fn service(
        &self,
    ) -> impl Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Clone + use<> {
        ServiceBuilder::new()
            .layer(self.metrics.clone())
            .layer(self.spans.clone())
            .layer(self.breaker.clone())
            .service(self.balance.clone())
    }

    /// Puts live settings in force.
    pub fn configure(&self, live: &UserClientLive) {
        self.breaker.configure(settings::breaker(&live.circuit_breaker));
        self.balance.configure(settings::load_balancing(live.load_balancing), settings::retries(&live.retries));
        self.nodes.configure(settings::outlier_ejection(&live.outlier_ejection));
    }
}
