//! A proxy before MariaDB that knows no prepared statements, as some have none. What it does not refuse it passes on.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use user_info_api::config::MySql;
use user_info_services::data::{PageViews, migrate, seed};
use user_info_testing::mariadb::Mariadb;

use super::{mysql, seeded_mariadb};
use crate::{hutao, in_memory, name, open};

const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;

/// What becomes of prepared statements.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// The statement is refused, with the words of MySQL.
    Unsupported,
    /// The connection is closed.
    Closed,
    /// The statement is prepared, and forgotten.
    Forgotten,
}

/// Starts one before `server`, and says how to reach it.
pub(super) async fn relay(server: &Mariadb, refusal: Refusal) -> MySql {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let config = MySql { address: listener.local_addr().expect("bound").to_string(), ..server.config() };
    let upstream = server.config().address;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let upstream = upstream.clone();
            tokio::spawn(async move { pass(client, &upstream, refusal).await });
        }
    });
    config
}

async fn pass(client: TcpStream, upstream: &str, refusal: Refusal) -> io::Result<()> {
    let (mut from_client, to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(upstream).await?.into_split();
    let to_client = Arc::new(Mutex::new(to_client));
    let back = to_client.clone();
    tokio::spawn(async move {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
            if back.lock().await.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
    });
    loop {
        let mut packet = vec![0; 4];
        from_client.read_exact(&mut packet).await?;
        let length = usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
        let is_command = packet[3] == 0;
        packet.resize(4 + length, 0);
        from_client.read_exact(&mut packet[4..]).await?;
        match (refusal, packet[4]) {
            (Refusal::Unsupported, PREPARE) if is_command => {
                refuse(&to_client, 1295, "This command is not supported in the prepared statement protocol yet").await?;
            }
            (Refusal::Closed, PREPARE) if is_command => return to_client.lock().await.shutdown().await,
            (Refusal::Forgotten, EXECUTE) if is_command => {
                refuse(&to_client, 1243, "Unknown prepared statement handler (1) given to mysqld_stmt_execute").await?;
            }
            _ => to_server.write_all(&packet).await?,
        }
    }
}

async fn refuse(client: &Mutex<OwnedWriteHalf>, number: u16, message: &str) -> io::Result<()> {
    let payload = [&[0xff], &number.to_le_bytes()[..], b"#HY000", message.as_bytes()].concat();
    let length = u8::try_from(payload.len()).expect("short");
    client.lock().await.write_all(&[&[length, 0, 0, 1], &payload[..]].concat()).await
}

#[tokio::test]
async fn mysql_without_prepared_statements_is_read() {
    let (server, _) = seeded_mariadb().await;
    let views = in_memory().1;
    for refusal in [Refusal::Unsupported, Refusal::Closed, Refusal::Forgotten] {
        let data = open(&mysql(relay(&server, refusal).await), &views).await.unwrap_or_else(|error| panic!("{refusal:?}: {error}"));
        assert_eq!(name(&data, 1).await, hutao(), "{refusal:?}");
        let found = futures_util::future::join_all((0..500).map(|i| data.get(i % 20))).await;
        let ids = found.into_iter().map(|found| found.expect("read").map_or(0, |(user, _)| user.id));
        assert!((0..).zip(ids).all(|(i, id)| id == if i % 20 <= 10 { i % 20 } else { 0 }), "{refusal:?}");
        assert_eq!(data.status()[0].last_error, None);
    }
}

#[tokio::test]
async fn mysql_without_prepared_statements_is_migrated_and_seeded() {
    let server = Mariadb::start().await;
    let (users, views) = (mysql(relay(&server, Refusal::Unsupported).await), in_memory().1);
    assert_eq!(migrate(&users).await.expect("migrated").applied.len(), 1);
    assert_eq!(seed(&users, &views, PageViews::Required).await.expect("seeded").users, 10);
    assert_eq!(name(&open(&users, &views).await.expect("open"), 10).await, Ok(Some("zoë".to_owned())));
}
