use futures_util::{StreamExt, stream};
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use user_info_proto::GetUserInfoRequest;
use user_info_proto::user_info_client::UserInfoClient;

use super::*;
use crate::config::parse;

const LIMIT: Duration = Duration::from_secs(20);

fn config(server: &str) -> UserInfoConfig {
    let listeners = "grpc: {listen: '127.0.0.1:0'}, http: {listen: '127.0.0.1:0'}, workers: 1, drainDelay: 0s";
    let text = format!("users: {{memory: true}}\nviews: {{memory: true}}\nserver: {{{listeners}{server}}}\n");
    parse(Path::new("user_info.yaml"), &text).expect("valid")
}

/// Runs the service on `listeners` until told to stop.
fn start(config: UserInfoConfig, listeners: Listeners) -> (oneshot::Sender<()>, JoinHandle<Result<(), StartError>>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let told = async {
        let _ = stopped.await;
        "the test"
    };
    (stop, tokio::spawn(run(move |_: &Server| Ok(listeners), config, None, told)))
}

#[tokio::test]
async fn serves_on_what_is_bound_already_and_stops_when_told() {
    let config = config("");
    let listeners = Listeners::bind(&config.server).expect("free ports");
    let address = listeners.grpc.local_addr().expect("bound");
    let (stop, running) = start(config, listeners);
    let call = async {
        let mut client = UserInfoClient::connect(format!("http://{address}")).await.expect("it listens already");
        client.get_user_info(GetUserInfoRequest { user_id: 1 }).await.expect("a sample user").into_inner()
    };
    let reply = timeout(LIMIT, call).await.expect("in time");
    assert_eq!((reply.user.expect("found").user_id, reply.ip_addr), (1, address.to_string()));
    stop.send(()).expect("it runs");
    timeout(LIMIT, running).await.expect("in time").expect("no panic").expect("it had started");
}

#[tokio::test]
async fn p10_those_who_watch_and_reflect_are_told_and_do_not_hold_the_stop() {
    let config = config(", shutdownTimeout: 600s");
    let listeners = Listeners::bind(&config.server).expect("free ports");
    let address = format!("http://{}", listeners.grpc.local_addr().expect("bound"));
    let (stop, running) = start(config, listeners);
    let conversation = async {
        let channel = Endpoint::from_shared(address).expect("an address").connect().await.expect("it listens already");
        let mut health = HealthClient::new(channel.clone());
        let mut watches = Vec::new();
        for service in ["", HEALTH] {
            let mut watch = health.watch(HealthCheckRequest { service: service.into() }).await.expect("known").into_inner();
            let first = watch.message().await.expect("no error").expect("a first message");
            assert_eq!(first.status(), ServingStatus::Serving, "{service}");
            watches.push(watch);
        }
        let mut reflection = ServerReflectionClient::new(channel);
        let question = ServerReflectionRequest { host: String::new(), message_request: Some(MessageRequest::ListServices(String::new())) };
        let asks_on = stream::iter([question]).chain(stream::pending());
        let mut answers = reflection.server_reflection_info(asks_on).await.expect("known").into_inner();
        answers.message().await.expect("no error").expect("the services");

        stop.send(()).expect("it runs");
        for watch in &mut watches {
            let last = watch.message().await.expect("no error").expect("one more message");
            assert_eq!(last.status(), ServingStatus::NotServing);
            assert_eq!(watch.message().await.expect("no error"), None);
        }
        assert_eq!(answers.message().await.expect("no error"), None);
        // They may keep their connections.
        running.await
    };
    timeout(LIMIT, conversation).await.expect("in time").expect("no panic").expect("it had started");
}

#[tokio::test]
async fn certificates_that_cannot_be_read_take_no_port() {
    let config = config(", tls: {certFile: /nowhere/tls.crt, keyFile: /nowhere/tls.key}");
    let listen = |_: &Server| panic!("asked for listeners");
    let error = run(listen, config, None, std::future::pending()).await.expect_err("no certificate");
    assert!(matches!(error, StartError::Tls(_)), "{error}");
}
