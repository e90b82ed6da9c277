//! The layers in front of another tonic service, gRPC's health: counted, a hundred calls a second, safe from panics.

use prometheus::Registry;
use tonic::{Request, Response, Status, transport::Server};
use tonic_health::pb::{HealthCheckRequest as Ask, HealthCheckResponse as Answer, health_server};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use user_info_layers::middleware::{metrics::*, rate_limit::*, recovery::RecoveryLayer};
use user_info_layers::{Call, Error};

const CHECK: &str = "/grpc.health.v1.Health/Check";

struct Health(BoxCloneSyncService<Call<Ask>, Answer, Error>);

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = tokio_stream::Empty<Result<Answer, Status>>;
    async fn check(&self, request: Request<Ask>) -> Result<Response<Answer>, Status> {
        Ok(self.0.clone().oneshot(Call::from_grpc(CHECK, request)).await.map(Response::new)?)
    }
    async fn watch(&self, _: Request<Ask>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (registry, address) = (Registry::new(), std::env::args().nth(1).unwrap_or("127.0.0.1:50051".to_owned()));
    let limit = RateLimitLayer::new(&registry, "health", Default::default())?;
    limit.configure(Some(TokenBucket { requests_per_second: 100, ..TokenBucket::default() }.into()));
    let stack = ServiceBuilder::new()
        .layer(MetricsLayer::new(CallMetrics::new(&registry, "health", &[CHECK])?.into()))
        .layer(limit)
        .layer(RecoveryLayer::new(&registry, "health")?)
        .service_fn(async |_: Call<Ask>| Ok(Answer { status: 1 }));
    let health = health_server::HealthServer::new(Health(BoxCloneSyncService::new(stack)));
    Ok(Server::builder().add_service(health).serve(address.parse()?).await?)
}
