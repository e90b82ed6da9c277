//! The server's layers, outermost first, on one screen.

use std::sync::Arc;

use tower::{Service, ServiceBuilder};
use user_info_api::config::UserInfoLive;
use user_info_layers::metrics::Register;
use user_info_layers::middleware::access_log::AccessLogLayer;
use user_info_layers::middleware::deadline::DeadlineLayer;
use user_info_layers::middleware::fault::FaultLayer;
use user_info_layers::middleware::metrics::{CallMetrics, MetricsLayer};
use user_info_layers::middleware::rate_limit::{CpuMeter, RateLimitLayer};
use user_info_layers::middleware::receive::{Arriving, ReceiveLayer};
use user_info_layers::middleware::recovery::RecoveryLayer;
use user_info_layers::middleware::spans::SpanLayer;
use user_info_layers::{Call, Error};
use user_info_proto::GET_USER_INFO;

use crate::settings;

/// What the names of the server's metrics begin with.
pub(super) const PREFIX: &str = "bbs_user_info";

/// Everything a call passes on its way to the handler. All workers share what it holds.
#[derive(Debug, Clone)]
pub struct ServerStack {
    /// Counts and times every call, refused ones included.
    pub metrics: MetricsLayer,
    /// Records calls as spans, where a collector is named.
    pub spans: SpanLayer,
    /// Writes a sample of the calls to the log.
    pub access_log: AccessLogLayer,
    /// Refuses calls beyond the rate.
    pub rate_limit: RateLimitLayer,
    /// CPU use, for the limiter BBR, while [`CpuMeter::run`] runs.
    pub cpu: Arc<CpuMeter>,
    /// Turns a panic into 500 UNKNOWN. Inside the limiter, which must see the call end.
    pub recovery: RecoveryLayer,
    /// Injects faults. Innermost: a fault looks like the handler's own.
    pub fault: FaultLayer,
}

impl ServerStack {
    /// Layers that let every call pass until they are [configured](Self::configure), and record no spans. Registers their metrics.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register) -> prometheus::Result<Self> {
        let calls = CallMetrics::new(registry, &format!("{PREFIX}_server"), &[GET_USER_INFO])?;
        let cpu = Arc::new(CpuMeter::default());
        Ok(Self {
            metrics: MetricsLayer::new(Arc::new(calls)),
            spans: SpanLayer::default(),
            access_log: AccessLogLayer::new(registry, PREFIX)?,
            rate_limit: RateLimitLayer::new(registry, PREFIX, Arc::clone(&cpu))?,
            cpu,
            recovery: RecoveryLayer::new(registry, PREFIX)?,
            fault: FaultLayer::new(registry, PREFIX)?,
        })
    }

    /// Puts the layers around `handler`, and `deadline`, which each worker has of its own, in its place among them. Those outside of
    /// [`ReceiveLayer`] see a call from its head on, those inside once its message is here.
    pub fn service<M, S>(
        self,
        deadline: DeadlineLayer,
        handler: S,
    ) -> impl Service<Call<Arriving<M>>, Response = S::Response, Error = Error, Future: Send> + Clone + Send + Sync + 'static
    where
        S: Service<Call<M>, Error = Error, Future: Send, Response: Send> + Clone + Send + Sync + 'static,
        M: Send + 'static,
    {
        ServiceBuilder::new()
            .layer(self.metrics)
            .layer(self.spans)
            .layer(self.access_log)
            .layer(deadline)
            .layer(ReceiveLayer)
            .layer(self.rate_limit)
            .layer(self.recovery)
            .layer(self.fault)
            .service(handler)
    }

    /// Puts live settings in force.
    pub fn configure(&self, live: &UserInfoLive) {
        self.rate_limit.configure(live.rate_limiter.as_ref().and_then(settings::limit));
        self.fault.configure(live.fault_injection.as_ref().and_then(settings::faults));
        self.access_log.configure(live.log.access_lines_per_second);
    }
}
