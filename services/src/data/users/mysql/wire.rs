//! The part of MySQL's protocol that a reader and a migration need.
//!
//! A client of our own, for what the general ones leave out: a server name other than the host, authorities of one's own without the public
//! ones beside them, words for certificates, a socket that somebody else connected, and statements without preparation. It asks for none of the
//! protocol's options, so that all servers and proxies understand it, and copies nothing of a row but its text.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>

mod auth;
mod cursor;
mod error;
mod greeting;
mod login;
mod packets;
mod rows;

use rows::{Format, Rows};

use self::cursor::Cursor;
pub(in crate::data) use self::error::Error;
pub(super) use self::login::{Account, Handshake, Upgrade, Upgraded};
use self::packets::Packets;
pub(in crate::data) use self::packets::Stream;
pub(super) use self::rows::{Cell, Row};

/// What commands begin with.
mod command {
    pub(super) const QUIT: u8 = 0x01;
    pub(super) const QUERY: u8 = 0x03;
    pub(super) const PREPARE: u8 = 0x16;
    pub(super) const EXECUTE: u8 = 0x17;
}

/// A user is logged in.
#[derive(Debug)]
pub(in crate::data) struct Session {
    packets: Packets,
    rows: Rows,
}

/// A statement that the server has prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prepared(u32);

/// What statements did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::data) struct Done {
    /// Rows that they changed.
    pub(in crate::data) changed: u64,
    /// Rows that they gave; NULL is none.
    pub(in crate::data) rows: Vec<Vec<Option<Vec<u8>>>>,
}

impl Session {
    /// Logs `account` in over `stream`.
    pub(super) async fn open(stream: Box<dyn Stream>, account: &Account<'_>, upgrade: Upgrade<'_>) -> Result<Self, Error> {
        let packets = login::log_in(stream, account, upgrade).await?;
        let mut session = Self { packets, rows: Rows::default() };
        // Servers may be set to ignore what the login says.
        session.run("SET NAMES utf8mb4").await?;
        Ok(session)
    }

    /// Runs statements, and gives all that they give.
    pub(in crate::data) async fn run(&mut self, statements: &str) -> Result<Done, Error> {
        let mut done = Done::default();
        self.begin_query(statements).await?;
        loop {
            let each = |mut row: Row<'_>| {
                let cells = (0..row.len()).map(|_| row.cell().map(|cell| cell.bytes().map(<[u8]>::to_vec)));
                done.rows.push(cells.collect::<Result<_, _>>()?);
                Ok(())
            };
            let end = self.rows.read(&mut self.packets, Format::Text, each).await?;
            done.changed += end.changed;
            if !end.more {
                return Ok(done);
            }
        }
    }

    /// Runs one statement as it is, and gives each row to `each`.
    pub(super) async fn query(&mut self, statement: &str, each: impl FnMut(Row<'_>) -> Result<(), Error>) -> Result<(), Error> {
        self.begin_query(statement).await?;
        self.only_result(Format::Text, each).await
    }

    async fn begin_query(&mut self, statements: &str) -> Result<(), Error> {
        self.packets
            .begin(|packet| {
                packet.push(command::QUERY);
                packet.extend_from_slice(statements.as_bytes());
            })
            .await
    }

    /// Has the server prepare a statement.
    pub(super) async fn prepare(&mut self, statement: &str) -> Result<Prepared, Error> {
        self.packets
            .begin(|packet| {
                packet.push(command::PREPARE);
                packet.extend_from_slice(statement.as_bytes());
            })
            .await?;
        let mut cursor = Cursor(self.packets.receive().await?);
        if cursor.u8()? != 0 {
            return Err(Error::Protocol("the server answers something else when a statement is prepared"));
        }
        let (id, columns, parameters) = (cursor.u32()?, cursor.u16()?, cursor.u16()?);
        for described in [parameters, columns] {
            // Each described, and a packet that ends them.
            let packets = if described == 0 { 0 } else { usize::from(described) + 1 };
            for _ in 0..packets {
                self.packets.receive().await?;
            }
        }
        Ok(Prepared(id))
    }

    /// Runs a statement that is prepared, with as many numbers as it has placeholders, and gives each row to `each`.
    pub(super) async fn execute(
        &mut self,
        statement: Prepared,
        numbers: impl ExactSizeIterator<Item = i64>,
        each: impl FnMut(Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.packets
            .begin(|packet| {
                packet.push(command::EXECUTE);
                packet.extend_from_slice(&statement.0.to_le_bytes());
                // No cursor, run once.
                packet.extend_from_slice(&[0, 1, 0, 0, 0]);
                let count = numbers.len();
                // None is NULL, and the types follow.
                packet.resize(packet.len() + count.div_ceil(8), 0);
                packet.push(1);
                for _ in 0..count {
                    packet.extend_from_slice(&[rows::kind::LONGLONG, 0]);
                }
                for number in numbers {
                    packet.extend_from_slice(&number.to_le_bytes());
                }
            })
            .await?;
        self.only_result(Format::Binary, each).await
    }

    async fn only_result(&mut self, format: Format, each: impl FnMut(Row<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let end = self.rows.read(&mut self.packets, format, each).await?;
        if end.more { Err(Error::Protocol("one statement has several results")) } else { Ok(()) }
    }

    /// Takes leave, so that the server does not count the connection as broken.
    pub(in crate::data) async fn close(mut self) {
        // It is closed either way.
        let _ = self.packets.begin(|packet| packet.push(command::QUIT)).await;
    }
}

/// `text` as a literal, whatever the server takes for quotes and escapes.
pub(in crate::data) fn literal(text: &[u8]) -> String {
    use std::fmt::Write;
    let mut literal = String::from("x'");
    for byte in text {
        // Writing into memory does not fail.
        let _ = write!(literal, "{byte:02x}");
    }
    literal.push('\'');
    literal
}
