//! How server and client introduce themselves.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>

use super::cursor::Cursor;
use super::error::Error;

/// What both sides can do, a bit each.
pub(super) mod capability {
    pub(in super::super) const LONG_PASSWORD: u32 = 1;
    pub(in super::super) const LONG_FLAG: u32 = 1 << 2;
    pub(in super::super) const CONNECT_WITH_DB: u32 = 1 << 3;
    pub(in super::super) const PROTOCOL_41: u32 = 1 << 9;
    pub(in super::super) const SSL: u32 = 1 << 11;
    pub(in super::super) const TRANSACTIONS: u32 = 1 << 13;
    pub(in super::super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(in super::super) const MULTI_STATEMENTS: u32 = 1 << 16;
    pub(in super::super) const MULTI_RESULTS: u32 = 1 << 17;
    pub(in super::super) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(in super::super) const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
}
use capability::*;

/// What is asked for where the server has it. What is not among them, such as results without an end-of-columns packet, needs to be understood
/// by neither side.
const WANTED: u32 =
    LONG_PASSWORD | LONG_FLAG | TRANSACTIONS | SECURE_CONNECTION | MULTI_STATEMENTS | MULTI_RESULTS | PLUGIN_AUTH | PLUGIN_AUTH_LENENC;

/// `utf8mb4_general_ci`, which servers know since 5.5.
const CHARSET: u8 = 45;
/// Longest packet that is taken.
const MAX_PACKET: u32 = 1 << 24;

/// What the server says first.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) capabilities: u32,
    /// Twenty bytes that the proof of the password depends on.
    pub(super) nonce: Vec<u8>,
    /// The method of authentication that the server thinks of.
    pub(super) method: String,
}

impl Greeting {
    pub(super) fn parse(packet: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor(packet);
        if cursor.u8()? != 10 {
            return Err(Error::Protocol("what answers is no MySQL server of version 4.1 or later"));
        }
        let _version = cursor.until_zero();
        let _connection = cursor.u32()?;
        let mut nonce = cursor.bytes(8)?.to_vec();
        cursor.u8()?;
        let low = cursor.u16()?;
        if cursor.0.is_empty() {
            return Ok(Self { capabilities: low.into(), nonce, method: String::new() });
        }
        let _charset_and_status = cursor.bytes(3)?;
        let capabilities = u32::from(low) | (u32::from(cursor.u16()?) << 16);
        let length = usize::from(cursor.u8()?);
        cursor.bytes(10)?;
        if capabilities & SECURE_CONNECTION != 0 {
            // The last byte is a zero.
            let rest = cursor.bytes(length.saturating_sub(8).max(13))?;
            nonce.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
        }
        let method = if capabilities & PLUGIN_AUTH == 0 { &[] } else { cursor.until_zero() };
        Ok(Self { capabilities, nonce, method: String::from_utf8_lossy(method).into_owned() })
    }

    /// What both sides can do and the client wants.
    pub(super) const fn common(&self, database: bool, tls: bool) -> u32 {
        let mut wanted = WANTED;
        if database {
            wanted |= CONNECT_WITH_DB;
        }
        if tls {
            wanted |= SSL;
        }
        (wanted & self.capabilities) | PROTOCOL_41
    }
}

/// What the client asks for before the TLS handshake, and begins its introduction with.
pub(super) fn write_request(packet: &mut Vec<u8>, capabilities: u32) {
    packet.extend_from_slice(&capabilities.to_le_bytes());
    packet.extend_from_slice(&MAX_PACKET.to_le_bytes());
    packet.push(CHARSET);
    packet.extend_from_slice(&[0; 23]);
}

/// Who the client is, and its proof of the password by `method`.
pub(super) fn write_login(packet: &mut Vec<u8>, capabilities: u32, username: &str, proof: &[u8], database: Option<&str>, method: &str) {
    write_request(packet, capabilities);
    packet.extend_from_slice(username.as_bytes());
    packet.push(0);
    // A proof has 32 bytes at most, so both ways to write its length are the same.
    packet.push(u8::try_from(proof.len()).unwrap_or(0));
    packet.extend_from_slice(proof);
    if let Some(database) = database.filter(|_| capabilities & CONNECT_WITH_DB != 0) {
        packet.extend_from_slice(database.as_bytes());
        packet.push(0);
    }
    if capabilities & PLUGIN_AUTH != 0 {
        packet.extend_from_slice(method.as_bytes());
        packet.push(0);
    }
}
