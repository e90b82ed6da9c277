//! `mode: External`: the system on a MariaDB, a Redis and a Consul of somebody else's.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use user_info_testing::consul::Consul;
use user_info_testing::http::{get, get_json};
use user_info_testing::mariadb::Mariadb;
use user_info_testing::program::built;
use user_info_testing::redis::Redis;
use user_info_testing::system::{System, resource};

use crate::demo::reply;

const USERS_PASSWORD: &str = "it is a secret";
const VIEWS_PASSWORD: &str = "another one";

/// Servers that want passwords, and a folder with those under `secrets/`.
struct Servers {
    mariadb: Mariadb,
    redis: Redis,
    dir: TempDir,
}

impl Servers {
    async fn start() -> Self {
        let (mariadb, redis) = tokio::join!(Mariadb::start(), Redis::start_with_password(Some(VIEWS_PASSWORD)));
        mariadb.execute(&format!("CREATE USER bbs@'%' IDENTIFIED BY '{USERS_PASSWORD}'")).await;
        mariadb.execute("GRANT ALL ON demo_a.* TO bbs@'%'").await;
        let dir = tempfile::tempdir().expect("a folder");
        put_secret(dir.path(), "users", USERS_PASSWORD);
        put_secret(dir.path(), "views", VIEWS_PASSWORD);
        Self { mariadb, redis, dir }
    }

    /// How the spec names the servers.
    fn data(&self) -> String {
        let (users, views) = (self.mariadb.config().address, self.redis.config().address);
        format!(
            "  data:\n    mysql: {{mode: External, address: '{users}', username: bbs, secretRef: {{name: users}}}}\n    \
             redis: {{mode: External, address: '{views}', secretRef: {{name: views}}}}"
        )
    }

    /// What a person does once with a new database.
    fn migrate_and_seed(&self) {
        let (users, views) = (self.mariadb.config().address, self.redis.config().address);
        let config = self.dir.path().join("person.yaml");
        let text = format!(
            "users: {{mysql: {{address: '{users}', username: bbs, passwordFile: secrets/users/password}}}}\n\
             views: {{redis: {{address: '{views}', passwordFile: secrets/views/password}}}}\n"
        );
        std::fs::write(&config, text).expect("written");
        for command in ["migrate", "seed"] {
            let mut program = Command::new(built("user_info"));
            let done = program.arg(command).arg("--config").arg(&config).current_dir(self.dir.path()).output().expect("it starts");
            assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }
}

fn put_secret(dir: &Path, name: &str, password: &str) {
    let secret = dir.join("secrets").join(name);
    std::fs::create_dir_all(&secret).expect("made");
    std::fs::write(secret.join("password"), format!("{password}\n")).expect("written");
}

#[tokio::test]
async fn runs_on_a_real_mariadb_redis_and_consul() {
    let servers = Servers::start().await;
    servers.migrate_and_seed();
    let consul = Consul::start().await;
    let agent: SocketAddr = consul.address.parse().expect("an address");

    let registry = format!("  addons: {{consul: {{mode: External, external: {{address: '{agent}'}}}}}}");
    let spec = format!("  replicas: 2\n  client: {{requestsPerSecond: 200, concurrency: 4}}\n{registry}\n{}", servers.data());
    let mut system =
        System::start_in(tempfile::tempdir_in(servers.dir.path()).expect("a folder"), &spec, &["--secrets", "../secrets"]).await;
    system.until_called(100.0).await;
    for instance in system.instances() {
        let address = instance.grpc.expect("an instance").to_string();
        assert_eq!(get(instance.http, "/user_info/1").await, (200, reply(&address)));
    }

    // Views change where they are kept, and nowhere else.
    servers.redis.execute(&["SET", "U:1:VISITS", "10087"]).await;
    servers.mariadb.execute("UPDATE demo_a.user_info SET name = 'walnut' WHERE id = 1").await;
    let (_, text) = get(system.instances()[0].http, "/user_info/1").await;
    assert!(text.contains(r#""name":"walnut""#) && text.contains(r#""visits":"10087""#), "{text}");

    let services = get_json(agent, "/v1/agent/services").await;
    for instance in system.instances() {
        registered_as_kratos_does(&services, &instance.name, instance.grpc.expect("an instance"), instance.http);
    }
    let checks = get_json(agent, "/v1/agent/checks").await;
    let of_one = checks.as_object().expect("checks").values().filter(|c| c["ServiceID"] == "system-user_info-1");
    let mut of_one: Vec<_> = of_one.map(|c| (c["Type"].as_str().expect("text"), c["Status"].as_str().expect("text"))).collect();
    of_one.sort_unstable();
    assert_eq!(of_one, [("tcp", "passing"), ("tcp", "passing"), ("ttl", "passing")]);
    assert_eq!(services["system-user_client"]["Service"], "bbs.user.client");
    assert!(system.row("registry").note.contains(&format!("not used: Consul is at {agent}")), "{:?}", system.row("registry"));

    let calls = system.calls().await;
    assert_eq!(calls.other_than(&["0"]), 0.0, "{calls:?}");
    system.signal(Signal::INT);
    assert_eq!(system.ended().await.code(), Some(0));
    assert_eq!(get_json(agent, "/v1/agent/services").await, json!({}), "they leave the registry");
}

/// The registration that Go-Kratos clients read.
fn registered_as_kratos_does(services: &Value, name: &str, grpc: SocketAddr, http: SocketAddr) {
    let entry = &services[&format!("system-{name}")];
    assert_eq!((&entry["Service"], &entry["Tags"]), (&"bbs.user.info".into(), &json!(["version="])));
    assert_eq!((&entry["Address"], &entry["Port"]), (&"127.0.0.1".into(), &grpc.port().into()));
    assert_eq!(entry["Meta"], json!({"weight": "100", "http_port": http.port().to_string()}));
    let addresses = &entry["TaggedAddresses"];
    assert_eq!(addresses["grpc"], json!({"Address": format!("grpc://{grpc}"), "Port": grpc.port()}));
    assert_eq!(addresses["http"], json!({"Address": format!("http://{http}"), "Port": http.port()}));
}

#[tokio::test]
async fn a_refused_password_and_a_table_that_is_missing_are_said_until_they_are_mended() {
    let servers = Servers::start().await;
    put_secret(servers.dir.path(), "users", "wrong");
    let spec = |weight: u32| format!("  replicas: 1\n  server: {{weights: [{weight}]}}\n  client: {{enabled: false}}\n{}", servers.data());
    let dir = tempfile::tempdir_in(servers.dir.path()).expect("a folder");
    let mut system = System::launch(dir, &resource(&spec(1)), &["--secrets", "../secrets"]);

    let message = system.message("ended").await;
    assert!(message.starts_with("user_info-1 ended (exit status: 64: user_info: mysql "), "{message}");
    assert!(message.contains("check users.mysql.username and the password file"), "{message}");
    assert!(message.ends_with("waits for a change of the spec"), "{message}");

    put_secret(servers.dir.path(), "users", USERS_PASSWORD);
    system.save(&spec(2));
    let message = system.message("ended").await;
    assert!(message.contains("run `user_info migrate`"), "{message}");

    servers.migrate_and_seed();
    system.save(&spec(3));
    system.ready().await;
    assert_eq!(get(system.row("user_info-1").http, "/user_info/1").await.0, 200);
}
