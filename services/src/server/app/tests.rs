use tokio::task::JoinHandle;
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
async fn certificates_that_cannot_be_read_take_no_port() {
    let config = config(", tls: {certFile: /nowhere/tls.crt, keyFile: /nowhere/tls.key}");
    let listen = |_: &Server| panic!("asked for listeners");
    let error = run(listen, config, None, std::future::pending()).await.expect_err("no certificate");
    assert!(matches!(error, StartError::Tls(_)), "{error}");
}
