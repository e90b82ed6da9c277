//! From a connected socket to a user who is logged in.

use std::future::Future;
use std::pin::Pin;

use super::auth::{self, Method, Privacy};
use super::cursor::Cursor;
use super::error::Error;
use super::greeting::{self, Greeting, capability};
use super::packets::{Packets, Stream};

/// Who logs in.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Account<'a> {
    pub(in super::super) username: &'a str,
    pub(in super::super) password: &'a str,
    pub(in super::super) database: Option<&'a str>,
    /// Whether the stream is a socket of this machine, which nobody else reads.
    pub(in super::super) local: bool,
}

/// Makes a stream a TLS stream.
pub(in super::super) trait Handshake: Send + Sync {
    /// Shakes hands.
    fn handshake(&self, stream: Box<dyn Stream>) -> Upgraded<'_>;
    /// Whether a server passes for which the certificate does not vouch.
    fn trusts_anyone(&self) -> bool;
}

/// The outcome of a TLS handshake.
pub(in super::super) type Upgraded<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, Error>> + Send + 'a>>;

/// Whether TLS is used.
#[derive(Clone, Copy)]
pub(in super::super) enum Upgrade<'a> {
    Never,
    /// If the server has it.
    IfOffered(&'a dyn Handshake),
    Always(&'a dyn Handshake),
}

pub(super) async fn log_in(stream: Box<dyn Stream>, account: &Account<'_>, upgrade: Upgrade<'_>) -> Result<Packets, Error> {
    let mut packets = Packets::new(stream, 0);
    let greeting = Greeting::parse(packets.receive().await?)?;
    let offered = greeting.capabilities & capability::SSL != 0;
    let tls = match upgrade {
        Upgrade::Never => None,
        Upgrade::IfOffered(tls) => offered.then_some(tls),
        Upgrade::Always(_) if !offered => return Err(Error::NoTls),
        Upgrade::Always(tls) => Some(tls),
    };
    let capabilities = greeting.common(account.database.is_some(), tls.is_some());
    if let Some(tls) = tls {
        packets.send(|packet| greeting::write_request(packet, capabilities)).await?;
        let next = packets.next();
        packets = Packets::new(tls.handshake(packets.into_stream()?).await?, next);
    }
    let privacy = match tls {
        _ if account.local => Privacy::Trusted,
        None => Privacy::None,
        Some(tls) if tls.trusts_anyone() => Privacy::Encrypted,
        Some(_) => Privacy::Trusted,
    };
    authenticate(&mut packets, account, &greeting, capabilities, privacy).await?;
    Ok(packets)
}

async fn authenticate(
    packets: &mut Packets,
    account: &Account<'_>,
    greeting: &Greeting,
    capabilities: u32,
    privacy: Privacy,
) -> Result<(), Error> {
    // A server that thinks of a method unknown here asks for another one if the user has one.
    let mut method = Method::named(&greeting.method).unwrap_or(Method::Native);
    let proof = method.proof(account.password, &greeting.nonce, privacy)?;
    let write = |packet: &mut Vec<u8>| {
        greeting::write_login(packet, capabilities, account.username, &proof, account.database, method.name());
    };
    packets.send(write).await?;
    loop {
        let answer = match *packets.receive().await? {
            [0, ..] => return Ok(()),
            // Another method, with a nonce of its own.
            [0xfe, ref asked @ ..] => {
                let mut asked = Cursor(asked);
                let name = String::from_utf8_lossy(asked.until_zero());
                method = match Method::named(&name) {
                    Some(method) => method,
                    None if name.is_empty() => return Err(Error::Method("mysql_old_password".to_owned())),
                    None => return Err(Error::Method(name.into_owned())),
                };
                let nonce = asked.0.strip_suffix(&[0]).unwrap_or(asked.0);
                method.proof(account.password, nonce, privacy)?
            }
            // The server knows the password already.
            [1, 3] if method == Method::CachingSha2 => continue,
            // It does not, and has to see it once.
            [1, 4] if method == Method::CachingSha2 => auth::itself(account.password, privacy)?,
            _ => return Err(Error::Protocol("the server answers something else to the login")),
        };
        packets.send(|packet| packet.extend_from_slice(&answer)).await?;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

    /// What a server says first that thinks of `method`.
    fn greeting(method: &str) -> Vec<u8> {
        let capabilities = !capability::SSL;
        let [a, b, c, d] = capabilities.to_le_bytes();
        let nonce = (&NONCE[..8], &NONCE[8..]);
        [b"\x0a8.4.0\0\x01\0\0\0", nonce.0, &[0, a, b, 255, 2, 0, c, d, 21], &[0; 10], nonce.1, &[0], method.as_bytes(), &[0]].concat()
    }

    async fn send(server: &mut DuplexStream, number: u8, packet: &[u8]) {
        server.write_all(&[&[u8::try_from(packet.len()).expect("short"), 0, 0, number], packet].concat()).await.expect("read");
    }

    async fn receive(server: &mut DuplexStream) -> Vec<u8> {
        let mut header = [0; 4];
        server.read_exact(&mut header).await.expect("a packet");
        let mut packet = vec![0; usize::from(header[0])];
        server.read_exact(&mut packet).await.expect("a packet");
        packet
    }

    /// Logs in at a server that answers with these packets; what the client sent after its introduction, and the outcome.
    async fn against(method: &str, local: bool, answers: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), String>) {
        let (mut server, client) = tokio::io::duplex(4096);
        let account = Account { username: "reader", password: "secret", database: Some("demo_a"), local };
        let client = async move { log_in(Box::new(client), &account, Upgrade::Never).await.map(drop).map_err(|error| error.to_string()) };
        let server = async move {
            send(&mut server, 0, &greeting(method)).await;
            let login = receive(&mut server).await;
            assert_eq!(&login[32..39], b"reader\0");
            let mut sent = Vec::new();
            let mut number = 2;
            for (place, answer) in answers.iter().enumerate() {
                send(&mut server, number, answer).await;
                number += 1;
                let silent = matches!(**answer, [0, ..] | [1, 3]) || place + 1 == answers.len();
                if !silent {
                    sent.push(receive(&mut server).await);
                    number += 1;
                }
            }
            sent
        };
        tokio::join!(server, client)
    }

    const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

    #[tokio::test]
    async fn a_password_that_the_server_remembers_is_proved() {
        assert_eq!(against("caching_sha2_password", false, &[&[1, 3], OK]).await, (Vec::new(), Ok(())));
    }

    #[tokio::test]
    async fn a_password_that_the_server_has_to_see_is_sent_where_nobody_listens() {
        let (_, refused) = against("caching_sha2_password", false, &[&[1, 4]]).await;
        assert_eq!(refused, Err("the server asks for the password over TLS".to_owned()));
        assert_eq!(against("caching_sha2_password", true, &[&[1, 4], OK]).await, (vec![b"secret\0".to_vec()], Ok(())));
    }

    #[tokio::test]
    async fn another_method_is_taken_if_it_is_known() {
        let asked = [b"\xfemysql_native_password\0", &NONCE[..], &[0]].concat();
        let (sent, outcome) = against("caching_sha2_password", false, &[&asked, OK]).await;
        assert_eq!((sent[0].len(), outcome), (20, Ok(())));
        let (_, refused) = against("mysql_native_password", false, &[b"\xfeclient_ed25519\0abc"]).await;
        assert_eq!(refused, Err("the server authenticates the user by client_ed25519, which is not supported".to_owned()));
        let (_, refused) = against("mysql_native_password", false, &[b"\xfe"]).await;
        assert_eq!(refused, Err("the server authenticates the user by mysql_old_password, which is not supported".to_owned()));
        let (_, refused) = against("mysql_native_password", false, &[b"\xfemysql_clear_password\0"]).await;
        assert_eq!(refused, Err("the server asks for the password in clear text".to_owned()));
    }
}
