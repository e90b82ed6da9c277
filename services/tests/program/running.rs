//! A running `user_info`, and calls to it.

use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustix::process::Signal;
use tempfile::TempDir;
use user_info_proto::user_info_client::UserInfoClient;
use user_info_testing::config::{self, IN_MEMORY};
use user_info_testing::http::{Answer, Http};
use user_info_testing::port::free_address;
use user_info_testing::process::Process;
use user_info_testing::wait::eventually;

/// A gRPC channel that leaves deadlines to the server; tonic's own would enforce them too.
pub(crate) type Channel = Client<HttpConnector, tonic::body::Body>;

/// A running `user_info`, killed when dropped. `admin` is where it serves the admin endpoints, if not at `http`.
pub(crate) struct UserInfo {
    program: Process,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    dir: TempDir,
}

impl UserInfo {
    /// Starts the program on free ports with the sample users in memory, `server` among its `server` settings, and `more` settings.
    pub(crate) async fn start(server: &str, more: &str) -> Self {
        Self::start_with(server, &format!("{IN_MEMORY}{more}")).await
    }

    /// The same with other stores, which `more` names.
    pub(crate) async fn start_with(server: &str, more: &str) -> Self {
        Self::launch(server, more, None).await
    }

    /// The same with the admin endpoints on a port of their own, and TLS on the others, which `tls` describes.
    pub(crate) async fn start_secure(tls: &str, server: &str) -> Self {
        let admin = free_address();
        Self::launch(&format!("admin: {{listen: '{admin}'}}, tls: {tls}, {server}"), IN_MEMORY, Some(admin)).await
    }

    /// The first with the admin endpoints on a port of their own.
    pub(crate) async fn start_split(server: &str, more: &str) -> Self {
        let admin = free_address();
        Self::launch(&format!("admin: {{listen: '{admin}'}}, {server}"), &format!("{IN_MEMORY}{more}"), Some(admin)).await
    }

    async fn launch(server: &str, more: &str, admin: Option<SocketAddr>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (config, [grpc, http]) = config::user_info(dir.path(), [127, 0, 0, 1], server, more);
        let mut program = Command::new(env!("CARGO_BIN_EXE_user_info"));
        let log = std::fs::File::create(dir.path().join("log")).expect("created");
        let program = program.arg("--config").arg(&config).arg("--stop-with-stdin").stdin(Stdio::piped()).stderr(log);
        let service = Self { program: Process::spawn(program), grpc, http, admin, dir };
        eventually("user_info serves", async || service.try_http("GET", "/healthz").await.is_some()).await;
        service
    }

    /// The answer over HTTP; none if nobody answers.
    pub(crate) async fn try_http(&self, method: &str, path: &str) -> Option<Answer> {
        let url = format!("http://{}{path}", self.admin.unwrap_or(self.http));
        Http::default().ask(method, &url, String::new()).await.ok()
    }

    /// Status and body of the answer.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.try_http("GET", path).await.expect("an answer");
        (answer.status, answer.body)
    }

    /// The value of one series of `/metrics`; 0 if there is none.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let (_, text) = self.get("/metrics").await;
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or_default()
    }

    /// Calls that ended with this code and reason.
    pub(crate) async fn counted(&self, kind: &str, code: &str, reason: &str) -> u64 {
        let labels = format!("code=\"{code}\",kind=\"{kind}\",operation=\"/api.user_info.UserInfo/GetUserInfo\",reason=\"{reason}\"");
        self.metric(&format!("bbs_user_info_server_requests_throughput{{{labels}}} ")).await
    }

    /// A connection of its own.
    pub(crate) fn channel() -> Channel {
        let mut connector = HttpConnector::new();
        // Head and message are written one after the other; the second would wait until the first is acknowledged.
        connector.set_nodelay(true);
        Client::builder(TokioExecutor::new()).http2_only(true).build(connector)
    }

    /// Where gRPC is served.
    pub(crate) fn origin(&self) -> http::Uri {
        format!("http://{}", self.grpc).parse().expect("a URL")
    }

    /// A caller.
    pub(crate) fn client(&self) -> UserInfoClient<Channel> {
        UserInfoClient::with_origin(Self::channel(), self.origin())
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8(std::fs::read(self.dir.path().join("log")).expect("readable")).expect("text")
    }

    /// Its arguments and its environment, as every user of the machine and its own one see them.
    pub(crate) fn process(&self) -> [String; 2] {
        ["cmdline", "environ"].map(|file| {
            let text = std::fs::read(format!("/proc/{}/{file}", self.program.id())).expect("it runs");
            String::from_utf8_lossy(&text).replace('\0', " ")
        })
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Ends its standard input.
    pub(crate) fn close_stdin(&mut self) {
        self.program.close_stdin();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.program.ended().await
    }
}

impl Drop for UserInfo {
    fn drop(&mut self) {
        self.program.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
