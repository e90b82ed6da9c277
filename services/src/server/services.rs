//! What a worker serves: made on its own thread, of what all workers share.

use std::sync::Arc;

use axum::Router;
use tokio::sync::watch;
use tonic::service::Routes;
use user_info_api::config::UserInfoConfig;
use user_info_layers::middleware::deadline::DeadlineLayer;
use user_info_layers::ticker::Ticker;

use super::capacity::Capacity;
use super::connection::{GrpcService, Http2};
use super::stack::ServerStack;
use super::{grpc, handler, http};
use crate::data::{ConnectError, Data, DataMetrics};
use crate::process::admin;
use crate::tls::TlsAcceptor;

/// What a worker serves.
#[derive(Debug, Clone)]
pub(super) struct Services<G> {
    /// gRPC.
    pub grpc: G,
    /// HTTP; with the admin endpoints, unless they have a listener of their own.
    pub http: Router,
    /// The same for callers of HTTP/2.
    pub http_by_http2: Router,
    /// The admin endpoints alone.
    pub admin: Router,
    /// Shakes hands with callers of gRPC and HTTP; none if they speak plaintext.
    pub tls: Option<Arc<TlsAcceptor>>,
    /// How HTTP/2 is served.
    pub http2: Http2,
}

/// What all workers share.
#[derive(Debug, Clone)]
pub(super) struct Common {
    /// The settings.
    pub config: Arc<UserInfoConfig>,
    /// The layers.
    pub stack: ServerStack,
    /// What is counted of the stores, which the first worker opens.
    pub data_metrics: DataMetrics,
    /// What the calls of all workers may hold.
    pub capacity: Capacity,
    /// The admin endpoints.
    pub admin: Router,
    /// Health and reflection.
    pub health_and_reflection: Routes,
    /// Turns true when no new call is taken.
    pub stopping: watch::Receiver<bool>,
    /// The certificates.
    pub tls: Option<Arc<TlsAcceptor>>,
    /// The advertised gRPC address, in whose name calls are answered.
    pub ip_addr: Arc<str>,
}

/// Which worker it is.
#[derive(Debug)]
pub(super) enum Place {
    /// The first of so many, which opens the stores.
    First { workers: usize },
    /// The one of this number, which joins in.
    Further { index: usize, stores: Data },
}

impl Common {
    /// What the worker at `place` serves, and its stores; on the current runtime, which is the worker's.
    ///
    /// # Errors
    /// If a store refuses what the configuration says of it.
    pub(super) async fn services(self, place: Place) -> Result<(Services<impl GrpcService>, Data), ConnectError> {
        let Self { config, stack, data_metrics, capacity, admin, health_and_reflection, stopping, tls, ip_addr } = self;
        let ticker = Ticker::default();
        tokio::spawn(ticker.clone().run());
        let data = match place {
            Place::First { workers } => Data::open_for(workers, &config.users, &config.views, &data_metrics).await?,
            Place::Further { index, stores } => stores.join(index),
        };
        let timeout = config.server.timeout.get();
        let recorded = stack.spans.records();
        let stack = stack.service(DeadlineLayer::new(ticker.clone(), timeout), handler(data.clone(), ip_addr));
        let beside = if config.server.admin.is_none() { admin.clone() } else { Router::new() };
        let http = http::router(stack.clone(), recorded, capacity.clone(), beside);
        let others = grpc::HealthAndReflection::new(health_and_reflection, capacity.clone(), ticker.clone(), timeout, stopping);
        let services = Services {
            http_by_http2: http::bounded(http.clone(), capacity.clone()),
            http,
            grpc: grpc::Dispatch::new(grpc::Grpc::new(stack, capacity.clone()), others),
            admin: admin::json_errors(admin),
            tls,
            http2: Http2 { max_concurrent_streams: config.server.max_concurrent_streams, capacity, ticker },
        };
        Ok((services, data))
    }
}
