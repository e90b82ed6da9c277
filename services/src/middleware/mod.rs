//! The server's middlewares, outermost first, on one screen; a file each.
//!
//! The client's stack stands in [`crate::client::stack`].

pub mod access_log;
pub mod breaker;
pub mod deadline;
pub mod fault;
pub mod guard;
pub mod metrics;
pub mod rate_limit;
pub mod receive;
pub mod recovery;
pub mod spans;
pub mod trace;

use tower::{Service, ServiceBuilder};
use user_info_api::config::UserInfoLive;

use self::receive::{Arriving, ReceiveLayer};
use crate::{Call, Error};

/// The server's middlewares. Their state is shared by all workers, but for the deadline's ticker, which each worker has of its own.
#[derive(Debug, Clone)]
pub struct ServerLayers {
    /// Counts and times every call, refused ones included.
    pub metrics: metrics::MetricsLayer,
    /// Records calls as spans, where a collector is named.
    pub spans: spans::SpanLayer,
    /// Writes a sample of the calls to the log.
    pub access_log: access_log::AccessLogLayer,
    /// Ends calls that take too long.
    pub deadline: deadline::DeadlineLayer,
    /// Refuses calls beyond the rate.
    pub rate_limit: rate_limit::RateLimitLayer,
    /// Turns a panic into 500 UNKNOWN. Inside the limiter, which must see the call end.
    pub recovery: recovery::RecoveryLayer,
    /// Injects faults. Innermost: a fault looks like the handler's own.
    pub fault: fault::FaultLayer,
}

impl ServerLayers {
    /// Puts the middlewares around `handler`. Those outside of [`ReceiveLayer`] see a call from its head on, those inside once its message is here.
    pub fn wrap<M, S>(
        self,
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
            .layer(self.deadline)
            .layer(ReceiveLayer)
            .layer(self.rate_limit)
            .layer(self.recovery)
            .layer(self.fault)
            .service(handler)
    }

    /// Puts live settings in force.
    pub fn apply(&self, live: &UserInfoLive) {
        self.rate_limit.set(live.rate_limiter.as_ref());
        self.fault.set(live.fault_injection.as_ref());
        self.access_log.set(live.log.access_lines_per_second);
        crate::telemetry::set_level(live.log.level);
    }
}
